// SPDX-License-Identifier: Apache-2.0
#include "view_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "xmalloc.h"

struct entry {
	char *key, *text;
};

static void set(struct map *m, char *key, const char *text)
{
	struct entry *e = map_find_str(m, key);

	if (e) {
		free(key);
		free(e->text);
	} else {
		e = xcalloc(1, sizeof(*e));
		e->key = key;
		map_set_str(m, e->key, e);
	}
	e->text = xstrdup(text);
}

static bool del(struct map *m, char *key)
{
	struct entry *e = map_del_str(m, key);

	free(key);
	if (!e)
		return false;
	free(e->key);
	free(e->text);
	free(e);
	return true;
}

void views_init(struct views *v)
{
	*v = (struct views){0};
}

static void empty(struct map *m)
{
	struct entry *e;
	size_t at = 0;

	while ((e = map_next(m, &at))) {
		free(e->key);
		free(e->text);
		free(e);
	}
	map_fini(m);
}

void views_fini(struct views *v)
{
	empty(&v->entries);
	empty(&v->rows);
}

void views_apply(struct views *v, const struct plan_result *r)
{
	for (size_t i = 0; i < r->events_len; i++) {
		const struct plan_event *e = &r->events[i];
		char *key = xasprintf(
			"%s|%s|%s", e->view, plan_kind_name(e->object->kind), e->object->key);

		if (!e->gone) {
			set(&v->entries, key, e->object->text);
			v->sets++;
			continue;
		}
		v->gones++;
		if (!map_find_str(&v->entries, key))
			print_error("gone but never told: %s\n", key);
		assert_true(del(&v->entries, key));
	}
	for (size_t i = 0; i < r->rows_len; i++) {
		if (r->rows[i].value)
			set(&v->rows, xstrdup(r->rows[i].key), r->rows[i].value);
		else
			del(&v->rows, xstrdup(r->rows[i].key));
	}
}

void views_step(struct views *v, struct plan *p, int64_t now_ms)
{
	for (int i = 0; i < 10000; i++) {
		struct plan_result r = plan_step(p, now_ms);

		views_apply(v, &r);
		if (r.next_ms < 0 || r.next_ms > now_ms)
			return;
	}
	fail_msg("a step never comes to an end");
}

const char *views_get(const struct views *v, const char *view, const char *kind, const char *key)
{
	char *full = xasprintf("%s|%s|%s", view, kind, key);
	struct entry *e = map_find_str(&v->entries, full);

	free(full);
	return e ? e->text : NULL;
}

size_t views_len(const struct views *v, const char *view)
{
	char *start = xasprintf("%s|", view);
	struct entry *e;
	size_t at = 0, len = 0;

	while ((e = map_next(&v->entries, &at)))
		len += !strncmp(e->key, start, strlen(start));
	free(start);
	return len;
}

static size_t missing(const struct map *a, const struct map *b, const char *words)
{
	struct entry *e;
	size_t at = 0, bad = 0;

	while ((e = map_next(a, &at))) {
		struct entry *other = map_find_str(b, e->key);

		if (other && !strcmp(other->text, e->text))
			continue;
		if (bad++ < 5)
			print_error("%s: %s\n  %s\n  %s\n", words, e->key, e->text,
				other ? other->text : "(nothing)");
	}
	return bad;
}

void views_assert_equal(const struct views *a, const struct views *b)
{
	size_t bad = missing(&a->entries, &b->entries, "first has, second not");

	bad += missing(&b->entries, &a->entries, "second has, first not");
	bad += missing(&b->rows, &a->rows, "row differs");
	assert_int_equal(bad, 0);
}

void views_load(const struct views *v, struct plan *p)
{
	struct entry *e;
	size_t at = 0;

	while ((e = map_next(&v->rows, &at)))
		assert_int_equal(plan_load(p, e->key, e->text), 0);
}
