// SPDX-License-Identifier: Apache-2.0

// The local objects that the agent looks after, in dependency order.

#include <stddef.h>
#include <string.h>

#include "desired.h"
#include "objects.h"
#include "proto.h"

// Learnt routes come from bgp, straight.
static bool route_foreign(const void *object)
{
	const struct api_route *r = object;

	return r->source != API_ROUTE_CONNECTED && r->source != API_ROUTE_STATIC;
}

// A total order, so that the same paths make the same route whoever came first.
static int path_compare(const struct api_path *a, const struct api_path *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return ip_compare(&a->via, &b->via);
}

// Adds the path in its place; of equal ones the heavier stays.
static void route_add_path(struct api_route *r, const struct api_path *path)
{
	uint8_t at = 0;

	while (at < r->path_count && path_compare(&r->path[at], path) < 0)
		at++;
	if (at < r->path_count && !path_compare(&r->path[at], path)) {
		if (path->weight > r->path[at].weight)
			r->path[at].weight = path->weight;
		return;
	}
	if (r->path_count == API_ROUTE_PATHS)
		return;
	memmove(&r->path[at + 1], &r->path[at], (size_t)(r->path_count - at) * sizeof(*r->path));
	r->path[at] = *path;
	r->path_count++;
}

// ECMP: the paths of all owners with the lowest metric.
static size_t route_merge(const struct desired *d, uint8_t *ret_object)
{
	struct api_route *merged = (struct api_route *)ret_object;
	const struct contribution *c;
	bool first = true;

	SLIST_FOREACH (c, &d->contributions, of_desired) {
		const struct api_route *r = (const struct api_route *)c->object;

		if (!first && r->metric > merged->metric)
			continue;
		if (first || r->metric < merged->metric) {
			memcpy(merged, r, offsetof(struct api_route, path));
			merged->path_count = 0;
		}
		first = false;
		for (uint8_t i = 0; i < r->path_count; i++)
			route_add_path(merged, &r->path[i]);
	}
	return offsetof(struct api_route, path) + merged->path_count * sizeof(struct api_path);
}

#define FORWARDER_TYPE(no, type_name, struct_name, key_end, ...)                             \
	{                                                                                    \
		.type = no, .target = DESIRED_FORWARDER, .size = sizeof(struct struct_name), \
		.key_size = key_end, .name = type_name, ##__VA_ARGS__                        \
	}

const struct desired_type desired_types[] = {
	FORWARDER_TYPE(API_TYPE_UNDERLAY_ADDR, "underlay address", api_underlay_addr,
		offsetof(struct api_underlay_addr, prefix_len)),
	FORWARDER_TYPE(API_TYPE_SLOT, "slot", api_slot, offsetof(struct api_slot, active)),
	FORWARDER_TYPE(API_TYPE_VRF, "vrf", api_vrf, offsetof(struct api_vrf, name)),
	FORWARDER_TYPE(API_TYPE_SUBNET, "subnet", api_subnet, offsetof(struct api_subnet, vrf)),
	FORWARDER_TYPE(API_TYPE_TENANT_SLOT, "tenant slot", api_tenant_slot,
		offsetof(struct api_tenant_slot, mac)),
	FORWARDER_TYPE(API_TYPE_LOCAL_ADDR, "local address", api_local_addr,
		offsetof(struct api_local_addr, vni)),
	FORWARDER_TYPE(API_TYPE_HOST, "host", api_host, offsetof(struct api_host, vni)),
	FORWARDER_TYPE(API_TYPE_CONN, "connection", api_conn, offsetof(struct api_conn, vrf)),
	FORWARDER_TYPE(API_TYPE_ROUTE, "route", api_route, offsetof(struct api_route, preference),
		.merge = route_merge, .foreign = route_foreign),
	FORWARDER_TYPE(API_TYPE_TUN, "tun", api_tun, offsetof(struct api_tun, name)),
};
const size_t desired_type_len = sizeof(desired_types) / sizeof(*desired_types);
