// SPDX-License-Identifier: Apache-2.0

#include "subnet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "adj/adj.h"
#include "drop.h"
#include "ip/wire.h"
#include "map.h"
#include "hot.h"
#include "rcu.h"
#include "route/route.h"
#include "serve/refuse.h"
#include "server.h"
#include "subnet/vtep.h"
#include "underlay/underlay.h"
#include "vrf/vrf.h"
#include "xmalloc.h"

const struct subnet_fwd **subnet_by_vni;
struct table gateway_table;

static struct map subnets;

int subnet_init(void)
{
	size_t size = VNI_MAX * sizeof(*subnet_by_vni);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	subnet_by_vni = p;
	map_init(&subnets);
	table_init(&gateway_table);
	return vtep_init();
}

struct subnet *subnet_find(uint32_t vni)
{
	return map_find(&subnets, &vni, sizeof(vni));
}

struct adj *subnet_adj_new(uint32_t vni, uint32_t vrf)
{
	const struct subnet *s = subnet_find(vni);

	if (!s || s->vrf->index != vrf)
		return adj_new_drop(DROP_NO_ROUTE);
	return adj_new_drop(DROP_HOST_UNKNOWN);
}

// -- what workers see

// Who advertises itself as the subnet's router: the slot of its IPv6 default gateway, if held here.
static uint64_t router_of(const struct subnet *s)
{
	const struct local_addr *a;

	LIST_FOREACH(a, &s->vrf->local_addrs, link)
	{
		const struct tenant_slot *t = tenant_slot_find(s->vrf->id, a->api.slot);

		if (a->api.vni == s->api.vni && a->api.is_gateway && a->api.addr.family == IP_V6 &&
			t && slot_is_active(a->api.slot))
			return (uint64_t)a->api.slot << 48 | mac_word(t->api.mac.bytes);
	}
	return 0;
}

static void add_gateway(struct subnet_fwd *f, const struct api_tenant_slot *t)
{
	uint64_t slot = (uint64_t)t->slot << 48;

	f->gateway[f->gateway_count] = slot | mac_word(t->mac.bytes);
	f->gateway_raw[f->gateway_count++] =
		slot | (uint64_t)load16(t->mac.bytes + 4) << 32 | load32(t->mac.bytes);
}

static void show(const struct subnet *s)
{
	const struct subnet_fwd *old = subnet_by_vni[s->api.vni];
	struct subnet_fwd *f = hot_alloc(sizeof(*f));
	const struct tenant_slot *t;

	f->vrf = s->vrf->index;
	f->vni = s->api.vni;
	f->mtu = s->api.mtu;
	f->encap = s->api.encap;
	f->mask4 = ~0u;
	memset(f->gateway_raw, 0xff, sizeof(f->gateway_raw));
	LIST_FOREACH(t, &s->vrf->tenant_slots, link)
	if (f->gateway_count < SUBNET_GATEWAYS && slot_is_active(t->api.slot))
		add_gateway(f, &t->api);
	for (unsigned i = 0; i < s->api.prefix_count; i++) {
		const struct ip_prefix *p = &s->api.prefix[i];

		if (p->addr.family == IP_V6)
			f->prefix6[f->prefix6_count++] = *p;
		if (p->addr.family != IP_V4 || f->mask4 != ~0u)
			continue;
		f->prefix4 = load32(p->addr.bytes);
		f->mask4 = be32(p->len ? ~0u << (32 - p->len) : 0);
	}
	f->router = router_of(s);
	rcu_store(&subnet_by_vni[s->api.vni], f);
	rcu_defer(hot_free, (void *)(uintptr_t)old);
}

void subnet_refresh_vrf(struct vrf *v)
{
	const struct subnet *s;

	LIST_FOREACH(s, &v->subnets, link)
	show(s);
}

// -- API_TYPE_SUBNET

static int check(const struct api_subnet *o, struct api_error *ret_error)
{
	if (o->vni < 1 || o->vni > 0xffffff)
		return refuse(ret_error, -EINVAL, "vni: %u is not 1..16777215", o->vni);
	if (o->encap != API_ENCAP_VXLAN && o->encap != API_ENCAP_NVGRE)
		return refuse(ret_error, -EINVAL, "encap: %u is unknown", o->encap);
	if (o->prefix_count > SUBNET_PREFIXES)
		return refuse(ret_error, -EINVAL, "prefix_count: %u is more than %u",
			o->prefix_count, SUBNET_PREFIXES);
	for (unsigned i = 0; i < o->prefix_count; i++) {
		const struct ip_prefix *p = &o->prefix[i];
		const struct ip_prefix made = prefix_make(&p->addr, p->len);

		if (!p->addr.family || p->len > ip_bits(&p->addr) || !prefix_equal(&made, p))
			return refuse(ret_error, -EINVAL, "prefix[%u]: not a prefix", i);
	}
	return 0;
}

static void subnet_free(struct subnet *s)
{
	const struct subnet_fwd *old = subnet_by_vni[s->api.vni];

	rcu_store(&subnet_by_vni[s->api.vni], NULL);
	rcu_defer(hot_free, (void *)(uintptr_t)old);
	map_del(&subnets, &s->api.vni, sizeof(s->api.vni));
	LIST_REMOVE(s, link);
	s->vrf->users--;
	vrf_refresh(s->vrf);
	free(s);
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_subnet *o = object;
	struct subnet *s = subnet_find(o->vni);
	struct vrf *v = vrf_find(o->vrf);
	int r = check(o, ret_error);

	if (r < 0)
		return r;
	if (!v)
		return refuse(ret_error, -ENOENT, "vrf: %u is not known; set it first", o->vrf);
	if (s && s->vrf != v)
		return refuse(ret_error, -EEXIST, "vni: %u belongs to vrf %u", o->vni, s->vrf->id);
	if (s && memcmp(&s->api, o, sizeof(*o)) == 0)
		return API_UNCHANGED;
	if (!s) {
		s = xcalloc(1, sizeof(*s));
		s->vrf = v;
		s->api.vni = o->vni;
		v->users++;
		LIST_INSERT_HEAD(&v->subnets, s, link);
		map_set(&subnets, &s->api.vni, sizeof(s->api.vni), s);
	}
	s->api = *o;
	show(s);
	vrf_refresh(v);
	host_refresh_vrf(v);
	nexthop_changed(NEXTHOP_ON_SUBNET, 0, o->vni);
	return API_CHANGED;
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_subnet *o = key;
	struct subnet *s = subnet_find(o->vni);

	if (!s)
		return API_UNCHANGED;
	if (s->users)
		return refuse(ret_error, -EBUSY, "vni: %u objects still name it", s->users);
	subnet_free(s);
	nexthop_changed(NEXTHOP_ON_SUBNET, 0, o->vni);
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_subnet *want = filter;
	uint64_t *cursor = api_emit_cursor(emit);
	size_t at = *cursor;
	struct subnet *s;

	while ((s = map_next(&subnets, &at))) {
		int r = 0;

		*cursor = at;
		if (!want || !want->vni || want->vni == s->api.vni)
			r = api_emit(emit, &s->api, sizeof(s->api));
		if (r < 0)
			return r;
	}
	return 0;
}

void subnet_fini(void)
{
	struct subnet *s;
	size_t at = 0;

	while ((s = map_next(&subnets, &at)))
		subnet_free(s);
	map_fini(&subnets);
	rcu_synchronize();
	munmap(subnet_by_vni, VNI_MAX * sizeof(*subnet_by_vni));
	subnet_by_vni = NULL;
	table_fini(&gateway_table);
	vtep_fini();
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_SUBNET,
		.size = sizeof(struct api_subnet),
		.min_size = sizeof(struct api_subnet),
		.key_size = offsetof(struct api_subnet, vrf),
		.name = "subnet",
		.set = set,
		.del = del,
		.dump = dump},
};

int subnet_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
