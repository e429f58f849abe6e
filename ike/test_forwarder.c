// SPDX-License-Identifier: GPL-3.0-or-later
// A stand-in for the forwarder in tests of isthmus-ike alone: carries IKE datagrams over ordinary
// UDP sockets, and writes what it is told of SAs and policies to stdout, a line each, without keys
// but with a fingerprint of them. No packet is encrypted here.
//
// usage: ike-test-forwarder SOCKET ADDRESS...
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "map.h"
#include "proto.h"
#include "punt.h"
#include "sa.h"
#include "server.h"
#include "xmalloc.h"

#define SOCKETS 4096

struct udp {
	struct ip_addr addr;
	uint16_t port;
	int fd;
	struct event *readable;
};

static struct udp sockets[SOCKETS];
static size_t socket_len;
static struct api_server *server;

static socklen_t to_sockaddr(const struct ip_addr *a, uint16_t port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (a->family == IP_V6) {
		struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)ss;

		s6->sin6_family = AF_INET6;
		s6->sin6_port = htons(port);
		memcpy(&s6->sin6_addr, a->bytes, 16);
		return sizeof(*s6);
	}
	struct sockaddr_in *s4 = (struct sockaddr_in *)ss;
	s4->sin_family = AF_INET;
	s4->sin_port = htons(port);
	memcpy(&s4->sin_addr, a->bytes, 4);
	return sizeof(*s4);
}

static void from_sockaddr(const struct sockaddr_storage *ss, struct ip_addr *a, uint16_t *port)
{
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *s6 = (const struct sockaddr_in6 *)ss;

		*a = ip_from_bytes(IP_V6, (const uint8_t *)&s6->sin6_addr);
		*port = ntohs(s6->sin6_port);
	} else {
		const struct sockaddr_in *s4 = (const struct sockaddr_in *)ss;

		*a = ip_from_bytes(IP_V4, (const uint8_t *)&s4->sin_addr);
		*port = ntohs(s4->sin_port);
	}
}

static void on_datagram(evutil_socket_t fd, short what, void *ctx)
{
	static struct api_punt d;
	struct udp *u = ctx;
	struct sockaddr_storage from;
	socklen_t from_size = sizeof(from);
	ssize_t n;

	memset(&d, 0, offsetof(struct api_punt, data));
	n = recvfrom(fd, d.data, sizeof(d.data), 0, (struct sockaddr *)&from, &from_size);
	if (n <= 0)
		return;
	from_sockaddr(&from, &d.src, &d.src_port);
	d.dst = u->addr;
	d.dst_port = u->port;
	d.size = (uint16_t)n;
	api_server_event_lossy(server, API_TYPE_PUNT, &d, offsetof(struct api_punt, data) + d.size);
}

static int send_punt(void *ctx, const void *object, size_t size, int fd, struct api_emit *emit,
	struct api_error *ret_error)
{
	const struct api_punt *d = object;
	struct sockaddr_storage to;
	socklen_t to_size = to_sockaddr(&d->dst, d->dst_port, &to);

	for (size_t i = 0; i < socket_len; i++) {
		const struct udp *u = &sockets[i];

		if (u->port != d->src_port || !ip_equal(&u->addr, &d->src))
			continue;
		if (sendto(u->fd, d->data, d->size, 0, (struct sockaddr *)&to, to_size) < 0)
			return -errno;
		return API_CHANGED;
	}
	snprintf(ret_error->text, sizeof(ret_error->text), "src: not an address held here");
	return -EADDRNOTAVAIL;
}

static int set_sa(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_sa *a = object;
	char local[IP_TEXT_SIZE], remote[IP_TEXT_SIZE];
	uint64_t print =
		hash_bytes(a->key, a->key_size, 1) ^ hash_bytes(a->auth_key, a->auth_key_size, 2);

	printf("sa set conn=%u spi=%08x dir=%s child=%u slot=%u cipher=%u integrity=%u key=%u "
	       "print=%016" PRIx64 " udp=%d esn=%d local=%s remote=%s ports=%u/%u soft_ms=%" PRIu64
	       " hard_ms=%" PRIu64 " sequence=%" PRIu64 " closed=%d\n",
		a->conn, a->spi, a->dir == API_SA_IN ? "in" : "out", a->child, a->slot, a->cipher,
		a->integrity, a->key_size, print, !!(a->flags & API_SA_F_UDP),
		!!(a->flags & API_SA_F_ESN), ip_format(&a->local, local),
		ip_format(&a->remote, remote), a->local_port, a->remote_port, a->time_ms.soft,
		a->time_ms.hard, a->sequence, !!(a->flags & API_SA_F_REPLAY_CLOSED));
	fflush(stdout);
	return API_CHANGED;
}

static int del_sa(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_sa *a = key;

	printf("sa del conn=%u spi=%08x dir=%s\n", a->conn, a->spi,
		a->dir == API_SA_IN ? "in" : "out");
	fflush(stdout);
	return API_CHANGED;
}

static int set_policy(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_sa_policy *p = object;
	char first[IP_TEXT_SIZE], last[IP_TEXT_SIZE];

	printf("policy set conn=%u child=%u out=%08x", p->conn, p->child, p->out_spi);
	for (uint8_t i = 0; i < p->remote_count && i < API_SELECTORS; i++)
		printf(" remote=%s-%s", ip_format(&p->remote[i].first, first),
			ip_format(&p->remote[i].last, last));
	putchar('\n');
	fflush(stdout);
	return API_CHANGED;
}

static int del_policy(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_sa_policy *p = key;

	printf("policy del conn=%u child=%u\n", p->conn, p->child);
	fflush(stdout);
	return API_CHANGED;
}

static int no_stats(void *ctx, const void *filter, struct api_emit *emit)
{
	return 0;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_PUNT,
		.name = "punt",
		.size = sizeof(struct api_punt),
		.min_size = offsetof(struct api_punt, data),
		.key_size = 4,
		.call = send_punt},
	{.type = API_TYPE_SA,
		.name = "sa",
		.size = sizeof(struct api_sa),
		.min_size = sizeof(struct api_sa),
		.key_size = offsetof(struct api_sa, child),
		.set = set_sa,
		.del = del_sa},
	{.type = API_TYPE_SA_POLICY,
		.name = "policy",
		.size = sizeof(struct api_sa_policy),
		.min_size = sizeof(struct api_sa_policy),
		.key_size = offsetof(struct api_sa_policy, out_spi),
		.set = set_policy,
		.del = del_policy},
	{.type = API_TYPE_SA_STATS,
		.name = "sa-stats",
		.size = sizeof(struct api_sa_stats),
		.min_size = offsetof(struct api_sa_stats, child),
		.key_size = offsetof(struct api_sa_stats, child),
		.dump = no_stats},
};

static int open_udp(struct event_base *base, const char *text, uint16_t port)
{
	struct udp *u = &sockets[socket_len];
	struct sockaddr_storage ss;
	int on = 1;

	if (socket_len == SOCKETS || ip_parse(text, &u->addr) < 0)
		return -EINVAL;
	u->port = port;
	u->fd = socket(u->addr.family == IP_V6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (u->fd < 0)
		return -errno;
	setsockopt(u->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(u->fd, (struct sockaddr *)&ss, to_sockaddr(&u->addr, port, &ss)) < 0)
		return -errno;
	u->readable = event_new(base, u->fd, EV_READ | EV_PERSIST, on_datagram, u);
	event_add(u->readable, NULL);
	socket_len++;
	return 0;
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	int rc = argc < 3 ? -EINVAL : 0;

	signal(SIGPIPE, SIG_IGN);
	for (int i = 2; i < argc && rc == 0; i++) {
		rc = open_udp(base, argv[i], 500);
		if (rc == 0)
			rc = open_udp(base, argv[i], 4500);
	}
	server = api_server_new(base, "test-forwarder", (uint64_t)getpid());
	if (rc == 0)
		rc = api_server_add(server, handlers, sizeof(handlers) / sizeof(*handlers), NULL);
	if (rc == 0)
		rc = api_server_listen(server, argv[1]);
	if (rc < 0) {
		fprintf(stderr, "ike-test-forwarder: %s\n", strerror(-rc));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	event_base_dispatch(base);
	return 0;
}
