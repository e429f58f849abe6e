// SPDX-License-Identifier: Apache-2.0

// Next hops: sets of paths shared by routes, resolved into adjacencies.
//
// Each nexthop is registered with all that its paths rest on. When one of these changes, its
// adjacency is built again and shown by one store. Several usable paths make a group of 1024
// buckets; each bucket takes the path with the highest weighted hash of (bucket, path), so a path
// that goes away moves its own flows only, and two gateways choose alike (RFC 2992 discusses why
// that matters; the method is weighted rendezvous hashing).

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adj/adj.h"
#include "conn/conn.h"
#include "drop.h"
#include "fib/fib.h"
#include "map.h"
#include "objects.h"
#include "hot.h"
#include "rcu.h"
#include "route.h"
#include "subnet/subnet.h"
#include "vrf/vrf.h"
#include "xmalloc.h"

struct nexthop_key {
	uint32_t vrf;
	uint32_t len;
	struct api_path paths[API_ROUTE_PATHS];
};

struct rest_key {
	uint32_t on, vrf, id;
};

LIST_HEAD(rest_list, rest_link);

// Something paths rest on, while any does.
struct rest {
	struct rest_key key;
	struct rest_list links;
};

struct rest_link {
	LIST_ENTRY(rest_link) link;
	struct rest *rest;
	struct nexthop *nexthop;
};

struct nexthop {
	uint32_t index;
	uint32_t refs;
	bool resolving; // guards against paths that lead back here
	struct rest_link rests[API_ROUTE_PATHS];
	struct rest_link slot_rests[API_ROUTE_PATHS]; // a connection's slot, while held elsewhere
	struct nexthop_key key;                       // only len paths are kept
};

static struct map nexthops, rests;
static struct nexthop **by_index; // [ADJ_MAX], grown
static size_t by_index_cap;

static size_t key_size(unsigned len)
{
	return offsetof(struct nexthop_key, paths) + len * sizeof(struct api_path);
}

void nexthop_init(void)
{
	map_init(&nexthops);
	map_init(&rests);
}

uint32_t nexthop_index(const struct nexthop *n)
{
	return n->index;
}

const struct api_path *nexthop_paths(const struct nexthop *n, unsigned *ret_len)
{
	*ret_len = n->key.len;
	return n->key.paths;
}

struct nexthop *nexthop_of(uint32_t index)
{
	return index < by_index_cap ? by_index[index] : NULL;
}

// -- resolution

struct member {
	struct adj *adj;
	unsigned weight;
	uint64_t identity;
};

struct members {
	struct member list[ADJ_GROUP_MAX];
	unsigned len;
	uint8_t reason; // why there is none
};

static struct adj *adj_copy(const struct adj *from)
{
	struct adj *adj = adj_new(from->type, from->vrf);

	*adj = *from;
	return adj;
}

static void add_member(struct members *m, struct adj *adj, unsigned weight, uint64_t identity)
{
	if (!adj)
		return;
	if (adj->type == ADJ_DROP || m->len == ADJ_GROUP_MAX) {
		m->reason = adj->reason ? adj->reason : m->reason;
		if (adj->type != ADJ_DROP || adj->reason != DROP_ROUTE_DROP) {
			hot_free(adj);
			return;
		}
	}
	m->list[m->len++] = (struct member){adj, weight ? weight : 1, identity};
}

static void add_via(struct members *m, struct nexthop *n, const struct api_path *p)
{
	uint32_t index = fib_lookup(vrf_fib, n->key.vrf, &p->via);
	struct nexthop *target = nexthop_of(index);
	const struct adj *adj = adj_table[index];

	if (!index || target == n || (target && target->resolving))
		return;
	if (adj->type != ADJ_GROUP) {
		add_member(m, adj_copy(adj), p->weight,
			hash_bytes(&p->via, sizeof(p->via), adj->conn));
		return;
	}
	for (unsigned i = 0; i < ADJ_GROUP_MAX && adj->group->member[i]; i++) {
		const struct adj *member = adj_table[adj->group->member[i]];

		add_member(m, adj_copy(member), p->weight,
			hash_bytes(&p->via, sizeof(p->via), member->conn));
	}
}

static void add_path(struct members *m, struct nexthop *n, const struct api_path *p)
{
	struct api_path plain = *p;
	unsigned weight = p->weight;
	uint64_t identity;
	struct adj *adj;

	plain.weight = 0; // another weight draws or gives flows and reshuffles none
	identity = hash_bytes(&plain, sizeof(plain), 0);

	switch (p->type) {
	case API_PATH_CONN:
		adj = conn_adj_new(p->id, n->key.vrf, &p->via, &weight);
		add_member(m, adj, weight, identity);
		break;
	case API_PATH_SUBNET:
		add_member(m, subnet_adj_new(p->id, n->key.vrf), weight, identity);
		break;
	case API_PATH_SLOT:
		add_member(m, tenant_slot_adj_new(n->key.vrf, (uint16_t)p->id), weight, identity);
		break;
	case API_PATH_VIA: add_via(m, n, p); break;
	case API_PATH_DROP: add_member(m, adj_new_drop(DROP_ROUTE_DROP), weight, identity); break;
	case API_PATH_LOCAL: add_member(m, adj_new(ADJ_LOCAL, n->key.vrf), weight, identity); break;
	default: break; // API_PATH_PORT: read by underlay.c, not forwarded along
	}
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

static uint8_t bucket_choose(const struct members *m, unsigned bucket)
{
	double best = -1;
	uint8_t choice = 0;

	for (unsigned i = 0; i < m->len; i++) {
		uint64_t h = mix(m->list[i].identity + bucket * UINT64_C(0x9e3779b97f4a7c15));
		double unit = ((double)(h >> 11) + 0.5) / 9007199254740992.0; // (0, 1)
		double score = m->list[i].weight / -log(unit);

		if (score > best) {
			best = score;
			choice = (uint8_t)i;
		}
	}
	return choice;
}

static uint32_t member_publish(struct adj *adj)
{
	uint32_t index = adj_index_new();

	if (index)
		adj_publish(index, adj);
	else
		hot_free(adj);
	return index;
}

static struct adj *group_make(uint32_t vrf, const struct members *m)
{
	struct adj *adj = adj_new(ADJ_GROUP, vrf);
	struct adj_group *group = hot_alloc(sizeof(*group));

	for (unsigned i = 0; i < m->len; i++)
		group->member[i] = member_publish(m->list[i].adj);
	for (unsigned b = 0; b < ADJ_GROUP_BUCKETS; b++)
		group->bucket[b] = bucket_choose(m, b);
	adj->group = group;
	return adj;
}

static void resolve(struct nexthop *n)
{
	struct members m = {.reason = DROP_NO_ROUTE};
	struct adj *adj;

	n->resolving = true;
	for (unsigned i = 0; i < n->key.len; i++)
		add_path(&m, n, &n->key.paths[i]);
	if (m.len == 0)
		adj = adj_new_drop(m.reason);
	else if (m.len == 1)
		adj = m.list[0].adj;
	else
		adj = group_make(n->key.vrf, &m);
	adj_publish(n->index, adj);
	n->resolving = false;
}

// -- what paths rest on

static bool rest_key_of(const struct nexthop *n, const struct api_path *p, struct rest_key *ret_key)
{
	switch (p->type) {
	case API_PATH_CONN: *ret_key = (struct rest_key){NEXTHOP_ON_CONN, 0, p->id}; return true;
	case API_PATH_SUBNET:
		*ret_key = (struct rest_key){NEXTHOP_ON_SUBNET, 0, p->id};
		return true;
	case API_PATH_SLOT:
		*ret_key = (struct rest_key){NEXTHOP_ON_TENANT_SLOT, n->key.vrf, p->id};
		return true;
	case API_PATH_VIA: *ret_key = (struct rest_key){NEXTHOP_ON_VIA, n->key.vrf, 0}; return true;
	default: return false;
	}
}

static void link_join(struct nexthop *n, struct rest_link *l, const struct rest_key *key)
{
	struct rest *rest = map_find(&rests, key, sizeof(*key));

	if (!rest) {
		rest = xcalloc(1, sizeof(*rest));
		rest->key = *key;
		map_set(&rests, &rest->key, sizeof(rest->key), rest);
	}
	l->rest = rest;
	l->nexthop = n;
	LIST_INSERT_HEAD(&rest->links, l, link);
}

static void rest_join(struct nexthop *n, unsigned i)
{
	struct rest_key key;

	if (rest_key_of(n, &n->key.paths[i], &key))
		link_join(n, &n->rests[i], &key);
}

// A connection stays in its slot for life; it may be told after its routes.
static void slot_rest_join(struct nexthop *n, unsigned i)
{
	const struct conn *c;
	struct rest_key key;

	if (n->slot_rests[i].rest || n->key.paths[i].type != API_PATH_CONN)
		return;
	c = conn_find(n->key.paths[i].id);
	if (!c)
		return;
	key = (struct rest_key){NEXTHOP_ON_TENANT_SLOT, n->key.vrf, conn_api(c)->slot};
	link_join(n, &n->slot_rests[i], &key);
}

static void rest_leave(struct rest_link *l)
{
	if (!l->rest)
		return;
	LIST_REMOVE(l, link);
	if (LIST_EMPTY(&l->rest->links)) {
		map_del(&rests, &l->rest->key, sizeof(l->rest->key));
		free(l->rest);
	}
	l->rest = NULL;
}

// A nexthop that was built again may carry others: those whose "via" leads to it.
#define VIA_DEPTH 4

static void via_again(uint32_t vrf, uint32_t index, unsigned depth);

static void resolve_all(const struct rest *rest)
{
	const struct rest_link *l;

	LIST_FOREACH(l, &rest->links, link)
	{
		for (unsigned i = 0; i < l->nexthop->key.len; i++)
			slot_rest_join(l->nexthop, i);
		resolve(l->nexthop);
		via_again(l->nexthop->key.vrf, l->nexthop->index, VIA_DEPTH);
	}
}

static bool leads_to(const struct nexthop *n, uint32_t index)
{
	for (unsigned i = 0; i < n->key.len; i++)
		if (n->key.paths[i].type == API_PATH_VIA &&
			fib_lookup(vrf_fib, n->key.vrf, &n->key.paths[i].via) == index)
			return true;
	return false;
}

static void via_again(uint32_t vrf, uint32_t index, unsigned depth)
{
	struct rest_key key = {NEXTHOP_ON_VIA, vrf, 0};
	struct rest *rest = map_find(&rests, &key, sizeof(key));
	const struct rest_link *l;

	if (!rest || depth == 0)
		return;
	LIST_FOREACH(l, &rest->links, link)
	{
		if (l->nexthop->index == index || !leads_to(l->nexthop, index))
			continue;
		resolve(l->nexthop);
		via_again(vrf, l->nexthop->index, depth - 1);
	}
}

void nexthop_changed(enum nexthop_on on, uint32_t vrf, uint32_t id)
{
	struct rest_key key = {on, vrf, id};
	struct rest *rest = map_find(&rests, &key, sizeof(key));

	if (rest)
		resolve_all(rest);
}

void nexthop_prefix_changed(uint32_t vrf, const struct ip_prefix *prefix)
{
	struct rest_key key = {NEXTHOP_ON_VIA, vrf, 0};
	struct rest *rest = map_find(&rests, &key, sizeof(key));
	const struct rest_link *l;

	if (!rest)
		return;
	LIST_FOREACH(l, &rest->links, link)
	{
		struct nexthop *n = l->nexthop;
		const struct api_path *p = &n->key.paths[l - n->rests];

		if (prefix_contains(prefix, &p->via)) {
			resolve(n);
			via_again(vrf, n->index, VIA_DEPTH);
		}
	}
}

// -- life

struct nexthop *nexthop_get(uint32_t vrf, const struct api_path *paths, unsigned len)
{
	struct nexthop_key key = {.vrf = vrf, .len = len};
	struct nexthop *n;
	uint32_t index;
	size_t had = by_index_cap;

	memcpy(key.paths, paths, len * sizeof(*paths));
	for (unsigned i = 0; i < len; i++)
		key.paths[i].pad = 0;
	n = map_find(&nexthops, &key, key_size(len));
	if (n) {
		n->refs++;
		return n;
	}
	index = adj_index_new();
	if (!index)
		return NULL;
	n = xcalloc(1, offsetof(struct nexthop, key) + key_size(len));
	memcpy(&n->key, &key, key_size(len));
	n->index = index;
	n->refs = 1;
	by_index = xgrow(by_index, &by_index_cap, index + 1, sizeof(struct nexthop *));
	memset(by_index + had, 0, (by_index_cap - had) * sizeof(struct nexthop *));
	by_index[index] = n;
	map_set(&nexthops, &n->key, key_size(len), n);
	for (unsigned i = 0; i < len; i++) {
		rest_join(n, i);
		slot_rest_join(n, i);
	}
	resolve(n);
	return n;
}

void nexthop_put(struct nexthop *n)
{
	if (!n || --n->refs)
		return;
	for (unsigned i = 0; i < n->key.len; i++) {
		rest_leave(&n->rests[i]);
		rest_leave(&n->slot_rests[i]);
	}
	map_del(&nexthops, &n->key, key_size(n->key.len));
	by_index[n->index] = NULL;
	adj_index_free(n->index);
	free(n);
}

void nexthop_fini(void)
{
	map_fini(&nexthops);
	map_fini(&rests);
	free(by_index);
	by_index = NULL;
	by_index_cap = 0;
}
