// SPDX-License-Identifier: Apache-2.0
#pragma once

// What gateways and hosts would have after all events so far: "view|kind|key" -> text. Refuses what
// a real receiver could not make sense of.

#include "map.h"
#include "plan.h"

struct views {
	struct map entries;
	struct map rows; // persisted allocations
	uint64_t sets, gones;
};

void views_init(struct views *v);
void views_fini(struct views *v);
void views_apply(struct views *v, const struct plan_result *r);
// Steps until nothing more is to be done now, applying all.
void views_step(struct views *v, struct plan *p, int64_t now_ms);
const char *views_get(const struct views *v, const char *view, const char *kind, const char *key);
size_t views_len(const struct views *v, const char *view); // objects of one view
// Fails the test with the difference, if any.
void views_assert_equal(const struct views *a, const struct views *b);
void views_load(const struct views *v, struct plan *p); // the rows into a fresh plan
