// SPDX-License-Identifier: Apache-2.0

// Numbered UDP packets from a socket in one network namespace to a socket in another, both held by
// this one process, so that every packet is accounted for with one clock.
//
//   probe FROM_NETNS FROM_ADDRESS TO_NETNS TO_ADDRESS RATE SIZE [SECONDS]
//
// Sends RATE packets a second of SIZE bytes (UDP payload) until its standard input ends or SECONDS
// have passed, waits DRAIN_MS for stragglers and prints one JSON object: sent, received, lost,
// duplicates, reordered, foreign (not of this run), refused (the sender's kernel would not take
// it), longest_gap_ms between two arrivals, longest_loss in packets, first_ms until the first
// arrival, max_latency_us. Line "ready" comes first, before the first packet.

#include "ipaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROBE_MAX_PACKETS (1u << 23)
#define PROBE_MAX_SIZE    9000
#define DRAIN_MS          2000 // at most: it ends when all have arrived
#define MAX_BACKLOG       64   // packets sent in one go after a late wake-up

struct probe_header {
	uint64_t run; // random: packets of other runs are foreign
	uint32_t seq;
	uint32_t pad;
	uint64_t sent_ns;
};

struct probe {
	int tx, rx;
	struct sockaddr_storage to;
	socklen_t to_size;
	uint64_t run, interval_ns, end_ns;
	size_t size;
	uint8_t *seen; // [PROBE_MAX_PACKETS]
	uint32_t next, highest;
	uint64_t start_ns, first_ns, last_ns, gap_ns, latency_ns;
	uint64_t received, duplicates, reordered, foreign, refused;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static socklen_t to_sockaddr(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct ip_addr addr;

	memset(ret, 0, sizeof(*ret));
	if (ip_parse(text, &addr)) {
		errno = EINVAL;
		die(text);
	}
	if (addr.family == IP_V6) {
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, addr.bytes, 16);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	memcpy(&v4->sin_addr, addr.bytes, 4);
	return sizeof(*v4);
}

// A UDP socket on any port of `address` inside the namespace; writes its full address.
static int open_socket(
	const char *netns, const char *address, struct sockaddr_storage *ret, socklen_t *ret_size)
{
	int ns = open(netns, O_RDONLY | O_CLOEXEC), size = 4 << 20, fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET))
		die(netns);
	close(ns);
	*ret_size = to_sockaddr(address, ret);
	fd = socket(ret->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)ret, *ret_size) ||
		getsockname(fd, (struct sockaddr *)ret, ret_size))
		die(address);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

static void receive_one(struct probe *p, const uint8_t *bytes, ssize_t size, uint64_t now)
{
	struct probe_header h;

	if ((size_t)size < sizeof(h) || (size_t)size != p->size) {
		p->foreign++;
		return;
	}
	memcpy(&h, bytes, sizeof(h));
	if (h.run != p->run || h.seq >= p->next) {
		p->foreign++;
		return;
	}
	if (p->seen[h.seq]) {
		p->duplicates++;
		return;
	}
	p->seen[h.seq] = 1;
	if (p->received && h.seq < p->highest)
		p->reordered++;
	else
		p->highest = h.seq;
	if (!p->received)
		p->first_ns = now;
	else if (now - p->last_ns > p->gap_ns)
		p->gap_ns = now - p->last_ns;
	if (now - h.sent_ns > p->latency_ns)
		p->latency_ns = now - h.sent_ns;
	p->last_ns = now;
	p->received++;
}

static void receive(struct probe *p)
{
	static uint8_t bytes[PROBE_MAX_SIZE + 1];
	ssize_t size;

	while ((size = recv(p->rx, bytes, sizeof(bytes), 0)) >= 0)
		receive_one(p, bytes, size, now_ns());
}

static void send_due(struct probe *p, uint64_t now)
{
	static uint8_t bytes[PROBE_MAX_SIZE];
	struct probe_header h = {.run = p->run};
	uint64_t due = (now - p->start_ns) / p->interval_ns + 1;

	for (int i = 0; p->next < due && p->next < PROBE_MAX_PACKETS && i < MAX_BACKLOG; i++) {
		h.seq = p->next++;
		h.sent_ns = now_ns();
		memcpy(bytes, &h, sizeof(h));
		if (sendto(p->tx, bytes, p->size, 0, (struct sockaddr *)&p->to, p->to_size) < 0)
			p->refused++;
	}
}

// Waits until `until`, a packet, or the end of standard input; true at that end.
static bool wait_until(struct probe *p, uint64_t until, bool watch_stdin)
{
	struct pollfd fds[2] = {
		{.fd = p->rx, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	uint64_t now = now_ns(), left = until > now ? until - now : 0;
	struct timespec ts = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
	char c;

	if (ppoll(fds, watch_stdin ? 2 : 1, &ts, NULL) < 0 && errno != EINTR)
		die("ppoll");
	receive(p);
	return watch_stdin && fds[1].revents && read(STDIN_FILENO, &c, 1) <= 0;
}

static void run(struct probe *p)
{
	uint64_t now;

	p->start_ns = now_ns();
	for (;;) {
		now = now_ns();
		if (now >= p->end_ns || p->next >= PROBE_MAX_PACKETS)
			break;
		send_due(p, now);
		if (wait_until(p, p->start_ns + p->next * p->interval_ns, true))
			break;
	}
	now = now_ns() + DRAIN_MS * 1000000ull;
	while (now_ns() < now && p->received < p->next)
		wait_until(p, now, false);
}

static uint32_t longest_loss(const struct probe *p)
{
	uint32_t longest = 0, here = 0;

	for (uint32_t i = 0; i < p->next; i++) {
		here = p->seen[i] ? 0 : here + 1;
		if (here > longest)
			longest = here;
	}
	return longest;
}

static void print(const struct probe *p)
{
	printf("{\"sent\": %u, \"received\": %lu, \"lost\": %lu, \"duplicates\": %lu, "
	       "\"reordered\": %lu, \"foreign\": %lu, \"refused\": %lu, \"longest_gap_ms\": %.1f, "
	       "\"longest_loss\": %u, \"first_ms\": %.1f, \"max_latency_us\": %lu}\n",
		p->next, p->received, p->next - p->received, p->duplicates, p->reordered,
		p->foreign, p->refused, (double)p->gap_ns / 1e6, longest_loss(p),
		p->received ? (double)(p->first_ns - p->start_ns) / 1e6 : -1.0,
		p->latency_ns / 1000);
}

int main(int argc, char **argv)
{
	struct sockaddr_storage from;
	struct probe p = {0};
	socklen_t size;
	unsigned long rate;

	if (argc < 7 || argc > 8) {
		fprintf(stderr, "usage: probe FROM_NETNS FROM TO_NETNS TO RATE SIZE [SECONDS]\n");
		return 2;
	}
	p.rx = open_socket(argv[3], argv[4], &p.to, &p.to_size);
	p.tx = open_socket(argv[1], argv[2], &from, &size);
	rate = strtoul(argv[5], NULL, 10);
	p.size = strtoul(argv[6], NULL, 10);
	if (!rate || p.size < sizeof(struct probe_header) || p.size > PROBE_MAX_SIZE) {
		fprintf(stderr, "probe: rate or size out of range\n");
		return 2;
	}
	p.interval_ns = 1000000000u / rate;
	p.end_ns = argc > 7 ? now_ns() + strtoul(argv[7], NULL, 10) * 1000000000u : UINT64_MAX;
	p.run = now_ns() ^ ((uint64_t)getpid() << 40);
	p.seen = calloc(PROBE_MAX_PACKETS, 1);
	if (!p.seen)
		die("calloc");
	printf("ready\n");
	fflush(stdout);
	run(&p);
	print(&p);
	free(p.seen);
	return 0;
}
