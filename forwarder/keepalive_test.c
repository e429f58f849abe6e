// SPDX-License-Identifier: Apache-2.0

// GRE keepalives through the whole graph: ours, sent and come back or not, and a site's.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "framekit.h"
#include "gateway.h"
#include "gatewaykit.h"
#include "gre/keepalive_packet.h"

#define INTERVAL 1000
#define RETRIES  3
#define OUTER    (IP4_SIZE + 8)

static const uint8_t port_mac[6] = {2}, router_mac[6] = {2, 0, 0, 0, 0, 0xfe};
static uint64_t now_ms;

// What came with the slot is announced for a second.
static void let_announcements_pass(struct kit *k)
{
	struct testbed_result r;

	for (now_ms = 1000; now_ms < 3000; now_ms += 100)
		gateway_tick(now_ms);
	kit_run(k);
	while (kit_take(k, &r))
		testbed_put(&r);
}

static void set_keepalive(struct kit *k, uint16_t retries)
{
	let_announcements_pass(k);
	k->gre[0].flags |= API_CONN_F_GRE_KEEPALIVE;
	k->gre[0].keepalive_interval_ms = INTERVAL;
	k->gre[0].keepalive_retries = retries;
	assert_true(kit_set(API_TYPE_CONN, &k->gre[0], sizeof(k->gre[0])) >= 0);
}

// One interval; the probe that was sent in it.
static bool next_probe(struct kit *k, struct testbed_result *ret_result)
{
	for (unsigned i = 0; i < INTERVAL / 100; i++)
		gateway_tick(now_ms += 100);
	kit_run(k);
	return kit_take(k, ret_result);
}

// As the far end does it: the tunnel's headers off, the rest routed.
static void route_back(struct kit *k, const struct testbed_result *r)
{
	struct frame f;
	size_t size;
	const uint8_t *p = testbed_bytes(r, &size);

	frame_payload(&f, 0);
	frame_bytes(&f, p + ETH_SIZE + OUTER, size - ETH_SIZE - OUTER, IP_PROTO_IPIP);
	frame_eth(&f, port_mac, router_mac);
	testbed_receive(k->tb, 0, f.p, f.size);
	kit_run(k);
}

static bool is_up(struct kit *k)
{
	struct testbed_result r;
	bool up;

	kit_from_host(k, 0, KIT_VM, KIT_SITE, 100);
	assert_true(kit_take(k, &r));
	up = r.end == TESTBED_TX;
	assert_true(up || r.reason == DROP_CONN_DOWN);
	testbed_put(&r);
	return up;
}

static void a_keepalive_holds_one_that_leads_back(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	set_keepalive(k, RETRIES);
	assert_true(next_probe(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	p = testbed_bytes(&r, &size);
	assert_int_equal(size, ETH_SIZE + OUTER + OUTER);
	assert_memory_equal(p, router_mac, 6);
	for (const uint8_t *ip = p + ETH_SIZE; ip < p + size; ip += OUTER) {
		bool inner = ip != p + ETH_SIZE;

		assert_int_equal(sum_ip4((const struct ip4_hdr *)ip), 0xffff);
		assert_int_equal(ip[9], IP_PROTO_GRE);
		assert_int_equal(be32(load32(ip + 12)), inner ? KIT_GRE_REMOTE : KIT_SLOT_PA);
		assert_int_equal(be32(load32(ip + 16)), inner ? KIT_SLOT_PA : KIT_GRE_REMOTE);
		assert_int_equal(be16(load16(ip + 20)), GRE_KEY);
		assert_int_equal(be16(load16(ip + 22)), inner ? 0 : ETH_TYPE_IP4);
		assert_int_equal(be32(load32(ip + 24)), kit_gre_key(0));
	}
	testbed_put(&r);
}

static void a_connection_is_down_after_the_retries_and_up_with_the_next_return(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;

	set_keepalive(k, RETRIES);
	for (unsigned i = 0; i < 3 * RETRIES; i++) { // as long as they come back
		assert_true(next_probe(k, &r));
		route_back(k, &r);
		testbed_put(&r);
		kit_expect_drop(k, DROP_KEEPALIVE_DONE);
		assert_true(is_up(k));
	}
	for (unsigned i = 0; i <= RETRIES; i++) { // one is under way already
		assert_true(is_up(k));
		assert_true(next_probe(k, &r));
		testbed_put(&r);
	}
	assert_false(is_up(k));
	assert_true(next_probe(k, &r)); // goes on asking
	route_back(k, &r);
	testbed_put(&r);
	kit_expect_drop(k, DROP_KEEPALIVE_DONE);
	assert_true(next_probe(k, &r));
	testbed_put(&r);
	assert_true(is_up(k));
}

static void an_old_or_forged_return_counts_for_nothing(void **state)
{
	struct kit *k = *state;
	struct testbed_result old, r;

	set_keepalive(k, 6);
	assert_true(next_probe(k, &old));
	for (unsigned i = 0; i < 4; i++) {
		assert_true(next_probe(k, &r));
		testbed_put(&r);
	}
	route_back(k, &old); // the fifth last
	kit_expect_drop(k, DROP_KEEPALIVE_BAD);
	testbed_put(&old);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(next_probe(k, &r));
		testbed_put(&r);
	}
	assert_false(is_up(k));
}

static void without_keepalives_none_is_sent_and_none_counts(void **state)
{
	struct kit *k = *state;
	struct testbed_result r, last;

	set_keepalive(k, 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(next_probe(k, &r));
		if (i == 1)
			last = r;
		else
			testbed_put(&r);
	}
	assert_false(is_up(k));
	kit_set_gre(k, 0, kit_gre_key(0), API_CONN_F_ENABLED);
	assert_true(is_up(k)); // nothing says that it is not
	assert_false(next_probe(k, &r));
	route_back(k, &last);
	kit_expect_drop(k, DROP_KEEPALIVE_BAD);
	testbed_put(&last);
}

static void a_slot_that_is_not_held_sends_none(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;

	set_keepalive(k, RETRIES);
	kit_set_slot(k, 5, false);
	assert_false(next_probe(k, &r));
	kit_set_slot(k, 6, true);
	assert_true(next_probe(k, &r));
	testbed_put(&r);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct kit *k = *state;
	struct api_conn c = k->gre[0];

	c.flags |= API_CONN_F_GRE_KEEPALIVE;
	c.keepalive_interval_ms = 99;
	c.keepalive_retries = 3;
	assert_int_equal(kit_set(API_TYPE_CONN, &c, sizeof(c)), -EINVAL);
	c.keepalive_interval_ms = 100;
	c.keepalive_retries = 0;
	assert_int_equal(kit_set(API_TYPE_CONN, &c, sizeof(c)), -EINVAL);
	c.keepalive_retries = 3;
	c.flags |= API_CONN_F_GRE_OVER_IPSEC;
	assert_int_equal(kit_set(API_TYPE_CONN, &c, sizeof(c)), -EINVAL);
}

// -- theirs

struct theirs {
	uint32_t src, dst, key; // of what is to come back
	uint16_t protocol;
	uint8_t ttl;
	unsigned more; // bytes behind
};

static const struct theirs right = {
	.src = KIT_SLOT_PA, .dst = KIT_GRE_REMOTE, .key = 7000, .ttl = 255};

static void send_theirs(struct kit *k, struct theirs t)
{
	struct ip_addr src = ip_from_v4(t.src), dst = ip_from_v4(t.dst);
	struct ip_addr remote = ip_from_v4(KIT_GRE_REMOTE), local = ip_from_v4(KIT_SLOT_PA);
	struct frame f;

	frame_payload(&f, t.more);
	frame_gre(&f, t.key);
	f.p[2] = (uint8_t)(t.protocol >> 8);
	f.p[3] = (uint8_t)t.protocol;
	f.ttl = t.ttl;
	f.id = 0x1234;
	frame_ip(&f, &src, &dst);
	frame_gre(&f, kit_gre_key(0));
	frame_ip(&f, &remote, &local);
	frame_eth(&f, port_mac, router_mac);
	testbed_receive(k->tb, 0, f.p, f.size);
	kit_run(k);
}

static void a_sites_keepalive_goes_back(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	send_theirs(k, right);
	assert_true(kit_take(k, &r)); // the one that brought it
	assert_int_equal(r.end, TESTBED_DROP);
	assert_int_equal(r.reason, DROP_KEEPALIVE_DONE);
	testbed_put(&r);
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	p = testbed_bytes(&r, &size);
	assert_int_equal(size, ETH_SIZE + OUTER);
	assert_memory_equal(p, router_mac, 6);
	p += ETH_SIZE;
	assert_int_equal(sum_ip4((const struct ip4_hdr *)p), 0xffff);
	assert_int_equal(be16(load16(p + 4)), 0x1234);
	assert_int_equal(p[8], 254);
	assert_int_equal(be32(load32(p + 12)), KIT_SLOT_PA);
	assert_int_equal(be32(load32(p + 16)), KIT_GRE_REMOTE);
	assert_int_equal(be16(load16(p + 20)), GRE_KEY);
	assert_int_equal(load16(p + 22), 0);
	assert_int_equal(be32(load32(p + 24)), 7000);
	testbed_put(&r);
}

static void expect_nothing_sent(struct kit *k, enum drop_reason reason)
{
	struct testbed_result r;

	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_DROP);
	assert_int_equal(r.reason, reason);
	testbed_put(&r);
	assert_false(kit_take(k, &r));
}

static void expect_told_through_the_tunnel(struct kit *k)
{
	struct testbed_result r;
	const uint8_t *p;

	while (kit_take(k, &r)) {
		p = testbed_bytes(&r, &(size_t){0});
		if (r.end == TESTBED_TX) {
			assert_int_equal(be16(load16(p + 36)), ETH_TYPE_IP4);
			assert_int_equal(p[ETH_SIZE + OUTER + 9], IP_PROTO_ICMP);
		}
		testbed_put(&r);
	}
}

static void nothing_but_an_exact_keepalive_goes_back(void **state)
{
	struct kit *k = *state;
	struct theirs t;

	t = right, t.key = kit_gre_key(1), send_theirs(k, t);
	expect_nothing_sent(k, DROP_KEEPALIVE_BAD);
	t = right, t.protocol = ETH_TYPE_IP4, send_theirs(k, t);
	expect_nothing_sent(k, DROP_KEEPALIVE_BAD);
	t = right, t.more = 1, send_theirs(k, t);
	expect_nothing_sent(k, DROP_KEEPALIVE_BAD);
	t = right, t.ttl = 1, send_theirs(k, t);
	expect_nothing_sent(k, DROP_KEEPALIVE_BAD);
	// Other addresses: a packet of the tenant's that has no route, which its site is told.
	t = right, t.dst = KIT_GRE_REMOTE + 1, send_theirs(k, t);
	expect_told_through_the_tunnel(k);
	t = right, t.src = KIT_OWN, send_theirs(k, t);
	expect_told_through_the_tunnel(k);
}

static void a_tenants_own_gre_is_its_own_matter(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	struct theirs t = right;

	t.src = KIT_SITE;
	t.dst = KIT_VM;
	send_theirs(k, t);
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	assert_int_equal(be16(load16(testbed_bytes(&r, &(size_t){0}) + 36)), UDP_PORT_VXLAN);
	testbed_put(&r);
}

// -- the codec, IPv6 too

static void every_bit_of_a_returned_keepalive_counts(void **state)
{
	static const char *const ends[2][2] = {
		{"192.0.2.1", "198.51.100.7"}, {"2001:db8::1", "2001:db8:1::7"}};

	for (unsigned i = 0; i < 4; i++) {
		struct keepalive_config c = {.local = frame_addr(ends[i / 2][0]),
			.remote = frame_addr(ends[i / 2][1]),
			.has_key = i & 1,
			.key = 0x01020304};
		size_t outer = (i / 2 ? IP6_SIZE : IP4_SIZE) + (i & 1 ? 8 : 4);
		uint8_t bytes[KEEPALIVE_PACKET_SIZE], *inner = bytes + outer;
		struct keepalive_mark mark;

		assert_int_equal(keepalive_write_probe(&c, 0xabcd, bytes), 2 * outer);
		assert_true(keepalive_read_inner(&c, &c.remote, &c.local, inner, outer, &mark));
		assert_int_equal(mark.id, 0xabcd);
		assert_int_equal(mark.ttl, 255);
		assert_false(keepalive_read_inner(&c, &c.local, &c.remote, inner, outer, &mark));
		assert_false(
			keepalive_read_inner(&c, &c.remote, &c.local, inner, outer - 1, &mark));
		for (size_t bit = 0; bit < 8 * outer; bit++) {
			size_t at = bit / 8;
			bool v6_mark = i / 2 &&
				       ((at == 0 && bit % 8 < 4) || (at > 0 && at < 4) || at == 7);

			inner[at] ^= (uint8_t)(1 << bit % 8);
			if (!v6_mark) // the header's checksum covers the mark of IPv4
				assert_false(keepalive_read_inner(
					&c, &c.remote, &c.local, inner, outer, &mark));
			inner[at] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		kit_test(a_keepalive_holds_one_that_leads_back),
		kit_test(a_connection_is_down_after_the_retries_and_up_with_the_next_return),
		kit_test(an_old_or_forged_return_counts_for_nothing),
		kit_test(without_keepalives_none_is_sent_and_none_counts),
		kit_test(a_slot_that_is_not_held_sends_none),
		kit_test(what_makes_no_sense_is_refused),
		kit_test(a_sites_keepalive_goes_back),
		kit_test(nothing_but_an_exact_keepalive_goes_back),
		kit_test(a_tenants_own_gre_is_its_own_matter),
		cmocka_unit_test(every_bit_of_a_returned_keepalive_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
