// SPDX-License-Identifier: Apache-2.0
#pragma once

// Path attributes as a struct: the working form every part of the speaker passes around. Spans
// borrow from the message, from scratch memory, or from an interned set (attrstore.h).

#include <stdbool.h>
#include <stdint.h>

#include "aspath.h"
#include "ipaddr.h"

enum {
	ATTR_HAS_ORIGIN = 1 << 0,
	ATTR_HAS_AS_PATH = 1 << 1,
	ATTR_HAS_NEXT_HOP = 1 << 2, // some next hop, of NEXT_HOP or MP_REACH_NLRI
	ATTR_HAS_MED = 1 << 3,
	ATTR_HAS_LOCAL_PREF = 1 << 4,
	ATTR_HAS_ATOMIC_AGGREGATE = 1 << 5,
	ATTR_HAS_AGGREGATOR = 1 << 6,
	ATTR_HAS_ORIGINATOR_ID = 1 << 7,
	ATTR_HAS_OTC = 1 << 8,
};

struct attrs {
	uint16_t has;
	uint8_t origin; // enum bgp_origin
	uint32_t med;
	uint32_t local_pref;
	uint32_t aggregator_as, aggregator_id;
	uint32_t originator_id;
	uint32_t otc;    // RFC 9234
	uint32_t weight; // local to this router, never on the wire
	struct ip_addr next_hop;
	struct ip_addr link_local;     // second IPv6 next hop (RFC 2545), or IP_NONE
	struct span as_path;           // 4-byte form
	struct span communities;       // 4 bytes each
	struct span ext_communities;   // 8
	struct span large_communities; // 12
	struct span cluster_list;      // 4
	struct span unknown; // optional transitive ones, whole, with 2-byte lengths, in code order
};

bool attrs_equal(const struct attrs *a, const struct attrs *b);
uint32_t attrs_local_pref(const struct attrs *a); // BGP_LOCAL_PREF where absent
uint32_t attrs_med(const struct attrs *a);        // 0 where absent (RFC 4271 9.1.2.2)
bool attrs_has_community(const struct attrs *a, uint32_t community);
bool attrs_in_cluster(const struct attrs *a, uint32_t cluster_id);

static inline bool span_equal(struct span a, struct span b)
{
	return a.size == b.size && (!a.size || !__builtin_memcmp(a.bytes, b.bytes, a.size));
}
