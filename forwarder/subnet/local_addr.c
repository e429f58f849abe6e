// SPDX-License-Identifier: Apache-2.0

// The gateway's own addresses inside tenants' networks.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adj/adj.h"
#include "ip/wire.h"
#include "map.h"
#include "route/route.h"
#include "serve/refuse.h"
#include "server.h"
#include "subnet.h"
#include "underlay/underlay.h"
#include "vrf/vrf.h"
#include "xmalloc.h"

struct table local_table;

static struct map local_addrs;
static uint32_t local_adj; // one for all: the packet's VRF says whose

struct la_key {
	uint32_t vrf;
	struct ip_addr addr;
};

int local_addr_init(void)
{
	map_init(&local_addrs);
	table_init(&local_table);
	local_adj = adj_index_new();
	adj_publish(local_adj, adj_new(ADJ_LOCAL, 0));
	return 0;
}

uint32_t local_addr_adj(void)
{
	return local_adj;
}

static struct table_key key_on_subnet(const struct local_addr *a)
{
	uint64_t hi = (uint64_t)a->api.vni << 8 | a->api.addr.family;

	if (a->api.addr.family == IP_V4)
		return (struct table_key){hi, load32(a->api.addr.bytes)};
	return (struct table_key){hi, a->number};
}

// Sessions between a tenant's gateways go to an address of the other's slot, over the overlay.
static int show_elsewhere(struct local_addr *a, const struct ip_prefix *host)
{
	const struct api_path path = {.type = API_PATH_SLOT, .id = a->api.slot};

	if (a->elsewhere)
		return 0;
	a->elsewhere = nexthop_get(a->vrf->index, &path, 1);
	if (!a->elsewhere)
		return -ENOSPC;
	return route_set(
		a->vrf->index, host, ROUTE_LOCAL, ROUTE_RANK_LOCAL, nexthop_index(a->elsewhere));
}

static void withdraw(struct local_addr *a, const struct ip_prefix *host)
{
	if (a->shown || a->elsewhere)
		route_del(a->vrf->index, host, ROUTE_LOCAL);
	nexthop_put(a->elsewhere);
	a->elsewhere = NULL;
	a->shown = false;
}

// Answers while the slot is held here, or always for an address that belongs to none.
static int show(struct local_addr *a)
{
	struct ip_prefix host = prefix_make(&a->api.addr, ip_bits(&a->api.addr));
	bool want = !a->api.slot || slot_is_active(a->api.slot);
	const struct tenant_slot *t = tenant_slot_find(a->vrf->id, a->api.slot);

	if (a->api.vni) {
		uint64_t mac = t ? mac_word(t->api.mac.bytes) : 0;

		table_set(&local_table, key_on_subnet(a),
			want && mac ? (uint64_t)a->api.slot << 48 | mac : 0);
	}
	if (want != a->shown) {
		withdraw(a, &host);
		a->shown = want;
		vrf_refresh(a->vrf);
	}
	if (want)
		return route_set(a->vrf->index, &host, ROUTE_LOCAL, ROUTE_RANK_LOCAL, local_adj);
	return show_elsewhere(a, &host);
}

static void hide(struct local_addr *a)
{
	struct ip_prefix host = prefix_make(&a->api.addr, ip_bits(&a->api.addr));

	if (a->api.vni)
		table_set(&local_table, key_on_subnet(a), 0);
	withdraw(a, &host);
}

static void slot_changed(struct slot_user *user)
{
	show((struct local_addr *)((char *)user - offsetof(struct local_addr, slot_user)));
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_local_addr *o = object;
	struct vrf *v = vrf_find(o->vrf);
	struct la_key key = {o->vrf, o->addr};
	struct local_addr *a = map_find(&local_addrs, &key, sizeof(key));
	const struct subnet *s = subnet_find(o->vni);

	if (!v)
		return refuse(ret_error, -ENOENT, "vrf: %u is not known; set it first", o->vrf);
	if (o->addr.family != IP_V4 && o->addr.family != IP_V6)
		return refuse(ret_error, -EINVAL, "addr: names no address");
	if (o->vni && (!s || s->vrf != v))
		return refuse(ret_error, -ENOENT, "vni: %u is no subnet of vrf %u", o->vni, o->vrf);
	if (o->vni && !tenant_slot_find(o->vrf, o->slot))
		return refuse(ret_error, -ENOENT,
			"slot: vrf %u has no tenant slot %u, whose MAC would answer", o->vrf,
			o->slot);
	if (o->slot >= SLOT_MAX)
		return refuse(ret_error, -EINVAL, "slot: %u is not 0..4095", o->slot);
	if (a && memcmp(&a->api, o, sizeof(*o)) == 0)
		return API_UNCHANGED;
	if (a) {
		hide(a);
		slot_leave(&a->slot_user);
	} else {
		a = xcalloc(1, sizeof(*a));
		a->vrf = v;
		a->slot_user.changed = slot_changed;
		a->number = o->addr.family == IP_V6 ? underlay_intern(&o->addr) : 0;
		v->users++;
		LIST_INSERT_HEAD(&v->local_addrs, a, link);
	}
	a->api = *o;
	slot_join(o->slot, &a->slot_user);
	map_set(&local_addrs, &a->api, sizeof(key), a);
	subnet_refresh_vrf(v);
	if (show(a) < 0)
		return refuse(ret_error, -ENOSPC, "addr: the routing table is full");
	return API_CHANGED;
}

static void local_addr_free(struct local_addr *a)
{
	hide(a);
	slot_leave(&a->slot_user);
	map_del(&local_addrs, &a->api, sizeof(struct la_key));
	LIST_REMOVE(a, link);
	if (a->number)
		underlay_unintern(&a->api.addr);
	a->vrf->users--;
	vrf_refresh(a->vrf);
	subnet_refresh_vrf(a->vrf);
	free(a);
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_local_addr *o = key;
	struct la_key k = {o->vrf, o->addr};
	struct local_addr *a = map_find(&local_addrs, &k, sizeof(k));

	if (!a)
		return API_UNCHANGED;
	local_addr_free(a);
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_local_addr *want = filter;
	uint64_t *cursor = api_emit_cursor(emit);
	size_t at = *cursor;
	struct local_addr *a;

	while ((a = map_next(&local_addrs, &at))) {
		int r = 0;

		*cursor = at;
		if (!want || ((!want->vrf || want->vrf == a->api.vrf) &&
				     (!want->addr.family || ip_equal(&want->addr, &a->api.addr))))
			r = api_emit(emit, &a->api, sizeof(a->api));
		if (r < 0)
			return r;
	}
	return 0;
}

void local_addr_fini(void)
{
	struct local_addr *a;
	size_t at = 0;

	while ((a = map_next(&local_addrs, &at)))
		local_addr_free(a);
	map_fini(&local_addrs);
	table_fini(&local_table);
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_LOCAL_ADDR,
		.size = sizeof(struct api_local_addr),
		.min_size = sizeof(struct api_local_addr),
		.key_size = offsetof(struct api_local_addr, vni),
		.name = "local address",
		.set = set,
		.del = del,
		.dump = dump},
};

int local_addr_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
