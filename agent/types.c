// SPDX-License-Identifier: Apache-2.0

// The local objects that the agent looks after, in dependency order.

#include <stddef.h>
#include <string.h>

#include "bfd.h"
#include "bgp.h"
#include "desired.h"
#include "ike.h"
#include "objects.h"
#include "proto.h"
#include "service.h"

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

// Whether a block's route counts: its connection is up, or is not ours to know about.
static bool is_usable(const struct desired_set *set, const struct api_route *r)
{
	return !set->is_conn_usable || r->path[0].type != API_PATH_CONN ||
	       set->is_conn_usable(set->ctx, r->path[0].id);
}

// In a block a path says by `pad` which slot its connection is in. One that no gateway may carry
// but others is reached over the tenant's overlay.
static struct api_path path_here(const struct desired_set *set, const struct api_path *path)
{
	struct api_path here = *path;
	const struct desired *conn;

	here.pad = 0;
	if (path->type != API_PATH_CONN || !path->pad)
		return here;
	conn = desired_find(set, desired_type_find(API_TYPE_CONN), &path->id);
	if (!conn || !desired_is_wanted(conn))
		here = (struct api_path){
			.type = API_PATH_SLOT, .weight = path->weight, .id = path->pad};
	return here;
}

// ECMP: the paths of all owners with the lowest metric among those whose connection is up; with
// none up, the lowest of all, so that packets have a reason to be dropped for.
static size_t route_merge(
	const struct desired_set *set, const struct desired *d, uint8_t *ret_object)
{
	struct api_route *merged = (struct api_route *)ret_object;
	const struct contribution *c;
	bool first = true, usable = false;

	SLIST_FOREACH (c, &d->contributions, of_desired)
		usable |= is_usable(set, (const struct api_route *)c->object);
	SLIST_FOREACH (c, &d->contributions, of_desired) {
		const struct api_route *r = (const struct api_route *)c->object;

		if ((usable && !is_usable(set, r)) || (!first && r->metric > merged->metric))
			continue;
		if (first || r->metric < merged->metric) {
			memcpy(merged, r, offsetof(struct api_route, path));
			merged->path_count = 0;
		}
		first = false;
		for (uint8_t i = 0; i < r->path_count; i++) {
			struct api_path path = path_here(set, &r->path[i]);

			route_add_path(merged, &path);
		}
	}
	return offsetof(struct api_route, path) + merged->path_count * sizeof(struct api_path);
}

#define FORWARDER_TYPE(no, type_name, struct_name, key_end, ...)                             \
	{                                                                                    \
		.type = no, .target = DESIRED_FORWARDER, .size = sizeof(struct struct_name), \
		.key_size = key_end, .name = type_name, ##__VA_ARGS__                        \
	}

#define SPEAKER_TYPE(no, type_name, struct_name, of_target, key_end, ...)            \
	{                                                                            \
		.type = no, .target = of_target, .size = sizeof(struct struct_name), \
		.key_size = key_end, .name = type_name, ##__VA_ARGS__                \
	}

const struct desired_type desired_types[] = {
	FORWARDER_TYPE(API_TYPE_UNDERLAY_ADDR, "underlay address", api_underlay_addr,
		offsetof(struct api_underlay_addr, prefix_len)),
	FORWARDER_TYPE(API_TYPE_SLOT, "slot", api_slot, offsetof(struct api_slot, active)),
	FORWARDER_TYPE(API_TYPE_VIP_SLOT, "slot of a public address", api_vip_slot,
		offsetof(struct api_vip_slot, port)),
	FORWARDER_TYPE(API_TYPE_VIP_REMOTE, "remote of a public address", api_vip_remote,
		offsetof(struct api_vip_remote, slot)),
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
	FORWARDER_TYPE(API_TYPE_BFD, "BFD session", api_bfd, offsetof(struct api_bfd, flags)),
	// The device's name follows from the key.
	FORWARDER_TYPE(
		API_TYPE_TUN, "tun", api_tun, offsetof(struct api_tun, name), .is_by_key = true),
	{.type = SERVICE_TYPE_VRF,
		.target = DESIRED_KERNEL,
		.size = sizeof(struct service_vrf),
		.key_size = sizeof(struct service_vrf),
		.name = "namespace"},
	{.type = SERVICE_TYPE_ADDRESS,
		.target = DESIRED_KERNEL,
		.size = sizeof(struct service_address),
		.key_size = sizeof(struct service_address),
		.name = "service address"},
	SPEAKER_TYPE(API_TYPE_BGP_POLICY, "policy map", api_bgp_policy, DESIRED_BGP,
		offsetof(struct api_bgp_policy, line_count)),
	SPEAKER_TYPE(API_TYPE_BGP_ROUTER, "BGP router", api_bgp_router, DESIRED_BGP,
		offsetof(struct api_bgp_router, asn),
		.slot_offset = offsetof(struct api_bgp_router, slot)),
	SPEAKER_TYPE(API_TYPE_BGP_NETWORK, "BGP network", api_bgp_network, DESIRED_BGP,
		offsetof(struct api_bgp_network, kind),
		.slot_offset = offsetof(struct api_bgp_network, held_slot)),
	SPEAKER_TYPE(API_TYPE_BGP_PEER, "BGP peer", api_bgp_peer, DESIRED_BGP,
		offsetof(struct api_bgp_peer, asn),
		.slot_offset = offsetof(struct api_bgp_peer, slot)),
	SPEAKER_TYPE(API_TYPE_BGP_SOCKET, "listening socket", api_bgp_socket, DESIRED_BGP,
		sizeof(struct api_bgp_socket), .is_blind = true,
		.slot_offset = offsetof(struct api_bgp_socket, slot)),
	SPEAKER_TYPE(API_TYPE_IKE_CREDENTIAL, "IKE credential", api_ike_credential, DESIRED_IKE,
		offsetof(struct api_ike_credential, secret_size), .is_blind = true),
	SPEAKER_TYPE(API_TYPE_IKE_CONN, "IKE connection", api_ike_conn, DESIRED_IKE,
		offsetof(struct api_ike_conn, vrf),
		.slot_offset = offsetof(struct api_ike_conn, slot)),
};
const size_t desired_type_len = sizeof(desired_types) / sizeof(*desired_types);
