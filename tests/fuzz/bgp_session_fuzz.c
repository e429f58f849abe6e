// SPDX-License-Identifier: Apache-2.0

// Whole sessions: two speakers of one process under a warped clock, whose bytes are changed on
// their way, beside a third that is left alone. Whatever happens, the third's sessions and routes
// stay, and what is counted is what there is; once nobody meddles any more, the two are Established
// again and have each other's routes.
//
// The input is a program: an operation, then its operands.

#include "pair.h"
#include "speaker_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "update.h"

#define require(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

enum { STEPS_MAX = 200, BIG_MS = 60000 };

struct input {
	const uint8_t *bytes;
	size_t size;
};

static uint8_t take(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->bytes++;
}

// -- the scene: 0 between 1, who is meddled with, and 2, who is not

static struct pair *scene(struct input *in)
{
	uint32_t flags = take(in) | (uint32_t)take(in) << 8 | (uint32_t)take(in) << 16;
	const uint32_t session = API_BGP_PEER_ADD_PATH_SEND | API_BGP_PEER_ADD_PATH_RECEIVE |
				 API_BGP_PEER_IPV6 | API_BGP_PEER_IPV6_NEXTHOP |
				 API_BGP_PEER_NO_RESTART | API_BGP_PEER_EXTENDED_MESSAGE |
				 API_BGP_PEER_DEFAULT_ORIGINATE | API_BGP_PEER_AS_OVERRIDE |
				 API_BGP_PEER_REMOVE_PRIVATE_AS | API_BGP_PEER_ALLOW_OWN_AS |
				 API_BGP_PEER_PASSIVE;
	bool internal = flags & 1u << 23;
	struct pair *p = pair_new();
	struct api_bgp_peer cfg;

	pair_add(p, 64512, "10.0.0.1", flags & 1u << 22 ? API_BGP_ROUTER_DAMPENING : 0);
	pair_add(p, internal ? 64512 : 65001, "10.0.0.2", 0);
	pair_add(p, 65002, "10.0.0.3", 0);
	pair_join(p, 0, 1, flags & session, flags & session & ~(uint32_t)API_BGP_PEER_PASSIVE);
	pair_join(p, 0, 2, API_BGP_PEER_PASSIVE, 0); // no collision there
	if (flags & 1u << 21) {                      // a limit
		cfg = pair_config(p, 0, 1);
		cfg.flags = flags & session;
		cfg.max_prefixes = 8;
		cfg.max_mode = flags >> 19 & 1 ? API_BGP_MAX_STOP : API_BGP_MAX_RESET;
		cfg.max_restart_s = 30;
		pair_peer(p, 0, 1, &cfg);
	}
	p->chop = flags & 1u << 20;
	pair_announce(p, 0, "10.100.0.0/16");
	pair_announce(p, 2, "10.102.0.0/16");
	for (int i = 0; i < 4; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.1.%d.0/24", i);
		pair_announce(p, 1, text);
	}
	return p;
}

// -- meddling

// Some bytes on their way between 0 and 1: the operands say which way and what becomes of them.
static void mutate(struct pair *p, struct input *in)
{
	uint8_t where = take(in), what = take(in), with = take(in);

	for (int i = 0; i < PAIR_LINKS; i++) {
		struct pair_link *l = &p->link[i];
		struct pair_end *e = &l->end[where & 1];
		size_t at = (size_t)(where >> 1) * 3;

		if (!l->used || l->dialling || (l->side[0] != 1 && l->side[1] != 1) ||
			at >= e->size)
			continue;
		if (what % 4 == 0)
			e->bytes[at] = with;
		else if (what % 4 == 1)
			e->bytes[at] ^= (uint8_t)(1 << with % 8);
		else if (what % 4 == 2)
			e->size = at;
		else
			memset(e->bytes + at, with, e->size - at < what ? e->size - at : what);
	}
}

// A message of any kind with a body from the input, as if 1 had said it.
static void inject(struct pair *p, struct input *in)
{
	uint8_t message[BGP_HEADER_SIZE + 255], type = take(in), len = take(in);
	struct peer *peer = pair_find(p, 0, 1);

	if (len > in->size)
		len = (uint8_t)in->size;
	memset(message, 0xff, 16);
	message[16] = (uint8_t)((BGP_HEADER_SIZE + len) >> 8);
	message[17] = (uint8_t)(BGP_HEADER_SIZE + len);
	message[18] = type % 8;
	if (len)
		memcpy(message + BGP_HEADER_SIZE, in->bytes, len);
	in->bytes += len;
	in->size -= len;
	if (peer)
		pair_inject(p, 0, 1, message, BGP_HEADER_SIZE + (size_t)len);
}

static void change_config(struct pair *p, uint8_t what)
{
	struct api_bgp_peer cfg = pair_config(p, 0, 1);

	switch (what % 4) {
	case 0: speaker_del_peer(p->side[0].speaker, 1, 1, &p->side[1].address); break; // and again
	case 1: cfg.weight = what; break;
	case 2: cfg.flags = API_BGP_PEER_DISABLED; break;
	case 3: cfg.hold_time_s = 3; break;
	}
	pair_peer(p, 0, 1, &cfg);
}

static void one_step(struct pair *p, struct input *in)
{
	uint8_t op = take(in);
	char text[32];

	switch (op % 8) {
	case 0: pair_run(p, take(in) * 20u); break;
	case 1:
	case 2: mutate(p, in); break;
	case 3: inject(p, in); break;
	case 4:
		snprintf(text, sizeof(text), "10.1.%d.0/24", take(in) % 16);
		if (op & 8)
			pair_announce(p, 1, text);
		else
			pair_withdraw(p, 1, text);
		break;
	case 5: change_config(p, take(in)); break;
	case 6: pair_cut(p, 0, 1); break;
	case 7: pair_step(p); break;
	}
}

// -- what must hold

static void check_counts(struct pair *p)
{
	struct speaker *s = p->side[0].speaker;
	struct router *r = router_find(s, 1, 1);
	uint32_t paths[ROUTER_PEERS_MAX] = {0}, usable[ROUTER_PEERS_MAX] = {0};

	for (int f = 0; f < BGP_FAMILIES; f++) {
		const struct table *t = &r->table[f];

		memset(paths, 0, sizeof(paths));
		memset(usable, 0, sizeof(usable));
		for (uint32_t d = 1; d < t->dest_end; d++) {
			if (!(table_dest(t, d)->flags & DEST_USED))
				continue;
			for (uint32_t i = table_dest(t, d)->paths; i; i = table_path(t, i)->next) {
				const struct path *path = table_path(t, i);

				if (!path->source)
					continue;
				require(r->peers[path->source]);
				if (path_is_gone(r->peers[path->source], f, path))
					continue;
				paths[path->source]++;
				usable[path->source] += !(path->flags & PATH_REJECTED);
			}
		}
		for (uint16_t i = 1; i < r->peers_end; i++)
			if (r->peers[i])
				require(r->peers[i]->received[f] == paths[i] &&
					r->peers[i]->accepted[f] == usable[i]);
	}
}

static void check_bystander(struct pair *p)
{
	struct api_bgp_route route;

	require(pair_established(p, 0, 2) && pair_established(p, 2, 0));
	require(peer_fsm(pair_find(p, 2, 0))->flaps == 0);
	require(pair_best(p, 2, "10.100.0.0/16", &route));
	require(pair_best(p, 0, "10.102.0.0/16", &route));
}

// Nobody meddles any more.
static void check_recovery(struct pair *p)
{
	struct api_bgp_peer a = pair_config(p, 0, 1), b = pair_config(p, 1, 0);
	struct api_bgp_route route;

	speaker_del_peer(p->side[0].speaker, 1, 1, &p->side[1].address);
	speaker_del_peer(p->side[1].speaker, 1, 1, &p->side[0].address);
	pair_peer(p, 0, 1, &a);
	pair_peer(p, 1, 0, &b);
	pair_announce(p, 1, "10.1.77.0/24");
	pair_run(p, BIG_MS);
	require(pair_established(p, 0, 1) && pair_established(p, 1, 0));
	require(pair_best(p, 1, "10.100.0.0/16", &route));
	require(pair_best(p, 0, "10.1.77.0/24", &route) && !route.stale);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct pair *p = scene(&in);
	uint8_t before = take(&in);

	// Of the session, as much as the input says.
	for (int i = 0; i < before % 32; i++)
		pair_step(p);
	for (int i = 0; i < STEPS_MAX && in.size; i++)
		one_step(p, &in);
	pair_settle(p);
	check_counts(p);
	pair_run(p, 5000);
	check_counts(p);
	check_bystander(p);
	check_recovery(p);
	check_counts(p);
	check_bystander(p);
	pair_free(p);
	return 0;
}
