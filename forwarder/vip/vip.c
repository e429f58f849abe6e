// SPDX-License-Identifier: Apache-2.0

#include "vip.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "hot.h"
#include "ip/wire.h"
#include "map.h"
#include "objects.h"
#include "port.h"
#include "serve/refuse.h"
#include "server.h"
#include "underlay/addr_count.h"
#include "underlay/underlay.h"
#include "xmalloc.h"

const struct relay_fwd *vip_relay_table[2][SLOT_MAX];

// Where a slot of a public address is.
struct vip_slot {
	struct api_vip_slot api;
	struct underlay_dest *dest;
	struct relay_fwd *fwd;
};

static struct vip_slot *slots[2][SLOT_MAX];
static struct map remotes;        // struct api_vip_remote, by its key
static struct table remote_table; // the same for workers: to the slot
static struct table used;         // addresses of active slots here, counted

// -- addresses used here

bool vip_is_used(const uint8_t *addr, bool is_v6)
{
	return addr_is_counted(&used, addr, is_v6);
}

bool vip_may_send(uint16_t slot, const struct ip_addr *addr)
{
	const struct api_slot *s = slot_find(slot);

	return s && s->active && addr->family != IP_NONE &&
	       (ip_equal(&s->vip_used[0], addr) || ip_equal(&s->vip_used[1], addr));
}

// -- slots held elsewhere

static void show(bool is_v6, uint16_t slot)
{
	const struct vip_slot *v = slots[is_v6][slot];

	rcu_store(&vip_relay_table[is_v6][slot], v && !slot_is_active(slot) ? v->fwd : NULL);
}

void vip_slot_changed(const struct api_slot *before, const struct api_slot *now)
{
	for (unsigned i = 0; i < 2; i++) {
		if (now->active)
			addr_count(&used, &now->vip_used[i], 1);
		if (before->active)
			addr_count(&used, &before->vip_used[i], -1);
	}
	show(false, now->slot);
	show(true, now->slot);
}

static void slot_free(struct vip_slot *v)
{
	if (!v)
		return;
	rcu_defer(hot_free, v->fwd);
	underlay_dest_put(v->dest);
	free(v);
}

static void slot_replace(bool is_v6, uint16_t slot, struct vip_slot *v)
{
	struct vip_slot *old = slots[is_v6][slot];

	slots[is_v6][slot] = v;
	show(is_v6, slot);
	slot_free(old);
}

static int check(const struct api_vip_slot *o, struct api_error *ret_error)
{
	if (o->slot < 1 || o->slot >= SLOT_MAX)
		return refuse(ret_error, -EINVAL, "slot: %u is not 1..4095", o->slot);
	if (o->vip.family != IP_V4 && o->vip.family != IP_V6)
		return refuse(ret_error, -EINVAL, "vip: not an address");
	if (o->pa.family != IP_V4 && o->pa.family != IP_V6)
		return refuse(ret_error, -EINVAL, "pa: not an address");
	if (o->port >= PORT_MAX || !port_table[o->port])
		return refuse(ret_error, -ENOENT, "port: %u does not exist", o->port);
	if (o->vlan > 4094)
		return refuse(ret_error, -EINVAL, "vlan: %u is not 0..4094", o->vlan);
	return 0;
}

static int slot_set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_vip_slot *o = object;
	bool is_v6 = o->vip.family == IP_V6;
	int r = check(o, ret_error);
	struct underlay_dest *dest;
	struct vip_slot *v;

	if (r < 0)
		return r;
	v = slots[is_v6][o->slot];
	if (v && memcmp(&v->api, o, sizeof(*o)) == 0)
		return API_UNCHANGED;
	dest = underlay_dest_get(&o->pa);
	if (!dest)
		return refuse(ret_error, -ENOBUFS, "pa: no next hop left");
	v = xcalloc(1, sizeof(*v));
	*v = (struct vip_slot){
		.api = *o, .dest = dest, .fwd = relay_fwd_new(dest, o->port, o->vlan, &o->pa)};
	slot_replace(is_v6, o->slot, v);
	return API_CHANGED;
}

static int slot_del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_vip_slot *o = key;
	bool is_v6 = o->vip.family == IP_V6;

	if (o->slot >= SLOT_MAX || !slots[is_v6][o->slot] ||
		!ip_equal(&slots[is_v6][o->slot]->api.vip, &o->vip))
		return API_UNCHANGED;
	slot_replace(is_v6, o->slot, NULL);
	return API_CHANGED;
}

static int slot_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	uint64_t *cursor = api_emit_cursor(emit);

	for (unsigned i = (unsigned)*cursor; i < 2 * SLOT_MAX; i++) {
		const struct vip_slot *v = slots[i & 1][i >> 1];
		int r;

		*cursor = i + 1;
		if (!v)
			continue;
		r = api_emit(emit, &v->api, sizeof(v->api));
		if (r < 0)
			return r;
	}
	return 0;
}

// -- remote addresses

#define REMOTE_KEY_SIZE offsetof(struct api_vip_remote, slot)
#define ANY_REMOTE      (UINT64_C(1) << 40)

static uint32_t number4(const struct ip_addr *addr)
{
	return load32(addr->bytes);
}

// Counted, as underlay_intern() is.
static struct table_key remote_key(const struct api_vip_remote *o)
{
	bool is_v6 = o->vip.family == IP_V6;
	uint64_t hi = (uint64_t)o->vip.family << 32, lo = 0;

	hi |= is_v6 ? underlay_intern(&o->vip) : number4(&o->vip);
	if (o->remote.family == IP_NONE)
		hi |= ANY_REMOTE;
	else
		lo = is_v6 ? underlay_intern(&o->remote) : number4(&o->remote);
	return (struct table_key){hi, lo};
}

static void remote_key_put(const struct api_vip_remote *o)
{
	if (o->vip.family != IP_V6)
		return;
	underlay_unintern(&o->vip);
	if (o->remote.family != IP_NONE)
		underlay_unintern(&o->remote);
}

static int remote_set(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_vip_remote *o = object;
	struct api_vip_remote *v;

	if (o->slot < 1 || o->slot >= SLOT_MAX)
		return refuse(ret_error, -EINVAL, "slot: %u is not 1..4095", o->slot);
	if (o->vip.family != IP_V4 && o->vip.family != IP_V6)
		return refuse(ret_error, -EINVAL, "vip: not an address");
	if (o->remote.family != IP_NONE && o->remote.family != o->vip.family)
		return refuse(ret_error, -EINVAL, "remote: not of the IP version of vip");
	v = map_find(&remotes, o, REMOTE_KEY_SIZE);
	if (v && v->slot == o->slot)
		return API_UNCHANGED;
	if (!v) {
		v = xcalloc(1, sizeof(*v));
		*v = *o;
		map_set(&remotes, v, REMOTE_KEY_SIZE, v);
		table_set(&remote_table, remote_key(o), o->slot);
		return API_CHANGED;
	}
	v->slot = o->slot;
	table_set(&remote_table, remote_key(o), o->slot);
	remote_key_put(o); // counted by the first one
	return API_CHANGED;
}

static void remote_drop(struct api_vip_remote *v)
{
	table_set(&remote_table, remote_key(v), 0);
	remote_key_put(v);
	remote_key_put(v);
	free(v);
}

static int remote_del(void *ctx, const void *key, struct api_error *ret_error)
{
	struct api_vip_remote *v = map_del(&remotes, key, REMOTE_KEY_SIZE);

	if (!v)
		return API_UNCHANGED;
	remote_drop(v);
	return API_CHANGED;
}

static int remote_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	uint64_t *cursor = api_emit_cursor(emit);
	size_t at = *cursor;
	const struct api_vip_remote *v;

	while ((v = map_next(&remotes, &at))) {
		int r;

		*cursor = at;
		r = api_emit(emit, v, sizeof(*v));
		if (r < 0)
			return r;
	}
	return 0;
}

static uint16_t slot_by_remote(const uint8_t *ip)
{
	bool v4 = ip[0] >> 4 == 4;
	struct ip_addr_words dst, src;
	uint64_t hi, lo, slot = 0;

	if (v4) {
		hi = (uint64_t)IP_V4 << 32 | load32(ip + 16);
		lo = load32(ip + 12);
		slot = table_find(&remote_table, (struct table_key){hi, lo});
	} else {
		dst = ip6_words(ip + 24);
		src = ip6_words(ip + 8);
		hi = (uint64_t)IP_V6 << 32 |
		     table_find(&underlay_interned6, (struct table_key){dst.hi, dst.lo});
		lo = table_find(&underlay_interned6, (struct table_key){src.hi, src.lo});
		if (lo)
			slot = table_find(&remote_table, (struct table_key){hi, lo});
	}
	if (!slot)
		slot = table_find(&remote_table, (struct table_key){hi | ANY_REMOTE, 0});
	return (uint16_t)slot;
}

#define IKE_F_INITIATOR 0x08

// RFC 7296 3.1: the two SPIs, then next payload, version, exchange, flags.
uint16_t vip_slot_of_ike(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct udp_hdr *udp = (const struct udp_hdr *)(ip + m->l3_len);
	const uint8_t *ike = (const uint8_t *)(udp + 1), *ours;

	ike += udp->dst == be16(UDP_PORT_IKENAT) ? 4 : 0;
	ours = ike[19] & IKE_F_INITIATOR ? ike + 8 : ike;
	if (load32(ours) == 0 && load32(ours + 4) == 0)
		return slot_by_remote(ip);
	return be16(load16(ours + 6));
}

// -- the local socket

static const struct api_handler handlers[] = {
	{.type = API_TYPE_VIP_SLOT,
		.size = sizeof(struct api_vip_slot),
		.min_size = sizeof(struct api_vip_slot),
		.key_size = offsetof(struct api_vip_slot, port),
		.name = "vip slot",
		.set = slot_set,
		.del = slot_del,
		.dump = slot_dump},
	{.type = API_TYPE_VIP_REMOTE,
		.size = sizeof(struct api_vip_remote),
		.min_size = sizeof(struct api_vip_remote),
		.key_size = REMOTE_KEY_SIZE,
		.name = "vip remote",
		.set = remote_set,
		.del = remote_del,
		.dump = remote_dump},
};

int vip_serve(struct api_server *s)
{
	return api_server_add(s, handlers, sizeof(handlers) / sizeof(*handlers), NULL);
}

int vip_init(void)
{
	map_init(&remotes);
	table_init(&remote_table);
	table_init(&used);
	return 0;
}

void vip_fini(void)
{
	struct api_vip_remote *v;
	size_t at = 0;

	for (unsigned i = 0; i < SLOT_MAX; i++) {
		slot_replace(false, (uint16_t)i, NULL);
		slot_replace(true, (uint16_t)i, NULL);
	}
	while ((v = map_next(&remotes, &at)))
		remote_drop(v);
	map_fini(&remotes);
	rcu_synchronize();
	table_fini(&remote_table);
	table_fini(&used);
}
