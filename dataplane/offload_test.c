// SPDX-License-Identifier: Apache-2.0
#include "offload.h"

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "testbed.h"

#define PAYLOAD 10000
#define SEGMENT 1400

static void nothing_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		packet_drop(w, pkts[i], DROP_NO_ROUTE);
}

static const struct node nothing = {.name = "nothing", .run = nothing_run};
static const struct node *const nodes[] = {&nothing};
static const struct graph graph = {nodes, 1, 0};

struct build {
	uint8_t bytes[PAYLOAD + 256];
	size_t size;
	size_t l4; // of the innermost transport header
};

static void put(struct build *b, const void *bytes, size_t size)
{
	memcpy(b->bytes + b->size, bytes, size);
	b->size += size;
}

static void put_ethernet(struct build *b, uint16_t type)
{
	uint8_t h[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, (uint8_t)(type >> 8), (uint8_t)type};

	put(b, h, sizeof(h));
}

static void put_ip4(struct build *b, uint8_t protocol)
{
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45,
		.time_to_live = 64,
		.next_proto_id = protocol,
		.packet_id = htons(0xfffe), // wraps
		.src_addr = htonl(0x0a000001),
		.dst_addr = htonl(0x0a000002)};

	put(b, &ip, sizeof(ip));
}

static void put_ip6(struct build *b, uint8_t protocol)
{
	struct rte_ipv6_hdr ip = {.vtc_flow = htonl(6u << 28), .proto = protocol, .hop_limits = 64};

	ip.src_addr[15] = 1;
	ip.dst_addr[15] = 2;
	put(b, &ip, sizeof(ip));
}

static void put_tcp(struct build *b)
{
	struct rte_tcp_hdr tcp = {.sent_seq = htonl(0xffffff00),
		.data_off = 5 << 4,
		.tcp_flags =
			RTE_TCP_ACK_FLAG | RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG | RTE_TCP_CWR_FLAG};

	b->l4 = b->size;
	put(b, &tcp, sizeof(tcp));
	for (size_t i = 0; i < PAYLOAD; i++)
		b->bytes[b->size++] = (uint8_t)(i * 7);
}

static void put_udp(struct build *b, uint16_t checksum)
{
	struct rte_udp_hdr udp = {.dst_port = htons(4789), .dgram_cksum = checksum};

	put(b, &udp, sizeof(udp));
}

static struct rte_mbuf *gso_packet(struct testbed *tb, const struct build *b)
{
	struct rte_mbuf *m = testbed_packet(tb, b->bytes, b->size);
	struct packet_meta *meta = packet_meta(m);

	meta->csum_start = (uint16_t)(m->data_off + b->l4);
	meta->csum_offset = offsetof(struct rte_tcp_hdr, cksum);
	meta->flags = PACKET_F_GSO;
	m->tso_segsz = SEGMENT;
	return m;
}

static bool csum_holds(const uint8_t *ip, const void *l4)
{
	const struct rte_ipv4_hdr *ip4 = (const void *)ip;

	if (ip[0] >> 4 == 6)
		return rte_ipv6_udptcp_cksum_verify((const void *)ip, l4) == 0;
	return rte_ipv4_udptcp_cksum_verify(ip4, l4) == 0 &&
	       rte_raw_cksum(ip4, sizeof(*ip4)) == 0xffff;
}

// Sends m out of a port that can do nothing, and checks every segment. ip: offsets of IP headers.
static void check_segments(struct testbed *tb, const struct build *b, size_t outer_ip,
	size_t outer_udp, size_t inner_ip)
{
	unsigned i = 0, segments = (PAYLOAD + SEGMENT - 1) / SEGMENT;
	size_t at = 0, header = b->l4 + sizeof(struct rte_tcp_hdr);
	struct testbed_result r;

	assert_int_equal(packet_wire_size(gso_packet(tb, b)), header + SEGMENT);
	port_tx(testbed_worker(tb), 1, gso_packet(tb, b));
	testbed_run(tb);
	for (; testbed_take(tb, &r); i++) {
		size_t size, left = PAYLOAD - at, part = left < SEGMENT ? left : SEGMENT;
		const uint8_t *p = testbed_bytes(&r, &size);
		const struct rte_tcp_hdr *tcp = (const void *)(p + b->l4);

		assert_int_equal(r.end, TESTBED_TX);
		assert_int_equal(size, header + part);
		assert_int_equal(ntohl(tcp->sent_seq), (uint32_t)(0xffffff00 + at));
		assert_memory_equal(p + header, b->bytes + header + at, part);
		assert_true(csum_holds(p + inner_ip, tcp));
		assert_int_equal(!!(tcp->tcp_flags & RTE_TCP_FIN_FLAG), i + 1 == segments);
		assert_int_equal(!!(tcp->tcp_flags & RTE_TCP_CWR_FLAG), i == 0);
		if (p[inner_ip] >> 4 == 4)
			assert_int_equal((uint16_t)(p[inner_ip + 4] << 8 | p[inner_ip + 5]),
				(uint16_t)(0xfffe + i));
		if (outer_udp) {
			const struct rte_udp_hdr *udp = (const void *)(p + outer_udp);

			assert_int_equal(ntohs(udp->dgram_len), size - outer_udp);
			if (udp->dgram_cksum)
				assert_true(csum_holds(p + outer_ip, udp));
		} else if (outer_ip) {
			const struct rte_ipv4_hdr *ip = (const void *)(p + outer_ip);

			assert_int_equal(rte_raw_cksum(ip, sizeof(*ip)), 0xffff);
		}
		assert_int_equal(packet_meta(r.m)->csum_start, 0);
		at += part;
		testbed_put(&r);
	}
	assert_int_equal(i, segments);
}

static void plain_tcp_is_cut(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct build b = {0};

	put_ethernet(&b, 0x0800);
	put_ip4(&b, IPPROTO_TCP);
	put_tcp(&b);
	check_segments(tb, &b, 0, 0, 14);
	testbed_free(tb);
}

static void plain_tcp6_is_cut(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct build b = {0};

	put_ethernet(&b, 0x86dd);
	put_ip6(&b, IPPROTO_TCP);
	put_tcp(&b);
	check_segments(tb, &b, 0, 0, 14);
	testbed_free(tb);
}

static void tcp_in_vxlan_is_cut_in_every_header(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct build b = {0};

	put_ethernet(&b, 0x0800);
	put_ip4(&b, IPPROTO_UDP);
	put_udp(&b, 0);
	put(&b, "\x08\0\0\0\0\0\x07\0", 8);
	put_ethernet(&b, 0x86dd);
	put_ip6(&b, IPPROTO_TCP);
	put_tcp(&b);
	check_segments(tb, &b, 14, 34, 64);
	testbed_free(tb);
}

static void outer_udp_checksum_is_kept_true(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct build b = {0};

	put_ethernet(&b, 0x86dd);
	put_ip6(&b, IPPROTO_UDP);
	put_udp(&b, 0x1234);
	put(&b, "\x08\0\0\0\0\0\x07\0", 8);
	put_ethernet(&b, 0x0800);
	put_ip4(&b, IPPROTO_TCP);
	put_tcp(&b);
	check_segments(tb, &b, 14, 54, 84);
	testbed_free(tb);
}

static void tcp_in_gre_is_cut(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct build b = {0};

	put_ethernet(&b, 0x0800);
	put_ip4(&b, IPPROTO_GRE);
	put(&b, "\x20\0\x08\0\0\0\x12\x34", 8);
	put_ip4(&b, IPPROTO_TCP);
	put_tcp(&b);
	check_segments(tb, &b, 14, 0, 42);
	testbed_free(tb);
}

static void tunnelled_partial_checksum_is_completed(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct build b = {0};
	struct testbed_result r;
	struct rte_ipv4_hdr *inner;
	struct rte_mbuf *m;
	size_t size;

	testbed_port(tb, 0)->flags = PORT_F_CSUM | PORT_F_GSO; // but not inside a tunnel
	put_ethernet(&b, 0x0800);
	put_ip4(&b, IPPROTO_GRE);
	put(&b, "\0\0\x08\0", 4);
	put_ip4(&b, IPPROTO_TCP);
	put_tcp(&b);
	inner = (void *)(b.bytes + 38);
	inner->total_length = htons((uint16_t)(b.size - 38));
	inner->hdr_checksum = (uint16_t)~rte_raw_cksum(inner, sizeof(*inner));
	((struct rte_tcp_hdr *)(b.bytes + b.l4))->cksum = rte_ipv4_phdr_cksum(inner, 0);
	m = gso_packet(tb, &b);
	packet_meta(m)->flags = 0;
	port_tx(testbed_worker(tb), 0, m);
	testbed_run(tb);
	assert_true(testbed_take(tb, &r));
	assert_int_equal(r.end, TESTBED_TX);
	assert_int_equal(packet_meta(r.m)->csum_start, 0);
	assert_true(csum_holds(testbed_bytes(&r, &size) + 38, testbed_bytes(&r, &size) + b.l4));
	testbed_put(&r);
	testbed_free(tb);
}

static void capable_port_is_left_the_work(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct build b = {0};
	struct testbed_result r;

	testbed_port(tb, 0)->flags = PORT_F_CSUM | PORT_F_GSO;
	put_ethernet(&b, 0x0800);
	put_ip4(&b, IPPROTO_TCP);
	put_tcp(&b);
	port_tx(testbed_worker(tb), 0, gso_packet(tb, &b));
	testbed_run(tb);
	assert_true(testbed_take(tb, &r));
	assert_int_equal(r.end, TESTBED_TX);
	assert_int_equal(r.m->pkt_len, b.size);
	testbed_put(&r);
	testbed_free(tb);
}

static void segment_size_that_cannot_be_is_dropped(void **state)
{
	struct testbed *tb = testbed_new(&graph);
	struct build b = {0};
	struct testbed_result r;
	struct rte_mbuf *m;

	put_ethernet(&b, 0x0800);
	put_ip4(&b, IPPROTO_TCP);
	put_tcp(&b);
	m = gso_packet(tb, &b);
	m->tso_segsz = 1;
	port_tx(testbed_worker(tb), 1, m);
	m = gso_packet(tb, &b);
	packet_meta(m)->csum_start += 4; // leads to no transport header
	port_tx(testbed_worker(tb), 1, m);
	testbed_run(tb);
	for (int i = 0; i < 2; i++) {
		assert_true(testbed_take(tb, &r));
		assert_int_equal(r.end, TESTBED_DROP);
		assert_int_equal(r.reason, DROP_FRAGMENT_FAILED);
		testbed_put(&r);
	}
	testbed_free(tb);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_tcp_is_cut),
		cmocka_unit_test(plain_tcp6_is_cut),
		cmocka_unit_test(tcp_in_vxlan_is_cut_in_every_header),
		cmocka_unit_test(outer_udp_checksum_is_kept_true),
		cmocka_unit_test(tcp_in_gre_is_cut),
		cmocka_unit_test(tunnelled_partial_checksum_is_completed),
		cmocka_unit_test(capable_port_is_left_the_work),
		cmocka_unit_test(segment_size_that_cannot_be_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
