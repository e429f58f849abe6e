// SPDX-License-Identifier: Apache-2.0

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gatewaykit.h"

#include "control.h"
#include "gateway.h"
#include "graph.h"
#include "rcu.h"
#include "server.h"

#define CONNS 256

const uint8_t kit_router_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};

// -- in place of the socket: the handlers' tables are called directly

static const struct api_handler *handlers[64];
static unsigned handlers_len;

int api_server_add(struct api_server *s, const struct api_handler *table, size_t len, void *ctx)
{
	for (size_t i = 0; i < len; i++)
		handlers[handlers_len++] = &table[i];
	return 0;
}

void api_server_event(struct api_server *s, uint16_t type, const void *object, size_t size)
{
}

unsigned api_server_event_lossy(
	struct api_server *s, uint16_t type, const void *object, size_t size)
{
	api_server_event(s, type, object, size);
	return 1;
}

static struct api_conn_stats emitted;
static uint64_t cursor[4];

int api_emit(struct api_emit *e, const void *object, size_t size)
{
	if (size == sizeof(emitted))
		memcpy(&emitted, object, size);
	return 0;
}

uint64_t *api_emit_cursor(struct api_emit *e)
{
	return cursor;
}

const struct api_handler *kit_handler(uint16_t type)
{
	for (unsigned i = 0; i < handlers_len; i++)
		if (handlers[i]->type == type)
			return handlers[i];
	return NULL;
}

static const struct api_handler *handler_of(uint16_t type)
{
	const struct api_handler *h = kit_handler(type);

	if (!h)
		abort();
	return h;
}

int kit_set(uint16_t type, const void *object, size_t size)
{
	struct api_error error = {0};

	return handler_of(type)->set(NULL, object, size, -1, &error);
}

int kit_del(uint16_t type, const void *key)
{
	struct api_error error = {0};

	return handler_of(type)->del(NULL, key, &error);
}

void kit_stats(uint32_t conn, struct api_conn_stats *ret_stats)
{
	const struct api_conn_stats want = {.conn = conn};

	memset(cursor, 0, sizeof(cursor));
	memset(&emitted, 0, sizeof(emitted));
	handler_of(API_TYPE_CONN_STATS)->dump(NULL, &want, NULL);
	assert_int_equal(emitted.conn, conn);
	*ret_stats = emitted;
}

// -- the tenants

static unsigned changed;

static void must_set(uint16_t type, const void *object, size_t size)
{
	int r = kit_set(type, object, size);

	if (r < 0)
		fail_msg("set of type %u: %d", type, r);
	changed += r == API_CHANGED;
}

static struct api_slot slot_object(uint64_t epoch, bool active)
{
	return (struct api_slot){.slot = 1,
		.active = active,
		.epoch = epoch,
		.pa = {ip_from_v4(KIT_SLOT_PA)},
		.gre_vip = {ip_from_v4(KIT_SLOT_PA)}};
}

static void set_underlay(struct kit *k)
{
	const struct api_underlay_addr own = {.addr = ip_from_v4(KIT_OWN), .prefix_len = 24};
	struct api_slot slot = slot_object(4, true);
	struct api_route route = {.source = API_ROUTE_STATIC, .preference = 1, .path_count = 1};

	route.prefix.addr.family = IP_V4;
	route.path[0].type = API_PATH_PORT;
	route.path[0].via = ip_from_v4(KIT_ROUTER);
	must_set(API_TYPE_UNDERLAY_ADDR, &own, sizeof(own));
	must_set(API_TYPE_ROUTE, &route, sizeof(route));
	must_set(API_TYPE_SLOT, &slot, sizeof(slot));
}

static void set_overlay(struct kit *k, unsigned t)
{
	struct api_vrf vrf = {.vrf = 10 + t};
	struct api_subnet subnet = {
		.vni = kit_vni(t), .vrf = 10 + t, .encap = API_ENCAP_VXLAN, .prefix_count = 1};
	struct api_tenant_slot ts = {.vrf = 10 + t,
		.slot = 1,
		.mac = {{2, 0, 0, 0, 0, (uint8_t)(0xa0 + t)}},
		.vni = kit_vni(t),
		.pa = {ip_from_v4(KIT_SLOT_PA)}};
	struct api_local_addr gw = {.vrf = 10 + t,
		.addr = ip_from_v4(KIT_GATEWAY_CA),
		.vni = kit_vni(t),
		.slot = 1,
		.is_gateway = 1};
	struct ip_addr any = ip_from_v4(KIT_VM);
	struct api_route net = {.vrf = 10 + t, .source = API_ROUTE_CONNECTED, .path_count = 1};

	subnet.prefix[0] = prefix_make(&any, 24);
	net.prefix = subnet.prefix[0];
	net.path[0].type = API_PATH_SUBNET;
	net.path[0].id = kit_vni(t);
	must_set(API_TYPE_VRF, &vrf, sizeof(vrf));
	must_set(API_TYPE_SUBNET, &subnet, sizeof(subnet));
	must_set(API_TYPE_TENANT_SLOT, &ts, sizeof(ts));
	must_set(API_TYPE_LOCAL_ADDR, &gw, sizeof(gw));
	must_set(API_TYPE_ROUTE, &net, sizeof(net));
	kit_set_host(k, t, KIT_VM, KIT_HOST_PA + t);
}

static void set_route(unsigned t, uint32_t dst, uint32_t conn)
{
	struct ip_addr addr = ip_from_v4(dst);
	struct api_route r = {.vrf = 10 + t,
		.prefix = prefix_make(&addr, 16),
		.source = API_ROUTE_STATIC,
		.preference = 1,
		.path_count = 1};

	r.path[0].type = API_PATH_CONN;
	r.path[0].id = conn;
	must_set(API_TYPE_ROUTE, &r, offsetof(struct api_route, path) + sizeof(r.path[0]));
}

static void set_connections(struct kit *k, unsigned t)
{
	struct api_conn l3 = {.conn = 200 + t,
		.vrf = 10 + t,
		.slot = 1,
		.type = API_CONN_L3,
		.flags = API_CONN_F_ENABLED,
		.l3_port = 1,
		.l3_vlan = kit_vlan(t),
		.l3_addr_count = 1,
		.l3_addr = {{ip_from_v4(KIT_L3_OWN), 29}},
		.l3_peer_count = 1,
		.l3_peer = {ip_from_v4(KIT_L3_PEER)}};

	k->gre[t] = (struct api_conn){.conn = 100 + t,
		.vrf = 10 + t,
		.slot = 1,
		.type = API_CONN_GRE,
		.flags = API_CONN_F_ENABLED | API_CONN_F_GRE_KEY,
		.gre_key = kit_gre_key(t),
		.local = ip_from_v4(KIT_SLOT_PA),
		.remote = ip_from_v4(KIT_GRE_REMOTE + t)};
	must_set(API_TYPE_CONN, &k->gre[t], sizeof(k->gre[t]));
	must_set(API_TYPE_CONN, &l3, sizeof(l3));
	set_route(t, KIT_SITE, 100 + t);
	set_route(t, KIT_L3_SITE, 200 + t);
}

unsigned kit_set_all(struct kit *k)
{
	changed = 0;
	set_underlay(k);
	for (unsigned t = 0; t < KIT_TENANTS; t++) {
		set_overlay(k, t);
		set_connections(k, t);
	}
	return changed;
}

int kit_try_slot(struct kit *k, uint64_t epoch, bool active)
{
	struct api_slot slot = slot_object(epoch, active);

	return kit_set(API_TYPE_SLOT, &slot, sizeof(slot));
}

static void discard(struct kit *k)
{
	struct testbed_result r;

	kit_control(k);
	while (kit_take(k, &r))
		testbed_put(&r);
}

void kit_set_slot(struct kit *k, uint64_t epoch, bool active)
{
	assert_true(kit_try_slot(k, epoch, active) >= 0);
	discard(k); // announcements
}

void kit_set_gre(struct kit *k, unsigned t, uint32_t key, uint32_t flags)
{
	k->gre[t].gre_key = key;
	k->gre[t].flags = flags | API_CONN_F_GRE_KEY;
	assert_true(kit_set(API_TYPE_CONN, &k->gre[t], sizeof(k->gre[t])) >= 0);
}

void kit_set_rate(struct kit *k, unsigned t, uint64_t out_kbps)
{
	k->gre[t].out_kbps = out_kbps;
	assert_true(kit_set(API_TYPE_CONN, &k->gre[t], sizeof(k->gre[t])) >= 0);
}

void kit_set_host(struct kit *k, unsigned t, uint32_t ca, uint32_t pa)
{
	struct api_host host = {.vrf = 10 + t,
		.addr = ip_from_v4(ca),
		.vni = kit_vni(t),
		.mac = {{2, 0, 0, 0, 0, (uint8_t)(0x10 + t)}},
		.pa = {ip_from_v4(pa)}};

	must_set(API_TYPE_HOST, &host, sizeof(host));
}

int kit_setup(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));

	k->tb = testbed_new(&forwarder_graph);
	testbed_every_node(k->tb, getenv("KIT_EVERY_NODE") != NULL);
	handlers_len = 0;
	if (gateway_init(NULL, CONNS) < 0 || gateway_serve(NULL) < 0)
		return -1;
	gateway_tick(1000);
	testbed_set_now(k->tb, 1000000000);
	kit_set_all(k);
	kit_arp_reply(k, 0, 0, KIT_ROUTER);
	for (unsigned t = 0; t < KIT_TENANTS; t++)
		kit_arp_reply(k, 1, kit_vlan(t), KIT_L3_PEER);
	discard(k);
	*state = k;
	return 0;
}

int kit_teardown(void **state)
{
	struct kit *k = *state;
	struct testbed_result r;
	size_t out;

	kit_control(k);
	while (kit_take(k, &r))
		testbed_put(&r);
	gateway_fini();
	out = testbed_buffers_out(k->tb);
	testbed_free(k->tb);
	free(k);
	if (out)
		print_error("%zu packet buffers leaked\n", out);
	return out ? -1 : 0;
}

// -- frames

static uint8_t *put_eth(uint8_t *p, uint16_t port, uint8_t src, uint16_t vlan, uint16_t type)
{
	struct eth_hdr *eth = (struct eth_hdr *)p;

	memset(eth, 0, sizeof(*eth));
	eth->dst[0] = eth->src[0] = 2;
	eth->dst[5] = (uint8_t)port;
	eth->src[5] = src;
	eth->type = be16(vlan ? ETH_TYPE_VLAN : type);
	p += sizeof(*eth);
	if (vlan) {
		struct vlan_tag tag = {be16(vlan), be16(type)};

		memcpy(p, &tag, sizeof(tag));
		p += sizeof(tag);
	}
	return p;
}

static uint8_t *put_ip4(
	uint8_t *p, uint32_t src, uint32_t dst, uint8_t protocol, uint8_t ttl, uint16_t size)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)p;

	*ip = (struct ip4_hdr){.version_ihl = 0x45,
		.size = be16(size),
		.ttl = ttl,
		.protocol = protocol,
		.src = be32(src),
		.dst = be32(dst)};
	ip->checksum = (uint16_t)~sum_ip4(ip);
	return p + sizeof(*ip);
}

static void put_udp_payload(uint8_t *p, uint16_t size) // of UDP header and data
{
	struct udp_hdr udp = {be16(1111), be16(2222), be16(size), 0};

	memcpy(p, &udp, sizeof(udp));
	for (uint16_t i = sizeof(udp); i < size; i++)
		p[i] = (uint8_t)i;
}

struct kit_frame kit_host_frame(unsigned t, uint32_t src, uint32_t dst)
{
	return (struct kit_frame){.outer_src = KIT_HOST_PA + t,
		.outer_dst = KIT_SLOT_PA,
		.vni = kit_vni(t),
		.inner_src = src,
		.inner_dst = dst,
		.inner_dst_mac = (uint8_t)(0xa0 + t),
		.ttl = 64,
		.vxlan_flags = 8};
}

// Outer headers to the inner frame, whose size is given.
static uint8_t *put_vxlan(uint8_t *p, const struct kit_frame *f, uint16_t frame_size)
{
	uint16_t udp_size = (uint16_t)(UDP_SIZE + sizeof(struct vxlan_hdr) + frame_size);
	struct udp_hdr udp = {be16(50000), be16(UDP_PORT_VXLAN), be16(udp_size), 0};
	struct ip4_hdr *ip;

	p = put_eth(p, 0, 0xfe, 0, ETH_TYPE_IP4);
	ip = (struct ip4_hdr *)p;
	p = put_ip4(
		p, f->outer_src, f->outer_dst, IP_PROTO_UDP, 64, (uint16_t)(IP4_SIZE + udp_size));
	ip->tos = f->outer_tos;
	ip->checksum = 0;
	ip->checksum = (uint16_t)~sum_ip4(ip);
	if (f->break_outer_checksum)
		ip->checksum ^= 0x5555;
	memcpy(p, &udp, sizeof(udp));
	p += sizeof(udp);
	memset(p, 0, 8);
	p[0] = f->vxlan_flags;
	p[4] = (uint8_t)(f->vni >> 16);
	p[5] = (uint8_t)(f->vni >> 8);
	p[6] = (uint8_t)f->vni;
	return p + 8;
}

void kit_send_frame(struct kit *k, const struct kit_frame *f, uint16_t inner_size)
{
	uint8_t frame[10000], *p = put_vxlan(frame, f, (uint16_t)(ETH_SIZE + inner_size));
	struct rte_mbuf *m;
	struct ip4_hdr *ip;

	p = put_eth(p, f->inner_dst_mac, 0x10, 0, ETH_TYPE_IP4);
	ip = (struct ip4_hdr *)p;
	p = put_ip4(p, f->inner_src, f->inner_dst, IP_PROTO_UDP, f->ttl, inner_size);
	ip->tos = f->tos;
	ip->fragment = f->dont_fragment ? be16(IP4_DF) : 0;
	ip->checksum = 0;
	ip->checksum = (uint16_t)~sum_ip4(ip);
	if (f->break_inner_checksum)
		ip->checksum ^= 0x5555;
	put_udp_payload(p, (uint16_t)(inner_size - IP4_SIZE));
	m = testbed_packet(k->tb, frame, (size_t)(p - frame) + inner_size - IP4_SIZE);
	if (f->partial_outer_udp) {
		packet_meta(m)->csum_start = (uint16_t)(m->data_off + ETH_SIZE + IP4_SIZE);
		packet_meta(m)->csum_offset = 6;
	}
	testbed_push(k->tb, NODE_PLAIN, m);
	testbed_run(k->tb);
}

void kit_from_host(struct kit *k, unsigned t, uint32_t src, uint32_t dst, uint16_t inner_size)
{
	struct kit_frame f = kit_host_frame(t, src, dst);

	kit_send_frame(k, &f, inner_size);
}

void kit_from_gre_at(struct kit *k, uint32_t outer_src, uint32_t key, uint32_t src, uint32_t dst,
	uint16_t inner_size)
{
	uint8_t frame[10000], *p = put_eth(frame, 0, 0xfe, 0, ETH_TYPE_IP4);
	struct gre_hdr gre = {be16(GRE_KEY), be16(ETH_TYPE_IP4)};
	uint32_t be_key = be32(key);

	p = put_ip4(
		p, outer_src, KIT_SLOT_PA, IP_PROTO_GRE, 64, (uint16_t)(IP4_SIZE + 8 + inner_size));
	memcpy(p, &gre, sizeof(gre));
	memcpy(p + 4, &be_key, sizeof(be_key));
	p = put_ip4(p + 8, src, dst, IP_PROTO_UDP, 64, inner_size);
	put_udp_payload(p, (uint16_t)(inner_size - IP4_SIZE));
	testbed_receive(k->tb, 0, frame, (size_t)(p - frame) + inner_size - IP4_SIZE);
	testbed_run(k->tb);
}

void kit_from_gre(
	struct kit *k, unsigned t, uint32_t key, uint32_t src, uint32_t dst, uint16_t inner_size)
{
	kit_from_gre_at(k, KIT_GRE_REMOTE + t, key, src, dst, inner_size);
}

void kit_from_vlan(struct kit *k, uint16_t vlan, uint32_t src, uint32_t dst, uint16_t inner_size)
{
	uint8_t frame[10000], *p = put_eth(frame, 1, 0x60, vlan, ETH_TYPE_IP4);

	p = put_ip4(p, src, dst, IP_PROTO_UDP, 64, inner_size);
	put_udp_payload(p, (uint16_t)(inner_size - IP4_SIZE));
	testbed_receive(k->tb, 1, frame, (size_t)(p - frame) + inner_size - IP4_SIZE);
	testbed_run(k->tb);
}

static uint8_t *put_arp(uint8_t *p, uint16_t op, uint8_t mac, uint32_t sender, uint32_t target)
{
	struct arp_hdr arp = {be16(1), be16(ETH_TYPE_IP4), 6, 4, be16(op)};

	sender = be32(sender);
	target = be32(target);
	arp.sender_mac[0] = 2;
	arp.sender_mac[5] = mac;
	memcpy(arp.sender_ip, &sender, 4);
	memcpy(arp.target_ip, &target, 4);
	memcpy(p, &arp, sizeof(arp));
	return p + sizeof(arp);
}

static void send_arp(
	struct kit *k, uint16_t port, uint16_t vlan, uint16_t op, uint32_t sender, uint32_t target)
{
	uint8_t mac = port ? (uint8_t)(0x60 + vlan - kit_vlan(0)) : 0xfe;
	uint8_t frame[100], *p = put_eth(frame, port, mac, vlan, ETH_TYPE_ARP);

	p = put_arp(p, op, mac, sender, target);
	testbed_receive(k->tb, port, frame, (size_t)(p - frame));
	testbed_run(k->tb);
}

void kit_arp(struct kit *k, uint16_t port, uint16_t vlan, uint32_t sender, uint32_t target)
{
	send_arp(k, port, vlan, 1, sender, target);
}

void kit_arp_reply(struct kit *k, uint16_t port, uint16_t vlan, uint32_t sender)
{
	send_arp(k, port, vlan, 2, sender, port ? KIT_L3_OWN : KIT_OWN);
	kit_control(k);
}

void kit_tenant_arp(struct kit *k, unsigned t, uint32_t sender, uint32_t target)
{
	struct kit_frame f = kit_host_frame(t, sender, target);
	uint8_t frame[200], *p = put_vxlan(frame, &f, ETH_SIZE + sizeof(struct arp_hdr));
	uint8_t *eth = p;

	p = put_eth(p, 0, (uint8_t)(0x10 + t), 0, ETH_TYPE_ARP);
	memset(eth, 0xff, 6);
	p = put_arp(p, 1, (uint8_t)(0x10 + t), sender, target);
	testbed_receive(k->tb, 0, frame, (size_t)(p - frame));
	testbed_run(k->tb);
}

void kit_ping(struct kit *k, unsigned t, uint32_t src, uint32_t dst)
{
	struct kit_frame f = kit_host_frame(t, src, dst);
	const uint16_t size = IP4_SIZE + sizeof(struct icmp_hdr) + 56;
	uint8_t frame[300], *p = put_vxlan(frame, &f, (uint16_t)(ETH_SIZE + size));
	struct icmp_hdr icmp = {.type = 8, .id = be16(77), .sequence = be16(1)};

	p = put_eth(p, f.inner_dst_mac, 0x10, 0, ETH_TYPE_IP4);
	p = put_ip4(p, src, dst, IP_PROTO_ICMP, 64, size);
	memset(p + sizeof(icmp), 0x5a, 56);
	memcpy(p, &icmp, sizeof(icmp));
	icmp.checksum = (uint16_t)~sum_bytes(p, sizeof(icmp) + 56, 0);
	memcpy(p, &icmp, sizeof(icmp));
	testbed_receive(k->tb, 0, frame, (size_t)(p - frame) + sizeof(icmp) + 56);
	testbed_run(k->tb);
}

// -- results

void kit_run(struct kit *k)
{
	testbed_run(k->tb);
}

// What the graph passed to the control thread comes out of the test bed; it is handled here as the
// control thread would.
void kit_control(struct kit *k)
{
	control_drain();
	testbed_run(k->tb);
}

bool kit_take(struct kit *k, struct testbed_result *ret_result)
{
	return testbed_take(k->tb, ret_result);
}

bool kit_take_tx(struct kit *k, struct testbed_result *ret_result)
{
	while (kit_take(k, ret_result)) {
		if (ret_result->end == TESTBED_TX)
			return true;
		testbed_put(ret_result);
	}
	return false;
}

void kit_expect_drop(struct kit *k, enum drop_reason reason)
{
	struct testbed_result r;

	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_DROP);
	if (r.reason != reason)
		fail_msg("dropped as '%s' instead of '%s'", drop_name(r.reason), drop_name(reason));
	testbed_put(&r);
	assert_false(kit_take(k, &r));
}

void kit_expect_arp_reply(struct kit *k, uint16_t port, uint16_t vlan, uint32_t addr)
{
	struct testbed_result r;
	size_t size;
	const uint8_t *p;

	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	assert_int_equal(r.port, port);
	p = testbed_bytes(&r, &size);
	p += vlan ? ETH_SIZE + VLAN_TAG_SIZE : ETH_SIZE;
	assert_int_equal(be16(load16(p + 6)), 2);
	assert_int_equal(be32(load32(p + 14)), addr);
	testbed_put(&r);
}
