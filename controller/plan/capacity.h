// SPDX-License-Identifier: Apache-2.0
#pragma once

// What connections take of a gateway: b = inbound + outbound, availableCapacity = total minus the
// sum over the types of ratio(type) * b, where ratio = total / (most of that type a gateway does).

#include "plan.h"

struct capacity_load {
	uint64_t kbps[PLAN_CONN_TYPES]; // inbound + outbound
};

// Kilobits a second left of `total`; negative when over-provisioned. Each type's share is rounded
// up, so that what is called available really is.
int64_t capacity_available(
	enum plan_capacity_rule rule, uint64_t total, const struct capacity_load *load);
void capacity_add(struct capacity_load *to, const struct capacity_load *more);
bool capacity_fits(enum plan_capacity_rule rule, uint64_t total, const struct capacity_load *load,
	enum plan_conn_type type, uint64_t kbps);
