// SPDX-License-Identifier: Apache-2.0

// A tenant's presence in a slot: the MAC hosts send to, and the way to the slot's holder when that
// is another gateway. Also how frames towards the overlay are built.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adj/adj.h"
#include "drop.h"
#include "ip/wire.h"
#include "map.h"
#include "rcu.h"
#include "route/route.h"
#include "serve/refuse.h"
#include "server.h"
#include "subnet.h"
#include "subnet/vtep.h"
#include "underlay/underlay.h"
#include "vrf/vrf.h"
#include "xmalloc.h"

static struct map tenant_slots;

struct ts_key {
	uint32_t vrf;
	uint16_t slot;
	uint16_t pad;
};

int tenant_slot_init(void)
{
	map_init(&tenant_slots);
	return 0;
}

struct tenant_slot *tenant_slot_find(uint32_t vrf_id, uint16_t slot)
{
	struct ts_key key = {vrf_id, slot, 0};

	return map_find(&tenant_slots, &key, sizeof(key));
}

// -- adjacencies towards the overlay

const struct ip_addr *overlay_source(const struct vrf *v, uint8_t family)
{
	const struct tenant_slot *t;

	LIST_FOREACH(t, &v->tenant_slots, link)
	{
		const struct ip_addr *pa;

		if (!slot_is_active(t->api.slot))
			continue;
		pa = slot_pa(t->api.slot, family);
		if (pa)
			return pa;
	}
	return NULL;
}

const struct mac_addr *overlay_source_mac(const struct vrf *v)
{
	const struct tenant_slot *t;

	LIST_FOREACH(t, &v->tenant_slots, link)
	if (slot_is_active(t->api.slot))
		return &t->api.mac;
	return NULL;
}

const struct ip_addr *overlay_choose_pa(const struct vrf *v, const struct ip_addr *pa)
{
	for (unsigned i = 0; i < 2; i++)
		if (pa[i].family && overlay_source(v, pa[i].family))
			return &pa[i];
	return NULL;
}

static uint8_t *put_outer_ip(
	struct adj *adj, const struct ip_addr *src, const struct ip_addr *dst, uint8_t protocol)
{
	if (dst->family == IP_V4) {
		struct ip4_hdr *ip = (struct ip4_hdr *)adj->bytes;

		*ip = (struct ip4_hdr){.version_ihl = 0x45, .ttl = 64, .protocol = protocol};
		ip->src = load32(src->bytes);
		ip->dst = load32(dst->bytes);
		adj->sum = sum_fold(sum_ip4(ip));
		return adj->bytes + IP4_SIZE;
	}
	struct ip6_hdr *ip = (struct ip6_hdr *)adj->bytes;

	*ip = (struct ip6_hdr){
		.version_class_flow = be32(6u << 28), .next_header = protocol, .hop_limit = 64};
	memcpy(ip->src, src->bytes, 16);
	memcpy(ip->dst, dst->bytes, 16);
	adj->flags |= ADJ_F_OUTER6;
	return adj->bytes + IP6_SIZE;
}

static void put_inner_eth(
	struct adj *adj, uint8_t *p, const struct mac_addr *dst, const struct mac_addr *src)
{
	struct eth_hdr *eth = (struct eth_hdr *)p;

	memcpy(eth->dst, dst->bytes, 6);
	memcpy(eth->src, src->bytes, 6);
	eth->type = be16(ETH_TYPE_IP4); // the packet's own is written in its place
	adj->size = (uint8_t)(p + sizeof(*eth) - adj->bytes);
}

struct adj *overlay_adj_new(const struct subnet *s, const struct mac_addr *mac,
	const struct ip_addr *pa, uint32_t hop, uint16_t link_mtu)
{
	const struct mac_addr *src_mac = overlay_source_mac(s->vrf);
	const struct ip_addr *src = pa ? overlay_source(s->vrf, pa->family) : NULL;
	struct adj *adj;
	uint8_t *p;

	if (!src || !src_mac)
		return NULL;
	adj = adj_new(ADJ_OVERLAY, s->vrf->index);
	adj->hop = hop;
	if (s->api.encap == API_ENCAP_VXLAN) {
		struct udp_hdr *udp;
		struct vxlan_hdr *vxlan;

		p = put_outer_ip(adj, src, pa, IP_PROTO_UDP);
		udp = (struct udp_hdr *)p;
		udp->dst = be16(UDP_PORT_VXLAN);
		vxlan = (struct vxlan_hdr *)(udp + 1);
		vxlan->flags = 0x08;
		vxlan->vni[0] = (uint8_t)(s->api.vni >> 16);
		vxlan->vni[1] = (uint8_t)(s->api.vni >> 8);
		vxlan->vni[2] = (uint8_t)s->api.vni;
		adj->flags |= ADJ_F_UDP;
		p = (uint8_t *)(vxlan + 1);
	} else { // NVGRE, RFC 7637: the VSID and an 8-bit FlowID in the key
		struct gre_hdr *gre;
		uint32_t key = be32(s->api.vni << 8);

		p = put_outer_ip(adj, src, pa, IP_PROTO_GRE);
		gre = (struct gre_hdr *)p;
		gre->flags = be16(GRE_KEY);
		gre->protocol = be16(ETH_TYPE_TEB);
		memcpy(gre + 1, &key, sizeof(key));
		p = (uint8_t *)(gre + 1) + sizeof(key);
	}
	put_inner_eth(adj, p, mac, src_mac);
	adj_align(adj);
	adj->mtu = (uint16_t)(link_mtu - adj->size);
	if (s->api.mtu && s->api.mtu < adj->mtu)
		adj->mtu = s->api.mtu;
	return adj;
}

struct adj *tenant_slot_adj_new(uint32_t vrf, uint16_t slot)
{
	const struct vrf *v = vrf_by_index(vrf);
	struct tenant_slot *t = v ? tenant_slot_find(v->id, slot) : NULL;
	const struct subnet *s = t ? subnet_find(t->api.vni) : NULL;
	struct adj *adj = NULL;

	if (s && t->dest && !slot_is_active(slot))
		adj = overlay_adj_new(s, &t->api.mac, overlay_choose_pa(v, t->api.pa),
			underlay_dest_hop(t->dest), underlay_dest_mtu(t->dest));
	if (adj)
		adj->flags |= ADJ_F_GATEWAY;
	return adj ? adj : adj_new_drop(DROP_SLOT_INACTIVE);
}

// -- its effects

static void place(struct tenant_slot *t)
{
	uint64_t mac = mac_word(t->api.mac.bytes);
	const struct ip_addr *pa = overlay_choose_pa(t->vrf, t->api.pa);

	table_set(&gateway_table, gateway_key(t->vrf->index, mac),
		slot_is_active(t->api.slot) ? t->api.slot : 0);
	table_set(&gateway_table, gateway_key_elsewhere(t->vrf->index, mac),
		slot_is_active(t->api.slot) ? 0 : t->api.slot);
	underlay_dest_put(t->dest);
	t->dest = pa && !slot_is_active(t->api.slot) ? underlay_dest_get(pa) : NULL;
}

// The source towards the overlay may have become another, and who reaches this slot goes another
// way: hosts, and the tenant's slots that are held elsewhere, are reached anew.
static void spread(struct vrf *v, const struct tenant_slot *changed)
{
	struct tenant_slot *t;

	subnet_refresh_vrf(v);
	host_refresh_vrf(v);
	LIST_FOREACH(t, &v->tenant_slots, link)
	{
		if (t != changed && slot_is_active(t->api.slot))
			continue;
		if (t != changed)
			place(t);
		nexthop_changed(NEXTHOP_ON_TENANT_SLOT, v->index, t->api.slot);
	}
}

static void slot_changed(struct slot_user *user)
{
	struct tenant_slot *t =
		(struct tenant_slot *)((char *)user - offsetof(struct tenant_slot, slot_user));

	place(t);
	spread(t->vrf, t);
}

static void unplace(struct tenant_slot *t)
{
	uint64_t mac = mac_word(t->api.mac.bytes);

	table_set(&gateway_table, gateway_key(t->vrf->index, mac), 0);
	table_set(&gateway_table, gateway_key_elsewhere(t->vrf->index, mac), 0);
	vtep_del(t->vrf->index, &t->api.pa[0]);
	vtep_del(t->vrf->index, &t->api.pa[1]);
}

// -- API_TYPE_TENANT_SLOT

static int check(const struct api_tenant_slot *o, const struct vrf *v, const struct tenant_slot *t,
	struct api_error *ret_error)
{
	const struct subnet *s = subnet_find(o->vni);
	const struct tenant_slot *other;

	if (!v)
		return refuse(ret_error, -ENOENT, "vrf: %u is not known; set it first", o->vrf);
	if (o->slot < 1 || o->slot >= SLOT_MAX)
		return refuse(ret_error, -EINVAL, "slot: %u is not 1..4095", o->slot);
	if (!s || s->vrf != v)
		return refuse(ret_error, -ENOENT, "vni: %u is no subnet of vrf %u", o->vni, o->vrf);
	if (o->mac.bytes[0] & 1 || mac_word(o->mac.bytes) == 0)
		return refuse(ret_error, -EINVAL, "mac: must be a unicast address");
	LIST_FOREACH(other, &v->tenant_slots, link)
	if (other != t && memcmp(&other->api.mac, &o->mac, sizeof(o->mac)) == 0)
		return refuse(
			ret_error, -EEXIST, "mac: slot %u of this vrf has it", other->api.slot);
	return 0;
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_tenant_slot *o = object;
	struct vrf *v = vrf_find(o->vrf);
	struct tenant_slot *t = tenant_slot_find(o->vrf, o->slot);
	int r = check(o, v, t, ret_error);

	if (r < 0)
		return r;
	if (t && memcmp(&t->api, o, sizeof(*o)) == 0)
		return API_UNCHANGED;
	if (t) {
		unplace(t);
		subnet_find(t->api.vni)->users--;
		t->api = *o;
	} else {
		t = xcalloc(1, sizeof(*t));
		t->api = *o;
		t->api.pad = 0;
		t->vrf = v;
		v->users++;
		t->slot_user.changed = slot_changed;
		slot_join(o->slot, &t->slot_user);
		LIST_INSERT_HEAD(&v->tenant_slots, t, link);
		map_set(&tenant_slots, &t->api, sizeof(struct ts_key), t);
	}
	subnet_find(o->vni)->users++;
	vtep_add(v->index, &o->pa[0]);
	vtep_add(v->index, &o->pa[1]);
	place(t);
	spread(t->vrf, t);
	return API_CHANGED;
}

static void tenant_slot_free(struct tenant_slot *t)
{
	map_del(&tenant_slots, &t->api, sizeof(struct ts_key));
	slot_leave(&t->slot_user);
	LIST_REMOVE(t, link);
	unplace(t);
	underlay_dest_put(t->dest);
	subnet_find(t->api.vni)->users--;
	t->vrf->users--;
	spread(t->vrf, NULL);
	nexthop_changed(NEXTHOP_ON_TENANT_SLOT, t->vrf->index, t->api.slot);
	free(t);
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_tenant_slot *o = key;
	struct tenant_slot *t = tenant_slot_find(o->vrf, o->slot);

	if (!t)
		return API_UNCHANGED;
	tenant_slot_free(t);
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_tenant_slot *want = filter;
	uint64_t *cursor = api_emit_cursor(emit);
	size_t at = *cursor;
	struct tenant_slot *t;

	while ((t = map_next(&tenant_slots, &at))) {
		int r = 0;

		*cursor = at;
		if (!want || ((!want->vrf || want->vrf == t->api.vrf) &&
				     (!want->slot || want->slot == t->api.slot)))
			r = api_emit(emit, &t->api, sizeof(t->api));
		if (r < 0)
			return r;
	}
	return 0;
}

void tenant_slot_fini(void)
{
	struct tenant_slot *t;
	size_t at = 0;

	while ((t = map_next(&tenant_slots, &at)))
		tenant_slot_free(t);
	map_fini(&tenant_slots);
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_TENANT_SLOT,
		.size = sizeof(struct api_tenant_slot),
		.min_size = sizeof(struct api_tenant_slot),
		.key_size = offsetof(struct api_tenant_slot, mac),
		.name = "tenant slot",
		.set = set,
		.del = del,
		.dump = dump},
};

int tenant_slot_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
