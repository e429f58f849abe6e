// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ring.h"

static struct exchange message(uint32_t remote, uint64_t spi, uint32_t id)
{
	static uint64_t clock = 1000;

	return (struct exchange){.time_ms = ++clock,
		.spi = spi,
		.local = ip_from_v4(0xc0000201),
		.remote = ip_from_v4(remote),
		.inbound = true,
		.request = true,
		.exchange = EXCHANGE_INIT,
		.message_id = id};
}

struct seen {
	size_t len;
	uint32_t id[256];
};

static void see(void *ctx, uint32_t conn, const struct exchange *e)
{
	struct seen *s = ctx;

	if (s->len < 256)
		s->id[s->len++] = e->message_id;
}

static bool never(const struct ip_addr *local, const struct ip_addr *remote)
{
	return false;
}

static struct seen look(uint32_t conn, uint32_t remote)
{
	struct ip_addr local = ip_from_v4(0xc0000201), other = ip_from_v4(remote);
	struct seen s = {0};

	ring_collect(conn, &local, &other, never, false, see, &s);
	return s;
}

static void keeps_the_newest_in_order(void **state)
{
	for (uint32_t i = 0; i < RING_MESSAGES + 5; i++) {
		struct exchange e = message(1, 1, i);

		ring_note(7, &e);
	}
	struct seen s = look(7, 1);

	assert_int_equal(s.len, RING_MESSAGES);
	assert_int_equal(s.id[0], 5);
	assert_int_equal(s.id[RING_MESSAGES - 1], RING_MESSAGES + 4);
	ring_fini();
	assert_int_equal(ring_size(false), 0);
}

static void a_claimed_attempt_leaves_the_twin(void **state)
{
	struct exchange a = message(1, 10, 0), b = message(1, 20, 0), c = message(1, 10, 1);

	ring_note(0, &a);
	ring_note(0, &b);
	assert_int_equal(look(8, 1).len, 2);
	ring_note(7, &c);
	assert_int_equal(look(8, 1).len, 1); // 7's attempt is not shown to 8
	assert_int_equal(look(7, 1).len, 3);
	ring_fini();
}

static void strangers_push_out_strangers_only(void **state)
{
	struct exchange mine = message(1, 1, 77);

	ring_note(7, &mine);
	for (uint32_t i = 2; i < 60000; i++) {
		struct exchange e = message(i, i, 0);

		ring_note(0, &e);
	}
	assert_true(ring_size(true) <= RING_UNCLAIMED_BYTES);
	assert_int_equal(look(7, 1).id[0], 77);
	ring_fini();
	assert_int_equal(ring_size(true), 0);
}

static void forgets_on_change(void **state)
{
	struct exchange a = message(1, 1, 0), b = message(2, 2, 0);
	struct ip_addr local = a.local, remote = a.remote;

	ring_note(7, &a);
	ring_note(0, &a);
	ring_note(8, &b);
	ring_forget(7, &local, &remote);
	assert_int_equal(look(7, 1).len, 0);
	assert_int_equal(look(8, 2).len, 1);
	ring_fini();
}

static void withholds_what_may_be_anothers(void **state)
{
	struct exchange mine = message(1, 1, 1), strange = message(1, 2, 2), far = message(9, 3, 3);
	struct ip_addr local = mine.local, remote = mine.remote;
	struct seen s = {0};

	ring_note(7, &mine);
	ring_note(0, &strange);
	ring_note(0, &far);
	assert_int_equal(ring_collect(7, &local, &remote, never, true, see, &s), 1);
	assert_int_equal(s.len, 1);
	assert_int_equal(s.id[0], 1);
	ring_fini();
}

static void forgets_strangers_of_one_vip(void **state)
{
	struct exchange mine = message(1, 1, 1), strange = message(1, 2, 2),
			other = message(1, 3, 3);
	struct ip_addr local = mine.local;

	other.local = ip_from_v4(0xc0000299);
	ring_note(7, &mine);
	ring_note(0, &strange);
	ring_note(0, &other);
	ring_forget_strangers(&local);
	assert_int_equal(look(8, 1).len, 0);
	assert_int_equal(look(7, 1).len, 1);
	assert_true(ring_size(true) > 0);
	ring_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_newest_in_order),
		cmocka_unit_test(a_claimed_attempt_leaves_the_twin),
		cmocka_unit_test(strangers_push_out_strangers_only),
		cmocka_unit_test(forgets_on_change),
		cmocka_unit_test(withholds_what_may_be_anothers),
		cmocka_unit_test(forgets_strangers_of_one_vip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
