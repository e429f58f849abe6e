// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wanted.h"
#include "xmalloc.h"

#define REPORT_CODE "PolicyConfigurationFailure"

void report_init(struct report *r, const char *instance)
{
	*r = (struct report){0};
	snprintf(r->instance, sizeof(r->instance), "%s", instance);
	map_init(&r->notes);
}

static void note_free(struct report_note *n)
{
	free(n->text);
	json_decref(n->state);
	free(n);
}

void report_fini(struct report *r)
{
	struct report_note *n;
	size_t at = 0;

	while ((n = map_next(&r->notes, &at)))
		note_free(n);
	map_fini(&r->notes);
}

static bool note_due(const struct report_note *n)
{
	return n->error_due || n->state_due || n->gone;
}

static struct report_note *note_find(struct report *r, const char *kind, const char *key, bool make)
{
	char *id = xasprintf("%s%c%s", kind, WANTED_SEPARATOR, key);
	struct report_note *n = map_find_str(&r->notes, id);

	if (!n && make) {
		n = xcalloc(1, sizeof(*n) + strlen(id) + 1);
		memcpy(n->id, id, strlen(id) + 1);
		map_set_str(&r->notes, n->id, n);
	}
	free(id);
	return n;
}

void report_reached(struct report *r, uint64_t term, uint64_t revision)
{
	r->term = term;
	r->revision = revision;
}

// Changes what is due, keeping the count.
#define NOTE_CHANGE(r, n, change)        \
	do {                             \
		(r)->due -= note_due(n); \
		change;                  \
		(r)->due += note_due(n); \
	} while (0)

void report_error(struct report *r, const char *kind, const char *key, const char *text)
{
	struct report_note *n = note_find(r, kind, key, text != NULL);

	if (!n || (text && n->text && !strcmp(n->text, text)) || (!text && !n->text))
		return;
	free(n->text);
	n->text = text ? xstrdup(text) : NULL;
	NOTE_CHANGE(r, n, n->error_due = text || n->has_error);
}

void report_state(struct report *r, const char *kind, const char *key, json_t *state)
{
	struct report_note *n = note_find(r, kind, key, true);

	if (n->state && json_equal(n->state, state)) {
		json_decref(state);
		return;
	}
	json_decref(n->state);
	n->state = state;
	NOTE_CHANGE(r, n, (n->state_due = true, n->gone = false));
}

void report_gone(struct report *r, const char *kind, const char *key)
{
	struct report_note *n = note_find(r, kind, key, false);

	if (!n || n->gone)
		return;
	json_decref(n->state);
	n->state = NULL;
	free(n->text);
	n->text = NULL;
	NOTE_CHANGE(r, n, (n->state_due = n->error_due = n->has_error = false, n->gone = true));
}

bool report_due(const struct report *r)
{
	return !r->under_way && (r->due || r->revision != r->told_revision || !r->begun);
}

static json_t *note_entry(const struct report_note *n)
{
	int size = (int)strcspn(n->id, "\037");

	return json_pack("{s:s%,s:s}", "kind", n->id, (size_t)size, "key", n->id + size + 1);
}

// Returns the size of what was added, about.
static size_t note_write(struct report_note *n, json_t *errors, json_t *state, json_t *gone)
{
	json_t *entry;
	size_t size = 0;

	n->sent = true;
	if (n->gone) {
		n->gone_sent = true;
		json_array_append_new(gone, note_entry(n));
		return 0;
	}
	if (n->error_due) {
		entry = note_entry(n);
		if (n->text) {
			json_object_set_new(entry, "code", json_string(REPORT_CODE));
			json_object_set_new(entry, "message", json_string(n->text));
		}
		json_array_append_new(errors, entry);
	}
	if (n->state_due && n->state) {
		entry = note_entry(n);
		json_object_set(entry, "value", n->state);
		json_array_append_new(state, entry);
		size = json_dumpb(n->state, NULL, 0, JSON_COMPACT);
	}
	// What changes while the report is under way is due again.
	n->has_error = n->text != NULL;
	n->error_due = n->state_due = false;
	return size;
}

json_t *report_take(struct report *r)
{
	json_t *errors, *state, *gone;
	struct report_note *n;
	size_t at = 0, len = 0, size = 0;

	if (!report_due(r))
		return NULL;
	errors = json_array();
	state = json_array();
	gone = json_array();
	while (r->due && len < REPORT_ENTRIES && size < REPORT_SIZE &&
		(n = map_next(&r->notes, &at))) {
		if (!note_due(n))
			continue;
		size += note_write(n, errors, state, gone);
		r->due -= !note_due(n);
		len++;
	}
	r->under_way = true;
	r->sent_revision = r->revision;
	return json_pack("{s:s,s:s,s:I,s:I,s:o,s:o,s:o}", "version", "1.0", "instance", r->instance,
		"term", (json_int_t)r->term, "revision", (json_int_t)r->revision, "errors", errors,
		"state", state, "gone", gone);
}

static void note_settle(struct report *r, struct report_note *n, bool taken)
{
	bool gone = n->gone && n->gone_sent;

	n->sent = n->gone_sent = false;
	if (!taken) {
		NOTE_CHANGE(r, n, (n->error_due = true, n->state_due = n->state != NULL));
		return;
	}
	if (gone || (!n->gone && !n->text && !n->state && !n->error_due)) {
		r->due -= note_due(n);
		map_del_str(&r->notes, n->id);
		note_free(n);
	}
}

void report_done(struct report *r, bool taken)
{
	struct report_note *n;
	size_t at = 0;

	r->under_way = false;
	if (taken) {
		r->begun = true;
		r->told_revision = r->sent_revision;
	}
	while ((n = map_next(&r->notes, &at))) {
		if (n->sent)
			note_settle(r, n, taken);
	}
}

void report_restart(struct report *r)
{
	struct report_note *n;
	size_t at = 0;

	r->begun = false;
	while ((n = map_next(&r->notes, &at)))
		NOTE_CHANGE(
			r, n, (n->error_due = n->text != NULL, n->state_due = n->state != NULL));
}
