// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one gateway (or the hosts) is to have: keyed objects in order of the revision at which each
// last changed, with tombstones for what went. Answers "what is newer than r" in time that follows
// the answer.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "map.h"
#include "plan.h"

#define VIEW_TOMBSTONES_MAX 10000 // beyond, the oldest are forgotten: who is older needs all

struct view_entry {
	TAILQ_ENTRY(view_entry) link; // by revision
	uint64_t revision;
	bool gone; // a tombstone
	struct plan_object *object;
	size_t id_size;
	char id[]; // kind and key
};

struct view {
	TAILQ_HEAD(view_list, view_entry) entries;
	struct map by_id;
	uint64_t first;    // who has less than this needs a full answer
	uint64_t revision; // of the last change
	uint32_t tombstones;
};

void view_init(struct view *v, uint64_t revision);
void view_fini(struct view *v);
// False if it had that very text already.
bool view_set(struct view *v, struct plan_object *object, uint64_t revision);
bool view_del(struct view *v, const struct plan_object *object, uint64_t revision);
const struct view_entry *view_find(const struct view *v, enum plan_kind kind, const char *key);
// The first entry newer than `since`, NULL if none; next by TAILQ_NEXT(e, link). *ret_full: since
// is too old (or 0), the answer must hold everything (from the first entry, without tombstones).
const struct view_entry *view_newer(const struct view *v, uint64_t since, bool *ret_full);
