// SPDX-License-Identifier: Apache-2.0

// The RIB: prefixes with their candidates, and the handler of API_TYPE_ROUTE.

#include "route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adj/adj.h"
#include "fib/fib.h"
#include "map.h"
#include "objects.h"
#include "serve/refuse.h"
#include "server.h"
#include "underlay/underlay.h"
#include "vrf/vrf.h"
#include "xmalloc.h"

struct route_key {
	uint32_t vrf;
	struct ip_prefix prefix;
};

struct route_entry {
	struct route_entry *next; // by rank
	struct nexthop *nexthop;  // API routes
	uint32_t adj;
	uint32_t metric;
	uint16_t rank;
	uint8_t source;
	uint8_t preference;
};

struct route {
	struct route_key key;
	struct route_entry *entries;
};

static struct map routes;
static uint32_t api_routes[VRF_MAX]; // by VRF index: entries that came by the API

static struct route_key key_of(uint32_t vrf, const struct ip_prefix *prefix)
{
	return (struct route_key){vrf, *prefix};
}

static struct route *route_find(uint32_t vrf, const struct ip_prefix *prefix)
{
	struct route_key key = key_of(vrf, prefix);

	return map_find(&routes, &key, sizeof(key));
}

static struct route_entry **entry_place(struct route *r, uint8_t source)
{
	struct route_entry **p = &r->entries;

	while (*p && (*p)->source != source)
		p = &(*p)->next;
	return p;
}

static void entry_insert(struct route *r, struct route_entry *e)
{
	struct route_entry **p = &r->entries;

	while (*p && (*p)->rank <= e->rank)
		p = &(*p)->next;
	e->next = *p;
	*p = e;
}

static void changed(const struct route_key *key)
{
	nexthop_prefix_changed(key->vrf, &key->prefix);
	if (key->vrf == 0)
		underlay_routes_changed(&key->prefix);
}

// Puts the best candidate into the FIB; frees r when it has none. 0 or -ENOSPC.
static int route_show(struct route *r, uint32_t adj_before)
{
	struct route_key key = r->key;
	uint32_t adj = r->entries ? r->entries->adj : 0;
	int status = 0;

	if (adj && adj != adj_before)
		status = fib_set(vrf_fib, key.vrf, &key.prefix, adj);
	else if (!adj)
		fib_del(vrf_fib, key.vrf, &key.prefix);
	if (!r->entries) {
		map_del(&routes, &r->key, sizeof(r->key));
		free(r);
	}
	if (adj != adj_before)
		changed(&key);
	return status;
}

static int entry_set(uint32_t vrf, const struct ip_prefix *prefix, const struct route_entry *want)
{
	struct route *r = route_find(vrf, prefix);
	struct route_entry **place, *e;
	uint32_t before;
	int status;

	if (!r) {
		r = xcalloc(1, sizeof(*r));
		r->key = key_of(vrf, prefix);
		map_set(&routes, &r->key, sizeof(r->key), r);
	}
	before = r->entries ? r->entries->adj : 0;
	place = entry_place(r, want->source);
	e = *place;
	if (e) {
		*place = e->next;
	} else {
		e = xcalloc(1, sizeof(*e));
		api_routes[vrf] += want->nexthop != NULL;
	}
	*e = *want;
	entry_insert(r, e);
	status = route_show(r, before);
	if (status < 0) {
		*entry_place(r, want->source) = e->next;
		api_routes[vrf] -= want->nexthop != NULL;
		free(e);
		route_show(r, before);
	}
	return status;
}

// The nexthop the entry held is the caller's to put, after the FIB has let go of it.
static struct nexthop *entry_del(uint32_t vrf, const struct ip_prefix *prefix, uint8_t source)
{
	struct route *r = route_find(vrf, prefix);
	struct route_entry **place, *e;
	struct nexthop *nexthop;
	uint32_t before;

	if (!r)
		return NULL;
	place = entry_place(r, source);
	e = *place;
	if (!e)
		return NULL;
	before = r->entries->adj;
	*place = e->next;
	nexthop = e->nexthop;
	api_routes[vrf] -= nexthop != NULL;
	free(e);
	route_show(r, before);
	return nexthop;
}

int route_set(
	uint32_t vrf, const struct ip_prefix *prefix, uint8_t source, uint16_t rank, uint32_t adj)
{
	const struct route_entry want = {.adj = adj, .rank = rank, .source = source};

	return entry_set(vrf, prefix, &want);
}

void route_del(uint32_t vrf, const struct ip_prefix *prefix, uint8_t source)
{
	entry_del(vrf, prefix, source);
}

// What bgp has not taken back yet must not wait in a table that may be another tenant's next.
void route_forget_vrf(uint32_t vrf)
{
	struct route *r;
	size_t at = 0;

	while (api_routes[vrf] && (r = map_next(&routes, &at))) {
		const struct ip_prefix prefix = r->key.prefix;

		if (r->key.vrf != vrf)
			continue;
		for (uint8_t source = API_ROUTE_CONNECTED; source <= API_ROUTE_BGP; source++)
			nexthop_put(entry_del(vrf, &prefix, source));
	}
}

// -- API_TYPE_ROUTE

static int vrf_index(uint32_t id, uint32_t *ret_index)
{
	const struct vrf *v;

	if (id == API_VRF_UNDERLAY) {
		*ret_index = 0;
		return 0;
	}
	v = vrf_find(id);
	if (!v)
		return -ENOENT;
	*ret_index = v->index;
	return 0;
}

static int check_path(const struct api_route *o, unsigned i, struct api_error *ret_error)
{
	const struct api_path *p = &o->path[i];

	if (p->type < API_PATH_CONN || p->type > API_PATH_LOCAL)
		return refuse(ret_error, -EINVAL, "path[%u].type: %u is unknown", i, p->type);
	if ((p->type == API_PATH_PORT) != (o->vrf == API_VRF_UNDERLAY) &&
		p->type != API_PATH_DROP && p->type != API_PATH_VIA)
		return refuse(ret_error, -EINVAL,
			"path[%u].type: ports are for vrf 0, all else for tenants", i);
	if (p->type == API_PATH_VIA && p->via.family == IP_NONE)
		return refuse(ret_error, -EINVAL, "path[%u].via: names no address", i);
	return 0;
}

static int check(const struct api_route *o, size_t size, struct api_error *ret_error)
{
	const struct ip_prefix made = prefix_make(&o->prefix.addr, o->prefix.len);

	if (o->prefix.addr.family != IP_V4 && o->prefix.addr.family != IP_V6)
		return refuse(ret_error, -EINVAL, "prefix: has no address family");
	if (o->prefix.len > ip_bits(&o->prefix.addr) || !prefix_equal(&made, &o->prefix))
		return refuse(ret_error, -EINVAL, "prefix: length or host bits wrong");
	if (o->source < API_ROUTE_CONNECTED || o->source > API_ROUTE_BGP)
		return refuse(ret_error, -EINVAL, "source: %u is unknown", o->source);
	if (o->path_count < 1 || o->path_count > API_ROUTE_PATHS ||
		size < offsetof(struct api_route, path) + o->path_count * sizeof(struct api_path))
		return refuse(ret_error, -EINVAL, "path_count: not 1..%u, or paths missing",
			API_ROUTE_PATHS);
	for (unsigned i = 0; i < o->path_count; i++) {
		int r = check_path(o, i, ret_error);

		if (r < 0)
			return r;
	}
	return 0;
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_route *o = object;
	const struct route_entry *known = NULL;
	struct route_entry want = {.source = o->source,
		.preference = o->preference,
		.rank = (uint16_t)(ROUTE_RANK_API + o->preference),
		.metric = o->metric};
	struct nexthop *old = NULL;
	struct route *r;
	uint32_t vrf;
	int status = check(o, size, ret_error);

	if (status < 0)
		return status;
	if (vrf_index(o->vrf, &vrf) < 0)
		return refuse(ret_error, -ENOENT, "vrf: %u is not known; set it first", o->vrf);
	want.nexthop = nexthop_get(vrf, o->path, o->path_count);
	if (!want.nexthop)
		return refuse(ret_error, -ENOSPC, "path: no adjacency left");
	want.adj = nexthop_index(want.nexthop);
	r = route_find(vrf, &o->prefix);
	if (r)
		known = *entry_place(r, o->source);
	if (known && known->nexthop == want.nexthop && known->preference == want.preference &&
		known->metric == want.metric) {
		nexthop_put(want.nexthop);
		return API_UNCHANGED;
	}
	old = known ? known->nexthop : NULL;
	status = entry_set(vrf, &o->prefix, &want);
	nexthop_put(status < 0 ? want.nexthop : old);
	if (status < 0)
		return refuse(ret_error, status, "prefix: the routing table is full");
	return API_CHANGED;
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_route *o = key;
	struct nexthop *nexthop;
	uint32_t vrf;

	if (vrf_index(o->vrf, &vrf) < 0)
		return API_UNCHANGED;
	nexthop = entry_del(vrf, &o->prefix, o->source);
	nexthop_put(nexthop);
	return nexthop ? API_CHANGED : API_UNCHANGED;
}

static int emit_entry(struct api_emit *emit, const struct route *r, const struct route_entry *e)
{
	const struct vrf *v = vrf_by_index(r->key.vrf);
	struct api_route out = {.vrf = v ? v->id : API_VRF_UNDERLAY,
		.prefix = r->key.prefix,
		.source = e->source,
		.preference = e->preference,
		.metric = e->metric};
	unsigned len;
	const struct api_path *paths = nexthop_paths(e->nexthop, &len);

	out.path_count = (uint8_t)len;
	memcpy(out.path, paths, len * sizeof(*paths));
	return api_emit(emit, &out, offsetof(struct api_route, path) + len * sizeof(*paths));
}

static bool matches(const struct api_route *want, const struct route *r, uint8_t source)
{
	const struct vrf *v = vrf_by_index(r->key.vrf);

	if (!want)
		return true;
	if (want->vrf && (!v || v->id != want->vrf))
		return false;
	if (want->prefix.addr.family && !prefix_equal(&want->prefix, &r->key.prefix))
		return false;
	return !want->source || want->source == source;
}

// The cursor is the place in the map and the entry there: routes that come or go meanwhile may be
// told twice or not at all, as with any dump that pauses.
static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	uint64_t *cursor = api_emit_cursor(emit);
	size_t at = cursor[0];
	struct route *r;

	while ((r = map_next(&routes, &at))) {
		uint64_t i = 0;

		for (const struct route_entry *e = r->entries; e; e = e->next, i++) {
			int status;

			if (!e->nexthop || i < cursor[1] || !matches(filter, r, e->source))
				continue;
			cursor[1] = i + 1;
			status = emit_entry(emit, r, e);
			if (status < 0)
				return status;
		}
		cursor[0] = at;
		cursor[1] = 0;
	}
	return 0;
}

int route_init(void)
{
	map_init(&routes);
	nexthop_init();
	return 0;
}

void route_fini(void)
{
	struct route *r;
	size_t at = 0;

	while ((r = map_next(&routes, &at))) {
		while (r->entries) {
			struct route_entry *e = r->entries;

			r->entries = e->next;
			api_routes[r->key.vrf] -= e->nexthop != NULL;
			nexthop_put(e->nexthop);
			free(e);
		}
		map_del(&routes, &r->key, sizeof(r->key));
		free(r);
	}
	map_fini(&routes);
	nexthop_fini();
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_ROUTE,
		.size = sizeof(struct api_route),
		.min_size = offsetof(struct api_route, path),
		.key_size = offsetof(struct api_route, preference),
		.name = "route",
		.set = set,
		.del = del,
		.dump = dump},
};

int route_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
