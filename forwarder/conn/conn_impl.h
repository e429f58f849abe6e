// SPDX-License-Identifier: Apache-2.0
#pragma once

// The connection as its files see it.

#include "conn.h"
#include "neighbour/neighbour.h"
#include "slot/slot.h"

struct api_emit;
struct api_error;
struct keepalive;
struct underlay_dest;
struct vrf;

#define CONN_L3_NEIGHBOURS 64 // next hops on one connection's VLAN

struct conn {
	uint32_t index;
	uint16_t tunnel_mtu; // what its SAs leave for a packet; 0: unknown
	bool is_down;        // by keepalive or for want of an SA
	struct vrf *vrf;
	struct slot_user slot_user;
	struct underlay_dest *dest;
	struct meter *meter_in, *meter_out;
	struct keepalive *keepalive;
	uint32_t local_id, remote_id; // interned IPv6 ends
	// L3
	bool has_link, has_routes;
	uint32_t link_adj;
	unsigned neighbour_count;
	struct neighbour *neighbours[CONN_L3_NEIGHBOURS];
	uint32_t neighbour_adj[CONN_L3_NEIGHBOURS]; // of those found on demand, else 0
	// rates
	uint64_t last_in_bytes, last_out_bytes, in_kbps, out_kbps, measured_ms;
	struct api_conn api;
};

extern struct api_server *conn_server;

struct conn *conn_by_index(uint32_t index);
int conn_l3_check(const struct api_conn *o, struct api_error *ret_error);
struct neighbour *conn_l3_neighbour(struct conn *c, const struct ip_addr *addr);
void conn_l3_show(struct conn *c, const struct conn_fwd *f); // what is behind its VLAN
void conn_l3_routes(struct conn *c); // its addresses and on-link prefixes, as the slot says
void conn_l3_announce(struct conn *c);
void conn_l3_detach(struct conn *c, const struct api_conn *next);
void conn_event(const struct conn *c, bool up, uint8_t reason);
int conn_stats_dump(void *ctx, const void *filter, struct api_emit *emit);
