// SPDX-License-Identifier: Apache-2.0
#pragma once

// Routes of all VRFs: who wants which next hops for a prefix, and which of them forwards.
//
// A prefix has at most one entry per source; the one with the lowest rank is in the FIB. Entries
// name an adjacency index. Routes that name the same paths share one nexthop, so that a path that
// changes is one write whatever the number of routes. Control thread only.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipaddr.h"

struct api_path;
struct api_server;
struct adj;

enum route_source { // beside enum api_route_source
	ROUTE_LOCAL = 16,
	ROUTE_HOST,
	ROUTE_LINK, // prefix of an L3 connection's VLAN
	ROUTE_NEIGHBOUR,
};

enum { // ranks; an API route's is ROUTE_RANK_API + its preference
	ROUTE_RANK_LOCAL = 0,
	ROUTE_RANK_HOST,
	ROUTE_RANK_NEIGHBOUR,
	ROUTE_RANK_LINK,
	ROUTE_RANK_API,
};

// vrf is a VRF index. 0 or -ENOSPC. adj stays the caller's.
int route_set(
	uint32_t vrf, const struct ip_prefix *prefix, uint8_t source, uint16_t rank, uint32_t adj);
void route_del(uint32_t vrf, const struct ip_prefix *prefix, uint8_t source);

void route_forget_vrf(uint32_t vrf); // the API's routes in it

int route_init(void);
void route_fini(void);
int route_serve(struct api_server *s);

// -- next hops

struct nexthop;

// What a path of a nexthop rests on; nexthop_changed() of it resolves all that do again.
enum nexthop_on { NEXTHOP_ON_CONN = 1, NEXTHOP_ON_TENANT_SLOT, NEXTHOP_ON_SUBNET, NEXTHOP_ON_VIA };

void nexthop_init(void);
void nexthop_fini(void);
// Shared by equal (vrf, paths); counted. NULL: no index left.
struct nexthop *nexthop_get(uint32_t vrf, const struct api_path *paths, unsigned len);
void nexthop_put(struct nexthop *n);
uint32_t nexthop_index(const struct nexthop *n);
const struct api_path *nexthop_paths(const struct nexthop *n, unsigned *ret_len);
struct nexthop *nexthop_of(uint32_t index); // NULL: the index is no nexthop's
// id: connection id; slot number with its VRF index; VNI.
void nexthop_changed(enum nexthop_on on, uint32_t vrf, uint32_t id);
// A route of that VRF changed: paths "via" an address in the prefix are looked up again.
void nexthop_prefix_changed(uint32_t vrf, const struct ip_prefix *prefix);
