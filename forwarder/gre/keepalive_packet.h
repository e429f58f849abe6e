// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of keepalives: pure functions between structs and packets.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gre/keepalive.h"

#define KEEPALIVE_PACKET_SIZE 96 // two IPv6 headers and two of GRE with keys

// What a keepalive says of itself: carried through by whoever routes it back.
struct keepalive_mark {
	uint16_t id; // IPv4 identification, or the low bits of the IPv6 flow label
	uint8_t tos, ttl;
};

// The whole packet for the far end, outer IP header first. Returns its size.
size_t keepalive_write_probe(const struct keepalive_config *c, uint16_t id, uint8_t *ret_bytes);
// The packet that comes back: IP and GRE of protocol 0, from `src` to `dst`.
size_t keepalive_write_inner(const struct keepalive_config *c, const struct ip_addr *src,
	const struct ip_addr *dst, struct keepalive_mark mark, uint8_t *ret_bytes);
// Whether the bytes are exactly such a packet, from src to dst with c's key, and nothing besides.
bool keepalive_read_inner(const struct keepalive_config *c, const struct ip_addr *src,
	const struct ip_addr *dst, const uint8_t *bytes, size_t size,
	struct keepalive_mark *ret_mark);
