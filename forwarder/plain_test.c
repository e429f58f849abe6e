// SPDX-License-Identifier: Apache-2.0

// The short way against the long one: whatever comes in, right or broken in a byte or two, both
// send the same packets, drop for the same reasons and count the same.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "framekit.h"
#include "gatewaykit.h"
#include "graph.h"

#define CASES   30000
#define RESULTS 8
#define BYTES   400

static const uint8_t vm_mac[6] = {2, 0, 0, 0, 0, 0x10};
static const uint8_t port_mac[6] = {2}, router_mac[6] = {2, 0, 0, 0, 0, 0xfe};

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint32_t pick(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed * UINT64_C(0x2545f4914f6cdd1d) >> 32) % below;
}

static void ip(struct frame *f, uint32_t src, uint32_t dst)
{
	struct ip_addr from = ip_from_v4(src), to = ip_from_v4(dst);

	frame_ip(f, &from, &to);
}

static void from_host_as(struct frame *f, unsigned t, uint32_t src, uint32_t dst, uint16_t port)
{
	const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, (uint8_t)(0xa0 + t)};

	frame_payload(f, 60);
	frame_udp(f, port, 2);
	ip(f, src, dst);
	frame_eth(f, gateway_mac, vm_mac);
	frame_vxlan(f, kit_vni(t));
	ip(f, KIT_HOST_PA + t, KIT_SLOT_PA);
	frame_eth(f, port_mac, router_mac);
}

static void from_host(struct frame *f, unsigned t, uint32_t dst, uint16_t port)
{
	from_host_as(f, t, KIT_VM, dst, port);
}

static void from_site_as(struct frame *f, unsigned t, uint32_t src, uint16_t port)
{
	frame_payload(f, 60);
	frame_udp(f, port, 2);
	ip(f, src, KIT_VM);
	frame_gre(f, kit_gre_key(t));
	ip(f, KIT_GRE_REMOTE + t, KIT_SLOT_PA);
	frame_eth(f, port_mac, router_mac);
}

static void from_site(struct frame *f, unsigned t, uint16_t port)
{
	from_site_as(f, t, KIT_SITE, port);
}

// A source that the sender has no right to, all else in order: of the tenant's own subnet from a
// site, of a site or of nobody from a host, of another site, of no unicast at all.
static void spoofed(struct frame *f, unsigned t)
{
	static const uint32_t sources[] = {KIT_VM + 1, KIT_GATEWAY_CA, KIT_SITE, KIT_L3_SITE,
		0x01020304, 0x7f000001, 0xe0000001, 0};
	uint32_t src = sources[pick(sizeof(sources) / sizeof(sources[0]))];

	if (pick(2))
		from_host_as(f, t, src, KIT_SITE, 1);
	else
		from_site_as(f, t, src, 1);
}

static void any_frame(struct frame *f)
{
	unsigned t = pick(2);

	switch (pick(5)) {
	case 4: spoofed(f, t); break;
	case 0: from_host(f, t, KIT_SITE, 1); break;
	case 1: from_host(f, t, KIT_L3_SITE, 1); break;
	case 2: from_host(f, t, pick(2) ? KIT_VM : 0x01020304, 1); break;
	default: from_site(f, t, 1); break;
	}
}

static void mend_checksum(uint8_t *p)
{
	struct ip4_hdr *h = (struct ip4_hdr *)p;

	h->checksum = 0;
	h->checksum = (uint16_t)~sum_ip4(h);
}

// Nothing, or some bytes changed, and half of the time the checksums right again, so that what
// comes behind them is looked at.
static void spoil(struct frame *f)
{
	bool is_vxlan = f->p[23] == IP_PROTO_UDP;
	unsigned inner = is_vxlan ? 64 : 42;

	for (unsigned n = pick(4); n; n--) {
		unsigned at = pick(inner + 40);

		if (at == 20 || at == 21 || at == 23) // no fragments, which wait; no ESP: no SAs
			continue;
		f->p[at] = pick(2) ? (uint8_t)pick(256) : f->p[at] ^ (uint8_t)(1 << pick(8));
	}
	if (pick(2)) {
		mend_checksum(f->p + inner);
		mend_checksum(f->p + 14);
	}
	if (pick(16) == 0)
		f->size -= pick((uint32_t)f->size - 14);
}

// What came of a frame.
struct outcome {
	unsigned len;
	struct {
		enum testbed_end end;
		unsigned what; // port, reason or handler
		size_t size;
		uint8_t bytes[BYTES];
	} result[RESULTS];
	struct conn_counters conns[8];
	uint64_t drops[DROP_COUNT], conn_drops;
};

// Outer headers are numbered one after the other, whoever they are for.
static void forget_id(uint8_t *p, size_t size)
{
	size_t at = size > 14 && p[12] == 0x81 ? 18 : 14;

	if (size < at + 20)
		return;
	memset(p + at + 4, 0, 2);
	memset(p + at + 10, 0, 2);
}

static void take_results(struct kit *k, struct outcome *o)
{
	struct testbed_result r;

	for (o->len = 0; kit_take(k, &r); testbed_put(&r)) {
		const uint8_t *p;
		size_t size;

		assert_true(o->len < RESULTS);
		p = testbed_bytes(&r, &size);
		o->result[o->len].end = r.end;
		o->result[o->len].what = r.end == TESTBED_TX     ? r.port
					 : r.end == TESTBED_DROP ? r.reason
								 : r.what;
		o->result[o->len].size = size;
		memset(o->result[o->len].bytes, 0, BYTES);
		memcpy(o->result[o->len].bytes, p, size < BYTES ? size : BYTES);
		if (r.end == TESTBED_TX)
			forget_id(o->result[o->len].bytes, size);
		o->len++;
	}
}

static void run(struct kit *k, const struct frame *f, bool short_way, struct outcome *o)
{
	struct worker *w = testbed_worker(k->tb);
	static uint64_t now_ns = 2000000000;

	memset(o, 0, sizeof(*o));
	memset(w->drops, 0, sizeof(w->drops));
	memset(w->conns, 0, w->conns_size * sizeof(*w->conns));
	memset(w->conn_drops, 0, (size_t)w->conns_size * DROP_COUNT * sizeof(*w->conn_drops));
	testbed_set_now(k->tb, now_ns += 10000000000); // all rates have recovered
	testbed_every_node(k->tb, !short_way);
	testbed_receive(k->tb, 0, f->p, f->size);
	testbed_run(k->tb);
	take_results(k, o);
	memcpy(o->conns, w->conns, sizeof(o->conns));
	memcpy(o->drops, w->drops, sizeof(o->drops));
	for (size_t i = 0; i < (size_t)w->conns_size * DROP_COUNT; i++)
		o->conn_drops += w->conn_drops[i] * (i + 1);
}

static void both_ways_agree(void **state)
{
	static struct outcome a, b;
	static struct frame f;
	struct kit *k = *state;
	unsigned sent = 0;

	for (unsigned i = 0; i < CASES; i++) {
		any_frame(&f);
		spoil(&f);
		run(k, &f, true, &a);
		run(k, &f, false, &b);
		if (memcmp(&a, &b, sizeof(a)) != 0)
			fail_msg("case %u: %u results (%u %u, %zu bytes), the long way %u (%u %u, "
				 "%zu bytes)",
				i, a.len, a.result[0].end, a.result[0].what, a.result[0].size,
				b.len, b.result[0].end, b.result[0].what, b.result[0].size);
		sent += a.len == 1 && a.result[0].end == TESTBED_TX;
	}
	assert_true(sent > CASES / 10 && sent < CASES);
}

static void expect_short(struct kit *k, const struct frame *f, bool is_short)
{
	struct worker *w = testbed_worker(k->tb);
	uint64_t before = w->stats[NODE_ETH].packets;
	struct testbed_result r;

	testbed_receive(k->tb, 0, f->p, f->size);
	testbed_run(k->tb);
	assert_true(kit_take_tx(k, &r));
	testbed_put(&r);
	assert_int_equal(w->stats[NODE_ETH].packets - before, !is_short);
}

static void a_common_packet_goes_the_short_way(void **state)
{
	static struct frame f;
	struct kit *k = *state;

	from_host(&f, 0, KIT_SITE, 1);
	expect_short(k, &f, true);
	from_host(&f, 1, KIT_L3_SITE, 1);
	expect_short(k, &f, true);
	from_site(&f, 1, 1);
	expect_short(k, &f, true);
	testbed_every_node(k->tb, true);
	expect_short(k, &f, false);
}

static void syn(struct frame *f)
{
	frame_payload(f, 0);
	frame_tcp_syn(f, 1460, 0);
	ip(f, KIT_SITE, KIT_VM);
	frame_gre(f, kit_gre_key(0));
	ip(f, KIT_GRE_REMOTE, KIT_SLOT_PA);
	frame_eth(f, port_mac, router_mac);
}

// One of the middle goes the long way: so does all that follows.
static void packets_stay_in_order(void **state)
{
	static struct frame f;
	struct kit *k = *state;
	struct testbed_result r;

	for (uint16_t i = 0; i < 9; i++) {
		from_site(&f, 0, i);
		if (i == 4)
			syn(&f);
		testbed_receive(k->tb, 0, f.p, f.size);
	}
	testbed_run(k->tb);
	assert_int_equal(testbed_worker(k->tb)->stats[NODE_IP_FORWARD].packets, 5);
	for (uint16_t i = 0; i < 9; i++) {
		size_t size;
		const uint8_t *p;

		assert_true(kit_take_tx(k, &r));
		p = testbed_bytes(&r, &size);
		assert_int_equal(p[64 + 9], i == 4 ? IP_PROTO_TCP : IP_PROTO_UDP);
		if (i != 4)
			assert_int_equal(be16(load16(p + 64 + 20)), i);
		testbed_put(&r);
	}
	assert_false(kit_take_tx(k, &r));
}

static void the_outbound_rate_holds_on_the_short_way(void **state)
{
	static struct frame f;
	struct kit *k = *state;
	struct worker *w = testbed_worker(k->tb);
	struct testbed_result r;
	uint64_t before = w->stats[NODE_ETH].packets;
	unsigned sent = 0;

	kit_set_rate(k, 0, 100);
	from_host(&f, 0, KIT_SITE, 1);
	for (unsigned i = 0; i < 2000; i++) {
		testbed_receive(k->tb, 0, f.p, f.size);
		testbed_run(k->tb);
		while (kit_take(k, &r)) {
			sent += r.end == TESTBED_TX;
			testbed_put(&r);
		}
	}
	assert_true(sent > 0 && sent < 2000);
	assert_int_equal(w->drops[DROP_POLICER_OUT], 2000 - sent);
	assert_int_equal(w->stats[NODE_ETH].packets, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		kit_test(a_common_packet_goes_the_short_way),
		kit_test(packets_stay_in_order),
		kit_test(the_outbound_rate_holds_on_the_short_way),
		kit_test(both_ways_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
