// SPDX-License-Identifier: Apache-2.0
#pragma once

// Policy maps: a pure evaluator. Entries in order; all criteria of an entry must hold, any value of
// one suffices. Deny and Permit end; Modify changes and goes on. When no entry decided, the route
// passes if the map has no Permit entry (it only forbids or changes), else it does not.

#include <stdbool.h>

#include "attrs.h"
#include "bgp.h"

struct policy;

struct policy_outcome {
	bool permit;
	bool next_hop_set, med_set;
	int entry;        // that decided, -1: none
	const char *name; // of that entry; borrowed from the policy
};

// Memory that changed attributes borrow from, for one evaluation.
struct policy_scratch {
	uint8_t bytes[8192];
	size_t used;
};

// Checks and compiles. NULL + errno: -EINVAL with a text saying which line and why.
struct policy *policy_new(const struct api_bgp_policy *wire, struct api_error *ret_error);
void policy_free(struct policy *p);
// Changes *attrs as the map says. A change that does not fit the scratch denies the route.
struct policy_outcome policy_run(const struct policy *p, const struct ip_prefix *prefix,
	struct attrs *attrs, struct policy_scratch *scratch);
