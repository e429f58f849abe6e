// SPDX-License-Identifier: Apache-2.0
#pragma once

// The decision process (RFC 4271 9.1.2.2, RFC 4456 9): which of several paths to one prefix is
// used. Pure: candidates in, index out. MED is compared among paths of one neighbour AS first, so
// the outcome does not depend on the order of arrival.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attrs.h"

struct candidate {
	uint32_t weight; // higher wins
	uint32_t local_pref;
	bool local; // our own
	bool external;
	uint8_t origin;
	uint16_t path_len;
	uint16_t cluster_len;
	uint32_t med;
	uint32_t neighbour_as;
	uint32_t router_id; // ORIGINATOR_ID where present
	uint32_t path_id;
	struct ip_addr peer;
};

enum decision_step {
	DECISION_ONLY = 0, // there was no other
	DECISION_WEIGHT,
	DECISION_LOCAL_PREF,
	DECISION_LOCAL,
	DECISION_PATH_LEN,
	DECISION_ORIGIN,
	DECISION_MED,
	DECISION_EXTERNAL,
	// From here on paths are equal enough for ECMP.
	DECISION_ROUTER_ID,
	DECISION_CLUSTER_LEN,
	DECISION_PEER,
	DECISION_PATH_ID,
};

#define DECISION_MAX 256 // candidates looked at for one prefix

// Fills what comes from the attributes; the rest is the caller's.
void candidate_init(struct candidate *c, const struct attrs *a);
// Index of the best of len >= 1. always_med: compare MED across neighbour ASes.
size_t decision_best(const struct candidate *c, size_t len, bool always_med);
// The first step in which a and b differ; negative when b wins it. 0: alike.
int decision_compare(const struct candidate *a, const struct candidate *b, bool always_med);
// Whether c may carry traffic beside best.
bool decision_multipath(const struct candidate *best, const struct candidate *c, bool always_med);
const char *decision_text(enum decision_step step); // "shorter AS path"
