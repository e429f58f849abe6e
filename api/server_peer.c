// SPDX-License-Identifier: Apache-2.0
#include "server_peer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "xmalloc.h"

static int peer_on_message(void *ctx, const struct api_message *m);
static void peer_on_drained(void *ctx);
static void peer_on_closed(void *ctx, int error);
static void peer_on_again(evutil_socket_t sock, short what, void *arg);
static void peer_on_patience(evutil_socket_t sock, short what, void *arg);

static const struct api_link_ops peer_ops = {
	.message = peer_on_message, .drained = peer_on_drained, .closed = peer_on_closed};

void api_peer_new(struct api_server *s, int sock)
{
	struct api_peer *peer = xcalloc(1, sizeof(*peer));
	struct api_header header = {.op = API_OP_HELLO};
	struct api_hello hello = {.major = API_MAJOR,
		.minor = API_MINOR,
		.pid = (uint32_t)getpid(),
		.software = ISTHMUS_VERSION,
		.instance = s->instance};

	snprintf(hello.name, sizeof(hello.name), "%s", s->name);
	peer->server = s;
	TAILQ_INIT(&peer->deferred);
	TAILQ_INSERT_TAIL(&s->peers, peer, entry);
	s->peer_len++;
	peer->again = evtimer_new(s->base, peer_on_again, peer);
	peer->patience = evtimer_new(s->base, peer_on_patience, peer);
	if (!peer->again || !peer->patience)
		abort();
	peer->link = api_link_new(s->base, sock, &peer_ops, peer);
	api_link_send(peer->link, &header, &hello, sizeof(hello), -1);
}

void api_peer_free(struct api_peer *peer)
{
	struct api_emit *e;

	TAILQ_REMOVE(&peer->server->peers, peer, entry);
	peer->server->peer_len--;
	TAILQ_FOREACH (e, &peer->deferred, entry)
		e->peer = NULL;
	api_emit_free(peer->dump);
	event_free(peer->again);
	event_free(peer->patience);
	api_link_free(peer->link);
	free(peer);
}

static void tell_drained(struct api_server *s)
{
	if (s->drained)
		s->drained(s->drained_ctx);
}

static void peer_on_closed(void *ctx, int error)
{
	struct api_peer *peer = ctx;
	struct api_server *s = peer->server;

	api_peer_free(peer);
	tell_drained(s);
}

void api_peer_lose_patience(struct api_peer *peer, uint16_t type)
{
	const struct timeval tv = {.tv_sec = API_SERVER_PATIENCE_S};

	if (evtimer_pending(peer->patience, NULL))
		return;
	peer->patience_type = type;
	evtimer_add(peer->patience, &tv);
}

static void peer_on_patience(evutil_socket_t sock, short what, void *arg)
{
	struct api_peer *peer = arg;
	struct api_entry *served = &peer->server->entries[peer->patience_type];

	served->dropped++;
	log_warning("a client has not read %zu bytes of events (%s) for %d s: disconnected",
		api_link_pending(peer->link), served->handler ? served->handler->name : "?",
		API_SERVER_PATIENCE_S);
	peer_on_closed(peer, 0);
}

bool api_peer_subscribed(const struct api_peer *peer, uint16_t type)
{
	for (size_t i = 0; i < peer->type_len; i++) {
		if (peer->types[i] == type)
			return true;
	}
	return false;
}

void api_peer_send_item(
	struct api_peer *peer, struct api_header *header, const void *object, size_t size, int fd)
{
	size_t padded = sizeof(struct api_item) + (size + 7) / 8 * 8;
	struct api_item *item = xcalloc(1, padded);

	item->size = (uint32_t)size;
	memcpy(item->object, object, size);
	api_link_send(peer->link, header, item, padded, fd);
	free(item);
}

void api_peer_ack(struct api_peer *peer, uint32_t seq, uint16_t type, int status, uint32_t done,
	const char *text)
{
	struct api_header header = {
		.op = API_OP_ACK, .type = type, .seq = seq, .status = status, .done = done};
	struct api_error error = {0};

	if (status < 0)
		snprintf(error.text, sizeof(error.text), "%s",
			text && *text ? text : strerror(-status));
	api_link_send(peer->link, &header, &error, status < 0 ? sizeof(error) : 0, -1);
}

// -- requests

static int peer_hello(struct api_peer *peer, const struct api_message *m)
{
	struct api_hello hello = {0};
	size_t size = m->header.size < sizeof(hello) ? m->header.size : sizeof(hello);
	char text[API_TEXT_SIZE];

	if (m->header.size < 2 * sizeof(uint16_t))
		return -EBADMSG;
	memcpy(&hello, m->payload, size);
	peer->greeted = true;
	if (hello.major == API_MAJOR)
		return 0;
	snprintf(text, sizeof(text), "this end speaks version %d of the protocol, not %u",
		API_MAJOR, hello.major);
	api_peer_ack(peer, m->header.seq, 0, -EPROTONOSUPPORT, 0, text);
	api_link_finish(peer->link);
	return 0;
}

// The object as this release knows it: handler->size bytes. NULL: API_F_MUST forbids to cut it.
static const void *peer_fit(struct api_server *s, const struct api_handler *h, const void *object,
	size_t *size, bool must)
{
	const uint8_t *bytes = object;

	for (size_t i = h->size; must && i < *size; i++) {
		if (bytes[i])
			return NULL;
	}
	if (*size >= h->size) {
		*size = h->size;
		return object;
	}
	memcpy(s->scratch, object, *size);
	memset(s->scratch + *size, 0, h->size - *size);
	return s->scratch;
}

// One item of a SET or DEL.
static int peer_apply(struct api_peer *peer, const struct api_message *m, struct api_entry *served,
	const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_handler *h = served->handler;
	bool set = m->header.op == API_OP_SET;
	size_t min_size = set && h->min_size > h->key_size ? h->min_size : h->key_size;

	if (size < min_size) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			"%s: the object has %zu bytes and needs %zu", h->name, size, min_size);
		return -EINVAL;
	}
	object = peer_fit(peer->server, h, object, &size, m->header.flags & API_F_MUST);
	if (!object) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			"%s: a field that must be understood is newer than this release", h->name);
		return -E2BIG;
	}
	if (set)
		return h->set(served->ctx, object, size, fd, ret_error);
	return h->del(served->ctx, object, ret_error);
}

static void peer_count(struct api_entry *served, uint16_t op, int ret)
{
	if (ret < 0)
		served->refused++;
	else if (!ret)
		served->unchanged++;
	else if (op == API_OP_SET)
		served->sets++;
	else
		served->dels++;
}

static int peer_set_or_del(struct api_peer *peer, struct api_message *m, struct api_entry *served)
{
	struct api_error error, first_error = {0};
	struct api_items it;
	const void *object;
	uint32_t index = 0, done = 0;
	int more, status = 0;
	size_t size;

	api_items_init(&it, m->payload, m->header.size);
	while ((more = api_items_next(&it, &object, &size)) > 0) {
		int ret, fd = m->fd;

		m->fd = -1; // the handler's from here on
		error.text[0] = '\0';
		ret = peer_apply(peer, m, served, object, size, fd, &error);
		peer_count(served, m->header.op, ret);
		if (ret >= 0) {
			done++;
		} else if (!status) {
			status = ret;
			first_error = error;
		}
		if (ret < 0 && !(m->header.flags & API_F_ALL))
			break;
		if (ret < 0) {
			struct api_header wrong = {.op = API_OP_WRONG,
				.type = m->header.type,
				.seq = m->header.seq,
				.status = ret,
				.done = index};

			api_link_send(peer->link, &wrong, &error, sizeof(error), -1);
		}
		index++;
	}
	if (more < 0)
		return more;
	api_peer_ack(peer, m->header.seq, m->header.type, status, done, first_error.text);
	return 0;
}

// A dump that paused for others' sake, not for want of room, goes on by itself.
static void dump_again(struct api_peer *peer)
{
	static const struct timeval now;

	if (api_link_pending(peer->link) < API_LINK_HIGH)
		evtimer_add(peer->again, &now);
}

static int peer_dump(struct api_peer *peer, struct api_message *m, struct api_entry *served)
{
	struct api_emit *e = api_emit_new(peer, served, m->header.seq);
	const struct api_handler *h = served->handler;
	struct api_items it;
	const void *filter;
	size_t size;
	int ret;

	api_items_init(&it, m->payload, m->header.size);
	ret = api_items_next(&it, &filter, &size);
	if (ret > 0) {
		e->filter = xcalloc(1, h->size);
		memcpy(e->filter, filter, size < h->size ? size : h->size);
	}
	if (ret < 0) {
		api_emit_free(e);
		return ret;
	}
	if (!api_emit_dump(e)) {
		peer->dump = e;
		api_link_pause(peer->link, true);
		dump_again(peer);
	}
	return 0;
}

static int peer_call(struct api_peer *peer, struct api_message *m, struct api_entry *served)
{
	const struct api_handler *h = served->handler;
	struct api_error error = {0};
	struct api_items it;
	const void *object;
	struct api_emit *e;
	size_t size;
	int ret, fd = m->fd;

	api_items_init(&it, m->payload, m->header.size);
	ret = api_items_next(&it, &object, &size);
	if (ret < 0)
		return ret;
	object = ret && size >= h->min_size
			 ? peer_fit(peer->server, h, object, &size, m->header.flags & API_F_MUST)
			 : NULL;
	if (!object || peer->deferred_len == API_PEER_DEFERRED) {
		api_peer_ack(peer, m->header.seq, h->type, object ? -EBUSY : -EINVAL, 0, NULL);
		return 0;
	}
	m->fd = -1;
	e = api_emit_new(peer, served, m->header.seq);
	TAILQ_INSERT_TAIL(&peer->deferred, e, entry);
	peer->deferred_len++;
	ret = h->call(served->ctx, object, size, fd, e, &error);
	if (ret < 0)
		served->refused++;
	if (ret != API_DEFERRED)
		api_emit_finish(e, ret < 0 ? ret : 0, error.text);
	return 0;
}

static int peer_subscribe(struct api_peer *peer, const struct api_message *m)
{
	int status = 0;

	for (size_t at = 0; at + sizeof(uint32_t) <= m->header.size; at += sizeof(uint32_t)) {
		uint32_t type;

		memcpy(&type, m->payload + at, sizeof(type));
		if (type > UINT16_MAX || peer->type_len == API_PEER_TYPES)
			status = -ENOSPC;
		else if (!api_peer_subscribed(peer, (uint16_t)type))
			peer->types[peer->type_len++] = (uint16_t)type;
	}
	api_peer_ack(peer, m->header.seq, 0, status, 0, NULL);
	return 0;
}

static int peer_refuse(struct api_peer *peer, const struct api_message *m, int status)
{
	char text[API_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s knows no such request (op %u, type %u)",
		peer->server->name, m->header.op, m->header.type);
	api_peer_ack(peer, m->header.seq, m->header.type, status, 0, text);
	return 0;
}

static int peer_request(struct api_peer *peer, struct api_message *m)
{
	struct api_entry *served =
		m->header.type < API_TYPE_END ? &peer->server->entries[m->header.type] : NULL;
	const struct api_handler *h = served ? served->handler : NULL;
	bool wants_fd = h && (h->flags & API_HANDLER_FD) &&
			(m->header.op == API_OP_SET || m->header.op == API_OP_CALL);

	if (m->header.op == API_OP_SUBSCRIBE)
		return peer_subscribe(peer, m);
	if (!h)
		return peer_refuse(peer, m, -EOPNOTSUPP);
	if (wants_fd != (m->fd >= 0)) {
		served->refused++;
		api_peer_ack(peer, m->header.seq, h->type, -EBADF, 0,
			wants_fd ? "this needs a descriptor" : "this takes no descriptor");
		return 0;
	}
	if ((m->header.op == API_OP_SET && h->set) || (m->header.op == API_OP_DEL && h->del))
		return peer_set_or_del(peer, m, served);
	if (m->header.op == API_OP_DUMP && h->dump)
		return peer_dump(peer, m, served);
	if (m->header.op == API_OP_CALL && h->call)
		return peer_call(peer, m, served);
	return peer_refuse(peer, m, -EOPNOTSUPP);
}

static int peer_on_message(void *ctx, const struct api_message *message)
{
	struct api_peer *peer = ctx;
	struct api_message m = *message;
	int ret;

	if (m.header.op == API_OP_HELLO)
		ret = peer_hello(peer, &m);
	else if (!peer->greeted)
		ret = -EPROTO;
	else
		ret = peer_request(peer, &m);
	if (m.fd >= 0)
		close(m.fd);
	// A client that asks but does not read its answers waits for itself.
	if (ret >= 0 && api_link_pending(peer->link) >= API_LINK_HIGH)
		api_link_pause(peer->link, true);
	return ret;
}

static void go_on(struct api_peer *peer)
{
	if (peer->dump && !api_emit_dump(peer->dump)) {
		dump_again(peer);
		return;
	}
	peer->dump = NULL;
	api_link_pause(peer->link, false);
}

static void peer_on_again(evutil_socket_t sock, short what, void *arg)
{
	go_on(arg);
}

static void peer_on_drained(void *ctx)
{
	struct api_peer *peer = ctx;

	evtimer_del(peer->patience);
	tell_drained(peer->server);
	if (!evtimer_pending(peer->again, NULL))
		go_on(peer);
}
