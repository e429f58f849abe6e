// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "link.h"
#include "objects.h"
#include "server_peer.h"
#include "xmalloc.h"

static int count_dump(void *ctx, const void *filter, struct api_emit *emit);

static const struct api_handler count_handlers[] = {
	{.type = API_TYPE_MESSAGE_COUNT,
		.name = "message-count",
		.size = sizeof(struct api_message_count),
		.key_size = sizeof(uint16_t),
		.dump = count_dump},
};

struct api_server *api_server_new(struct event_base *base, const char *name, uint64_t instance)
{
	struct api_server *s = xcalloc(1, sizeof(*s));

	s->base = base;
	s->name = name;
	s->instance = instance;
	TAILQ_INIT(&s->peers);
	api_server_add(s, count_handlers, 1, s);
	return s;
}

void api_server_free(struct api_server *s)
{
	if (!s)
		return;
	while (!TAILQ_EMPTY(&s->peers))
		api_peer_free(TAILQ_FIRST(&s->peers));
	if (s->listener)
		evconnlistener_free(s->listener);
	if (s->path)
		unlink(s->path);
	free(s->path);
	free(s->scratch);
	free(s);
}

int api_server_add(struct api_server *s, const struct api_handler *table, size_t len, void *ctx)
{
	for (size_t i = 0; i < len; i++) {
		const struct api_handler *h = &table[i];

		if (h->type >= API_TYPE_END || h->size > API_OBJECT_MAX || h->key_size > h->size ||
			h->min_size > h->size)
			return -EINVAL;
		if (s->entries[h->type].handler)
			return -EEXIST;
		s->entries[h->type] = (struct api_entry){.handler = h, .ctx = ctx};
		if (h->size > s->scratch_size) {
			s->scratch_size = h->size;
			s->scratch = xrealloc(s->scratch, s->scratch_size);
		}
	}
	return 0;
}

static void server_on_accept(struct evconnlistener *l, evutil_socket_t sock, struct sockaddr *addr,
	int addr_size, void *arg)
{
	api_server_attach(arg, sock);
}

void api_server_attach(struct api_server *s, int sock)
{
	if (s->peer_len == API_SERVER_PEERS)
		close(sock);
	else
		api_peer_new(s, sock);
}

// A socket file that refuses connections was left by a process that is no more.
static int server_clear_path(const struct sockaddr_un *addr)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (sock < 0)
		return -errno;
	if (!connect(sock, (const struct sockaddr *)addr, sizeof(*addr)))
		ret = -EADDRINUSE;
	else if (errno == ECONNREFUSED)
		unlink(addr->sun_path);
	close(sock);
	return ret;
}

int api_server_listen(struct api_server *s, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int sock, ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	ret = server_clear_path(&addr);
	if (ret < 0)
		return ret;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	mask = umask(0117);
	ret = bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	umask(mask);
	if (ret < 0) {
		close(sock);
		return ret;
	}
	s->listener = evconnlistener_new(s->base, server_on_accept, s,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, sock);
	if (!s->listener) {
		close(sock);
		unlink(path);
		return -EADDRINUSE;
	}
	s->path = xstrdup(path);
	return 0;
}

// -- events

static void event_send(struct api_peer *peer, uint16_t type, const void *object, size_t size)
{
	struct api_header header = {.op = API_OP_EVENT, .type = type};

	api_peer_send_item(peer, &header, object, size, -1);
}

void api_server_event(struct api_server *s, uint16_t type, const void *object, size_t size)
{
	struct api_peer *peer;

	TAILQ_FOREACH (peer, &s->peers, entry) {
		if (!api_peer_subscribed(peer, type))
			continue;
		if (api_link_pending(peer->link) > API_SERVER_EVENTS_MAX)
			api_link_finish(peer->link);
		else
			event_send(peer, type, object, size);
	}
}

bool api_server_has_subscriber(const struct api_server *s, uint16_t type)
{
	const struct api_peer *peer;

	TAILQ_FOREACH (peer, &s->peers, entry) {
		if (api_peer_subscribed(peer, type))
			return true;
	}
	return false;
}

bool api_server_is_full(const struct api_server *s, uint16_t type)
{
	struct api_peer *peer;
	bool full = false;

	TAILQ_FOREACH (peer, &s->peers, entry) {
		if (!api_peer_subscribed(peer, type) ||
			api_link_pending(peer->link) <= API_LINK_HIGH)
			continue;
		full = true;
		api_peer_lose_patience(peer, type);
	}
	return full;
}

void api_server_on_drained(struct api_server *s, void (*drained)(void *ctx), void *ctx)
{
	s->drained = drained;
	s->drained_ctx = ctx;
}

unsigned api_server_event_lossy(
	struct api_server *s, uint16_t type, const void *object, size_t size)
{
	struct api_peer *peer;
	unsigned len = 0;

	TAILQ_FOREACH (peer, &s->peers, entry) {
		if (!api_peer_subscribed(peer, type) || api_link_pending(peer->link) > API_LINK_LOW)
			continue;
		event_send(peer, type, object, size);
		len++;
	}
	return len;
}

// -- counts

int api_server_count(const struct api_server *s, uint16_t type, struct api_message_count *ret_count)
{
	const struct api_entry *e;

	if (type >= API_TYPE_END || !s->entries[type].handler)
		return -ENOENT;
	e = &s->entries[type];
	*ret_count = (struct api_message_count){.type = type,
		.sets = e->sets,
		.dels = e->dels,
		.unchanged = e->unchanged,
		.refused = e->refused,
		.dropped = e->dropped};
	return 0;
}

static int count_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_message_count *want = filter;
	struct api_message_count count;

	for (uint16_t type = 1; type < API_TYPE_END; type++) {
		if (want && want->type && want->type != type)
			continue;
		if (!api_server_count(ctx, type, &count))
			api_emit(emit, &count, sizeof(count));
	}
	return 0;
}
