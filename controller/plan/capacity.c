// SPDX-License-Identifier: Apache-2.0
#include "capacity.h"

// Rule of 2016: total * num / den is the most a gateway carries of a type.
static const struct {
	uint32_t num, den;
} share_2016[PLAN_CONN_TYPES] = {
	[PLAN_CONN_IPSEC] = {3, 20},
	[PLAN_CONN_GRE] = {1, 5},
	[PLAN_CONN_L3] = {1, 2},
};

// Rule of 2019: kilobits a second, or the whole gateway where it is smaller.
static const uint64_t max_2019[PLAN_CONN_TYPES] = {
	[PLAN_CONN_IPSEC] = 5000000,
	[PLAN_CONN_GRE] = 15000000,
	[PLAN_CONN_L3] = 5000000,
};

static uint64_t divide_up(unsigned __int128 a, uint64_t b)
{
	return (uint64_t)((a + b - 1) / b);
}

static uint64_t cost(
	enum plan_capacity_rule rule, uint64_t total, enum plan_conn_type type, uint64_t kbps)
{
	uint64_t max;

	if (rule == PLAN_CAPACITY_2016)
		return divide_up(
			(unsigned __int128)kbps * share_2016[type].den, share_2016[type].num);
	max = total < max_2019[type] ? total : max_2019[type];
	return max ? divide_up((unsigned __int128)kbps * total, max) : kbps;
}

int64_t capacity_available(
	enum plan_capacity_rule rule, uint64_t total, const struct capacity_load *load)
{
	int64_t left = (int64_t)total;

	for (int t = 0; t < PLAN_CONN_TYPES; t++)
		left -= (int64_t)cost(rule, total, t, load->kbps[t]);
	return left;
}

void capacity_add(struct capacity_load *to, const struct capacity_load *more)
{
	for (int t = 0; t < PLAN_CONN_TYPES; t++)
		to->kbps[t] += more->kbps[t];
}

bool capacity_fits(enum plan_capacity_rule rule, uint64_t total, const struct capacity_load *load,
	enum plan_conn_type type, uint64_t kbps)
{
	struct capacity_load with = *load;

	with.kbps[type] += kbps;
	return !kbps || capacity_available(rule, total, &with) >= 0;
}
