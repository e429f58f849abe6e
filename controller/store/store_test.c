// SPDX-License-Identifier: Apache-2.0
#include "store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "seal.h"

struct world {
	char dir[64], path[96];
	struct store *store;
	char told[256]; // what subscribers heard
};

static void on_change(void *arg, const struct store_change *changes, size_t len)
{
	struct world *w = arg;

	for (size_t i = 0; i < len; i++)
		snprintf(w->told + strlen(w->told), sizeof(w->told) - strlen(w->told), "%s%s@%d ",
			changes[i].deleted ? "-" : "+", changes[i].key, (int)changes[i].revision);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	snprintf(w->dir, sizeof(w->dir), "/tmp/isthmus-store-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/db", w->dir);
	assert_int_equal(store_open(w->path, &w->store), 0);
	store_subscribe(w->store, on_change, w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", ".epoch", ".key"};
	struct world *w = *state;
	char name[128];

	store_close(w->store);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", w->path, suffixes[i]);
		unlink(name);
	}
	rmdir(w->dir);
	free(w);
	return 0;
}

static uint64_t put(struct store *s, const char *key, int value)
{
	json_t *json = json_integer(value);
	uint64_t revision;

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_put(s, key, json), 0);
	assert_int_equal(store_commit(s, &revision), 0);
	json_decref(json);
	return revision;
}

static void del(struct store *s, const char *key)
{
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_delete(s, key), 0);
	assert_int_equal(store_commit(s, NULL), 0);
}

static void an_equal_put_changes_nothing(void **state)
{
	struct world *w = *state;

	assert_int_equal(put(w->store, "/a", 1), 1);
	assert_int_equal(put(w->store, "/a", 1), 1);
	assert_int_equal(put(w->store, "/a", 2), 2);
	assert_string_equal(w->told, "+/a@1 +/a@2 ");
}

static void only_what_was_committed_survives(void **state)
{
	struct world *w = *state;
	struct store_row row;
	json_t *json = json_string("x");

	put(w->store, "/a", 1);
	assert_int_equal(store_begin(w->store), 0);
	assert_int_equal(store_put(w->store, "/b", json), 0);
	assert_int_equal(store_get(w->store, "/b", &row), 0); // reads see the transaction
	store_row_fini(&row);
	store_rollback(w->store);
	json_decref(json);
	store_close(w->store);
	assert_int_equal(store_open(w->path, &w->store), 0);
	assert_int_equal(store_revision(w->store), 1);
	assert_int_equal(store_get(w->store, "/b", &row), -ENOENT);
	assert_int_equal(store_get(w->store, "/a", &row), 0);
	assert_int_equal(json_integer_value(row.value), 1);
	assert_int_equal(row.revision, 1);
	store_row_fini(&row);
}

#define TEXT_SIZE 8192

static void append(char *text, const char *fmt, ...)
{
	size_t at = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + at, TEXT_SIZE - at, fmt, ap);
	va_end(ap);
}

static int append_change(void *arg, const struct store_change *c)
{
	char *text = arg;

	append(text, "%s%s@%d ", c->deleted ? "-" : "+", c->key, (int)c->revision);
	return 0;
}

static void changes_tell_the_latest_of_a_key(void **state)
{
	struct world *w = *state;
	char text[TEXT_SIZE] = "";

	put(w->store, "/a", 1);
	put(w->store, "/b", 1);
	put(w->store, "/a", 2);
	del(w->store, "/b");
	assert_int_equal(store_changes(w->store, 0, append_change, text), 0);
	assert_string_equal(text, "+/a@3 -/b@4 ");
	text[0] = '\0';
	assert_int_equal(store_changes(w->store, 3, append_change, text), 0);
	assert_string_equal(text, "-/b@4 ");
	assert_int_equal(store_changes(w->store, 5, append_change, text), -ESTALE);
}

static int append_row(void *arg, const struct store_row *row)
{
	char *text = arg;

	append(text, "%s ", row->key);
	return 0;
}

static void rows_come_in_order_of_key(void **state)
{
	struct world *w = *state;
	char text[TEXT_SIZE] = "", key[32];

	for (int i = 299; i >= 0; i--) { // more than one batch
		snprintf(key, sizeof(key), "/r/%03d", i);
		put(w->store, key, i);
	}
	put(w->store, "/s", 1);
	assert_int_equal(store_each(w->store, "/r/", append_row, text), 0);
	assert_int_equal(strlen(text), 300 * strlen("/r/000 "));
	assert_int_equal(strncmp(text, "/r/000 /r/001 ", 14), 0);
}

static int append_ref(void *arg, const char *from, const char *to)
{
	char *text = arg;

	append(text, "%s>%s ", from, to);
	return 0;
}

static void referrers_are_found_also_below(void **state)
{
	struct world *w = *state;
	const char *to[] = {"/ln/a/subnets/s", "/pool"}, *sibling[] = {"/ln/ab"};
	char text[TEXT_SIZE] = "";

	put(w->store, "/x", 1);
	assert_int_equal(store_begin(w->store), 0);
	assert_int_equal(store_refs_set(w->store, "/x", to, 2), 0);
	assert_int_equal(store_refs_set(w->store, "/y", sibling, 1), 0);
	assert_int_equal(store_commit(w->store, NULL), 0);
	assert_int_equal(store_referrers(w->store, "/ln/a", false, append_ref, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(store_referrers(w->store, "/ln/a", true, append_ref, text), 0);
	assert_string_equal(text, "/x>/ln/a/subnets/s ");
	del(w->store, "/x");
	text[0] = '\0';
	assert_int_equal(store_referrers(w->store, "/ln/a", true, append_ref, text), 0);
	assert_string_equal(text, "");
}

static void a_claim_has_one_owner_and_a_wait(void **state)
{
	struct world *w = *state;
	uint64_t used, held;

	assert_int_equal(store_begin(w->store), 0);
	assert_int_equal(store_claim(w->store, "ip", "0a", "/a"), 0);
	assert_int_equal(store_claim(w->store, "ip", "0a", "/a"), 0);
	assert_int_equal(store_claim(w->store, "ip", "0a", "/b"), -EEXIST);
	assert_int_equal(store_claim(w->store, "ip", "0b", "/b"), 0);
	assert_int_equal(store_claim(w->store, "ip", "0c", "/a"), 0);
	assert_int_equal(store_claim_release_owner(w->store, "/a", 1000), 0);
	assert_int_equal(store_claim(w->store, "ip", "0a", "/b"), -EEXIST);
	assert_int_equal(store_claim_count(w->store, "ip", "0a", "0b", &used, &held), 0);
	assert_int_equal(used, 1);
	assert_int_equal(held, 1);
	assert_int_equal(store_claim_expire(w->store, 999), 0);
	assert_int_equal(store_claim(w->store, "ip", "0a", "/b"), -EEXIST);
	assert_int_equal(store_claim_expire(w->store, 1001), 0);
	assert_int_equal(store_claim(w->store, "ip", "0a", "/b"), 0);
	assert_int_equal(store_commit(w->store, NULL), 0);
}

static void the_epoch_is_lowered_by_nothing(void **state)
{
	struct world *w = *state;
	uint64_t first;

	assert_int_equal(store_epoch_take(w->store, 10, &first), 0);
	assert_int_equal(first, 1);
	assert_int_equal(store_begin(w->store), 0);
	assert_int_equal(store_epoch_take(w->store, 1, &first), 0);
	assert_int_equal(first, 11);
	store_rollback(w->store);
	store_close(w->store);
	unlink(w->path); // an older copy is put in its place: here the oldest, none
	assert_int_equal(store_open(w->path, &w->store), 0);
	assert_int_equal(store_epoch_take(w->store, 1, &first), 0);
	assert_int_equal(first, 12);
	assert_int_equal(store_epoch_raise(w->store, 5), 0);
	assert_int_equal(store_epoch_raise(w->store, 100), 0);
	assert_int_equal(store_epoch_take(w->store, 1, &first), 0);
	assert_int_equal(first, 101);
}

static void a_counter_gives_each_number_once(void **state)
{
	struct world *w = *state;
	uint64_t first;

	assert_int_equal(store_counter_take(w->store, "vrf", 1, &first), 0);
	assert_int_equal(first, 1);
	assert_int_equal(store_counter_take(w->store, "vrf", 5, &first), 0);
	assert_int_equal(first, 2);
	assert_int_equal(store_counter_take(w->store, "vrf", 1, &first), 0);
	assert_int_equal(first, 7);
}

static void a_secret_opens_only_for_its_owner(void **state)
{
	struct world *w = *state;
	char name[128], *sealed, *plain;
	struct seal *seal;
	struct stat st;

	snprintf(name, sizeof(name), "%s.key", w->path);
	assert_int_equal(seal_open(name, &seal), 0);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(seal_text(seal, "/a", "P@ssw0rd", &sealed), 0);
	assert_null(strstr(sealed, "P@ssw0rd"));
	assert_int_equal(seal_unseal(seal, "/b", sealed, &plain), -EBADMSG);
	assert_int_equal(seal_unseal(seal, "/a", sealed, &plain), 0);
	assert_string_equal(plain, "P@ssw0rd");
	free(plain);
	sealed[strlen(sealed) - 1] ^= 1;
	assert_int_equal(seal_unseal(seal, "/a", sealed, &plain), -EBADMSG);
	free(sealed);
	seal_close(seal);
	assert_int_equal(chmod(name, 0644), 0);
	assert_int_equal(seal_open(name, &seal), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_equal_put_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(only_what_was_committed_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_tell_the_latest_of_a_key, setup, teardown),
		cmocka_unit_test_setup_teardown(rows_come_in_order_of_key, setup, teardown),
		cmocka_unit_test_setup_teardown(referrers_are_found_also_below, setup, teardown),
		cmocka_unit_test_setup_teardown(a_claim_has_one_owner_and_a_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(the_epoch_is_lowered_by_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_counter_gives_each_number_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_secret_opens_only_for_its_owner, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
