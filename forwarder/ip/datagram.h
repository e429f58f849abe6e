// SPDX-License-Identifier: Apache-2.0
#pragma once

// UDP datagrams that the control thread makes. Checksums are complete.

#include <rte_mbuf.h>
#include <stdint.h>

#include "ipaddr.h"

struct datagram {
	struct ip_addr src, dst; // of one IP version
	uint16_t src_port, dst_port;
	uint16_t id; // IPv4 identification
	uint8_t dscp, ttl;
};

// NULL: no packet buffer, or the data does not fit into one. Meta is reset.
struct rte_mbuf *datagram_new(const struct datagram *d, const void *data, uint16_t size);
uint16_t datagram_header_size(const struct datagram *d); // of IP and UDP
