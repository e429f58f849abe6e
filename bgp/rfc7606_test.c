// SPDX-License-Identifier: Apache-2.0

// The corpus tests/golden/bgp/rfc7606.tsv: each line is an UPDATE and what the RFCs demand for it.

#include "update.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint8_t scratch[UPDATE_SCRATCH_SIZE];

static size_t from_hex(const char *hex, uint8_t *out, size_t size)
{
	size_t n = strlen(hex) / 2;

	assert_true(n <= size);
	for (size_t i = 0; i < n; i++) {
		unsigned v;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
		out[i] = (uint8_t)v;
	}
	return n;
}

static struct update_options session_options(const char *session)
{
	return (struct update_options){
		.as4 = strcmp(session, "ebgp16") != 0,
		.internal = !strcmp(session, "ibgp"),
		.family = {true, true},
	};
}

static const char *verdict_name(const struct update *u, char *buf, size_t size)
{
	static const char *const names[] = {"ok", "discard", "withdraw"};

	if (u->verdict < UPDATE_RESET)
		return names[u->verdict];
	snprintf(buf, size, "reset %u/%u", u->error.code, u->error.subcode);
	return buf;
}

static void check_line(char *line)
{
	char *field[5], *save = NULL, buf[32];
	uint8_t body[BGP_MESSAGE_MAX];
	struct update_options options;
	struct update u;
	size_t size;

	for (int i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, "\t\n", &save);
		assert_non_null(field[i]);
	}
	options = session_options(field[1]);
	size = from_hex(field[2], body, sizeof(body));
	update_read(body, size, &options, scratch, &u);
	if (strcmp(verdict_name(&u, buf, sizeof(buf)), field[0]) != 0)
		fail_msg("%s (RFC %s): wanted %s, got %s (%s)", field[4], field[3], field[0],
			verdict_name(&u, buf, sizeof(buf)), u.reason ? u.reason : "");
	assert_true((u.verdict == UPDATE_OK) == !u.reason);
}

static void each_malformed_update_gets_the_verdict_its_rfc_demands(void **state)
{
	FILE *f = fopen(GOLDEN "/rfc7606.tsv", "r");
	char line[8192];
	int lines = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		check_line(line);
		lines++;
	}
	fclose(f);
	assert_true(lines > 70);
}

// Cutting any corpus message short anywhere never reads past the end (the sanitizers watch) and
// never makes a session of prefixes out of it that were not there.
static void cut_messages_are_judged_without_reading_past_their_end(void **state)
{
	FILE *f = fopen(GOLDEN "/rfc7606.tsv", "r");
	char line[8192];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *save = NULL, *session, *hex;
		struct update_options options;
		uint8_t body[BGP_MESSAGE_MAX];
		size_t size;

		if (line[0] == '#')
			continue;
		strtok_r(line, "\t\n", &save);
		session = strtok_r(NULL, "\t\n", &save);
		hex = strtok_r(NULL, "\t\n", &save);
		options = session_options(session);
		size = from_hex(hex, body, sizeof(body));
		for (size_t cut = 0; cut < size; cut++) {
			uint8_t *copy = malloc(cut ? cut : 1); // exact size: overreads show
			struct update u;

			memcpy(copy, body, cut);
			update_read(copy, cut, &options, scratch, &u);
			assert_true(u.reach_len <= 2 && u.unreach_len <= 2);
			free(copy);
		}
	}
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_malformed_update_gets_the_verdict_its_rfc_demands),
		cmocka_unit_test(cut_messages_are_judged_without_reading_past_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
