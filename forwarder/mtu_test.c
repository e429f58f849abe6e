// SPDX-License-Identifier: Apache-2.0

// Packets of every size through the whole graph: fragmented, refused with the right MTU, put
// together again, and TCP told beforehand.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "framekit.h"
#include "gateway.h"
#include "gatewaykit.h"
#include "ip/reassembly.h"

#define GRE_MTU   (1500 - 28)
#define VXLAN_MTU (1500 - 50)

static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 0xa0};
static const uint8_t vm_mac[6] = {2, 0, 0, 0, 0, 0x10};
static const uint8_t port_mac[6] = {2};

static void to_tunnel(struct frame *f) // of tenant 0, complete from the inner frame
{
	struct ip_addr src = ip_from_v4(KIT_HOST_PA), dst = ip_from_v4(KIT_SLOT_PA);

	frame_vxlan(f, kit_vni(0));
	f->id = 77;
	frame_ip(f, &src, &dst);
}

static void inner(struct frame *f, uint32_t src, uint32_t dst)
{
	struct ip_addr from = ip_from_v4(src), to = ip_from_v4(dst);

	frame_ip(f, &from, &to);
}

static void receive(struct kit *k, const struct frame *f)
{
	testbed_receive(k->tb, 0, f->p, f->size);
	testbed_run(k->tb);
}

// -- fragments made here

struct whole {
	uint8_t payload[FRAME_SIZE];
	uint32_t have, size;
	unsigned parts;
};

// The inner packet at `ip` is one fragment of it.
static void collect(struct whole *whole, const uint8_t *ip, size_t size)
{
	uint16_t fragment = be16(load16(ip + 6)), header = (uint16_t)((ip[0] & 0xf) * 4);
	size_t at = (fragment & 0x1fff) * 8u, len = size - header;

	assert_int_equal(be16(load16(ip + 2)), size);
	assert_int_equal(sum_bytes(ip, header, 0), 0xffff);
	assert_true(at + len <= sizeof(whole->payload));
	memcpy(whole->payload + at, ip + header, len);
	whole->have += (uint32_t)len;
	if (!(fragment & IP4_MF))
		whole->size = (uint32_t)(at + len);
	whole->parts++;
}

static struct whole take_fragments(struct kit *k, size_t outer, size_t mtu)
{
	struct whole whole = {.have = 0};
	struct testbed_result r;

	while (kit_take(k, &r)) {
		size_t size;
		const uint8_t *p = testbed_bytes(&r, &size);

		assert_int_equal(r.end, TESTBED_TX);
		assert_true(size - outer <= mtu);
		collect(&whole, p + outer, size - outer);
		testbed_put(&r);
	}
	return whole;
}

static void large_packets_without_df_go_in_fragments(void **state)
{
	struct kit *k = *state;

	for (uint16_t size = 1400; size <= 9000; size = (uint16_t)(size + 37)) {
		struct whole whole;

		kit_from_host(k, 0, KIT_VM, KIT_SITE, size);
		whole = take_fragments(k, ETH_SIZE + 28, GRE_MTU);
		assert_int_equal(whole.parts > 1, size > GRE_MTU);
		assert_int_equal(whole.size, size - IP4_SIZE);
		assert_int_equal(whole.have, whole.size);
		for (unsigned i = UDP_SIZE; i < whole.size; i++)
			assert_int_equal(whole.payload[i], (uint8_t)i);
		kit_from_gre(k, 0, kit_gre_key(0), KIT_SITE, KIT_VM, size);
		whole = take_fragments(k, ETH_SIZE + 50, VXLAN_MTU);
		assert_int_equal(whole.parts > 1, size > VXLAN_MTU);
		assert_int_equal(whole.have, size - IP4_SIZE);
	}
}

static void a_fragment_is_cut_further_in_its_place(void **state)
{
	struct kit *k = *state;
	struct frame f;
	struct whole whole;

	frame_payload(&f, 1480); // the middle of something larger
	f.fragment = IP4_MF | 185;
	inner(&f, KIT_VM, KIT_SITE);
	frame_eth(&f, gateway_mac, vm_mac);
	to_tunnel(&f);
	frame_eth(&f, port_mac, vm_mac);
	receive(k, &f);
	whole = take_fragments(k, ETH_SIZE + 28, GRE_MTU);
	assert_int_equal(whole.parts, 2);
	assert_int_equal(whole.have, 1480);
	assert_int_equal(whole.size, 0); // none of them is the last
	assert_int_equal(whole.payload[1480], 0);
	assert_int_equal(whole.payload[1480 + 300], (uint8_t)(300 * 7 + 1));
}

static void options_go_with_the_first_or_all(void **state)
{
	// Record route stays with the first fragment, the security label goes with all.
	static const uint8_t options[12] = {7, 7, 4, 0, 0, 0, 0, 0x82, 4, 1, 2, 0};
	struct kit *k = *state;
	struct testbed_result r;
	struct frame f;
	struct ip4_hdr *ip;
	unsigned parts = 0;

	frame_payload(&f, 2000);
	frame_bytes(&f, options, sizeof(options), IP_PROTO_UDP);
	inner(&f, KIT_VM, KIT_SITE);
	ip = (struct ip4_hdr *)f.p;
	ip->version_ihl = 0x48;
	ip->checksum = 0;
	ip->checksum = (uint16_t)~sum_bytes(ip, 32, 0);
	frame_eth(&f, gateway_mac, vm_mac);
	to_tunnel(&f);
	frame_eth(&f, port_mac, vm_mac);
	receive(k, &f);
	while (kit_take(k, &r)) {
		size_t size;
		const uint8_t *p = testbed_bytes(&r, &size) + ETH_SIZE + 28;

		assert_int_equal(r.end, TESTBED_TX);
		assert_int_equal(p[0], parts ? 0x46 : 0x48);
		assert_int_equal(p[parts ? 20 : 27], 0x82);
		assert_int_equal(sum_bytes(p, (size_t)(p[0] & 0xf) * 4, 0), 0xffff);
		parts++;
		testbed_put(&r);
	}
	assert_int_equal(parts, 2);
}

static void df_is_refused_with_the_tunnels_mtu(void **state)
{
	struct kit *k = *state;
	struct kit_frame f = kit_host_frame(0, KIT_VM, KIT_SITE);
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	f.dont_fragment = true;
	kit_send_frame(k, &f, GRE_MTU);
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX); // just fits
	testbed_put(&r);
	kit_send_frame(k, &f, GRE_MTU + 1);
	assert_true(kit_take_tx(k, &r));
	p = testbed_bytes(&r, &size);
	assert_int_equal(be32(load32(p + 30)), KIT_HOST_PA); // back through the tenant's tunnel
	assert_int_equal(be32(load32(p + 64 + 12)), KIT_GATEWAY_CA);
	assert_int_equal(be32(load32(p + 64 + 16)), KIT_VM);
	assert_int_equal(p[84], 3);
	assert_int_equal(p[85], 4);
	assert_int_equal(be16(load16(p + 90)), GRE_MTU);
	testbed_put(&r);
}

// -- outer fragments

struct cuts {
	struct frame part[80];
	unsigned len;
};

// The VXLAN packet of an inner packet of this size, in outer fragments of `each` bytes.
static struct cuts *cut(uint16_t size, uint16_t each, uint16_t id)
{
	struct cuts *c = calloc(1, sizeof(*c));
	struct ip_addr src = ip_from_v4(KIT_HOST_PA), dst = ip_from_v4(KIT_SLOT_PA);
	struct frame f;

	frame_payload(&f, size - 28);
	frame_udp(&f, 1, 2);
	inner(&f, KIT_VM, KIT_SITE);
	frame_eth(&f, gateway_mac, vm_mac);
	frame_vxlan(&f, kit_vni(0));
	for (size_t at = 0; at < f.size; at += each) {
		size_t left = f.size - at, n = left < each ? left : each;
		struct frame *p = &c->part[c->len++];

		frame_payload(p, 0);
		frame_bytes(p, f.p + at, n, IP_PROTO_UDP);
		p->id = id;
		p->fragment = (uint16_t)(at / 8 | (n < left ? IP4_MF : 0));
		frame_ip(p, &src, &dst);
		frame_eth(p, port_mac, vm_mac);
	}
	return c;
}

static void expect_whole(struct kit *k, uint16_t size)
{
	struct testbed_result r;
	size_t got;
	const uint8_t *p;

	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	p = testbed_bytes(&r, &got);
	assert_int_equal(got, (size_t)ETH_SIZE + 28 + size);
	for (unsigned i = 0; i < size - 28u; i++)
		assert_int_equal(p[42 + 28 + i], (uint8_t)(i * 7 + i / 256));
	testbed_put(&r);
	assert_false(kit_take(k, &r));
}

static void outer_fragments_are_put_together_in_any_order(void **state)
{
	static const uint8_t orders[][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct kit *k = *state;
	struct testbed_result r;

	for (unsigned o = 0; o < 6; o++) {
		struct cuts *c = cut(1400, 576, (uint16_t)(100 + o));

		assert_int_equal(c->len, 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_false(kit_take(k, &r));
			receive(k, &c->part[orders[o][i]]);
		}
		expect_whole(k, 1400);
		free(c);
	}
}

static void fragments_of_many_packets_mix(void **state)
{
	struct kit *k = *state;
	struct cuts *a = cut(1400, 256, 1), *b = cut(1300, 256, 2);

	assert_int_equal(a->len, b->len);
	for (unsigned i = 0; i + 1 < a->len; i++) {
		receive(k, &a->part[i]);
		receive(k, &b->part[i]);
	}
	receive(k, &b->part[b->len - 1]);
	expect_whole(k, 1300);
	receive(k, &a->part[a->len - 1]);
	expect_whole(k, 1400);
	free(a);
	free(b);
}

static void overlapping_outer_fragments_are_dropped(void **state)
{
	struct kit *k = *state;
	struct cuts *a = cut(1400, 576, 1), *b = cut(1400, 568, 1);
	struct testbed_result r;
	unsigned dropped = 0;

	receive(k, &a->part[0]);
	receive(k, &b->part[1]); // starts eight bytes too early
	while (kit_take(k, &r)) {
		assert_int_equal(r.end, TESTBED_DROP);
		assert_int_equal(r.reason, DROP_REASSEMBLY_BAD);
		dropped++;
		testbed_put(&r);
	}
	assert_int_equal(dropped, 2);
	free(a);
	free(b);
}

static void waiting_fragments_are_bounded(void **state)
{
	struct kit *k = *state;
	const struct worker *w = testbed_worker(k->tb);
	const unsigned more = 40;
	struct testbed_result r;
	unsigned dropped = 0;

	for (unsigned i = 0; i < REASSEMBLY_PACKETS + more; i++) {
		struct cuts *c = cut(1400, 576, (uint16_t)(1000 + i));

		receive(k, &c->part[0]);
		free(c);
		while (kit_take(k, &r)) {
			assert_int_equal(r.reason, DROP_REASSEMBLY_FULL);
			dropped++;
			testbed_put(&r);
		}
	}
	assert_int_equal(dropped, more);
	assert_int_equal(w->drops[DROP_REASSEMBLY_FULL], more);
}

static void fragments_that_wait_too_long_are_dropped(void **state)
{
	struct kit *k = *state;
	struct cuts *old = cut(1400, 576, 1), *new = cut(1400, 576, 2);
	struct testbed_result r;

	receive(k, &old->part[0]);
	receive(k, &old->part[1]);
	testbed_set_now(k->tb, 1000000000 + REASSEMBLY_NS);
	receive(k, &new->part[0]);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(kit_take(k, &r));
		assert_int_equal(r.reason, DROP_UNDERLAY_FRAGMENT);
		testbed_put(&r);
	}
	receive(k, &old->part[2]); // too late
	assert_false(kit_take(k, &r));
	free(old);
	free(new);
}

// -- TCP

static uint16_t clamped(struct kit *k, bool to_site, uint16_t mss, unsigned at)
{
	struct testbed_result r;
	struct frame f;
	size_t size, outer = to_site ? ETH_SIZE + 28 : ETH_SIZE + 50;
	const uint8_t *p;
	uint32_t sum;
	uint16_t got;

	frame_payload(&f, 0);
	frame_tcp_syn(&f, mss, at);
	if (to_site) {
		inner(&f, KIT_VM, KIT_SITE);
		frame_eth(&f, gateway_mac, vm_mac);
		to_tunnel(&f);
	} else {
		struct ip_addr src = ip_from_v4(KIT_GRE_REMOTE), dst = ip_from_v4(KIT_SLOT_PA);

		inner(&f, KIT_SITE, KIT_VM);
		frame_gre(&f, kit_gre_key(0));
		frame_ip(&f, &src, &dst);
	}
	frame_eth(&f, port_mac, vm_mac);
	receive(k, &f);
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	p = testbed_bytes(&r, &size) + outer;
	size -= outer + IP4_SIZE;
	sum = sum_bytes(p + 12, 8, (uint32_t)be16((uint16_t)size) + be16(IP_PROTO_TCP));
	assert_int_equal(sum_bytes(p + IP4_SIZE, size, sum), 0xffff);
	got = be16(load16(p + IP4_SIZE + 22 + at));
	testbed_put(&r);
	return got;
}

static void tcp_is_told_the_connections_mss(void **state)
{
	struct kit *k = *state;

	for (unsigned at = 0; at < 3; at++) { // odd places too
		assert_int_equal(clamped(k, true, 1460, at), GRE_MTU - 40);
		assert_int_equal(clamped(k, false, 1460, at), VXLAN_MTU - 40);
		assert_int_equal(clamped(k, true, 1200, at), 1200);
	}
	k->gre[0].mtu = 1300; // the way back counts where it is the narrower one
	assert_true(kit_set(API_TYPE_CONN, &k->gre[0], sizeof(k->gre[0])) >= 0);
	assert_int_equal(clamped(k, true, 1460, 0), 1260);
	assert_int_equal(clamped(k, false, 1460, 0), 1260);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		kit_test(large_packets_without_df_go_in_fragments),
		kit_test(a_fragment_is_cut_further_in_its_place),
		kit_test(options_go_with_the_first_or_all),
		kit_test(df_is_refused_with_the_tunnels_mtu),
		kit_test(outer_fragments_are_put_together_in_any_order),
		kit_test(fragments_of_many_packets_mix),
		kit_test(overlapping_outer_fragments_are_dropped),
		kit_test(waiting_fragments_are_bounded),
		kit_test(fragments_that_wait_too_long_are_dropped),
		kit_test(tcp_is_told_the_connections_mss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
