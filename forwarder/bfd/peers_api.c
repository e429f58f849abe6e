// SPDX-License-Identifier: Apache-2.0

// API_TYPE_BFD and API_TYPE_BFD_STATE.

#include <string.h>

#include "peer.h"
#include "peers.h"
#include "server.h"

static struct api_server *server;

static struct api_bfd_state state_of(const struct bfd_peer *p, uint64_t now_us)
{
	const struct bfd_session *s = &p->session;

	return (struct api_bfd_state){
		.vrf = p->api.vrf,
		.local = p->api.local,
		.remote = p->api.remote,
		.state = s->state,
		.remote_state = s->remote_state,
		.diag = s->diag,
		.remote_diag = s->remote_diag,
		.remote_multiplier = s->remote_multiplier,
		.remote_c_bit = s->remote_c_bit,
		.dormant = !p->awake,
		.discriminator = s->discr,
		.remote_discriminator = s->remote_discr,
		.tx_interval_us = p->awake ? bfd_session_tx_interval_us(s) : 0,
		.remote_min_rx_us = s->remote_min_rx_us,
		.remote_min_tx_us = s->remote_min_tx_us,
		.detection_us = (uint32_t)bfd_session_detection_us(s),
		.remote_detection_us = (uint32_t)bfd_session_remote_detection_us(s),
		.transitions = s->transitions,
		.state_us = now_us - s->state_at,
		.up_us = s->state == BFD_UP ? now_us - s->state_at : 0,
		.rx_packets = p->rx_packets,
		.tx_packets = p->tx_packets,
		.rx_dropped = p->rx_dropped,
	};
}

void bfd_state_tell(const struct bfd_peer *p, uint64_t now_us)
{
	struct api_bfd_state state = state_of(p, now_us);

	if (server)
		api_server_event(server, API_TYPE_BFD_STATE, &state, sizeof(state));
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	return bfd_peer_set(object, ret_error);
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	struct bfd_peer *p = bfd_peer_find(key);

	if (!p)
		return API_UNCHANGED;
	bfd_peer_free(p);
	return API_CHANGED;
}

// Both objects start with the same key.
static bool matches(const struct bfd_peer *p, const struct api_bfd *want)
{
	return !want || ((!want->vrf || want->vrf == p->api.vrf) &&
				(!want->local.family || ip_equal(&want->local, &p->api.local)) &&
				(!want->remote.family || ip_equal(&want->remote, &p->api.remote)));
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	uint64_t *cursor = api_emit_cursor(emit);
	size_t at = *cursor;
	struct bfd_peer *p;

	while ((p = bfd_peer_next(&at))) {
		int r = 0;

		*cursor = at;
		if (matches(p, filter))
			r = api_emit(emit, &p->api, sizeof(p->api));
		if (r < 0)
			return r;
	}
	return 0;
}

static int dump_state(void *ctx, const void *filter, struct api_emit *emit)
{
	uint64_t *cursor = api_emit_cursor(emit), now_us = bfd_now_us();
	size_t at = *cursor;
	struct bfd_peer *p;

	while ((p = bfd_peer_next(&at))) {
		struct api_bfd_state state = state_of(p, now_us);
		int r = 0;

		*cursor = at;
		if (matches(p, filter))
			r = api_emit(emit, &state, sizeof(state));
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_BFD,
		.size = sizeof(struct api_bfd),
		.min_size = sizeof(struct api_bfd),
		.key_size = BFD_KEY_SIZE,
		.name = "bfd session",
		.set = set,
		.del = del,
		.dump = dump},
	{.type = API_TYPE_BFD_STATE,
		.size = sizeof(struct api_bfd_state),
		.key_size = BFD_KEY_SIZE,
		.name = "bfd state",
		.dump = dump_state},
};

int bfd_serve(struct api_server *s)
{
	server = s;
	return api_server_add(s, handlers, sizeof(handlers) / sizeof(handlers[0]), NULL);
}
