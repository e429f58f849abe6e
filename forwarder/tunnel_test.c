// SPDX-License-Identifier: Apache-2.0

// What tunnels do to the headers inside, other kinds of tunnels and paths: congestion marks, DSCP
// and TTL, NVGRE, groups of connections, other slots, policing, martians.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "framekit.h"
#include "gateway.h"
#include "gatewaykit.h"

static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 0xa0}, vm_mac[6] = {2, 0, 0, 0, 0, 0x10};
static const uint8_t port_mac[6] = {2}, router_mac[6] = {2, 0, 0, 0, 0, 0xfe};

static void receive(struct kit *k, const struct frame *f)
{
	testbed_receive(k->tb, 0, f->p, f->size);
	testbed_run(k->tb);
}

static void outer(struct frame *f, uint32_t src, uint8_t tos)
{
	struct ip_addr from = ip_from_v4(src), to = ip_from_v4(KIT_SLOT_PA);

	f->tos = tos;
	frame_ip(f, &from, &to);
	frame_eth(f, port_mac, router_mac);
}

static void inner(struct frame *f, uint32_t src, uint32_t dst, uint8_t tos)
{
	struct ip_addr from = ip_from_v4(src), to = ip_from_v4(dst);

	frame_payload(f, 60);
	frame_udp(f, 1, 2);
	f->tos = tos;
	frame_ip(f, &from, &to);
}

static void send_vxlan(struct kit *k, uint32_t dst, uint8_t tos, uint8_t outer_tos)
{
	struct frame f;

	inner(&f, KIT_VM, dst, tos);
	frame_eth(&f, gateway_mac, vm_mac);
	frame_vxlan(&f, kit_vni(0));
	outer(&f, KIT_HOST_PA, outer_tos);
	receive(k, &f);
}

static void send_gre(struct kit *k, uint32_t dst, uint8_t tos, uint8_t outer_tos)
{
	struct frame f;

	inner(&f, KIT_SITE, dst, tos);
	frame_gre(&f, kit_gre_key(0));
	outer(&f, KIT_GRE_REMOTE, outer_tos);
	receive(k, &f);
}

// -- RFC 6040, RFC 2983

#define LOST 0x100

// Figure 4, by inner and outer ECN: not-ECT, ECT(1), ECT(0), CE.
static const uint16_t combined[4][4] = {
	{0, 0, 0, LOST},
	{1, 1, 1, 3},
	{2, 1, 2, 3},
	{3, 3, 3, 3},
};

static void expect_tos(struct kit *k, size_t inner_at, unsigned want)
{
	struct testbed_result r;
	const uint8_t *p;

	assert_true(kit_take(k, &r));
	if (want == LOST) {
		assert_int_equal(r.end, TESTBED_DROP);
		assert_int_equal(r.reason, DROP_ECN_INVALID);
	} else {
		assert_int_equal(r.end, TESTBED_TX);
		p = testbed_bytes(&r, &(size_t){0});
		assert_int_equal(p[inner_at + 1], 0xb8 | want);
		assert_int_equal(p[ETH_SIZE + 1], 0xb8 | want); // copied to the next tunnel
		assert_int_equal(sum_ip4((const struct ip4_hdr *)(p + inner_at)), 0xffff);
	}
	testbed_put(&r);
}

static void congestion_marks_of_tunnels_are_combined(void **state)
{
	for (uint8_t in = 0; in < 4; in++)
		for (uint8_t out = 0; out < 4; out++) {
			// The outer DSCP, another one, has no say.
			send_vxlan(*state, KIT_SITE, 0xb8 | in, 0x28 | out);
			expect_tos(*state, ETH_SIZE + 28, combined[in][out]);
			send_gre(*state, KIT_VM, 0xb8 | in, 0x28 | out);
			expect_tos(*state, ETH_SIZE + 50, combined[in][out]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		kit_test(congestion_marks_of_tunnels_are_combined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
