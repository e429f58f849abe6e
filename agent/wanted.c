// SPDX-License-Identifier: Apache-2.0
#include "wanted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

void wanted_init(struct wanted_set *set, struct desired_set *desired)
{
	*set = (struct wanted_set){.desired = desired};
	map_init(&set->objects);
}

void wanted_fini(struct wanted_set *set)
{
	struct wanted *w;
	size_t at = 0;

	while ((w = map_next(&set->objects, &at))) {
		free(w->text);
		free(w->warning);
		free(w);
	}
	map_fini(&set->objects);
}

static char *wanted_id(const char *kind, const char *key)
{
	return xasprintf("%s%c%s", kind, WANTED_SEPARATOR, key);
}

struct wanted *wanted_find(const struct wanted_set *set, const char *kind, const char *key)
{
	char *id = wanted_id(kind, key);
	struct wanted *w = map_find_str(&set->objects, id);

	free(id);
	return w;
}

const char *wanted_key(const struct wanted *w)
{
	return strchr(w->id, WANTED_SEPARATOR) + 1;
}

const char *wanted_kind_name(const struct wanted *w, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)strcspn(w->id, "\037"), w->id);
	return buf;
}

static struct wanted *wanted_make(struct wanted_set *set, const char *kind, const char *key)
{
	struct wanted *w = wanted_find(set, kind, key);
	char *id;

	if (w)
		return w;
	id = wanted_id(kind, key);
	w = xcalloc(1, sizeof(*w) + strlen(id) + 1);
	memcpy(w->id, id, strlen(id) + 1);
	free(id);
	w->kind = kind_find(kind);
	SLIST_INIT(&w->contributions);
	map_set_str(&set->objects, w->id, w);
	return w;
}

static void wanted_set_text(struct wanted_set *set, struct wanted *w, const char *text)
{
	bool same = text ? w->text && !strcmp(w->text, text) : !w->text;

	if (same)
		return;
	free(w->text);
	w->text = text ? xstrdup(text) : NULL;
	if (set->on_trouble)
		set->on_trouble(set->ctx, w);
}

static void wanted_set_warning(struct wanted_set *set, struct wanted *w, const char *text)
{
	if (!strcmp(w->warning ? w->warning : "", text))
		return;
	free(w->warning);
	w->warning = *text ? xstrdup(text) : NULL;
	if (set->on_warning)
		set->on_warning(set->ctx, w);
}

// What cannot be read leaves what it said before in force: better old than nothing.
static void wanted_translate(struct wanted_set *set, struct wanted *w, const json_t *value)
{
	struct contribution_list list = {SLIST_HEAD_INITIALIZER(list.head)};
	struct json_reader r;

	json_reader_init(&r, value);
	r.key = wanted_key(w);
	if (!r.failed)
		w->kind->translate(&r, &list);
	set->read++;
	if (!r.failed)
		desired_commit(set->desired, w, &w->contributions, &list);
	contribution_list_free(&list);
	wanted_set_text(set, w, r.failed ? r.text : *list.refusal ? list.refusal : NULL);
	wanted_set_warning(set, w, r.failed ? "" : list.warning);
}

int wanted_put(struct wanted_set *set, const char *kind, const char *key, uint64_t revision,
	const json_t *value, bool must)
{
	struct wanted *w = wanted_make(set, kind, key);
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	uint64_t hash = text ? hash_bytes(text, strlen(text), 0) : 0;
	bool fresh = !w->revision || w->hash != hash;

	free(text);
	w->listed = true;
	w->revision = revision;
	w->hash = hash;
	if (!fresh)
		return 0;
	if (w->kind)
		wanted_translate(set, w, value);
	else
		wanted_set_text(set, w,
			must ? "this release of the gateway does not know this kind" : NULL);
	return 1;
}

bool wanted_del(struct wanted_set *set, const char *kind, const char *key)
{
	struct contribution_list none = {SLIST_HEAD_INITIALIZER(none.head)};
	struct wanted *w = wanted_find(set, kind, key);

	if (!w)
		return false;
	set->read++;
	desired_commit(set->desired, w, &w->contributions, &none);
	wanted_set_text(set, w, NULL);
	map_del_str(&set->objects, w->id);
	free(w->warning);
	free(w);
	return true;
}
