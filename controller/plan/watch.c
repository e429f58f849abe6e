// SPDX-License-Identifier: Apache-2.0
// Whom of its pool a gateway watches by BFD.
#include "state.h"

// The first address of that IP version.
static const struct ip_addr *own_address(const struct gateway *g, uint8_t family)
{
	for (size_t i = 0; i < g->in.underlay_len; i++) {
		if (g->in.underlay[i].addr.family == family)
			return &g->in.underlay[i].addr;
	}
	return NULL;
}

// Whom of its pool a gateway watches by BFD, and from which address. False: nobody.
static bool write_watch(struct plan *p, const struct gateway *g)
{
	const struct ip_addr *local = g->in.underlay_len ? &g->in.underlay[0].addr : NULL;
	const struct gateway *peer;
	struct text *t = &p->text;
	bool any = false;

	if (!local)
		return false;
	text_reset(t);
	text_open(t, NULL, '{');
	text_str(t, "pool", g->in.pool);
	text_ip(t, "local", local);
	text_u64(t, "intervalMs", PLAN_WATCH_INTERVAL_MS);
	text_u64(t, "multiplier", PLAN_WATCH_MULTIPLIER);
	text_open(t, "peers", '[');
	TAILQ_FOREACH (peer, &g->pool->gateways, of_pool) {
		const struct ip_addr *addr = own_address(peer, local->family);

		plan_read(p);
		if (peer == g || !peer->defined || !addr)
			continue;
		text_open(t, NULL, '{');
		text_str(t, "name", peer->name);
		text_ip(t, "address", addr);
		text_close(t, '}');
		any = true;
	}
	text_close(t, ']');
	text_close(t, '}');
	return any;
}

void watch_tell(struct plan *p, struct gateway *g)
{
	if (write_watch(p, g))
		pub_set(p, &g->watch, &g->self, PLAN_KIND_WATCH, g->in.pool, "");
	else
		pub_clear(p, &g->watch);
}
