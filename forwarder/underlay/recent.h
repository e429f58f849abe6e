// SPDX-License-Identifier: Apache-2.0
#pragma once

// Destinations that were sent to last, kept so that their hops outlive the packets on their way and
// stay resolved. Control thread.

#define UNDERLAY_RECENT 1024

struct underlay_dest;

struct underlay_recent {
	struct underlay_dest *dests[UNDERLAY_RECENT];
	unsigned next;
};

// Owns dest; puts the one kept longest.
void underlay_recent_keep(struct underlay_recent *r, struct underlay_dest *dest);
void underlay_recent_fini(struct underlay_recent *r);
