// SPDX-License-Identifier: Apache-2.0

#include "relay.h"

#include <stdlib.h>

#include "hot.h"
#include "ip/wire.h"
#include "objects.h"
#include "rcu.h"
#include "slot/slot.h"
#include "underlay/underlay.h"
#include "xmalloc.h"

struct relay {
	struct underlay_dest *dest;
	struct relay_fwd *fwd;
	struct api_slot slot;
};

struct table relay_table4, relay_table6;

static struct relay *relays[SLOT_MAX];

int relay_init(void)
{
	table_init(&relay_table4);
	table_init(&relay_table6);
	return 0;
}

static void show_one(const struct ip_addr *addr, const struct relay_fwd *fwd)
{
	struct ip_addr_words w;

	if (addr->family == IP_V4) {
		table_set(&relay_table4, underlay_key4(load32(addr->bytes)), (uintptr_t)fwd);
	} else if (addr->family == IP_V6) {
		w = ip6_words(addr->bytes);
		table_set(&relay_table6, (struct table_key){w.hi, w.lo}, (uintptr_t)fwd);
	}
}

static void show(const struct api_slot *s, const struct relay_fwd *fwd)
{
	for (unsigned i = 0; i < 2; i++) {
		show_one(&s->pa[i], fwd);
		show_one(&s->gre_vip[i], fwd);
		show_one(&s->vip[i], fwd);
	}
}

static void relay_free(struct relay *r)
{
	if (!r)
		return;
	show(&r->slot, NULL);
	rcu_defer(hot_free, r->fwd);
	underlay_dest_put(r->dest);
	relays[r->slot.slot] = NULL;
	free(r);
}

struct relay_fwd *relay_fwd_new(
	const struct underlay_dest *dest, uint16_t port, uint16_t vlan, const struct ip_addr *dst)
{
	struct relay_fwd *fwd = hot_alloc(sizeof(*fwd));

	*fwd = (struct relay_fwd){.hop = underlay_dest_hop(dest),
		.port = port,
		.vlan = vlan,
		.mtu = underlay_dest_mtu(dest),
		.src = underlay_source(port, vlan, dst),
		.dst = *dst};
	return fwd;
}

void relay_set(const struct api_slot *slot)
{
	struct relay *r;

	relay_free(relays[slot->slot]);
	if (slot->active || !slot->relay || !slot->relay_to.family)
		return;
	r = xcalloc(1, sizeof(*r));
	r->slot = *slot;
	r->dest = underlay_dest_get(&slot->relay_to);
	if (!r->dest) {
		free(r);
		return;
	}
	r->fwd = relay_fwd_new(r->dest, slot->port, slot->vlan, &slot->relay_to);
	relays[slot->slot] = r;
	show(slot, r->fwd);
}

void relay_fini(void)
{
	for (unsigned i = 0; i < SLOT_MAX; i++)
		relay_free(relays[i]);
	rcu_synchronize();
	table_fini(&relay_table4);
	table_fini(&relay_table6);
}
