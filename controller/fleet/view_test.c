// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "view.h"
#include "xmalloc.h"

static struct plan_object *object(uint32_t n, const char *text)
{
	struct plan_object *o = xcalloc(1, sizeof(*o) + 64);
	char *key = (char *)(o + 1);

	snprintf(key, 64, "%u", n);
	o->refs = 1;
	o->kind = PLAN_KIND_HOST;
	o->key = key;
	o->text = text;
	o->ref = "";
	return o;
}

static void set(struct view *v, uint32_t n, const char *text, uint64_t revision)
{
	struct plan_object *o = object(n, text);

	view_set(v, o, revision);
	plan_object_put(o);
}

static bool del(struct view *v, uint32_t n, uint64_t revision)
{
	struct plan_object *o = object(n, "");
	bool was = view_del(v, o, revision);

	plan_object_put(o);
	return was;
}

// What one who has `since` would make of the answer, starting from what it had.
static size_t newer(const struct view *v, uint64_t since, bool *ret_full)
{
	const struct view_entry *e = view_newer(v, since, ret_full);
	size_t len = 0;

	for (; e; e = TAILQ_NEXT(e, link))
		len += !*ret_full || !e->gone;
	return len;
}

static void only_what_is_newer_is_told(void **state)
{
	struct view v;
	bool full;

	view_init(&v, 100);
	for (uint32_t n = 0; n < 50; n++)
		set(&v, n, "{}", 101 + n);
	assert_int_equal(newer(&v, 150, &full), 0);
	assert_false(full);
	set(&v, 7, "{\"a\":1}", 151);
	assert_int_equal(newer(&v, 150, &full), 1);
	assert_int_equal(newer(&v, 148, &full), 3);
	assert_int_equal(newer(&v, 0, &full), 50);
	assert_true(full);
	view_fini(&v);
}

static void the_same_text_is_no_change(void **state)
{
	struct plan_object *o = object(1, "{}");
	struct view v;

	view_init(&v, 1);
	assert_true(view_set(&v, o, 2));
	assert_false(view_set(&v, o, 3));
	assert_int_equal(v.revision, 2);
	plan_object_put(o);
	view_fini(&v);
}

static void a_deletion_is_told_once_and_undone_by_a_new_object(void **state)
{
	struct view v;
	bool full;

	view_init(&v, 1);
	set(&v, 1, "{}", 2);
	assert_true(del(&v, 1, 3));
	assert_false(del(&v, 1, 4));
	assert_true(view_newer(&v, 2, &full)->gone);
	assert_null(view_find(&v, PLAN_KIND_HOST, "1"));
	set(&v, 1, "{}", 5);
	assert_non_null(view_find(&v, PLAN_KIND_HOST, "1"));
	assert_int_equal(newer(&v, 3, &full), 1);
	assert_int_equal(v.tombstones, 0);
	view_fini(&v);
}

// After compaction one who is too old is answered in full, and nobody misses a deletion.
static void compaction_forgets_the_oldest_deletions_and_says_so(void **state)
{
	uint64_t revision = 1;
	uint32_t n = VIEW_TOMBSTONES_MAX + 1;
	struct view v;
	bool full;

	view_init(&v, revision);
	set(&v, 0, "{}", ++revision);
	for (uint32_t i = 1; i <= n; i++)
		set(&v, i, "{}", ++revision);
	for (uint32_t i = 1; i <= n; i++)
		del(&v, i, ++revision);
	assert_int_equal(v.tombstones, VIEW_TOMBSTONES_MAX / 2);
	assert_int_equal(newer(&v, revision - n, &full), 1);
	assert_true(full);
	assert_int_equal(newer(&v, revision - 10, &full), 10);
	assert_false(full);
	assert_int_equal(newer(&v, v.first, &full), VIEW_TOMBSTONES_MAX / 2);
	assert_false(full);
	view_newer(&v, v.first - 1, &full);
	assert_true(full);
	view_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_newer_is_told),
		cmocka_unit_test(the_same_text_is_no_change),
		cmocka_unit_test(a_deletion_is_told_once_and_undone_by_a_new_object),
		cmocka_unit_test(compaction_forgets_the_oldest_deletions_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
