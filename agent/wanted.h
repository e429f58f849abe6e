// SPDX-License-Identifier: Apache-2.0
#pragma once

// The southbound objects as last told, and their translation into desired local objects. Values
// are not kept in memory: disk.h has them.

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "desired.h"
#include "kinds.h"
#include "map.h"

// One southbound object. The owner of its contributions.
struct wanted {
	const struct kind *kind; // NULL: unknown here, kept only to be reported
	uint64_t revision;
	uint64_t hash; // of its value's text
	struct contributions contributions;
	char *text;    // why it could not be translated, or NULL
	char *warning; // what is obeyed but unwise, or NULL
	bool listed;   // by the full list under way
	bool troubled; // has been reported with an error
	char id[];     // "kind\037key": what the map is keyed by
};

#define WANTED_SEPARATOR '\037'

struct wanted_set {
	struct map objects; // struct wanted by id
	struct desired_set *desired;
	uint64_t read; // objects translated since the start
	// An object's own error came or went.
	void (*on_trouble)(void *ctx, struct wanted *w);
	void (*on_warning)(void *ctx, struct wanted *w); // or its warning
	void *ctx;
};

void wanted_init(struct wanted_set *set, struct desired_set *desired);
void wanted_fini(struct wanted_set *set);
// Returns 1 when the value is another than before, 0 when equal; value is borrowed.
int wanted_put(struct wanted_set *set, const char *kind, const char *key, uint64_t revision,
	const json_t *value, bool must);
bool wanted_del(struct wanted_set *set, const char *kind, const char *key);
struct wanted *wanted_find(const struct wanted_set *set, const char *kind, const char *key);
const char *wanted_key(const struct wanted *w);
// "connection", without its key; writes into buf.
const char *wanted_kind_name(const struct wanted *w, char *buf, size_t size);
