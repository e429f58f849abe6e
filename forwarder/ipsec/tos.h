// SPDX-License-Identifier: Apache-2.0
#pragma once

// ECN and DSCP over tunnels (RFC 6040, RFC 4301 5.1.2).

#include <stdint.h>

enum { ECN_NOT_ECT = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3 };

#define TOS_INVALID 0x100 // RFC 6040 4.2: the packet must be dropped

// The inner TOS octet after decapsulation: DSCP stays the inner one's, ECN by RFC 6040 figure 4.
static inline unsigned tos_decap(uint8_t inner, uint8_t outer)
{
	unsigned in = inner & 3, out = outer & 3;

	if (out == ECN_CE)
		return in == ECN_NOT_ECT ? TOS_INVALID : (unsigned)inner | ECN_CE;
	if (out == ECN_ECT1 && in == ECN_ECT0)
		return (inner & 0xfcu) | ECN_ECT1;
	return inner;
}
