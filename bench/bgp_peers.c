// SPDX-License-Identifier: Apache-2.0
//
// Stands for the agent and for all tenants' sites, to measure isthmus-bgp.
//
//   bench-bgp-peers tenants BGP-SOCKET BGP-PID N
//       N tenants in namespaces of their own (made before the clock starts), one eBGP peer each
//       that announces three prefixes. Prints seconds until all are Established, and kB of memory a
//       tenant.
//   bench-bgp-peers routes BGP-SOCKET BGP-PID N FORWARDER-SOCKET
//       One tenant whose peer announces N prefixes, five to an attribute set. Prints seconds from
//       Established until the forwarder has been told all, and bytes of memory a route.
//   bench-bgp-peers serve ADDRESS N
//       The same peer for another daemon: waits at ADDRESS for its connection. Says "established",
//       tells N prefixes, and stays until it is ended.
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bgp.h"
#include "client.h"
#include "objects.h"
#include "open.h"
#include "sync.h"
#include "update.h"
#include "xmalloc.h"

enum { LOCAL_AS = 64512, PEER_AS = 65001, TIMEOUT_S = 120, BUFFER = 65536 };

struct site {
	struct bench *bench;
	struct event *accept, *read, *write;
	int listen_fd, dial_fd, fd;
	bool greeted, established;
	size_t sent;
};

struct bench {
	struct event_base *base;
	struct api_client *client;
	struct site *sites;
	unsigned len, established;
	uint32_t routes;
	const char *forwarder;
	pid_t pid;
	uint8_t *stream; // what every site says once Established
	size_t stream_size;
	double start, end;
	bool serving;
	long rss_before;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long rss_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	if (!f)
		die(path);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %ld", &kb);
	fclose(f);
	return kb;
}

static int bound_socket(uint32_t address, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	sin.sin_addr.s_addr = htonl(address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		die("bind");
	return fd;
}

// A namespace with its loopback up; its two ends live there until the end.
static void make_site(struct site *s)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (unshare(CLONE_NEWNET))
		die("unshare");
	s->listen_fd = bound_socket(0x7f000002, 179);
	s->dial_fd = bound_socket(0x7f000001, 0);
	if (ioctl(s->listen_fd, SIOCSIFFLAGS, &ifr) || listen(s->listen_fd, 1))
		die("lo");
}

// -- a minimal peer

static void write_more(struct site *s)
{
	struct bench *b = s->bench;

	while (s->sent < b->stream_size) {
		ssize_t n =
			send(s->fd, b->stream + s->sent, b->stream_size - s->sent, MSG_NOSIGNAL);

		if (n <= 0) {
			event_add(s->write, NULL);
			return;
		}
		s->sent += (size_t)n;
	}
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	write_more(arg);
}

static void greet(struct site *s)
{
	const struct bgp_open open = {.asn = PEER_AS,
		.hold_time_s = 180,
		.identifier = 0x0a000002,
		.as4 = true,
		.family = {true},
		.role = BGP_ROLE_NONE};
	uint8_t bytes[256];
	size_t size = open_write(bytes, sizeof(bytes), &open);

	size += keepalive_write(bytes + size, sizeof(bytes) - size);
	if (send(s->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
		die("send");
	s->greeted = true;
}

static void established(struct site *s)
{
	struct bench *b = s->bench;

	if (b->serving)
		puts("established");
	s->established = true;
	b->established++;
	if (b->routes)
		b->start = now();
	write_more(s);
	if (b->established == b->len && !b->routes)
		event_base_loopbreak(b->base);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t bytes[BUFFER];
	struct site *s = arg;
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
	size_t at = 0;

	if (n <= 0 && errno != EAGAIN)
		die("the session ended");
	while (n > 0 && at + BGP_HEADER_SIZE <= (size_t)n) {
		uint8_t type = bytes[at + 18];

		if (type == BGP_OPEN && !s->greeted)
			greet(s);
		if (type == BGP_KEEPALIVE && !s->established)
			established(s);
		at += (size_t)(bytes[at + 16] << 8 | bytes[at + 17]);
	}
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct site *s = arg;
	int one = 1;

	s->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (s->fd < 0)
		die("accept");
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->read = event_new(s->bench->base, s->fd, EV_READ | EV_PERSIST, on_read, s);
	s->write = event_new(s->bench->base, s->fd, EV_WRITE, on_write, s);
	event_add(s->read, NULL);
}

// Prefixes of /24, `share` of them with equal attributes.
static void make_stream(struct bench *b, uint32_t len, uint32_t share)
{
	const struct update_options o = {.as4 = true, .family = {true}};
	size_t cap = 64u * 1024 + len * 24u, used;

	b->stream = xmalloc(cap);
	for (uint32_t i = 0; i < len; i += share) {
		const uint8_t path[] = {2, 3, 0, 0, 0xfd, 0xe9, 0, (uint8_t)(i >> 16),
			(uint8_t)(i >> 8), (uint8_t)(i | 1), 0, 0, 1, 2};
		struct attrs a = {.has = ATTR_HAS_MED,
			.med = i,
			.next_hop = ip_from_v4(0x0a000002),
			.as_path = {path, sizeof(path)}};
		struct nlri nlri[16];

		for (uint32_t k = 0; k < share; k++) {
			struct ip_addr addr = ip_from_v4(0x14000000u + (i + k) * 256);

			nlri[k] = (struct nlri){.prefix = prefix_make(&addr, 24)};
		}
		b->stream_size += update_write_reach(b->stream + b->stream_size,
			cap - b->stream_size, &o, &a, nlri, share, &used);
	}
}

// -- the agent's part

static void configure(struct bench *b)
{
	for (unsigned i = 0; i < b->len; i++) {
		struct api_bgp_router r = {.vrf = i + 1,
			.slot = 1,
			.asn = LOCAL_AS,
			.router_id = 0x0a000001,
			.address = {ip_from_v4(0x7f000001)}};
		struct api_bgp_peer p = {.vrf = i + 1,
			.slot = 1,
			.address = ip_from_v4(0x7f000002),
			.asn = PEER_AS,
			.hold_time_s = 180,
			.connect_retry_s = 1};
		struct api_bgp_socket s = {.vrf = i + 1,
			.slot = 1,
			.kind = API_BGP_SOCKET_CONNECT,
			.local = ip_from_v4(0x7f000001),
			.peer = p.address};

		api_client_set(b->client, API_TYPE_BGP_ROUTER, &r, sizeof(r), 0);
		api_client_set(b->client, API_TYPE_BGP_PEER, &p, sizeof(p), 0);
		api_client_set_fd(
			b->client, API_TYPE_BGP_SOCKET, &s, sizeof(s), b->sites[i].dial_fd, 0);
	}
}

// The forwarder takes routes of VRFs that it knows.
static void make_vrf(const struct bench *b)
{
	struct api_vrf vrf = {.vrf = 1, .name = "bench"};
	struct api_sync *sync = api_sync_open(b->forwarder, "bench", 5000);

	if (!sync || api_sync_set(sync, API_TYPE_VRF, &vrf, sizeof(vrf)))
		die("forwarder");
	api_sync_close(sync);
}

static void on_up(void *ctx, const struct api_hello *server, bool restarted)
{
	struct bench *b = ctx;

	b->rss_before = rss_kb(b->pid);
	b->start = now();
	configure(b);
}

static void on_done(void *ctx, uint64_t cookie, int status, const char *text)
{
	if (status < 0) {
		fprintf(stderr, "refused: %s\n", text);
		exit(1);
	}
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct bench *b = arg;

	fprintf(stderr, "%u of %u sessions after %d s\n", b->established, b->len, TIMEOUT_S);
	exit(1);
}

static void on_count(void *ctx, const void *object, size_t size, int fd)
{
	const struct api_message_count *c = object;

	if (c->type == API_TYPE_ROUTE)
		*(uint64_t *)ctx = c->sets;
}

// Asks the forwarder how many routes it has been told, until it is all of them.
static void on_poll(evutil_socket_t fd, short what, void *arg)
{
	static struct api_sync *sync;
	struct bench *b = arg;
	uint64_t sets = 0;

	if (!sync)
		sync = api_sync_open(b->forwarder, "bench", 5000);
	if (!sync || api_sync_dump(sync, API_TYPE_MESSAGE_COUNT, NULL, 0, on_count, &sets))
		die("forwarder");
	if (sets >= b->routes)
		event_base_loopbreak(b->base);
}

static void run(struct bench *b, const char *path)
{
	static const struct api_client_ops ops = {.up = on_up, .done = on_done};
	const struct timeval late = {.tv_sec = TIMEOUT_S}, poll = {.tv_usec = 5000};
	struct event *poller = event_new(b->base, -1, EV_PERSIST, on_poll, b);

	for (unsigned i = 0; i < b->len; i++) {
		b->sites[i].bench = b;
		b->sites[i].accept =
			event_new(b->base, b->sites[i].listen_fd, EV_READ, on_accept, &b->sites[i]);
		event_add(b->sites[i].accept, NULL);
	}
	event_base_once(b->base, -1, EV_TIMEOUT, on_late, b, &late);
	if (b->routes)
		evtimer_add(poller, &poll);
	b->client = api_client_new(b->base, path, "bench", &ops, b);
	event_base_dispatch(b->base);
	b->end = now();
}

// -- for another daemon

static int serve(const char *address, uint32_t n)
{
	struct bench b = {.len = 1, .routes = n, .serving = true};
	struct site site = {.bench = &b};
	struct ip_addr addr;

	if (ip_parse(address, &addr) || addr.family != IP_V4 || !n)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	b.base = event_base_new();
	make_stream(&b, n, 5);
	site.listen_fd = bound_socket(ip_to_v4(&addr), 179);
	if (listen(site.listen_fd, 1))
		die("listen");
	site.accept = event_new(b.base, site.listen_fd, EV_READ, on_accept, &site);
	event_add(site.accept, NULL);
	event_base_dispatch(b.base);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	bool routes = argc > 1 && !strcmp(argv[1], "routes");
	unsigned n = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
	if (argc != (routes ? 6 : 5) || !n || home < 0) {
		fprintf(stderr, "usage: see the head of bench/bgp_peers.c\n");
		return 2;
	}
	b.len = routes ? 1 : n;
	b.routes = routes ? n : 0;
	b.forwarder = routes ? argv[5] : NULL;
	b.pid = (pid_t)strtol(argv[3], NULL, 10);
	b.sites = xcalloc(b.len, sizeof(*b.sites));
	for (unsigned i = 0; i < b.len; i++)
		make_site(&b.sites[i]);
	if (setns(home, CLONE_NEWNET))
		die("setns");
	b.base = event_base_new();
	make_stream(&b, routes ? n : 3, routes ? 5 : 3);
	if (routes)
		make_vrf(&b);
	run(&b, argv[2]);
	printf("%.3f %.3f\n", b.end - b.start,
		(double)(rss_kb(b.pid) - b.rss_before) * (routes ? 1024 : 1) / n);
	return 0;
}
