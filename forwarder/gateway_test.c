// SPDX-License-Identifier: Apache-2.0

// Packets through the whole graph, tables set over the local protocol's own handlers: two tenants
// with equal addresses, their sites by GRE and by VLAN, both directions, and every way in which a
// packet must not cross.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "gateway.h"
#include "gatewaykit.h"

// -- both tenants, both kinds of connection

static void vxlan_to_gre_is_wrapped_with_the_tenants_key(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	for (unsigned t = 0; t < KIT_TENANTS; t++) {
		kit_from_host(k, t, KIT_VM, KIT_SITE, 100);
		assert_true(kit_take(k, &r));
		assert_int_equal(r.end, TESTBED_TX);
		assert_int_equal(r.port, 0);
		p = testbed_bytes(&r, &size);
		assert_int_equal(size, ETH_SIZE + IP4_SIZE + 8 + 100);
		assert_memory_equal(p, kit_router_mac, 6);
		assert_int_equal(sum_ip4((const struct ip4_hdr *)(p + 14)), 0xffff);
		assert_int_equal(be32(load32(p + 14 + 12)), KIT_SLOT_PA);
		assert_int_equal(be32(load32(p + 14 + 16)), KIT_GRE_REMOTE + t);
		assert_int_equal(be16(load16(p + 34)), GRE_KEY);
		assert_int_equal(be16(load16(p + 36)), ETH_TYPE_IP4);
		assert_int_equal(be32(load32(p + 38)), kit_gre_key(t));
		assert_int_equal(p[42 + 8], 63); // TTL lowered
		assert_int_equal(sum_ip4((const struct ip4_hdr *)(p + 42)), 0xffff);
		assert_int_equal(be32(load32(p + 42 + 16)), KIT_SITE);
		testbed_put(&r);
		assert_false(kit_take(k, &r));
	}
}

static void gre_to_vxlan_reaches_the_tenants_machine(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	for (unsigned t = 0; t < KIT_TENANTS; t++) {
		kit_from_gre(k, t, kit_gre_key(t), KIT_SITE, KIT_VM, 100);
		assert_true(kit_take(k, &r));
		assert_int_equal(r.end, TESTBED_TX);
		p = testbed_bytes(&r, &size);
		assert_int_equal(size, 14 + 20 + 8 + 8 + 14 + 100);
		assert_int_equal(be32(load32(p + 30)), KIT_HOST_PA + t);
		assert_int_equal(be16(load16(p + 36)), UDP_PORT_VXLAN);
		assert_true(be16(load16(p + 34)) >= 0xc000);
		assert_int_equal(be16(load16(p + 38)), 8 + 8 + 14 + 100);
		assert_int_equal(p[42], 8);
		assert_int_equal(be32(load32(p + 46)) >> 8, kit_vni(t));
		assert_int_equal(p[50 + 5], 0x10 + t); // the machine's MAC
		assert_int_equal(be16(load16(p + 62)), ETH_TYPE_IP4);
		assert_int_equal(p[64 + 8], 63);
		testbed_put(&r);
	}
}

static void vxlan_to_vlan_is_rewritten_to_the_neighbour(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	for (unsigned t = 0; t < KIT_TENANTS; t++) {
		kit_from_host(k, t, KIT_VM, KIT_L3_SITE, 100);
		assert_true(kit_take(k, &r));
		assert_int_equal(r.end, TESTBED_TX);
		assert_int_equal(r.port, 1);
		p = testbed_bytes(&r, &size);
		assert_int_equal(size, 18 + 100);
		assert_int_equal(p[5], 0x60 + t);
		assert_int_equal(be16(load16(p + 12)), ETH_TYPE_VLAN);
		assert_int_equal(be16(load16(p + 14)), kit_vlan(t));
		assert_int_equal(be16(load16(p + 16)), ETH_TYPE_IP4);
		testbed_put(&r);
	}
}

static void vlan_to_vxlan_reaches_the_tenants_machine(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	for (unsigned t = 0; t < KIT_TENANTS; t++) {
		kit_from_vlan(k, kit_vlan(t), KIT_L3_SITE, KIT_VM, 100);
		assert_true(kit_take(k, &r));
		assert_int_equal(r.end, TESTBED_TX);
		p = testbed_bytes(&r, &size);
		assert_int_equal(be32(load32(p + 46)) >> 8, kit_vni(t));
		testbed_put(&r);
	}
}

// -- what must not cross

static void a_wrong_gre_key_is_dropped(void **state)
{
	kit_from_gre(*state, 0, 999999, KIT_SITE, KIT_VM, 100);
	kit_expect_drop(*state, DROP_GRE_UNKNOWN_TUNNEL);
	// The other tenant's key from this tenant's site.
	kit_from_gre(*state, 0, kit_gre_key(1), KIT_SITE, KIT_VM, 100);
	kit_expect_drop(*state, DROP_GRE_UNKNOWN_TUNNEL);
}

static void a_wrong_vni_is_dropped(void **state)
{
	struct kit_frame f = kit_host_frame(0, KIT_VM, KIT_SITE);

	f.vni = 424242;
	kit_send_frame(*state, &f, 100);
	kit_expect_drop(*state, DROP_VXLAN_UNKNOWN_VNI);
}

static void the_other_tenants_vni_is_dropped(void **state)
{
	struct kit_frame f = kit_host_frame(0, KIT_VM, KIT_SITE);

	f.vni = kit_vni(1);
	kit_send_frame(*state, &f, 100);
	kit_expect_drop(*state, DROP_VXLAN_UNKNOWN_VTEP);
}

static void a_wrong_vlan_is_dropped(void **state)
{
	kit_from_vlan(*state, 3999, KIT_L3_SITE, KIT_VM, 100);
	kit_expect_drop(*state, DROP_VLAN_UNKNOWN);
}

static void a_spoofed_outer_source_is_dropped(void **state)
{
	struct kit_frame f = kit_host_frame(0, KIT_VM, KIT_SITE);

	f.outer_src = 0x0a0000fe;
	kit_send_frame(*state, &f, 100);
	kit_expect_drop(*state, DROP_VXLAN_UNKNOWN_VTEP);
	kit_from_gre_at(*state, 0x0b000001, kit_gre_key(0), KIT_SITE, KIT_VM, 100);
	kit_expect_drop(*state, DROP_GRE_UNKNOWN_TUNNEL);
}

static void a_wrong_inner_mac_is_dropped(void **state)
{
	struct kit_frame f = kit_host_frame(0, KIT_VM, KIT_SITE);

	f.inner_dst_mac = 0x77;
	kit_send_frame(*state, &f, 100);
	kit_expect_drop(*state, DROP_INNER_NOT_GATEWAY_MAC);
}

static void a_site_may_not_use_the_tenants_own_addresses(void **state)
{
	kit_from_gre(*state, 0, kit_gre_key(0), KIT_VM + 1, KIT_VM, 100);
	kit_expect_drop(*state, DROP_SPOOFED_SOURCE);
}

static void a_host_may_not_use_a_sites_addresses(void **state)
{
	kit_from_host(*state, 0, KIT_SITE, KIT_L3_SITE, 100);
	kit_expect_drop(*state, DROP_SPOOFED_SOURCE);
}

static void overlay_traffic_does_not_go_back_to_the_overlay(void **state)
{
	kit_from_host(*state, 0, KIT_VM, KIT_VM, 100);
	kit_expect_drop(*state, DROP_OVERLAY_TWICE);
}

static void a_disabled_connection_passes_nothing(void **state)
{
	struct kit *k = *state;

	kit_set_gre(k, 0, kit_gre_key(0), 0);
	kit_from_gre(k, 0, kit_gre_key(0), KIT_SITE, KIT_VM, 100);
	kit_expect_drop(k, DROP_CONN_DISABLED);
	kit_from_host(k, 0, KIT_VM, KIT_SITE, 100);
	kit_expect_drop(k, DROP_CONN_DISABLED);
}

static void a_slot_that_leaves_takes_its_addresses_along(void **state)
{
	struct kit *k = *state;

	kit_set_slot(k, 5, false);
	kit_from_gre(k, 0, kit_gre_key(0), KIT_SITE, KIT_VM, 100);
	kit_expect_drop(k, DROP_UNDERLAY_NOT_LOCAL);
	kit_from_vlan(k, kit_vlan(0), KIT_L3_SITE, KIT_VM, 100);
	kit_expect_drop(k, DROP_SLOT_INACTIVE);
	kit_set_slot(k, 6, true);
	gre_to_vxlan_reaches_the_tenants_machine(state);
	vlan_to_vxlan_reaches_the_tenants_machine(state);
}

static void an_older_epoch_is_refused(void **state)
{
	assert_int_equal(kit_try_slot(*state, 3, true), -ESTALE);
}

static void broken_headers_are_dropped_with_their_reason(void **state)
{
	struct kit_frame f = kit_host_frame(0, KIT_VM, KIT_SITE);

	f.break_outer_checksum = true;
	kit_send_frame(*state, &f, 100);
	kit_expect_drop(*state, DROP_IP4_BAD_CHECKSUM);
	f = kit_host_frame(0, KIT_VM, KIT_SITE);
	f.break_inner_checksum = true;
	kit_send_frame(*state, &f, 100);
	kit_expect_drop(*state, DROP_IP4_BAD_CHECKSUM);
	f = kit_host_frame(0, KIT_VM, KIT_SITE);
	f.vxlan_flags = 0;
	kit_send_frame(*state, &f, 100);
	kit_expect_drop(*state, DROP_VXLAN_BAD);
}

static void an_outer_checksum_left_to_complete_ends_with_its_header(void **state)
{
	struct kit *k = *state;
	struct kit_frame f = kit_host_frame(0, KIT_VM, KIT_SITE);
	struct testbed_result r;

	f.partial_outer_udp = true;
	kit_send_frame(k, &f, 100);
	assert_true(kit_take_tx(k, &r));
	assert_int_equal(packet_meta(r.m)->csum_start, 0);
	testbed_put(&r);
}

static void a_former_host_is_accepted_while_the_machine_moves(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;

	kit_set_host(k, 0, KIT_VM, KIT_HOST_PA + 77);
	kit_from_host(k, 0, KIT_VM, KIT_SITE, 100); // from where it was
	assert_true(kit_take_tx(k, &r));
	testbed_put(&r);
	gateway_tick(1000 + 6000);
	kit_control(k);
	while (kit_take(k, &r))
		testbed_put(&r);
	kit_from_host(k, 0, KIT_VM, KIT_SITE, 100);
	kit_expect_drop(k, DROP_VXLAN_UNKNOWN_VTEP);
}

// -- ARP

static void arp_for_a_held_address_is_answered(void **state)
{
	kit_arp(*state, 0, 0, KIT_ROUTER, KIT_SLOT_PA);
	kit_expect_arp_reply(*state, 0, 0, KIT_SLOT_PA);
	kit_arp(*state, 1, kit_vlan(1), KIT_L3_PEER, KIT_L3_OWN);
	kit_expect_arp_reply(*state, 1, kit_vlan(1), KIT_L3_OWN);
}

// About to be another's: packets still pass both ways, answers are for the new holder to give.
static void a_slot_that_yields_works_on_and_answers_no_arp(void **state)
{
	struct kit *k = *state;
	const struct api_slot slot = {.slot = 1,
		.active = 1,
		.epoch = 4,
		.pa = {ip_from_v4(KIT_SLOT_PA)},
		.gre_vip = {ip_from_v4(KIT_SLOT_PA)},
		.yields = 1};
	struct testbed_result r;

	assert_true(kit_set(API_TYPE_SLOT, &slot, sizeof(slot)) >= 0);
	kit_arp(k, 0, 0, KIT_ROUTER, KIT_SLOT_PA);
	kit_expect_drop(k, DROP_ARP_NOT_OURS);
	kit_arp(k, 1, kit_vlan(1), KIT_L3_PEER, KIT_L3_OWN);
	kit_expect_drop(k, DROP_ARP_NOT_OURS);
	kit_arp(k, 0, 0, KIT_ROUTER, KIT_OWN);
	kit_expect_arp_reply(k, 0, 0, KIT_OWN);
	kit_from_host(k, 0, KIT_VM, KIT_SITE, 100);
	assert_true(kit_take_tx(k, &r));
	testbed_put(&r);
	kit_from_gre(k, 0, kit_gre_key(0), KIT_SITE, KIT_VM, 100);
	assert_true(kit_take_tx(k, &r));
	testbed_put(&r);
	// The move was given up.
	kit_set_slot(k, 4, true);
	kit_arp(k, 0, 0, KIT_ROUTER, KIT_SLOT_PA);
	kit_expect_arp_reply(k, 0, 0, KIT_SLOT_PA);
}

static void arp_for_another_address_is_not_answered(void **state)
{
	kit_arp(*state, 0, 0, KIT_ROUTER, KIT_ROUTER + 77);
	kit_expect_drop(*state, DROP_ARP_NOT_OURS);
}

static void a_tenants_gateway_address_is_answered_through_the_tunnel(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	kit_tenant_arp(k, 1, KIT_VM, KIT_GATEWAY_CA);
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	p = testbed_bytes(&r, &size);
	assert_int_equal(be32(load32(p + 30)), KIT_HOST_PA + 1);
	assert_int_equal(be32(load32(p + 46)) >> 8, kit_vni(1));
	assert_int_equal(be16(load16(p + 64 + 6)), 2);
	assert_int_equal(p[64 + 13], 0xa0 + 1); // the tenant slot's MAC
	assert_int_equal(be32(load32(p + 64 + 14)), KIT_GATEWAY_CA);
	testbed_put(&r);
}

static void packets_wait_for_the_neighbour_and_then_go(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	unsigned arps = 0;

	// A new machine on a host nobody has spoken to, on the gateway's own link.
	kit_set_host(k, 0, KIT_VM + 9, KIT_LINK_HOST_PA);
	kit_run(k);
	while (kit_take(k, &r)) {
		arps += r.end == TESTBED_TX &&
			load16(testbed_bytes(&r, &size) + 12) == be16(ETH_TYPE_ARP);
		testbed_put(&r);
	}
	assert_int_equal(arps, 1);
	kit_from_gre(k, 0, kit_gre_key(0), KIT_SITE, KIT_VM + 9, 100);
	kit_control(k);
	assert_false(kit_take(k, &r));
	kit_arp_reply(k, 0, 0, KIT_LINK_HOST_PA);
	kit_control(k);
	kit_run(k);
	assert_true(kit_take_tx(k, &r));
	assert_int_equal(be32(load32(testbed_bytes(&r, &size) + 30)), KIT_LINK_HOST_PA);
	testbed_put(&r);
}

// -- ICMP

static void the_gateway_address_answers_ping(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	kit_ping(k, 0, KIT_VM, KIT_GATEWAY_CA);
	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	p = testbed_bytes(&r, &size);
	assert_int_equal(p[64 + 20], 0);
	assert_int_equal(be32(load32(p + 64 + 12)), KIT_GATEWAY_CA);
	assert_int_equal(be32(load32(p + 64 + 16)), KIT_VM);
	assert_int_equal(sum_bytes(p + 84, size - 84, 0), 0xffff);
	testbed_put(&r);
}

static void an_expired_ttl_is_told_inside_the_tenant(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	struct kit_frame f = kit_host_frame(0, KIT_VM, KIT_SITE);
	size_t size;
	const uint8_t *p;
	unsigned told = 0, dropped = 0;

	f.ttl = 1;
	kit_send_frame(k, &f, 100);
	while (kit_take(k, &r)) {
		if (r.end == TESTBED_DROP) {
			assert_int_equal(r.reason, DROP_TTL_EXPIRED);
			dropped++;
		} else {
			p = testbed_bytes(&r, &size);
			assert_int_equal(p[64 + 20], 11);
			assert_int_equal(be32(load32(p + 64 + 12)), KIT_GATEWAY_CA);
			assert_int_equal(be32(load32(p + 64 + 16)), KIT_VM);
			told++;
		}
		testbed_put(&r);
	}
	assert_int_equal(told, 1);
	assert_int_equal(dropped, 1);
}

static void icmp_errors_are_limited_by_rate(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	struct kit_frame f = kit_host_frame(0, KIT_VM, KIT_SITE);
	unsigned told = 0;

	f.ttl = 1;
	for (unsigned i = 0; i < 200; i++) {
		kit_send_frame(k, &f, 100);
		while (kit_take(k, &r)) {
			told += r.end == TESTBED_TX;
			testbed_put(&r);
		}
	}
	assert_in_range(told, 5, 20);
}

// -- rates, routes

static void policing_drops_above_the_rate_and_counts(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	unsigned passed = 0;

	kit_set_gre(k, 0, kit_gre_key(0), API_CONN_F_ENABLED);
	kit_set_rate(k, 0, 8000); // 1 000 000 bytes a second
	// 4 000 packets of 500 bytes in one second: twice the rate.
	for (unsigned i = 0; i < 4000; i++) {
		testbed_set_now(k->tb, 1000000000ull + i * 250000ull);
		kit_from_host(k, 0, KIT_VM, KIT_SITE, 500);
		while (kit_take(k, &r)) {
			passed += r.end == TESTBED_TX;
			assert_true(r.end == TESTBED_TX || r.reason == DROP_POLICER_OUT);
			testbed_put(&r);
		}
	}
	assert_in_range(passed, 2000 - 40, 2000 + 60);
}

static void an_equal_set_changes_nothing(void **state)
{
	assert_int_equal(kit_set_all(*state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		kit_test(vxlan_to_gre_is_wrapped_with_the_tenants_key),
		kit_test(gre_to_vxlan_reaches_the_tenants_machine),
		kit_test(vxlan_to_vlan_is_rewritten_to_the_neighbour),
		kit_test(vlan_to_vxlan_reaches_the_tenants_machine),
		kit_test(a_wrong_gre_key_is_dropped),
		kit_test(a_wrong_vni_is_dropped),
		kit_test(the_other_tenants_vni_is_dropped),
		kit_test(a_wrong_vlan_is_dropped),
		kit_test(a_spoofed_outer_source_is_dropped),
		kit_test(a_wrong_inner_mac_is_dropped),
		kit_test(a_site_may_not_use_the_tenants_own_addresses),
		kit_test(a_host_may_not_use_a_sites_addresses),
		kit_test(overlay_traffic_does_not_go_back_to_the_overlay),
		kit_test(a_disabled_connection_passes_nothing),
		kit_test(a_slot_that_leaves_takes_its_addresses_along),
		kit_test(an_older_epoch_is_refused),
		kit_test(broken_headers_are_dropped_with_their_reason),
		kit_test(an_outer_checksum_left_to_complete_ends_with_its_header),
		kit_test(a_former_host_is_accepted_while_the_machine_moves),
		kit_test(arp_for_a_held_address_is_answered),
		kit_test(a_slot_that_yields_works_on_and_answers_no_arp),
		kit_test(arp_for_another_address_is_not_answered),
		kit_test(a_tenants_gateway_address_is_answered_through_the_tunnel),
		kit_test(packets_wait_for_the_neighbour_and_then_go),
		kit_test(the_gateway_address_answers_ping),
		kit_test(an_expired_ttl_is_told_inside_the_tenant),
		kit_test(icmp_errors_are_limited_by_rate),
		kit_test(policing_drops_above_the_rate_and_counts),
		kit_test(an_equal_set_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
