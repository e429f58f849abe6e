// SPDX-License-Identifier: Apache-2.0
#pragma once

// What goes up to the controller: the revision reached, errors of objects, states of connections;
// each told once, and again only when it differs or the telling failed.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "map.h"
#include "objects.h"

// Of one report; the rest follows in the next.
#define REPORT_ENTRIES 4000        // errors and states
#define REPORT_SIZE    (900 << 10) // bytes of states, about; one more may be added to it

// One object about which something is to be said.
struct report_note {
	bool error_due, state_due, gone; // not told yet
	bool sent, gone_sent;            // part of the report under way
	bool has_error;                  // as last told
	char *text;                      // the error; NULL: well
	json_t *state;                   // as last gathered, or NULL
	char id[];                       // "kind\037key"
};

struct report {
	char instance[33];
	struct map notes;        // struct report_note by id
	size_t due;              // notes with something not told
	uint64_t term, revision; // reached
	uint64_t told_revision;
	uint64_t sent_revision;
	bool begun; // at least one report of this instance was taken
	bool under_way;
};

void report_init(struct report *r, const char *instance);
void report_fini(struct report *r);
void report_reached(struct report *r, uint64_t term, uint64_t revision);
// text NULL: the object is well.
void report_error(struct report *r, const char *kind, const char *key, const char *text);
// Takes state. An equal one is not told again.
void report_state(struct report *r, const char *kind, const char *key, json_t *state);
void report_gone(struct report *r, const char *kind, const char *key);
bool report_due(const struct report *r);
// The next report, or NULL; then report_done() before the next.
json_t *report_take(struct report *r);
void report_done(struct report *r, bool taken);
// Everything is to be told again: the controller is another.
void report_restart(struct report *r);
