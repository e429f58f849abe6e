// SPDX-License-Identifier: Apache-2.0
//
// kernel sockets -- va 10.9.9.1 ===veth=== vb -- our port; a network namespace of its own.
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <cmocka.h>

#include "offload.h"
#include "testbed.h"

#define SKIP 77
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static struct testbed *tb;
static struct port *port;

static void nothing_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		packet_drop(w, pkts[i], DROP_NO_ROUTE);
}

static const struct node nothing = {.name = "nothing", .run = nothing_run};
static const struct node *const nodes[] = {&nothing};
static const struct graph graph = {nodes, 1, 0};

static int ip(const char *arguments)
{
	char text[256], word0[] = "ip", *argv[32] = {word0}, *save = NULL;
	int len = 1, status = -1;
	pid_t pid;

	snprintf(text, sizeof(text), "%s", arguments);
	for (char *word = strtok_r(text, " ", &save); word && len < 31;
		word = strtok_r(NULL, " ", &save))
		argv[len++] = word;
	pid = fork();
	if (pid == 0) {
		execvp("ip", argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status;
}

// The next IPv4 UDP packet to this port, within two seconds.
static struct rte_mbuf *receive_udp(uint16_t to_port, size_t ip_at)
{
	struct rte_mbuf *m;

	for (int i = 0; i < 200; i++) {
		struct pollfd fd = {.fd = port->ops->wait_fd(port, 0), .events = POLLIN};

		while (port->ops->rx(port, 0, &m, 1) == 1) {
			const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

			if (m->data_len >= ip_at + 28 && p[ip_at] == 0x45 &&
				p[ip_at + 9] == IPPROTO_UDP &&
				(p[ip_at + 22] << 8 | p[ip_at + 23]) == to_port)
				return m;
			rte_pktmbuf_free(m);
		}
		poll(&fd, 1, 10);
	}
	return NULL;
}

static int udp_socket(uint16_t bind_port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
		.sin_port = htons(bind_port),
		.sin_addr.s_addr = htonl(0x0a090901)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static void send_udp(int fd, uint16_t to_port, const void *bytes, size_t size)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
		.sin_port = htons(to_port),
		.sin_addr.s_addr = htonl(0x0a090902)};

	assert_int_equal(sendto(fd, bytes, size, 0, (struct sockaddr *)&sin, sizeof(sin)), size);
}

static bool udp_csum_holds(const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip4 = rte_pktmbuf_mtod_offset(m, const void *, 14);

	return rte_ipv4_udptcp_cksum_verify(ip4, ip4 + 1) == 0;
}

static void partial_checksum_is_known_and_completed(void **state)
{
	int fd = udp_socket(0);
	struct rte_mbuf *m;

	send_udp(fd, 5001, "hello", 5);
	m = receive_udp(5001, 14);
	assert_non_null(m);
	assert_int_equal(packet_meta(m)->csum_start, m->data_off + 34);
	assert_int_equal(packet_meta(m)->port, port->index);
	assert_false(udp_csum_holds(m));
	packet_csum_complete(m);
	assert_true(udp_csum_holds(m));
	rte_pktmbuf_free(m);
	close(fd);
}

static void gso_packet_comes_whole_and_can_be_cut(void **state)
{
	static uint8_t bytes[40000];
	int fd = udp_socket(0), segment = 1000;
	struct packet_segments s;
	struct rte_mbuf *m;
	unsigned len = 0;

	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	send_udp(fd, 5002, bytes, sizeof(bytes));
	m = receive_udp(5002, 14);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, sizeof(bytes) + 42);
	assert_true(packet_meta(m)->flags & PACKET_F_GSO);
	assert_int_equal(packet_segments_init(&s, m, PACKET_FIRST_ETHERNET), 0);
	for (; packet_segments_left(&s); len++) {
		struct rte_mbuf *part = packet_segments_next(&s, testbed_worker(tb)->pool);

		assert_int_equal(part->pkt_len, 1042);
		assert_true(udp_csum_holds(part));
		rte_pktmbuf_free(part);
	}
	assert_int_equal(len, 40);
	rte_pktmbuf_free(m);
	close(fd);
}

// A frame that owes its checksum, and one of three segments, reach a socket of the kernel whole.
static void kernel_completes_what_is_sent_unfinished(void **state)
{
	int from = udp_socket(0), to = udp_socket(5003), segment = 1000;
	struct pollfd fd = {.fd = to, .events = POLLIN};
	uint8_t bytes[3000], got[2000];
	struct rte_mbuf *m;

	memset(bytes, 7, sizeof(bytes));
	assert_int_equal(setsockopt(from, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	send_udp(from, 5003, bytes, sizeof(bytes));
	m = receive_udp(5003, 14);
	assert_non_null(m);
	// Turned round: the other address, the other MAC, and a pseudo header sum that is the same.
	memcpy(rte_pktmbuf_mtod_offset(m, void *, 0), rte_pktmbuf_mtod_offset(m, void *, 6), 6);
	memcpy(rte_pktmbuf_mtod_offset(m, void *, 6), &port->mac, 6);
	memcpy(rte_pktmbuf_mtod_offset(m, void *, 26), "\x0a\x09\x09\x02\x0a\x09\x09\x01", 8);
	assert_int_equal(port->ops->tx(port, 0, &m, 1), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(poll(&fd, 1, 2000), 1);
		assert_int_equal(recv(to, got, sizeof(got), 0), 1000);
	}
	close(from);
	close(to);
}

static void vlan_tag_is_put_back(void **state)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("va")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	uint8_t frame[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x81, 0, 0x20,
		17, 8, 0, 0x45, 0, 0, 46};
	struct rte_mbuf *m;

	frame[18 + 9] = IPPROTO_UDP;
	frame[18 + 22] = 5004 >> 8;
	frame[18 + 23] = 5004 & 0xff;
	assert_int_equal(
		sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&sll, sizeof(sll)), 64);
	m = receive_udp(5004, 18);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, sizeof(frame));
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), frame, sizeof(frame));
	rte_pktmbuf_free(m);
	close(fd);
}

static void refused_packet_does_not_hold_up_the_others(void **state)
{
	uint8_t frame[1600] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x08, 0};
	struct rte_mbuf *pkts[3];

	for (int i = 0; i < 3; i++)
		pkts[i] = testbed_packet(tb, frame, i == 1 ? 1600 : 60); // beyond the MTU
	port->ops->refresh(port);
	assert_int_equal(port->tx_dropped, 0);
	assert_int_equal(port->ops->tx(port, 0, pkts, 3), 3);
	port->ops->refresh(port);
	assert_int_equal(port->tx_dropped, 1);
}

static int setup(void **state)
{
	tb = testbed_new(&graph);
	if (port_open("t=af_packet:vb", 1, testbed_worker(tb)->pool) < 0)
		return -1;
	port = port_table[TESTBED_PORTS];
	return 0;
}

static int teardown(void **state)
{
	port->ops->close(port);
	assert_int_equal(testbed_buffers_out(tb), 0);
	testbed_free(tb);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(partial_checksum_is_known_and_completed),
		cmocka_unit_test(gso_packet_comes_whole_and_can_be_cut),
		cmocka_unit_test(kernel_completes_what_is_sent_unfinished),
		cmocka_unit_test(vlan_tag_is_put_back),
		cmocka_unit_test(refused_packet_does_not_hold_up_the_others),
	};

	if (unshare(CLONE_NEWNET) < 0 || ip("link add va type veth peer name vb") != 0)
		return SKIP; // not root
	ip("addr add 10.9.9.1/24 dev va");
	ip("link set va up");
	ip("link set vb up");
	ip("neigh add 10.9.9.2 lladdr 02:00:00:00:00:02 dev va");
	return cmocka_run_group_tests(tests, setup, teardown);
}
