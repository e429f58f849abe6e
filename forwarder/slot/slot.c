// SPDX-License-Identifier: Apache-2.0

#include "slot.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "objects.h"
#include "serve/refuse.h"
#include "port.h"
#include "rcu.h"
#include "relay/relay.h"
#include "server.h"
#include "underlay/underlay.h"
#include "vip/vip.h"
#include "xmalloc.h"

LIST_HEAD(slot_users, slot_user);

struct slot {
	struct api_slot api;
	bool known;
	struct slot_users users;
};

static struct slot *slots; // [SLOT_MAX]

uint8_t slot_yields[SLOT_MAX];

int slot_init(void)
{
	slots = xcalloc(SLOT_MAX, sizeof(*slots));
	return 0;
}

void slot_fini(void)
{
	free(slots);
	slots = NULL;
	memset(slot_yields, 0, sizeof(slot_yields));
}

bool slot_is_active(uint16_t slot)
{
	return slot < SLOT_MAX && slots[slot].known && slots[slot].api.active;
}

const struct api_slot *slot_find(uint16_t slot)
{
	return slot < SLOT_MAX && slots[slot].known ? &slots[slot].api : NULL;
}

void slot_join(uint16_t slot, struct slot_user *user)
{
	LIST_INSERT_HEAD(&slots[slot].users, user, link);
}

void slot_leave(struct slot_user *user)
{
	LIST_REMOVE(user, link);
}

const struct ip_addr *slot_pa(uint16_t slot, uint8_t family)
{
	const struct api_slot *s = slot_find(slot);

	if (!s)
		return NULL;
	for (unsigned i = 0; i < 2; i++)
		if (s->pa[i].family == family)
			return &s->pa[i];
	return NULL;
}

struct held {
	struct ip_addr addr;
	uint8_t kinds;
};

// The distinct addresses of a slot with all that each is for.
static unsigned held_of(const struct api_slot *s, struct held *ret_held)
{
	const struct {
		const struct ip_addr *addr;
		uint8_t kind;
	} all[] = {{&s->pa[0], UNDERLAY_PA}, {&s->pa[1], UNDERLAY_PA},
		{&s->gre_vip[0], UNDERLAY_GRE}, {&s->gre_vip[1], UNDERLAY_GRE},
		{&s->vip[0], UNDERLAY_VIP}, {&s->vip[1], UNDERLAY_VIP}};
	unsigned len = 0;

	if (!s->active)
		return 0;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		unsigned j = 0;

		if (all[i].addr->family == IP_NONE)
			continue;
		while (j < len && !ip_equal(&ret_held[j].addr, all[i].addr))
			j++;
		if (j == len)
			ret_held[len++] = (struct held){*all[i].addr, 0};
		ret_held[j].kinds |= all[i].kind;
	}
	return len;
}

#define HELD_MAX 6

static const struct held *held_find(
	const struct held *held, unsigned len, const struct ip_addr *addr)
{
	for (unsigned i = 0; i < len; i++)
		if (ip_equal(&held[i].addr, addr))
			return &held[i];
	return NULL;
}

static bool same_place(const struct api_slot *a, const struct api_slot *b)
{
	return a->port == b->port && a->vlan == b->vlan && a->epoch == b->epoch;
}

// Lets go of what is no longer held, then takes what is new, so that an address can pass from one
// kind to another. On failure what was taken is given back.
static int move_addresses(const struct api_slot *from, const struct api_slot *to)
{
	struct held old[HELD_MAX], new[HELD_MAX];
	unsigned old_len = held_of(from, old), new_len = held_of(to, new);
	int r = 0;

	for (unsigned i = 0; i < old_len; i++) {
		const struct held *h = held_find(new, new_len, &old[i].addr);

		if (!h || h->kinds != old[i].kinds || !same_place(from, to))
			underlay_release(&old[i].addr, old[i].kinds);
	}
	for (unsigned i = 0; i < new_len; i++) {
		const struct held *h = held_find(old, old_len, &new[i].addr);
		struct underlay_local local = {new[i].kinds, (uint8_t)to->port, to->vlan, to->slot};

		if (h && h->kinds == new[i].kinds &&same_place(from, to))
			continue;
		r = underlay_hold(&new[i].addr, local);
		if (r < 0)
			break;
	}
	return r;
}

static int check(const struct api_slot *o, const struct slot *s, struct api_error *ret_error)
{
	if (o->slot < 1 || o->slot >= SLOT_MAX)
		return refuse(ret_error, -EINVAL, "slot: %u is not 1..4095", o->slot);
	if (s->known && o->epoch < s->api.epoch)
		return refuse(ret_error, -ESTALE,
			"epoch: %llu is older than %llu; a newer holder was named",
			(unsigned long long)o->epoch, (unsigned long long)s->api.epoch);
	if (o->active && o->relay)
		return refuse(ret_error, -EINVAL, "relay: only an inactive slot is relayed");
	if (o->port >= PORT_MAX || !port_table[o->port])
		return refuse(ret_error, -ENOENT, "port: %u does not exist", o->port);
	if (o->vlan > 4094)
		return refuse(ret_error, -EINVAL, "vlan: %u is not 0..4094", o->vlan);
	return 0;
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_slot *o = object;
	struct slot *s = &slots[o->slot < SLOT_MAX ? o->slot : 0];
	struct slot_user *u, *next;
	struct api_slot before;
	int r = check(o, s, ret_error);

	if (r < 0)
		return r;
	if (s->known && memcmp(&s->api, o, sizeof(*o)) == 0)
		return API_UNCHANGED;
	rcu_store(&slot_yields[o->slot], o->yields);
	r = move_addresses(&s->api, o);
	if (r < 0) {
		rcu_store(&slot_yields[o->slot], s->api.yields);
		move_addresses(o, &s->api);
		return refuse(ret_error, r, "pa, gre_vip or vip: an address is held already");
	}
	before = s->api;
	s->api = *o;
	s->known = true;
	relay_set(o);
	vip_slot_changed(&before, o);
	if (before.active == o->active && before.iv_epoch == o->iv_epoch &&
		memcmp(before.pa, o->pa, sizeof(o->pa)) == 0)
		return API_CHANGED;
	for (u = LIST_FIRST(&s->users); u; u = next) {
		next = LIST_NEXT(u, link);
		u->changed(u);
	}
	return API_CHANGED;
}

// The epoch outlives the slot: what was refused before stays refused.
static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_slot *o = key;
	struct slot *s;
	struct api_slot gone, before;
	struct slot_user *u, *next;

	if (o->slot >= SLOT_MAX || !slots[o->slot].known)
		return API_UNCHANGED;
	s = &slots[o->slot];
	gone = (struct api_slot){.slot = s->api.slot, .epoch = s->api.epoch};
	if (memcmp(&gone, &s->api, sizeof(gone)) == 0)
		return API_UNCHANGED;
	before = s->api;
	move_addresses(&before, &gone);
	rcu_store(&slot_yields[o->slot], 0);
	s->api = gone;
	relay_set(&gone);
	vip_slot_changed(&before, &gone);
	for (u = LIST_FIRST(&s->users); u; u = next) {
		next = LIST_NEXT(u, link);
		u->changed(u);
	}
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_slot *want = filter;
	uint64_t *cursor = api_emit_cursor(emit);

	for (unsigned i = (unsigned)*cursor; i < SLOT_MAX; i++) {
		int r;

		*cursor = i + 1;
		if (!slots[i].known || (want && want->slot && want->slot != i))
			continue;
		r = api_emit(emit, &slots[i].api, sizeof(slots[i].api));
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_SLOT,
		.size = sizeof(struct api_slot),
		.min_size = offsetof(struct api_slot, yields),
		.key_size = offsetof(struct api_slot, active),
		.name = "slot",
		.set = set,
		.del = del,
		.dump = dump},
};

int slot_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
