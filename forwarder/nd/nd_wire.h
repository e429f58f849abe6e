// SPDX-License-Identifier: Apache-2.0
#pragma once

// Messages of RFC 4861 with the one option each that matters here.

#include <stdint.h>

#include "ip/wire.h"

#define ND_ROUTER_SOLICIT    133
#define ND_ROUTER_ADVERT     134
#define ND_NEIGHBOUR_SOLICIT 135
#define ND_NEIGHBOUR_ADVERT  136
#define ND_REDIRECT          137

#define ND_OPTION_SOURCE_MAC 1
#define ND_OPTION_TARGET_MAC 2

#define ND_F_ROUTER    0x80000000
#define ND_F_SOLICITED 0x40000000
#define ND_F_OVERRIDE  0x20000000

struct nd_neighbour { // NS and NA, sections 4.3 and 4.4
	uint8_t type, code;
	uint16_t checksum;
	uint32_t flags;
	uint8_t target[16];
	uint8_t option, option_len; // in units of 8 bytes
	uint8_t mac[6];
} __attribute__((packed));

static inline uint16_t nd_checksum(const struct ip6_hdr *ip, const void *icmp, size_t size)
{
	uint32_t sum =
		sum_bytes(ip->src, 32, (uint32_t)be16((uint16_t)size) + be16(IP_PROTO_ICMP6));

	return (uint16_t)~sum_bytes(icmp, size, sum);
}
