// SPDX-License-Identifier: Apache-2.0

// IPv4 and IPv6 over each other through the whole graph, and neighbour discovery on the provider's
// links, on L3 connections' VLANs and on tenants' subnets.
//
//   VRF 44: hosts and GRE site over IPv4; VRF 46: over IPv6; machines have both versions in each

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "framekit.h"
#include "gateway.h"
#include "gatewaykit.h"
#include "nd/nd_wire.h"

#define SLOT 2

struct side {
	struct ip_addr slot, host, site; // outer
};

struct inside {
	struct ip_addr vm, gateway, site, l3_site, l3_own, l3_peer;
	uint8_t subnet_len, l3_len;
};

static struct side outer_of(uint8_t o)
{
	return o == 4 ? (struct side){frame_addr("10.0.0.20"), frame_addr("10.1.0.77"),
				frame_addr("10.2.0.77")}
		      : (struct side){frame_addr("2001:db8:1::20"), frame_addr("2001:db8:7::77"),
				frame_addr("2001:db8:9::77")};
}

static struct inside inner_of(uint8_t i)
{
	return i == 4 ? (struct inside){frame_addr("192.168.6.5"), frame_addr("192.168.6.1"),
				frame_addr("11.6.0.9"), frame_addr("12.6.0.9"),
				frame_addr("15.1.0.5"), frame_addr("15.1.0.1"), 24, 29}
		      : (struct inside){frame_addr("fd00:6::5"), frame_addr("fd00:6::1"),
				frame_addr("fd00:11::9"), frame_addr("fd00:12::9"),
				frame_addr("fd00:15::5"), frame_addr("fd00:15::1"), 64, 64};
}

static const uint8_t port_mac[2][6] = {{2}, {2, 0, 0, 0, 0, 1}};
static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 0xd2}, vm_mac[6] = {2, 0, 0, 0, 0, 0x15};
static const uint8_t router_mac[6] = {2, 0, 0, 0, 0, 0xfe}, peer_mac[6] = {2, 0, 0, 0, 0, 0x66};
static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};

static void must(uint16_t type, const void *object, size_t size)
{
	int r = kit_set(type, object, size);

	if (r < 0)
		fail_msg("set of type %u: %d", type, r);
}

static void add_route(uint8_t o, const struct ip_addr *dst, uint32_t conn, struct ip_addr via)
{
	struct api_route r = {.vrf = 40 + o,
		.prefix = prefix_make(dst, dst->family == IP_V4 ? 16 : 32),
		.source = API_ROUTE_STATIC,
		.preference = 1,
		.path_count = 1};

	r.path[0] = (struct api_path){.type = API_PATH_CONN, .id = conn, .via = via};
	must(API_TYPE_ROUTE, &r, offsetof(struct api_route, path) + sizeof(r.path[0]));
}

static struct api_slot slot_of(uint64_t epoch, bool active)
{
	struct api_slot slot = {.slot = SLOT, .active = active, .epoch = epoch};

	slot.pa[0] = slot.gre_vip[0] = outer_of(4).slot;
	slot.pa[1] = slot.gre_vip[1] = outer_of(6).slot;
	return slot;
}

static void add_underlay(void)
{
	const struct api_underlay_addr own = {
		.addr = frame_addr("2001:db8:1::2"), .prefix_len = 64};
	struct api_route route = {.source = API_ROUTE_STATIC, .preference = 1, .path_count = 1};
	struct api_slot slot = slot_of(4, true);

	route.prefix.addr.family = IP_V6;
	route.path[0].type = API_PATH_PORT;
	route.path[0].via = frame_addr("2001:db8:1::1");
	must(API_TYPE_UNDERLAY_ADDR, &own, sizeof(own));
	must(API_TYPE_ROUTE, &route, sizeof(route));
	must(API_TYPE_SLOT, &slot, sizeof(slot));
}

static void add_inside(uint8_t o, uint8_t i, uint32_t vni)
{
	struct inside in = inner_of(i);
	struct api_local_addr gw = {
		.vrf = 40 + o, .addr = in.gateway, .vni = vni, .slot = SLOT, .is_gateway = 1};
	struct api_host host = {.vrf = 40 + o, .addr = in.vm, .vni = vni, .pa = {outer_of(o).host}};

	memcpy(host.mac.bytes, vm_mac, 6);
	must(API_TYPE_LOCAL_ADDR, &gw, sizeof(gw));
	must(API_TYPE_HOST, &host, sizeof(host));
	add_route(o, &in.site, 300 + o, (struct ip_addr){0});
	add_route(o, &in.l3_site, 400 + o, in.l3_peer);
}

static void add_tenant(uint8_t o)
{
	struct inside in4 = inner_of(4), in6 = inner_of(6);
	struct api_vrf vrf = {.vrf = 40 + o};
	struct api_subnet subnet = {.vni = 6000 + o,
		.vrf = 40 + o,
		.encap = API_ENCAP_VXLAN,
		.mtu = 1400,
		.prefix_count = 2,
		.prefix = {prefix_make(&in4.vm, 24), prefix_make(&in6.vm, 64)}};
	struct api_tenant_slot ts = {.vrf = 40 + o, .slot = SLOT, .vni = 6000 + o};
	struct api_conn gre = {.conn = 300 + o,
		.vrf = 40 + o,
		.slot = SLOT,
		.type = API_CONN_GRE,
		.flags = API_CONN_F_ENABLED | API_CONN_F_GRE_KEY,
		.gre_key = 9000 + o,
		.local = outer_of(o).slot,
		.remote = outer_of(o).site};
	struct api_conn l3 = {.conn = 400 + o,
		.vrf = 40 + o,
		.slot = SLOT,
		.type = API_CONN_L3,
		.flags = API_CONN_F_ENABLED,
		.l3_port = 1,
		.l3_vlan = 110 + o,
		.l3_addr_count = 2,
		.l3_addr = {{in4.l3_own, 29}, {in6.l3_own, 64}},
		.l3_peer_count = 2,
		.l3_peer = {in4.l3_peer, in6.l3_peer}};

	memcpy(ts.mac.bytes, gateway_mac, 6);
	ts.pa[0] = outer_of(4).slot;
	ts.pa[1] = outer_of(6).slot;
	must(API_TYPE_VRF, &vrf, sizeof(vrf));
	must(API_TYPE_SUBNET, &subnet, sizeof(subnet));
	must(API_TYPE_TENANT_SLOT, &ts, sizeof(ts));
	must(API_TYPE_CONN, &gre, sizeof(gre));
	must(API_TYPE_CONN, &l3, sizeof(l3));
	add_inside(o, 4, 6000 + o);
	add_inside(o, 6, 6000 + o);
}

static void receive(struct kit *k, uint16_t port, const struct frame *f)
{
	testbed_receive(k->tb, port, f->p, f->size);
	testbed_run(k->tb);
}

static void discard(struct kit *k)
{
	struct testbed_result r;

	kit_control(k);
	while (kit_take(k, &r))
		testbed_put(&r);
}

// -- neighbour discovery messages

static void nd(struct frame *f, uint8_t type, uint32_t flags, const struct ip_addr *target,
	uint8_t option, const uint8_t *mac)
{
	uint8_t bytes[8] = {option, 1};

	frame_payload(f, 0);
	if (option) {
		memcpy(bytes + 2, mac, 6);
		frame_bytes(f, bytes, 8, 0);
	}
	if (target)
		frame_bytes(f, target->bytes, 16, 0);
	frame_icmp(f, type, 0, flags, IP_PROTO_ICMP6);
	f->ttl = 255;
}

static void link_frame(struct frame *f, uint16_t port, uint16_t vlan, const uint8_t *src)
{
	if (vlan)
		frame_vlan(f, port_mac[port], src, vlan);
	else
		frame_eth(f, port_mac[port], src);
}

static void neighbour_says(struct kit *k, uint16_t port, uint16_t vlan, struct ip_addr addr,
	struct ip_addr to, const uint8_t *mac)
{
	struct frame f;

	nd(&f, ND_NEIGHBOUR_ADVERT, ND_F_SOLICITED, &addr, ND_OPTION_TARGET_MAC, mac);
	frame_ip(&f, &addr, &to);
	link_frame(&f, port, vlan, mac);
	receive(k, port, &f);
	kit_control(k);
}

static int setup(void **state)
{
	struct kit *k;

	if (kit_setup(state) < 0)
		return -1;
	k = *state;
	add_underlay();
	for (uint8_t o = 4; o <= 6; o += 2) {
		add_tenant(o);
		kit_arp(k, 1, 110 + o, 0x0f010001, 0x0f010005);
		kit_control(k);
		neighbour_says(k, 1, 110 + o, inner_of(6).l3_peer, inner_of(6).l3_own, peer_mac);
	}
	neighbour_says(
		k, 0, 0, frame_addr("2001:db8:1::1"), frame_addr("2001:db8:1::2"), router_mac);
	discard(k);
	return 0;
}

// -- the four combinations

static const uint8_t *expect_ip(
	const uint8_t *p, const struct ip_addr *src, const struct ip_addr *dst)
{
	if (src->family == IP_V4) {
		assert_int_equal(p[0], 0x45);
		assert_int_equal(sum_ip4((const struct ip4_hdr *)p), 0xffff);
		assert_memory_equal(p + 12, src->bytes, 4);
		assert_memory_equal(p + 16, dst->bytes, 4);
		return p + IP4_SIZE;
	}
	assert_int_equal(p[0] >> 4, 6);
	assert_memory_equal(p + 8, src->bytes, 16);
	assert_memory_equal(p + 24, dst->bytes, 16);
	return p + IP6_SIZE;
}

static uint8_t ttl_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[8] : ip[7];
}

// One packet sent to a port, complete; the link header is taken off.
static const uint8_t *take_sent(struct kit *k, struct testbed_result *r, uint16_t port)
{
	size_t size;
	const uint8_t *p;

	assert_true(kit_take(k, r));
	if (r->end == TESTBED_DROP)
		fail_msg("dropped as '%s'", drop_name(r->reason));
	assert_int_equal(r->end, TESTBED_TX);
	assert_int_equal(r->port, port);
	p = testbed_bytes(r, &size);
	return p + (be16(load16(p + 12)) == ETH_TYPE_VLAN ? 18 : 14);
}

static void from_vm(struct frame *f, uint8_t o, uint8_t i, struct ip_addr dst)
{
	struct inside in = inner_of(i);
	struct side out = outer_of(o);

	frame_payload(f, 100);
	frame_udp(f, 1, 2);
	frame_ip(f, &in.vm, &dst);
	frame_eth(f, gateway_mac, vm_mac);
	frame_vxlan(f, 6000 + o);
	frame_ip(f, &out.host, &out.slot);
	frame_eth(f, port_mac[0], router_mac);
}

static void expect_at_vm(struct kit *k, uint8_t o, uint8_t i, struct ip_addr src)
{
	struct side out = outer_of(o);
	struct inside in = inner_of(i);
	struct testbed_result r;
	const uint8_t *p = take_sent(k, &r, 0);

	p = expect_ip(p, &out.slot, &out.host);
	assert_int_equal(be16(load16(p + 2)), UDP_PORT_VXLAN);
	assert_int_equal(be32(load32(p + 12)) >> 8, 6000 + o);
	assert_memory_equal(p + 16, vm_mac, 6);
	assert_int_equal(be16(load16(p + 28)), i == 4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
	assert_int_equal(ttl_of(p + 30), 63);
	expect_ip(p + 30, &src, &in.vm);
	testbed_put(&r);
}

static void vxlan_and_gre_join_over_and_with_both_versions(void **state)
{
	struct kit *k = *state;

	for (uint8_t o = 4; o <= 6; o += 2)
		for (uint8_t i = 4; i <= 6; i += 2) {
			struct side out = outer_of(o);
			struct inside in = inner_of(i);
			struct testbed_result r;
			const uint8_t *p;
			struct frame f;

			from_vm(&f, o, i, in.site);
			receive(k, 0, &f);
			p = expect_ip(take_sent(k, &r, 0), &out.slot, &out.site);
			assert_int_equal(be16(load16(p)), GRE_KEY);
			assert_int_equal(be16(load16(p + 2)), i == 4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
			assert_int_equal(be32(load32(p + 4)), 9000 + o);
			assert_int_equal(ttl_of(p + 8), 63);
			expect_ip(p + 8, &in.vm, &in.site);
			testbed_put(&r);

			frame_payload(&f, 100);
			frame_udp(&f, 1, 2);
			frame_ip(&f, &in.site, &in.vm);
			frame_gre(&f, 9000 + o);
			frame_ip(&f, &out.site, &out.slot);
			frame_eth(&f, port_mac[0], router_mac);
			receive(k, 0, &f);
			expect_at_vm(k, o, i, in.site);
		}
}

static uint8_t tos_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] : (uint8_t)(be16(load16(ip)) >> 4);
}

// RFC 6040 figure 4, by inner and outer ECN; 0xff: dropped.
static const uint8_t combined[4][4] = {{0, 0, 0, 0xff}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};

static void expect_tos(struct kit *k, unsigned inner_at, uint8_t want)
{
	struct testbed_result r;
	const uint8_t *p;

	if (want == 0xff) {
		kit_expect_drop(k, DROP_ECN_INVALID);
		return;
	}
	p = take_sent(k, &r, 0);
	assert_int_equal(tos_of(p), 0xb8 | want);
	assert_int_equal(
		tos_of(p + (p[0] >> 4 == 4 ? IP4_SIZE : IP6_SIZE) + inner_at), 0xb8 | want);
	testbed_put(&r);
	assert_false(kit_take(k, &r));
}

static void outer_headers(struct kit *k, struct frame *f, const struct ip_addr *from,
	const struct ip_addr *to, uint8_t tos)
{
	f->tos = tos;
	frame_ip(f, from, to);
	frame_eth(f, port_mac[0], router_mac);
	receive(k, 0, f);
}

static void dscp_and_congestion_marks_cross_in_all_four_combinations(void **state)
{
	struct kit *k = *state;

	for (unsigned n = 0; n < 64; n++) {
		uint8_t o = n & 32 ? 6 : 4, i = n & 16 ? 6 : 4, in_ecn = n / 4 % 4, out_ecn = n % 4;
		struct side out = outer_of(o);
		struct inside in = inner_of(i);
		struct frame f;

		frame_payload(&f, 100);
		frame_udp(&f, 1, 2);
		f.tos = 0xb8 | in_ecn;
		frame_ip(&f, &in.vm, &in.site);
		frame_eth(&f, gateway_mac, vm_mac);
		frame_vxlan(&f, 6000 + o);
		outer_headers(k, &f, &out.host, &out.slot, 0x28 | out_ecn); // its DSCP has no say
		expect_tos(k, 8, combined[in_ecn][out_ecn]);

		frame_payload(&f, 100);
		frame_udp(&f, 1, 2);
		f.tos = 0xb8 | in_ecn;
		frame_ip(&f, &in.site, &in.vm);
		frame_gre(&f, 9000 + o);
		outer_headers(k, &f, &out.site, &out.slot, 0x28 | out_ecn);
		expect_tos(k, 8 + 8 + 14, combined[in_ecn][out_ecn]);
	}
}

static void vxlan_and_vlan_join_with_both_versions(void **state)
{
	struct kit *k = *state;

	for (uint8_t o = 4; o <= 6; o += 2)
		for (uint8_t i = 4; i <= 6; i += 2) {
			struct inside in = inner_of(i);
			struct testbed_result r;
			struct frame f;

			from_vm(&f, o, i, in.l3_site);
			receive(k, 0, &f);
			expect_ip(take_sent(k, &r, 1), &in.vm, &in.l3_site);
			testbed_put(&r);
			frame_payload(&f, 100);
			frame_udp(&f, 1, 2);
			frame_ip(&f, &in.l3_site, &in.vm);
			link_frame(&f, 1, 110 + o, peer_mac);
			receive(k, 1, &f);
			expect_at_vm(k, o, i, in.l3_site);
		}
}

static void a_large_ipv6_packet_is_refused_with_the_mtu(void **state)
{
	struct kit *k = *state;
	struct side out = outer_of(6);
	struct inside in = inner_of(6);
	struct testbed_result r;
	const uint8_t *p;
	struct frame f;

	frame_payload(&f, 1500 - 48 - 48 + 1);
	frame_udp(&f, 1, 2);
	frame_ip(&f, &in.vm, &in.site);
	frame_eth(&f, gateway_mac, vm_mac);
	frame_vxlan(&f, 6006);
	frame_ip(&f, &out.host, &out.slot);
	frame_eth(&f, port_mac[0], router_mac);
	receive(k, 0, &f);
	assert_true(kit_take_tx(k, &r));
	p = testbed_bytes(&r, &(size_t){0}) + 14 + IP6_SIZE + 30;
	p = expect_ip(p, &in.gateway, &in.vm);
	assert_int_equal(p[0], 2); // packet too big
	assert_int_equal(be32(load32(p + 4)), 1500 - 48);
	testbed_put(&r);
}

static void outer_ipv6_fragments_are_put_together(void **state)
{
	struct kit *k = *state;
	struct inside in = inner_of(4);
	struct side out = outer_of(6);
	struct frame whole, part;

	frame_payload(&whole, 900);
	frame_udp(&whole, 1, 2);
	frame_ip(&whole, &in.site, &in.vm);
	frame_gre(&whole, 9006);
	for (size_t at = 0; at < whole.size; at += 512) {
		size_t left = whole.size - at, n = left < 512 ? left : 512;
		uint16_t offset = be16((uint16_t)(at | (n < left)));
		uint8_t header[8] = {IP_PROTO_GRE, 0, 0, 0, 1, 2, 3, 4};

		memcpy(header + 2, &offset, 2);
		frame_payload(&part, 0);
		frame_bytes(&part, whole.p + at, n, 0);
		frame_bytes(&part, header, sizeof(header), IP_PROTO_FRAG6);
		frame_ip(&part, &out.site, &out.slot);
		frame_eth(&part, port_mac[0], router_mac);
		receive(k, 0, &part);
	}
	expect_at_vm(k, 6, 4, in.site);
}

// -- neighbour discovery on links

static const uint8_t *expect_advert(const uint8_t *ip, const struct ip_addr *target,
	const uint8_t *mac, const struct ip_addr *to)
{
	size_t size = be16(load16(ip + 4));
	uint32_t sum = sum_bytes(ip + 8, 32, (uint32_t)be16((uint16_t)size) + be16(IP_PROTO_ICMP6));

	assert_int_equal(ip[7], 255);
	assert_int_equal(sum_bytes(ip + IP6_SIZE, size, sum), 0xffff);
	ip = expect_ip(ip, target, to);
	assert_int_equal(ip[0], ND_NEIGHBOUR_ADVERT);
	assert_memory_equal(ip + 8, target->bytes, 16);
	assert_int_equal(ip[24], ND_OPTION_TARGET_MAC);
	assert_memory_equal(ip + 26, mac, 6);
	return ip;
}

static void solicit(struct kit *k, uint16_t port, uint16_t vlan, struct ip_addr target,
	struct ip_addr from, uint8_t hop_limit)
{
	struct ip_addr group = frame_addr("ff02::1:ff00:0");
	struct frame f;
	bool is_any = !from.bytes[0];

	memcpy(group.bytes + 13, target.bytes + 13, 3);
	nd(&f, ND_NEIGHBOUR_SOLICIT, 0, &target, is_any ? 0 : ND_OPTION_SOURCE_MAC, peer_mac);
	f.ttl = hop_limit;
	frame_ip(&f, &from, &group);
	link_frame(&f, port, vlan, peer_mac);
	f.p[0] = f.p[1] = 0x33;
	receive(k, port, &f);
}

static void a_solicited_address_of_a_link_is_advertised(void **state)
{
	struct kit *k = *state;
	struct ip_addr asker = frame_addr("fe80::66"), own = inner_of(6).l3_own;
	struct ip_addr slot = outer_of(6).slot;
	struct testbed_result r;

	solicit(k, 0, 0, slot, asker, 255);
	expect_advert(take_sent(k, &r, 0), &slot, port_mac[0], &asker);
	assert_memory_equal(testbed_bytes(&r, &(size_t){0}), peer_mac, 6);
	testbed_put(&r);
	solicit(k, 1, 116, own, asker, 255);
	expect_advert(take_sent(k, &r, 1), &own, port_mac[1], &asker);
	testbed_put(&r);
}

static void duplicate_address_detection_is_answered(void **state)
{
	struct ip_addr slot = outer_of(6).slot, all = frame_addr("ff02::1");
	struct testbed_result r;
	const uint8_t *nd_at;

	solicit(*state, 0, 0, slot, frame_addr("::"), 255);
	nd_at = expect_advert(take_sent(*state, &r, 0), &slot, port_mac[0], &all);
	assert_int_equal(nd_at[4] & 0x40, 0); // not solicited
	assert_memory_equal(testbed_bytes(&r, &(size_t){0}), all_nodes_mac, 6);
	testbed_put(&r);
}

static void solicitations_for_others_or_from_afar_are_dropped(void **state)
{
	struct ip_addr asker = frame_addr("fe80::66");

	solicit(*state, 0, 0, frame_addr("2001:db8:1::99"), asker, 255);
	kit_expect_drop(*state, DROP_ND_NOT_OURS);
	solicit(*state, 1, 116, outer_of(6).slot, asker, 255); // held, but not on that link
	kit_expect_drop(*state, DROP_ND_NOT_OURS);
	solicit(*state, 0, 0, outer_of(6).slot, asker, 254);
	kit_expect_drop(*state, DROP_ND_INVALID);
}

static void packets_wait_for_an_ipv6_neighbour_and_then_go(void **state)
{
	struct kit *k = *state;
	struct inside in = inner_of(4);
	struct api_host host = {.vrf = 46, .addr = frame_addr("192.168.6.99"), .vni = 6006};
	struct side out = outer_of(6);
	struct testbed_result r;
	const uint8_t *p;
	struct frame f;

	host.pa[0] = frame_addr("2001:db8:1::55"); // on the gateway's own link
	memcpy(host.mac.bytes, vm_mac, 6);
	must(API_TYPE_HOST, &host, sizeof(host));
	kit_control(k);
	p = take_sent(k, &r, 0); // asks
	assert_int_equal(p[IP6_SIZE], ND_NEIGHBOUR_SOLICIT);
	assert_memory_equal(p + IP6_SIZE + 8, host.pa[0].bytes, 16);
	testbed_put(&r);
	frame_payload(&f, 100);
	frame_ip(&f, &in.site, &host.addr);
	frame_gre(&f, 9006);
	frame_ip(&f, &out.site, &out.slot);
	frame_eth(&f, port_mac[0], router_mac);
	receive(k, 0, &f);
	kit_control(k);
	assert_false(kit_take(k, &r));
	neighbour_says(k, 0, 0, host.pa[0], frame_addr("2001:db8:1::2"), peer_mac);
	expect_ip(take_sent(k, &r, 0), &out.slot, &host.pa[0]);
	testbed_put(&r);
}

// Solicitations sent in the next 1.5 seconds for the router; to its own address by `ret_unicast`.
static unsigned asked_for_router(struct kit *k, uint64_t *now_ms, unsigned *ret_unicast)
{
	const struct ip_addr router = frame_addr("2001:db8:1::1");
	struct testbed_result r;
	unsigned asked = 0;

	*ret_unicast = 0;
	for (unsigned i = 0; i < 15; i++)
		gateway_tick(*now_ms += 100);
	kit_control(k);
	while (kit_take(k, &r)) {
		size_t size;
		const uint8_t *ip = testbed_bytes(&r, &size) + ETH_SIZE;

		if (r.port == 0 && size >= 78 && ip[0] >> 4 == 6 &&
			memcmp(ip + 48, router.bytes, 16) == 0) {
			asked++;
			*ret_unicast += memcmp(ip + 24, router.bytes, 16) == 0;
		}
		testbed_put(&r);
	}
	return asked;
}

static void an_answer_without_a_mac_keeps_a_known_neighbour(void **state)
{
	struct kit *k = *state;
	struct ip_addr router = frame_addr("2001:db8:1::1"), own = frame_addr("2001:db8:1::2");
	struct inside in = inner_of(4);
	uint64_t now_ms = 1000;
	unsigned unicast, asked = 0;
	struct testbed_result r;
	struct frame f;

	for (unsigned round = 0; round < 3; round++) { // 30 seconds each until it is asked again
		while (!asked_for_router(k, &now_ms, &unicast) && now_ms < 200000)
			;
		assert_int_equal(unicast, 1);
		nd(&f, ND_NEIGHBOUR_ADVERT, ND_F_SOLICITED, &router, 0, NULL);
		frame_ip(&f, &router, &own);
		frame_eth(&f, port_mac[0], router_mac);
		receive(k, 0, &f);
		kit_control(k);
		for (unsigned i = 0; i < 4; i++)
			asked += asked_for_router(k, &now_ms, &unicast);
		assert_int_equal(asked, 0);
	}
	from_vm(&f, 6, 4, in.site);
	receive(k, 0, &f);
	assert_true(kit_take_tx(k, &r)); // through the router, by its MAC
	assert_memory_equal(testbed_bytes(&r, &(size_t){0}), router_mac, 6);
	testbed_put(&r);
	// Unsolicited, it proves nothing.
	while (!asked_for_router(k, &now_ms, &unicast) && now_ms < 200000)
		;
	nd(&f, ND_NEIGHBOUR_ADVERT, 0, &router, 0, NULL);
	frame_ip(&f, &router, &own);
	frame_eth(&f, port_mac[0], router_mac);
	receive(k, 0, &f);
	kit_control(k);
	assert_true(asked_for_router(k, &now_ms, &unicast) > 0);
}

static void an_address_that_comes_is_advertised_unasked(void **state)
{
	struct kit *k = *state;
	struct api_slot slot = slot_of(5, false);
	struct ip_addr all = frame_addr("ff02::1"), own = outer_of(6).slot;
	struct testbed_result r;
	unsigned adverts = 0, arps = 0;

	must(API_TYPE_SLOT, &slot, sizeof(slot));
	discard(k);
	slot = slot_of(6, true);
	must(API_TYPE_SLOT, &slot, sizeof(slot));
	kit_control(k);
	while (kit_take_tx(k, &r)) {
		const uint8_t *p = testbed_bytes(&r, &(size_t){0});

		arps += be16(load16(p + 12)) == ETH_TYPE_ARP;
		if (be16(load16(p + 12)) == ETH_TYPE_IP6 && p[54] == ND_NEIGHBOUR_ADVERT &&
			r.port == 0) {
			expect_advert(p + 14, &own, port_mac[0], &all);
			assert_memory_equal(p, all_nodes_mac, 6);
			adverts++;
		}
		testbed_put(&r);
	}
	assert_true(adverts >= 1);
	assert_true(arps >= 1);
}

// -- on tenants' subnets

static void ask_in_tenant(
	struct kit *k, uint8_t o, struct frame *f, struct ip_addr from, struct ip_addr to)
{
	struct side out = outer_of(o);
	uint8_t group[6] = {0x33, 0x33};

	memcpy(group + 2, to.bytes + 12, 4);
	frame_ip(f, &from, &to);
	frame_eth(f, group, vm_mac);
	frame_vxlan(f, 6000 + o);
	frame_ip(f, &out.host, &out.slot);
	frame_eth(f, port_mac[0], router_mac);
	receive(k, 0, f);
}

// What came back through the tunnel, at its inner IP header.
static const uint8_t *take_tunnelled(struct kit *k, struct testbed_result *r, uint8_t o)
{
	struct side out = outer_of(o);
	const uint8_t *p = take_sent(k, r, 0), *ip = p;
	size_t size = r->m->pkt_len - ETH_SIZE;

	p = expect_ip(p, &out.slot, &out.host);
	assert_int_equal(o == 4 ? be16(load16(ip + 2)) : be16(load16(ip + 4)) + IP6_SIZE, size);
	assert_int_equal(be16(load16(p + 4)), size - (size_t)(p - ip));
	assert_int_equal(be32(load32(p + 12)) >> 8, 6000 + o);
	assert_memory_equal(p + 16, vm_mac, 6);
	assert_memory_equal(p + 22, gateway_mac, 6);
	return p + 30;
}

static void a_tenants_gateway_address_is_advertised_through_the_tunnel(void **state)
{
	struct kit *k = *state;
	struct inside in = inner_of(6);
	struct ip_addr link_local = frame_addr("fe80::ff:fe00:d2");

	for (uint8_t o = 4; o <= 6; o += 2) {
		const struct ip_addr *targets[] = {&in.gateway, &link_local};

		for (unsigned t = 0; t < 2; t++) {
			struct testbed_result r;
			struct frame f;

			nd(&f, ND_NEIGHBOUR_SOLICIT, 0, targets[t], ND_OPTION_SOURCE_MAC, vm_mac);
			ask_in_tenant(k, o, &f, in.vm, frame_addr("ff02::1:ff00:1"));
			expect_advert(take_tunnelled(k, &r, o), targets[t], gateway_mac, &in.vm);
			testbed_put(&r);
		}
	}
}

static void another_machines_address_is_not_advertised(void **state)
{
	struct ip_addr other = frame_addr("fd00:6::77");
	struct frame f;

	nd(&f, ND_NEIGHBOUR_SOLICIT, 0, &other, ND_OPTION_SOURCE_MAC, vm_mac);
	ask_in_tenant(*state, 6, &f, inner_of(6).vm, frame_addr("ff02::1:ff00:77"));
	kit_expect_drop(*state, DROP_ND_NOT_OURS);
}

static void a_router_solicitation_is_answered(void **state)
{
	struct kit *k = *state;
	struct ip_addr from = frame_addr("fe80::15"), link_local = frame_addr("fe80::ff:fe00:d2");
	struct ip_addr prefix = frame_addr("fd00:6::");

	for (uint8_t o = 4; o <= 6; o += 2) {
		struct testbed_result r;
		const uint8_t *ip, *p;
		struct frame f;
		uint32_t sum;

		nd(&f, ND_ROUTER_SOLICIT, 0, NULL, ND_OPTION_SOURCE_MAC, vm_mac);
		ask_in_tenant(k, o, &f, from, frame_addr("ff02::2"));
		ip = take_tunnelled(k, &r, o);
		sum = sum_bytes(ip + 8, 32, (uint32_t)load16(ip + 4) + be16(IP_PROTO_ICMP6));
		assert_int_equal(sum_bytes(ip + 40, be16(load16(ip + 4)), sum), 0xffff);
		assert_int_equal(ip[7], 255);
		p = expect_ip(ip, &link_local, &from);
		assert_int_equal(p[0], ND_ROUTER_ADVERT);
		assert_true(be16(load16(p + 6)) >= 1800);
		assert_int_equal(p[16], ND_OPTION_SOURCE_MAC);
		assert_memory_equal(p + 18, gateway_mac, 6);
		assert_int_equal(p[24], 5);
		assert_int_equal(be32(load32(p + 28)), 1400);
		assert_int_equal(p[32], 3);
		assert_int_equal(p[34], 64);
		assert_int_equal(p[35], 0x80); // on-link, not for autoconfiguration
		assert_memory_equal(p + 48, prefix.bytes, 16);
		testbed_put(&r);
	}
}

#define ip6_case(f) cmocka_unit_test_setup_teardown(f, setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ip6_case(vxlan_and_gre_join_over_and_with_both_versions),
		ip6_case(dscp_and_congestion_marks_cross_in_all_four_combinations),
		ip6_case(vxlan_and_vlan_join_with_both_versions),
		ip6_case(a_large_ipv6_packet_is_refused_with_the_mtu),
		ip6_case(outer_ipv6_fragments_are_put_together),
		ip6_case(a_solicited_address_of_a_link_is_advertised),
		ip6_case(duplicate_address_detection_is_answered),
		ip6_case(solicitations_for_others_or_from_afar_are_dropped),
		ip6_case(packets_wait_for_an_ipv6_neighbour_and_then_go),
		ip6_case(an_answer_without_a_mac_keeps_a_known_neighbour),
		ip6_case(an_address_that_comes_is_advertised_unasked),
		ip6_case(a_tenants_gateway_address_is_advertised_through_the_tunnel),
		ip6_case(another_machines_address_is_not_advertised),
		ip6_case(a_router_solicitation_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
