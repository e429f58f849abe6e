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

// -- NVGRE

static void use_nvgre(struct kit *k)
{
	struct api_subnet subnet = {
		.vni = kit_vni(0), .vrf = 10, .encap = API_ENCAP_NVGRE, .prefix_count = 1};
	struct ip_addr any = ip_from_v4(KIT_VM);

	subnet.prefix[0] = prefix_make(&any, 24);
	assert_true(kit_set(API_TYPE_SUBNET, &subnet, sizeof(subnet)) >= 0);
}

static void send_nvgre(
	struct kit *k, uint32_t src, uint32_t vsid, uint8_t flow, uint8_t tos, uint8_t outer_tos)
{
	struct frame f;

	inner(&f, KIT_VM, KIT_SITE, tos);
	frame_eth(&f, gateway_mac, vm_mac);
	frame_nvgre(&f, vsid);
	f.p[7] = flow; // any FlowID is the sender's choice
	outer(&f, src, outer_tos);
	receive(k, &f);
}

static void nvgre_joins_hosts_both_ways(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	use_nvgre(k);
	send_nvgre(k, KIT_HOST_PA, kit_vni(0), 0x5a, 0, 0);
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	assert_int_equal(be32(load32(testbed_bytes(&r, &size) + 38)), kit_gre_key(0));
	testbed_put(&r);
	send_gre(k, KIT_VM, 0, 0);
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	p = testbed_bytes(&r, &size);
	assert_int_equal(size, ETH_SIZE + IP4_SIZE + 8 + ETH_SIZE + 88);
	assert_int_equal(p[ETH_SIZE + 9], IP_PROTO_GRE);
	assert_int_equal(be32(load32(p + 26)), KIT_SLOT_PA);
	assert_int_equal(be32(load32(p + 30)), KIT_HOST_PA);
	assert_int_equal(be16(load16(p + 34)), GRE_KEY);
	assert_int_equal(be16(load16(p + 36)), ETH_TYPE_TEB);
	assert_int_equal(be32(load32(p + 38)) >> 8, kit_vni(0));
	assert_memory_equal(p + 42, vm_mac, 6);
	assert_int_equal(be16(load16(p + 54)), ETH_TYPE_IP4);
	assert_int_equal(be32(load32(p + 56 + 16)), KIT_VM);
	testbed_put(&r);
}

static void nvgre_keeps_tenants_and_encapsulations_apart(void **state)
{
	struct kit *k = *state;

	send_nvgre(k, KIT_HOST_PA, kit_vni(0), 0, 0, 0); // the subnet is VXLAN's
	kit_expect_drop(k, DROP_VXLAN_UNKNOWN_VNI);
	use_nvgre(k);
	send_vxlan(k, KIT_SITE, 0, 0);
	kit_expect_drop(k, DROP_VXLAN_UNKNOWN_VNI);
	send_nvgre(k, KIT_HOST_PA, 4242, 0, 0, 0);
	kit_expect_drop(k, DROP_VXLAN_UNKNOWN_VNI);
	send_nvgre(k, KIT_HOST_PA + 1, kit_vni(0), 0, 0, 0); // the other tenant's host
	kit_expect_drop(k, DROP_VXLAN_UNKNOWN_VTEP);
}

static void nvgre_carries_dscp_and_congestion_marks(void **state)
{
	struct kit *k = *state;

	use_nvgre(k);
	for (uint8_t in = 0; in < 4; in++)
		for (uint8_t out = 0; out < 4; out++) {
			send_nvgre(k, KIT_HOST_PA, kit_vni(0), 0, 0xb8 | in, 0x28 | out);
			expect_tos(k, ETH_SIZE + 28, combined[in][out]);
			send_gre(k, KIT_VM, 0xb8 | in, 0x28 | out);
			expect_tos(k, ETH_SIZE + 28 + ETH_SIZE, combined[in][out]);
		}
}

// -- a slot that moved

static void set_relay(struct kit *k, uint64_t epoch, const char *to)
{
	struct api_slot slot = {.slot = 1,
		.relay = 1,
		.epoch = epoch,
		.pa = {ip_from_v4(KIT_SLOT_PA)},
		.gre_vip = {ip_from_v4(KIT_SLOT_PA)},
		.relay_to = frame_addr(to)};
	struct testbed_result r;

	assert_true(kit_set(API_TYPE_SLOT, &slot, sizeof(slot)) >= 0);
	kit_control(k);
	while (kit_take(k, &r))
		testbed_put(&r);
}

static void a_moved_slots_packets_are_relayed(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	const uint8_t *p;

	set_relay(k, 5, "10.7.0.9");
	kit_arp(k, 0, 0, KIT_ROUTER, KIT_SLOT_PA); // not ours to answer any more
	kit_expect_drop(k, DROP_ARP_NOT_OURS);
	send_gre(k, KIT_VM, 0xb8, 0x28);
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	p = testbed_bytes(&r, &(size_t){0});
	assert_int_equal(sum_ip4((const struct ip4_hdr *)(p + 14)), 0xffff);
	assert_int_equal(p[14 + 9], IP_PROTO_IPIP);
	assert_int_equal(be32(load32(p + 14 + 12)), KIT_OWN);
	assert_int_equal(be32(load32(p + 14 + 16)), 0x0a070009);
	assert_int_equal(p[34 + 9], IP_PROTO_GRE);
	assert_int_equal(be32(load32(p + 34 + 12)), KIT_GRE_REMOTE);
	assert_int_equal(be32(load32(p + 34 + 16)), KIT_SLOT_PA);
	testbed_put(&r);
	kit_set_slot(k, 6, true); // back again
	send_gre(k, KIT_VM, 0, 0);
	assert_true(kit_take(k, &r));
	assert_int_equal(be16(load16(testbed_bytes(&r, &(size_t){0}) + 36)), UDP_PORT_VXLAN);
	testbed_put(&r);
}

// A connection that is known here, of a slot that another gateway holds.
static void set_elsewhere(struct kit *k, uint64_t epoch, bool active)
{
	struct api_slot slot = {.slot = 2,
		.active = active,
		.epoch = epoch,
		.iv_epoch = epoch,
		.pa = {frame_addr("10.0.0.12")},
		.gre_vip = {frame_addr("10.0.0.12")}};

	assert_true(kit_set(API_TYPE_SLOT, &slot, sizeof(slot)) >= 0);
	kit_control(k);
}

static void a_connection_of_a_slot_held_elsewhere_is_reached_over_the_overlay(void **state)
{
	struct kit *k = *state;
	struct api_tenant_slot there = {.vrf = 1,
		.slot = 2,
		.mac = {{2, 0, 0, 0, 0, 0xa2}},
		.vni = kit_vni(0),
		.pa = {frame_addr("10.0.0.12")}};
	struct api_conn conn = k->gre[0];
	struct api_route route = {.vrf = 1,
		.source = API_ROUTE_STATIC,
		.preference = 1,
		.path_count = 1,
		.path[0] = {.type = API_PATH_CONN, .id = 900}};
	struct testbed_result r;
	const uint8_t *p;

	there.vrf = route.vrf = conn.vrf;
	set_elsewhere(k, 5, false);
	conn.conn = 900;
	conn.slot = 2;
	conn.local = frame_addr("10.0.0.12");
	assert_true(kit_set(API_TYPE_TENANT_SLOT, &there, sizeof(there)) >= 0);
	assert_true(kit_set(API_TYPE_CONN, &conn, sizeof(conn)) >= 0);
	assert_int_equal(prefix_parse("99.0.0.0/8", &route.prefix), 0);
	assert_true(kit_set(API_TYPE_ROUTE, &route, offsetof(struct api_route, path[1])) >= 0);
	kit_control(k);
	kit_arp_reply(k, 0, 0, 0x0a00000c);
	kit_control(k);
	while (kit_take(k, &r))
		testbed_put(&r);
	for (int back = 0; back < 2; back++) {
		if (back) { // the source, gone and come: what goes over it is built again
			kit_set_slot(k, 7, false);
			kit_set_slot(k, 8, true);
			kit_arp_reply(k, 0, 0, 0x0a00000c);
			while (kit_take(k, &r))
				testbed_put(&r);
		}
		kit_from_gre(k, 0, kit_gre_key(0), KIT_SITE, 0x63010203, 64);
		assert_true(kit_take_tx(k, &r));
		p = testbed_bytes(&r, &(size_t){0});
		assert_int_equal(be16(load16(p + 36)), UDP_PORT_VXLAN);
		assert_int_equal(be32(load32(p + 30)), 0x0a00000c);
		assert_int_equal(p[50 + 5], 0xa2);
		testbed_put(&r);
	}
	set_elsewhere(k, 9, true); // now it is here
	while (kit_take(k, &r))
		testbed_put(&r);
	kit_from_gre(k, 0, kit_gre_key(0), KIT_SITE, 0x63010203, 64);
	assert_true(kit_take_tx(k, &r));
	p = testbed_bytes(&r, &(size_t){0});
	assert_int_equal(p[14 + 9], IP_PROTO_GRE);
	testbed_put(&r);
}

static void send_relayed(struct kit *k, unsigned times, const char *by)
{
	struct ip_addr from = frame_addr(by), to = ip_from_v4(KIT_OWN);
	struct ip_addr site = ip_from_v4(KIT_GRE_REMOTE), slot = ip_from_v4(KIT_SLOT_PA);
	struct frame f;

	inner(&f, KIT_SITE, KIT_VM, 0);
	frame_gre(&f, kit_gre_key(0));
	frame_ip(&f, &site, &slot);
	for (unsigned i = 0; i < times; i++)
		frame_ip(&f, &from, &to);
	frame_eth(&f, port_mac, router_mac);
	receive(k, &f);
}

static void a_relayed_packet_is_taken_as_if_direct(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;

	send_relayed(k, 1, "10.0.0.3");
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	assert_int_equal(be16(load16(testbed_bytes(&r, &(size_t){0}) + 36)), UDP_PORT_VXLAN);
	testbed_put(&r);
}

static void nothing_is_relayed_twice(void **state)
{
	struct kit *k = *state;

	send_relayed(k, 2, "10.0.0.3");
	kit_expect_drop(k, DROP_RELAY_TWICE);
	set_relay(k, 5, "10.7.0.9");
	send_relayed(k, 1, "10.0.0.3");
	kit_expect_drop(k, DROP_RELAY_TWICE);
}

static void a_stranger_may_not_relay(void **state)
{
	struct kit *k = *state;

	send_relayed(k, 1, "198.51.100.66");
	kit_expect_drop(k, DROP_RELAY_STRANGER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		kit_test(congestion_marks_of_tunnels_are_combined),
		kit_test(nvgre_joins_hosts_both_ways),
		kit_test(nvgre_keeps_tenants_and_encapsulations_apart),
		kit_test(nvgre_carries_dscp_and_congestion_marks),
		kit_test(a_moved_slots_packets_are_relayed),
		kit_test(a_connection_of_a_slot_held_elsewhere_is_reached_over_the_overlay),
		kit_test(a_relayed_packet_is_taken_as_if_direct),
		kit_test(nothing_is_relayed_twice),
		kit_test(a_stranger_may_not_relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
