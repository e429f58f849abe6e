// SPDX-License-Identifier: Apache-2.0

#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adj/adj.h"
#include "drop.h"
#include "map.h"
#include "objects.h"
#include "route/route.h"
#include "serve/refuse.h"
#include "server.h"
#include "subnet/subnet.h"
#include "subnet/vtep.h"
#include "underlay/underlay.h"
#include "vrf/vrf.h"
#include "xmalloc.h"

struct host_key {
	uint32_t vrf;
	struct ip_addr addr;
};

struct host {
	LIST_ENTRY(host) link; // of its VRF
	struct vrf *vrf;
	uint32_t adj;
	struct underlay_dest *dest;
	struct api_host api;
};

LIST_HEAD(host_list, host);

// A machine's former host is accepted for some seconds yet: its frames are still under way, and
// the machine may be attached at both while it moves.
#define FORMER_MS 5000

struct former {
	TAILQ_ENTRY(former) link; // in order of time
	uint64_t until_ms;
	uint32_t vrf; // index
	struct ip_addr pa;
};

static TAILQ_HEAD(former_queue, former) formers = TAILQ_HEAD_INITIALIZER(formers);
static uint64_t now_ms;

static struct map hosts;
static struct host_list *by_vrf; // [VRF_MAX]

int host_init(void)
{
	map_init(&hosts);
	by_vrf = xcalloc(VRF_MAX, sizeof(*by_vrf));
	return 0;
}

static void show(struct host *h)
{
	const struct subnet *s = subnet_find(h->api.vni);
	const struct ip_addr *pa = overlay_choose_pa(h->vrf, h->api.pa);
	struct underlay_dest *dest = pa ? underlay_dest_get(pa) : NULL;
	struct adj *adj = NULL;

	if (dest)
		adj = overlay_adj_new(
			s, &h->api.mac, pa, underlay_dest_hop(dest), underlay_dest_mtu(dest));
	adj_publish(h->adj, adj ? adj : adj_new_drop(DROP_HOST_UNKNOWN));
	underlay_dest_put(h->dest);
	h->dest = dest;
}

void host_refresh_vrf(struct vrf *v)
{
	struct host *h;

	if (!by_vrf) // the end
		return;
	LIST_FOREACH(h, &by_vrf[v->index], link)
	show(h);
}

static int check(const struct api_host *o, const struct vrf *v, struct api_error *ret_error)
{
	const struct subnet *s = subnet_find(o->vni);

	if (!v)
		return refuse(ret_error, -ENOENT, "vrf: %u is not known; set it first", o->vrf);
	if (!s || s->vrf != v)
		return refuse(ret_error, -ENOENT, "vni: %u is no subnet of vrf %u", o->vni, o->vrf);
	if (o->addr.family != IP_V4 && o->addr.family != IP_V6)
		return refuse(ret_error, -EINVAL, "addr: names no address");
	if (o->mac.bytes[0] & 1)
		return refuse(ret_error, -EINVAL, "mac: must be a unicast address");
	if (!o->pa[0].family && !o->pa[1].family)
		return refuse(ret_error, -EINVAL, "pa: names no address");
	return 0;
}

static void leave_subnet(struct host *h)
{
	subnet_find(h->api.vni)->users--;
	vtep_del(h->vrf->index, &h->api.pa[0]);
	vtep_del(h->vrf->index, &h->api.pa[1]);
}

static void former_add(const struct host *h, const struct ip_addr *pa)
{
	struct former *f;

	if (!pa->family)
		return;
	f = xcalloc(1, sizeof(*f));
	f->until_ms = now_ms + FORMER_MS;
	f->vrf = h->vrf->index;
	f->pa = *pa;
	h->vrf->users++;
	vtep_add(f->vrf, pa);
	TAILQ_INSERT_TAIL(&formers, f, link);
}

static void former_end(struct former *f)
{
	TAILQ_REMOVE(&formers, f, link);
	vtep_del(f->vrf, &f->pa);
	vrf_by_index(f->vrf)->users--;
	free(f);
}

void host_forget_vrf(struct vrf *v)
{
	struct former *f = TAILQ_FIRST(&formers), *next;

	for (; f; f = next) {
		next = TAILQ_NEXT(f, link);
		if (f->vrf == v->index)
			former_end(f);
	}
}

void host_tick(uint64_t now)
{
	struct former *f;

	now_ms = now;
	while ((f = TAILQ_FIRST(&formers)) && f->until_ms <= now_ms)
		former_end(f);
}

static void host_free(struct host *h)
{
	struct ip_prefix p = prefix_make(&h->api.addr, ip_bits(&h->api.addr));

	route_del(h->vrf->index, &p, ROUTE_HOST);
	leave_subnet(h);
	map_del(&hosts, &h->api, sizeof(struct host_key));
	LIST_REMOVE(h, link);
	h->vrf->users--;
	adj_index_free(h->adj);
	underlay_dest_put(h->dest);
	free(h);
}

static struct host *host_new(const struct api_host *o, struct vrf *v)
{
	uint32_t adj = adj_index_new();
	struct host *h;

	if (!adj)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	h->api = *o;
	h->vrf = v;
	h->adj = adj;
	v->users++;
	LIST_INSERT_HEAD(&by_vrf[v->index], h, link);
	map_set(&hosts, &h->api, sizeof(struct host_key), h);
	return h;
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_host *o = object;
	struct vrf *v = vrf_find(o->vrf);
	struct host_key key = {o->vrf, o->addr};
	struct host *h = map_find(&hosts, &key, sizeof(key));
	struct ip_prefix p = prefix_make(&o->addr, ip_bits(&o->addr));
	int r = check(o, v, ret_error);
	bool is_new = !h;

	if (r < 0)
		return r;
	if (h && memcmp(&h->api, o, sizeof(*o)) == 0)
		return API_UNCHANGED;
	if (!h) {
		h = host_new(o, v);
	} else {
		former_add(h, &h->api.pa[0]);
		former_add(h, &h->api.pa[1]);
		leave_subnet(h);
	}
	if (!h)
		return refuse(ret_error, -ENOSPC, "addr: no adjacency left");
	h->api = *o;
	subnet_find(o->vni)->users++;
	vtep_add(v->index, &o->pa[0]);
	vtep_add(v->index, &o->pa[1]);
	show(h);
	if (is_new && route_set(v->index, &p, ROUTE_HOST, ROUTE_RANK_HOST, h->adj) < 0) {
		host_free(h);
		return refuse(ret_error, -ENOSPC, "addr: the routing table is full");
	}
	return API_CHANGED;
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_host *o = key;
	struct host_key k = {o->vrf, o->addr};
	struct host *h = map_find(&hosts, &k, sizeof(k));

	if (!h)
		return API_UNCHANGED;
	host_free(h);
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_host *want = filter;
	uint64_t *cursor = api_emit_cursor(emit);
	size_t at = *cursor;
	struct host *h;

	while ((h = map_next(&hosts, &at))) {
		int r = 0;

		*cursor = at;
		if (!want || ((!want->vrf || want->vrf == h->api.vrf) &&
				     (!want->addr.family || ip_equal(&want->addr, &h->api.addr))))
			r = api_emit(emit, &h->api, sizeof(h->api));
		if (r < 0)
			return r;
	}
	return 0;
}

void host_fini(void)
{
	struct host *h;
	size_t at = 0;

	while (!TAILQ_EMPTY(&formers))
		former_end(TAILQ_FIRST(&formers));
	while ((h = map_next(&hosts, &at)))
		host_free(h);
	map_fini(&hosts);
	free(by_vrf);
	by_vrf = NULL;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_HOST,
		.size = sizeof(struct api_host),
		.min_size = sizeof(struct api_host),
		.key_size = offsetof(struct api_host, vni),
		.name = "host",
		.set = set,
		.del = del,
		.dump = dump},
};

int host_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
