// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "neighbour.h"

LIST_HEAD(neighbour_users, neighbour_user);

struct neighbour {
	struct neighbour_key key;
	struct mac_addr mac;
	uint32_t hop;
	uint32_t refs;
	enum neighbour_state state;
	unsigned tries;
	uint64_t deadline_ms, heard_ms;
	TAILQ_ENTRY(neighbour) queue; // of its state
	struct neighbour_users users;
	unsigned waiting_len;
	struct rte_mbuf *waiting[NEIGHBOUR_QUEUE];
};

// Asks for every neighbour that is not known: an address of ours has just come.
void neighbour_hurry(void);

// announce.c
void neighbour_announce_tick(uint64_t now_ms);
void neighbour_announce_fini(void);

// Our address on the link the neighbour is on, underlay or L3 connection.
struct ip_addr neighbour_source(const struct neighbour_key *key);
// Asks on the link; known: unicast to this MAC.
void neighbour_arp_ask(const struct neighbour_key *key, const struct mac_addr *known);
void neighbour_nd_ask(const struct neighbour_key *key, const struct mac_addr *known);
