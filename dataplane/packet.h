// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the graph knows of a packet beyond its bytes. Lies in the mbuf's dynamic field area (second
// cache line); registered once by packet_init(). Reset by the rx node, kept across encapsulation.

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drop.h"

// Where the packet came in: what it may do next depends on it.
enum packet_source {
	PACKET_FROM_UNDERLAY = 0, // outer packet, not decapsulated yet
	PACKET_FROM_OVERLAY,      // a tenant's host or another of its gateways: never back there
	PACKET_FROM_CONN,         // a site
	PACKET_FROM_LOCAL,        // a TUN, or made here
};

enum {
	PACKET_F_TRACED = 1 << 0,
	PACKET_F_CAPTURED = 1 << 1,
	PACKET_F_RELAYED = 1 << 2, // came by IP-in-IP from another gateway
	PACKET_F_GSO = 1 << 3,     // larger than its MTU on purpose: segment before the wire
};

struct packet_meta {
	uint32_t vrf;  // routing domain of the IP header at the data start; 0 underlay
	uint32_t conn; // index in the connection table it came in by; 0 none
	uint32_t out;  // chosen by the last lookup: adjacency index
	uint32_t hash; // inner flow hash, 0 unknown
	uint16_t port; // it arrived on
	uint16_t vlan; // it arrived on; 0 untagged
	uint16_t slot; // whose floating address or MAC it arrived on; 0 none
	// Where the transport header lies whose checksum holds only the pseudo header's sum yet,
	// counted from buf_addr, so that headers put on or taken off do not move it; 0: complete.
	uint16_t csum_start;
	uint8_t csum_offset; // of the checksum within that header
	uint8_t source;      // enum packet_source
	uint8_t flags;
	uint8_t outer_tos; // of the header taken off, for RFC 6040
	uint8_t node;      // where a packet handed to another worker goes on
	uint8_t start;     // of the frame, counted from buf_addr, while a capture runs; 0: unknown
	uint8_t pad[2];
};

// Fixed, so that reaching it costs an addition of a constant.
#define PACKET_META_OFFSET offsetof(struct rte_mbuf, dynfield1)

static inline struct packet_meta *packet_meta(const struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, PACKET_META_OFFSET, struct packet_meta *);
}

static inline void packet_meta_reset(struct rte_mbuf *m)
{
	*packet_meta(m) = (struct packet_meta){0};
}

// Reserves the field's place; once per process, before any pool is made. 0 or -errno.
int packet_init(void);
