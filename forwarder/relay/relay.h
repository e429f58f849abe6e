// SPDX-License-Identifier: Apache-2.0
#pragma once

// A slot that has moved: for some seconds its former holder passes on what still arrives for the
// slot's addresses, by IP-in-IP (RFC 2003, RFC 2473) to where the slot is now. A packet that came
// this way is never passed on again.

#include <stdint.h>

#include "ipaddr.h"
#include "table/table.h"

struct api_slot;
struct rte_mbuf;
struct underlay_dest;
struct worker;

// What workers see of an address that is relayed. Immutable.
struct relay_fwd {
	uint32_t hop;
	uint16_t port, vlan; // where packets for it arrive
	uint16_t mtu;
	struct ip_addr src, dst; // of the header put in front
};

extern struct table relay_table4, relay_table6; // address to struct relay_fwd *

// Workers: wraps the packet, whose data starts at its IP header, and sends it there; drops one that
// was relayed to us.
void relay_send(struct worker *w, struct rte_mbuf *m, const struct relay_fwd *f);

// Control thread. To dst, which dest is, by packets that arrive on port and VLAN; freed by
// hot_free().
struct relay_fwd *relay_fwd_new(
	const struct underlay_dest *dest, uint16_t port, uint16_t vlan, const struct ip_addr *dst);

int relay_init(void);
void relay_fini(void);
// Control thread: relays what the slot says, if it does, and nothing it said before.
void relay_set(const struct api_slot *slot);
