// SPDX-License-Identifier: Apache-2.0

// The corpus tests/golden/bgp/rfc7606.tsv: each line is an UPDATE and what the RFCs demand for it.

#include "pair.h"
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

// -- and the session does just that

static struct pair *session_of(const char *session)
{
	bool internal = !strcmp(session, "ibgp");
	struct pair *p = pair_new();

	pair_add(p, 64512, "10.0.0.1", 0);
	pair_add(p, internal ? 64512 : 65001, "10.0.0.2", 0);
	pair_join(p, 0, 1, API_BGP_PEER_IPV6, API_BGP_PEER_IPV6);
	pair_announce(p, 1, "192.168.77.0/24");
	pair_run(p, 5000);
	assert_true(pair_established(p, 0, 1));
	peer_fsm(pair_find(p, 0, 1))->established->rx.as4 = strcmp(session, "ebgp16") != 0;
	return p;
}

static void check_session(
	const char *verdict, const char *session, const char *hex, const char *text)
{
	uint8_t message[BGP_MESSAGE_MAX];
	size_t size = BGP_HEADER_SIZE +
		      from_hex(hex, message + BGP_HEADER_SIZE, BGP_MESSAGE_MAX - BGP_HEADER_SIZE);
	struct pair *p = session_of(session);
	struct fsm *f = peer_fsm(pair_find(p, 0, 1)), *g = peer_fsm(pair_find(p, 1, 0));
	struct api_bgp_route route;
	unsigned code = 0, subcode = 0;
	uint32_t flaps = f->flaps;

	memset(message, 0xff, 16);
	message[16] = (uint8_t)(size >> 8);
	message[17] = (uint8_t)size;
	message[18] = BGP_UPDATE;
	pair_inject(p, 0, 1, message, size);
	pair_settle(p);
	if (sscanf(verdict, "reset %u/%u", &code, &subcode) == 2) {
		if (f->flaps != flaps + 1 || f->last_error.code != code ||
			f->last_error.subcode != subcode || !f->last_error_sent)
			fail_msg("%s: wanted NOTIFICATION %u/%u", text, code, subcode);
		assert_int_equal(g->last_error.code, code); // it has arrived
		assert_int_equal(g->last_error.subcode, subcode);
	} else {
		if (f->flaps != flaps || f->withdrawn != !strcmp(verdict, "withdraw") ||
			f->discarded != !strcmp(verdict, "discard"))
			fail_msg("%s: wanted %s; %u withdrawn, %u discarded", text, verdict,
				f->withdrawn, f->discarded);
		assert_true(pair_established(p, 0, 1));
		assert_true(pair_best(p, 0, "192.168.77.0/24", &route)); // others' prefixes stay
	}
	pair_free(p);
}

static void each_malformed_update_does_just_that_to_a_session(void **state)
{
	FILE *f = fopen(GOLDEN "/rfc7606.tsv", "r");
	char line[8192];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *field[5], *save = NULL;

		if (line[0] == '#')
			continue;
		for (int i = 0; i < 5; i++)
			field[i] = strtok_r(i ? NULL : line, "\t\n", &save);
		check_session(field[0], field[1], field[2], field[4]);
	}
	fclose(f);
}

// What the verdict means for prefixes that were there: withdrawn, kept or replaced.
static void a_prefix_that_was_there_goes_or_stays_as_the_verdict_says(void **state)
{
	// 10.1.0.0/16 with a right ORIGIN; with an undefined one; with a LOCAL_PREF from outside.
	static const struct {
		const char *hex;
		bool there;
		uint32_t med;
	} steps[] = {
		{"0000001b4001010040020602010000fde94003040a00000280040400000001100a01", true, 1},
		{"0000001b4001010740020602010000fde94003040a00000280040400000002100a01", false, 0},
		{"000000224001010040020602010000fde94003040a0000028004040000000340050400000009100a0"
		 "1",
			true, 3},
	};
	struct pair *p = session_of("ebgp");
	struct api_bgp_route route;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint8_t message[BGP_MESSAGE_MAX];
		size_t size =
			BGP_HEADER_SIZE + from_hex(steps[i].hex, message + BGP_HEADER_SIZE, 1000);

		memset(message, 0xff, 16);
		message[16] = 0;
		message[17] = (uint8_t)size;
		message[18] = BGP_UPDATE;
		pair_inject(p, 0, 1, message, size);
		pair_settle(p);
		assert_int_equal(pair_best(p, 0, "10.1.0.0/16", &route), steps[i].there);
		if (steps[i].there) {
			assert_int_equal(route.med, steps[i].med);
			assert_int_equal(route.local_pref, 100);
		}
	}
	assert_true(pair_established(p, 0, 1));
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_malformed_update_gets_the_verdict_its_rfc_demands),
		cmocka_unit_test(each_malformed_update_does_just_that_to_a_session),
		cmocka_unit_test(a_prefix_that_was_there_goes_or_stays_as_the_verdict_says),
		cmocka_unit_test(cut_messages_are_judged_without_reading_past_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
