// SPDX-License-Identifier: Apache-2.0
#include "view.h"

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

void view_init(struct view *v, uint64_t revision)
{
	*v = (struct view){.first = revision, .revision = revision};
	TAILQ_INIT(&v->entries);
}

static void entry_free(struct view *v, struct view_entry *e)
{
	TAILQ_REMOVE(&v->entries, e, link);
	map_del(&v->by_id, e->id, e->id_size);
	plan_object_put(e->object);
	free(e);
}

void view_fini(struct view *v)
{
	while (!TAILQ_EMPTY(&v->entries))
		entry_free(v, TAILQ_FIRST(&v->entries));
	map_fini(&v->by_id);
}

// One byte of kind, then the key.
static char *make_id(enum plan_kind kind, const char *key, size_t *ret_size)
{
	size_t size = strlen(key) + 1;
	char *id = xmalloc(size);

	id[0] = (char)kind;
	memcpy(id + 1, key, size - 1);
	*ret_size = size;
	return id;
}

static struct view_entry *find(const struct view *v, enum plan_kind kind, const char *key)
{
	size_t size;
	char *id = make_id(kind, key, &size);
	struct view_entry *e = map_find(&v->by_id, id, size);

	free(id);
	return e;
}

const struct view_entry *view_find(const struct view *v, enum plan_kind kind, const char *key)
{
	const struct view_entry *e = find(v, kind, key);

	return e && !e->gone ? e : NULL;
}

static void touch(struct view *v, struct view_entry *e, struct plan_object *object, bool gone,
	uint64_t revision)
{
	plan_object_get(object);
	plan_object_put(e->object);
	e->object = object;
	v->tombstones += (uint32_t)gone - (uint32_t)e->gone;
	e->gone = gone;
	e->revision = v->revision = revision;
	TAILQ_REMOVE(&v->entries, e, link);
	TAILQ_INSERT_TAIL(&v->entries, e, link);
}

// The oldest tombstones go; who has not seen them by now must read everything.
static void compact(struct view *v)
{
	struct view_entry *e = TAILQ_FIRST(&v->entries), *next;

	for (; e && v->tombstones > VIEW_TOMBSTONES_MAX / 2; e = next) {
		next = TAILQ_NEXT(e, link);
		if (!e->gone)
			continue;
		v->first = e->revision;
		v->tombstones--;
		entry_free(v, e);
	}
}

bool view_set(struct view *v, struct plan_object *object, uint64_t revision)
{
	struct view_entry *e = find(v, object->kind, object->key);
	size_t size;
	char *id;

	if (e) {
		bool same = !e->gone && !strcmp(e->object->text, object->text);

		if (!same)
			touch(v, e, object, false, revision);
		return !same;
	}
	id = make_id(object->kind, object->key, &size);
	e = xcalloc(1, sizeof(*e) + size);
	e->id_size = size;
	memcpy(e->id, id, size);
	free(id);
	e->object = plan_object_get(object);
	e->revision = v->revision = revision;
	TAILQ_INSERT_TAIL(&v->entries, e, link);
	map_set(&v->by_id, e->id, e->id_size, e);
	return true;
}

bool view_del(struct view *v, const struct plan_object *object, uint64_t revision)
{
	struct view_entry *e = find(v, object->kind, object->key);

	if (!e || e->gone)
		return false;
	touch(v, e, e->object, true, revision);
	if (v->tombstones > VIEW_TOMBSTONES_MAX)
		compact(v);
	return true;
}

const struct view_entry *view_newer(const struct view *v, uint64_t since, bool *ret_full)
{
	const struct view_entry *e, *first = NULL;

	*ret_full = since < v->first || since > v->revision;
	if (*ret_full)
		return TAILQ_FIRST(&v->entries);
	TAILQ_FOREACH_REVERSE(e, &v->entries, view_list, link)
	{
		if (e->revision <= since)
			break;
		first = e;
	}
	return first;
}
