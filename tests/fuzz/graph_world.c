// SPDX-License-Identifier: Apache-2.0
#include "graph_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "gateway.h"
#include "graph.h"
#include "modules.h"
#include "vrf/vrf.h"

#define BUFFERS_OUT_MAX 1500 // that wait for neighbours and fragments
#define NVGRE_VSID      6100

const uint8_t world_port_mac[6] = {2}, world_gateway_mac[6] = {2, 0, 0, 0, 0, 0xa0};
const uint8_t world_far_mac[6] = {2, 0, 0, 0, 0, 0xfe};

extern const struct module module_ipsec;

static struct kit *kit;
static uint64_t now_ms = 10000;

static void must(uint16_t type, const void *object, size_t size)
{
	if (kit_set(type, object, size) < 0)
		abort();
}

static void add_ip6(void)
{
	const struct ip_addr pa = frame_addr("2001:db8:1::20"), site = frame_addr("2001:db8:9::77");
	const struct api_underlay_addr own = {
		.addr = frame_addr("2001:db8:1::2"), .prefix_len = 64};
	const struct api_slot slot = {
		.slot = 2, .active = 1, .epoch = 1, .pa = {[1] = pa}, .gre_vip = {[1] = pa}};
	const struct api_conn gre = {.conn = 300,
		.vrf = 10,
		.slot = 2,
		.type = API_CONN_GRE,
		.flags = API_CONN_F_ENABLED | API_CONN_F_GRE_KEY | API_CONN_F_GRE_KEEPALIVE,
		.keepalive_interval_ms = 1000,
		.keepalive_retries = 200,
		.gre_key = kit_gre_key(0),
		.local = pa,
		.remote = site};
	struct ip_addr inside = frame_addr("fd00:11::");
	struct api_route route = {.vrf = 10,
		.prefix = prefix_make(&inside, 32),
		.source = API_ROUTE_STATIC,
		.preference = 1,
		.path_count = 2};

	route.path[0].type = route.path[1].type = API_PATH_CONN;
	route.path[0].id = 300;
	route.path[1].id = 100;
	must(API_TYPE_UNDERLAY_ADDR, &own, sizeof(own));
	must(API_TYPE_SLOT, &slot, sizeof(slot));
	must(API_TYPE_CONN, &gre, sizeof(gre));
	must(API_TYPE_ROUTE, &route, offsetof(struct api_route, path[2]));
}

static void add_nvgre(void)
{
	struct ip_addr net = frame_addr("fd00:6::");
	struct api_subnet subnet = {
		.vni = NVGRE_VSID, .vrf = 10, .encap = API_ENCAP_NVGRE, .prefix_count = 1};
	const struct api_local_addr gw = {.vrf = 10,
		.addr = frame_addr("fd00:6::1"),
		.vni = NVGRE_VSID,
		.slot = 1,
		.is_gateway = 1};
	const struct api_host host = {.vrf = 10,
		.addr = frame_addr("fd00:6::5"),
		.vni = NVGRE_VSID,
		.mac = {{2, 0, 0, 0, 0, 0x15}},
		.pa = {ip_from_v4(KIT_HOST_PA)}};
	struct api_route route = {.vrf = 10,
		.prefix = prefix_make(&net, 64),
		.source = API_ROUTE_CONNECTED,
		.path_count = 1};

	subnet.prefix[0] = prefix_make(&net, 64);
	route.path[0].type = API_PATH_SUBNET;
	route.path[0].id = NVGRE_VSID;
	must(API_TYPE_SUBNET, &subnet, sizeof(subnet));
	must(API_TYPE_LOCAL_ADDR, &gw, sizeof(gw));
	must(API_TYPE_HOST, &host, sizeof(host));
	must(API_TYPE_ROUTE, &route, offsetof(struct api_route, path[1]));
}

void world_init(void)
{
	void *state;

	if (kit)
		return;
	if (kit_setup(&state) < 0)
		abort();
	kit = state;
	if (module_ipsec.init(&(struct module_env){.workers = 1, .conns_size = 256}) < 0)
		abort();
	kit->gre[0].flags |= API_CONN_F_GRE_KEEPALIVE;
	kit->gre[0].keepalive_interval_ms = 1000;
	kit->gre[0].keepalive_retries = 200;
	kit->gre[1].in_kbps = kit->gre[1].out_kbps = 1000;
	must(API_TYPE_CONN, &kit->gre[0], sizeof(kit->gre[0]));
	must(API_TYPE_CONN, &kit->gre[1], sizeof(kit->gre[1]));
	add_ip6();
	add_nvgre();
	world_settle();
}

// -- what comes out

// Number of the tenant whose tunnel or VLAN the frame is in; KIT_TENANTS: in none.
static unsigned tenant_of(uint16_t port, const uint8_t *p, size_t size)
{
	uint16_t type = size >= 64 ? be16(load16(p + 12)) : 0;
	uint32_t number = 0;

	if (port == 1)
		return type == ETH_TYPE_VLAN && be16(load16(p + 16)) != ETH_TYPE_ARP
			       ? (be16(load16(p + 14)) & 0xfffu) - kit_vlan(0)
			       : KIT_TENANTS;
	if (type != ETH_TYPE_IP4)
		return KIT_TENANTS;
	if (p[23] == IP_PROTO_GRE && be16(load16(p + 36)) == ETH_TYPE_TEB)
		return be32(load32(p + 38)) >> 8 == NVGRE_VSID ? 0 : KIT_TENANTS + 1;
	if (p[23] == IP_PROTO_GRE && load16(p + 36))
		number = be32(load32(p + 38)) - kit_gre_key(0);
	else if (p[23] == IP_PROTO_UDP && be16(load16(p + 36)) == UDP_PORT_VXLAN)
		number = (be32(load32(p + 46)) >> 8) - kit_vni(0);
	else
		return KIT_TENANTS;
	return number;
}

static void look(const struct testbed_result *r)
{
	uint32_t vrf = packet_meta(r->m)->vrf;
	size_t size;
	const uint8_t *p = testbed_bytes(r, &size);
	unsigned tenant;

	if (r->end != TESTBED_TX || !vrf)
		return;
	tenant = tenant_of(r->port, p, size);
	if (tenant == KIT_TENANTS) // the link's own, or IPv6 outside
		return;
	if (tenant > KIT_TENANTS || vrf_find(10 + tenant)->index != vrf)
		abort();
}

void world_receive(uint16_t port, const uint8_t *frame, size_t size)
{
	testbed_receive(kit->tb, port, frame, size);
	testbed_run(kit->tb);
}

void world_settle(void)
{
	struct testbed_result r;

	now_ms++;
	testbed_set_now(kit->tb, now_ms * 1000000);
	kit_control(kit);
	if (now_ms % 16 == 0)
		gateway_tick(now_ms);
	kit_run(kit);
	while (kit_take(kit, &r)) {
		look(&r);
		testbed_put(&r);
	}
	if (testbed_buffers_out(kit->tb) > BUFFERS_OUT_MAX)
		abort();
}

static void mend_ip4(uint8_t *p, const uint8_t *end)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)p;
	size_t size = (size_t)(p[0] & 0xf) * 4;

	if (p + IP4_SIZE > end || p[0] >> 4 != 4 || size < IP4_SIZE || p + size > end)
		return;
	ip->checksum = 0;
	ip->checksum = (uint16_t)~sum_bytes(ip, size, 0);
}

void world_mend(uint8_t *frame, size_t size)
{
	static const size_t inner[] = {
		ETH_SIZE, ETH_SIZE + 4, ETH_SIZE + 28, 64, ETH_SIZE + 24, 56};

	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		if (size > inner[i] + IP4_SIZE)
			mend_ip4(frame + inner[i], frame + size);
}
