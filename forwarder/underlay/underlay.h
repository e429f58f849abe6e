// SPDX-License-Identifier: Apache-2.0
#pragma once

// The provider's side: addresses this gateway answers, and outer destinations.
//
// An outer destination (a host's PA, a site's GRE end) is shared by all who send there; its hop
// mirrors the hop of the neighbour that the underlay's routes name, so that a change of the
// underlay's routing touches destinations and no tenant.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipaddr.h"
#include "table/table.h"

struct api_server;
struct worker;
struct rte_mbuf;

enum {
	UNDERLAY_PA = 1 << 0,  // VTEP of a slot
	UNDERLAY_GRE = 1 << 1, // GRE VIP of a slot
	UNDERLAY_VIP = 1 << 2, // shared public address
	UNDERLAY_OWN = 1 << 3, // the gateway's own
};

// What workers find for a local outer address: 0 is "not ours".
struct underlay_local {
	uint8_t kinds;
	uint8_t port;
	uint16_t vlan;
	uint16_t slot; // 0: the gateway's own
};

extern struct table underlay_local4, underlay_local6; // struct underlay_local in 64 bits

static inline struct table_key underlay_key4(uint32_t addr_network_order)
{
	return (struct table_key){4, addr_network_order};
}

static inline struct underlay_local underlay_unpack(uint64_t v)
{
	return (struct underlay_local){
		(uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint16_t)(v >> 32), (uint16_t)(v >> 48)};
}

struct underlay_local underlay_find(const struct ip_addr *addr); // kinds 0: not ours
// How many addresses are held on a link: none, and nothing of the underlay lives there.
extern uint16_t underlay_links[16][4096]; // by port and VLAN; ctl: rw, worker: ro

// Control thread. Shows or hides a floating address; announces it when it comes.
// -EEXIST: somebody else has it.
int underlay_hold(const struct ip_addr *addr, struct underlay_local local);
void underlay_release(const struct ip_addr *addr, uint8_t kinds);

// IPv6 addresses as numbers, for table keys; IPv4 addresses stand for themselves. Counted.
uint32_t underlay_intern(const struct ip_addr *addr);
void underlay_unintern(const struct ip_addr *addr);
extern struct table underlay_interned6; // address to number

// Whether addr is on a link of this gateway's own addresses. Workers.
bool underlay_on_link(const struct ip_addr *addr);

struct underlay_dest;

// NULL: no hop left.
struct underlay_dest *underlay_dest_get(const struct ip_addr *addr);
void underlay_dest_put(struct underlay_dest *d);
uint32_t underlay_dest_hop(const struct underlay_dest *d);
uint16_t underlay_dest_mtu(const struct underlay_dest *d); // of the link it leaves by
void underlay_routes_changed(const struct ip_prefix *prefix);
// A packet that waits for a hop: its destination's neighbour takes it.
void underlay_wait(uint32_t hop, struct rte_mbuf *m);

int underlay_init(void);
void underlay_fini(void);
int underlay_serve(struct api_server *s);
// Any own address on that link, for asking neighbours; IP_NONE if there is none.
struct ip_addr underlay_source(uint16_t port, uint16_t vlan, const struct ip_addr *towards);
