// SPDX-License-Identifier: Apache-2.0
#include "bfd.h"

#include "speaker_impl.h"

// BFD for peers that ask for it (RFC 5882). The sessions are the forwarder's; here a peer whose BFD
// goes down after it was up is taken as unreachable. One that is dormant, or whose peer has
// switched it off, says nothing about the peer (3.2, 4.1).
//
// With graceful restart (4.3.2): the peer's C bit says that its BFD does not share the fate of its
// control plane. Then Down means that its forwarding is gone, and its routes go. Without it its
// speaker may just be restarting: the session ends without a word and its routes stay for the
// restart time.

static uint8_t known(const struct api_bfd_state *state)
{
	return state->dormant ? 0 : (uint8_t)(state->state + 1);
}

static const char *reason_of(const struct api_bfd_state *state)
{
	return state->diag == 3 ? "the peer says that its BFD session is down"
				: "no BFD packet within the detection time";
}

void speaker_on_bfd(struct speaker *s, const struct api_bfd_state *state)
{
	struct peer *p = speaker_find_peer(s, state->vrf, &state->local, &state->remote);
	uint8_t before;

	if (!p || !(p->cfg.flags & API_BGP_PEER_BFD) || p->bfd == known(state))
		return;
	before = p->bfd;
	p->bfd = known(state);
	if (before == API_BFD_UP + 1 && p->bfd == API_BFD_DOWN + 1 &&
		state->remote_state != API_BFD_ADMIN_DOWN)
		fsm_unreachable(&p->fsm, state->remote_c_bit, reason_of(state));
	job_schedule(&p->report);
}

void speaker_forget_bfd(struct speaker *s)
{
	struct peer *p;
	size_t at = 0;

	while ((p = speaker_next_peer(s, &at)))
		p->bfd = 0;
}
