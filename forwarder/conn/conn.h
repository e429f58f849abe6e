// SPDX-License-Identifier: Apache-2.0
#pragma once

// Connections: a tenant's tunnels and VLANs to its sites. Ids are the controller's; a connection
// has a dense index that packets and per-worker counters carry.

#include <stdbool.h>
#include <stdint.h>

#include "ipaddr.h"
#include "objects.h"
#include "table/table.h"
#include "worker.h"

struct adj;
struct keepalive_probe;
struct api_server;
struct meter;
struct rte_mbuf;

#define CONN_MAX 16384 // connections of one gateway

// What workers see of a connection when a packet comes in by it. Immutable, replaced whole.
struct conn_fwd {
	uint32_t conn; // index
	uint32_t id;
	uint32_t vrf; // index
	uint16_t slot;
	uint8_t type;        // enum api_conn_type
	uint8_t refused;     // enum drop_reason when nothing may come in now, else 0
	struct meter *meter; // inbound rate, or NULL
	uint32_t flags;      // API_CONN_F_
	uint32_t gre_key;
	uint32_t hop;                      // towards remote
	struct keepalive_probe *keepalive; // GRE with keepalives, or NULL
	struct ip_addr local, remote;
};

// Policing by the generic cell rate algorithm: one word of state, which all workers share.
struct meter {
	uint64_t tat_ns;    // theoretical arrival time, worker: rw
	uint64_t ns_q24;    // per byte, nanoseconds in units of 2^-24; ctl: rw, worker: ro
	uint64_t burst_ns;  // tolerance
	uint64_t unused[5]; // a cache line of its own
};

extern const struct conn_fwd *conn_fwd_table[CONN_MAX]; // by index; ctl: rw, worker: ro
// What its tunnel or link takes, by index; 0: not known. ctl: rw, worker: ro
extern uint16_t conn_mtu_table[CONN_MAX];
extern struct table conn_gre_table; // see conn_gre_key(); struct conn_fwd *

// src and dst as received: IPv4 addresses, or interned IPv6 ones.
static inline struct table_key conn_gre_key(
	uint8_t family, uint32_t dst, uint32_t src, bool has_key, uint32_t key)
{
	return (struct table_key){
		(uint64_t)dst << 32 | src, (uint64_t)family << 40 | (uint64_t)has_key << 32 | key};
}

// What is behind a port and VLAN.
struct l3_link {
	const struct conn_fwd *conn;
	uint8_t addr_count;
	struct api_conn_addr addr[API_CONN_ADDRS]; // ours there
};

extern const struct l3_link *l3_link_table[16][4096]; // by port and VLAN; ctl: rw, worker: ro

struct conn;

int conn_init(void);
void conn_set_limit(uint32_t conns_size); // what workers can count; before the first connection
void conn_fini(void);
int conn_serve(struct api_server *s);
struct conn *conn_find(uint32_t id);
uint32_t conn_index(const struct conn *c);
const struct api_conn *conn_api(const struct conn *c);
// The adjacency for a path over this connection; weight 0 becomes the connection's. A drop when
// it is not usable.
struct adj *conn_adj_new(uint32_t id, uint32_t vrf, const struct ip_addr *via, unsigned *weight);
// IPsec, keepalive: the connection's tunnel is up or not; paths over it are chosen accordingly.
void conn_set_up(uint32_t id, bool up, uint8_t reason);
// IPsec: the largest packet that fits the connection's SAs; 0: not known.
void conn_set_tunnel_mtu(uint32_t id, uint16_t mtu);
// Control thread: m, for addr on an L3 connection's own link, wants that neighbour. Takes m.
void conn_neighbour_wait(uint32_t index, const struct ip_addr *addr, struct rte_mbuf *m);
void conn_tick(uint64_t now_ms); // once a second or so: rates

// True if the packet may pass. Hosts' packets for one connection come to any worker: with several,
// none may overwrite what another has just taken.
static inline bool meter_take(struct meter *m, uint64_t now_ns, uint32_t bytes)
{
	uint64_t tat = __atomic_load_n(&m->tat_ns, __ATOMIC_RELAXED), start, next;

	do {
		if (tat > now_ns + m->burst_ns)
			return false;
		start = tat < now_ns ? now_ns : tat;
		next = start + (bytes * m->ns_q24 >> 24);
		if (likely(worker_count <= 1)) {
			__atomic_store_n(&m->tat_ns, next, __ATOMIC_RELAXED);
			return true;
		}
	} while (!__atomic_compare_exchange_n(
		&m->tat_ns, &tat, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}
