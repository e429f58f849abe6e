// SPDX-License-Identifier: Apache-2.0
#pragma once

// Neighbours on Ethernet links, and hops: what workers put in front of an IP packet to send it.
//
// A hop is a small index whose entry is NULL until its neighbour has answered. Neighbours own one
// hop each; an underlay destination (underlay.h) owns one that mirrors its next hop's. All but
// hop_table is the control thread's. Resolution: ARP and ND, three tries one second apart
// (RFC 4861 section 10), a bounded queue of packets meanwhile, refreshed by unicast while in use.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipaddr.h"

struct rte_mbuf;
struct api_server;

struct hop {
	uint16_t port;
	uint16_t mtu; // of the link
	uint8_t size; // of the Ethernet header: 14, or 18 with a tag
	uint8_t bytes[19];
};

#define HOP_MAX (1u << 17)

extern const struct hop *hop_table[HOP_MAX]; // ctl: rw, worker: ro; [0] is always NULL

uint32_t hop_new(void); // 0: none left
void hop_free(uint32_t hop);

#define NEIGHBOUR_MAX   65536
#define NEIGHBOUR_QUEUE 16 // packets that wait for one
#define NEIGHBOUR_TRIES 3

enum neighbour_state {
	NEIGHBOUR_RESOLVING = 1,
	NEIGHBOUR_REACHABLE = 2,
	NEIGHBOUR_STALE = 3, // asked again, the known MAC is used meanwhile
	NEIGHBOUR_FAILED = 4,
};

struct neighbour_key {
	uint16_t port, vlan;
	struct ip_addr addr;
};

struct neighbour;

// Someone who wants to know when a neighbour becomes usable or stops to be.
struct neighbour_user {
	LIST_ENTRY(neighbour_user) link;
	void (*changed)(struct neighbour_user *user, struct neighbour *n);
};

int neighbour_init(void);
void neighbour_fini(void);
// A neighbour somebody needs: starts resolution. NULL: the table is full. user may be NULL.
struct neighbour *neighbour_get(
	uint16_t port, uint16_t vlan, const struct ip_addr *addr, struct neighbour_user *user);
void neighbour_put(struct neighbour *n, struct neighbour_user *user);
uint32_t neighbour_hop(const struct neighbour *n);
const struct neighbour_key *neighbour_key(const struct neighbour *n);
// What was heard from the wire. Learns only neighbours somebody asked for.
void neighbour_heard(
	uint16_t port, uint16_t vlan, const struct ip_addr *addr, const struct mac_addr *mac);
// It answered and left its MAC out: as it was known.
void neighbour_confirmed(uint16_t port, uint16_t vlan, const struct ip_addr *addr);
// Takes m, an IP packet that waits for this neighbour.
void neighbour_wait(struct neighbour *n, struct rte_mbuf *m);
// The same by hop: a neighbour's own, or an underlay destination's.
void neighbour_wait_hop(uint32_t hop, struct rte_mbuf *m);
void neighbour_tick(uint64_t now_ms); // at least every 100 ms
int neighbour_serve(struct api_server *s);

// Announces an address as ours: gratuitous ARP or unsolicited NA, now and twice more within a
// second, for as long as it is ours.
void neighbour_announce(uint16_t port, uint16_t vlan, const struct ip_addr *addr);

// Control packets on the wire; each makes the frame and hands it to worker 0.
void neighbour_send_arp(uint16_t port, uint16_t vlan, uint16_t op, const struct mac_addr *dst_mac,
	const struct ip_addr *sender, const struct mac_addr *target_mac,
	const struct ip_addr *target);
