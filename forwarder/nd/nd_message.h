// SPDX-License-Identifier: Apache-2.0
#pragma once

// Neighbour discovery messages (RFC 4861), checked and taken apart; the answer to a solicitation.

#include <rte_branch_prediction.h>
#include <stdbool.h>

#include "nd_wire.h"

struct nd_message {
	const struct ip6_hdr *ip;
	const uint8_t *target;     // of NS and NA
	const uint8_t *source_mac; // option, or NULL
	const uint8_t *target_mac; // option, or NULL
	uint8_t type;
	bool is_solicited;   // of an NA: the answer to somebody's NS
	bool is_from_nobody; // the unspecified address: duplicate address detection
};

extern const uint8_t nd_all_nodes[16];

// Data at an IP header, `have` bytes in one piece: is it one for these nodes?
static inline bool nd_is(const uint8_t *p, size_t have)
{
	return unlikely(p[0] >> 4 == 6 && p[6] == IP_PROTO_ICMP6 && have > IP6_SIZE &&
			p[IP6_SIZE] >= ND_ROUTER_SOLICIT && p[IP6_SIZE] <= ND_REDIRECT);
}

// A packet for which nd_is() holds. False: one that must be ignored.
bool nd_read(const struct ip6_hdr *ip, size_t have, struct nd_message *ret);
// Writes IP6_SIZE + sizeof(struct nd_neighbour) bytes: the NA for that NS.
void nd_put_advert(uint8_t *p, const struct nd_message *asked, const uint8_t *mac);
