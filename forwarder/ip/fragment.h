// SPDX-License-Identifier: Apache-2.0
#pragma once

// Packets larger than what their adjacency takes, before encapsulation.

#include <rte_mbuf.h>
#include <stdint.h>

struct worker;

// Takes m, whose data starts at its IP header: IPv4 without DF goes on to `node` in fragments of at
// most mtu bytes; of anything else the sender is told (RFC 1191, RFC 8201). A GSO packet is cut
// into its segments first.
void ip_too_big(struct worker *w, struct rte_mbuf *m, uint16_t mtu, uint16_t node);
