// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "link.h"
#include "xmalloc.h"

#define CLIENT_BATCH_SIZE   (64u << 10) // bytes of like items that travel together
#define CLIENT_RETRY_MIN_MS 20
#define CLIENT_RETRY_MAX_MS 200

// A message sent and not answered yet. Answers come in the order of the questions, except those
// of calls; so the one an answer belongs to is found at the head or a few calls behind it.
struct client_request {
	TAILQ_ENTRY(client_request) entry;
	uint32_t seq;
	uint16_t op;
	api_object_fn *each;
	api_done_fn *done;
	void *ctx;
	uint64_t *cookies; // SET, DEL: one an item
	int *refused;      // their statuses, made when the first WRONG comes
	size_t len, cap;
};

struct api_client {
	struct event_base *base;
	char *path; // NULL: attached
	const char *name;
	const struct api_client_ops *ops;
	void *ctx;
	struct api_link *link;
	struct event *retry, *flush;
	unsigned retry_ms;
	uint64_t instance; // of the server last seen; 0: none yet
	bool up, freed;
	unsigned busy;
	uint32_t seq;
	TAILQ_HEAD(, client_request) requests;
	// Like items gathered for the next message.
	struct client_request *batch;
	uint16_t batch_type;
	uint8_t *bytes;
	size_t bytes_size, bytes_cap;
};

static int client_on_message(void *ctx, const struct api_message *m);
static void client_on_drained(void *ctx);
static void client_on_closed(void *ctx, int error);
static void client_on_retry(evutil_socket_t sock, short what, void *arg);
static void client_on_flush(evutil_socket_t sock, short what, void *arg);
static void client_flush(struct api_client *c);

static const struct api_link_ops client_link_ops = {
	.message = client_on_message, .drained = client_on_drained, .closed = client_on_closed};

static struct api_client *client_make(
	struct event_base *base, const char *name, const struct api_client_ops *ops, void *ctx)
{
	struct api_client *c = xcalloc(1, sizeof(*c));

	c->base = base;
	c->name = xstrdup(name);
	c->ops = ops;
	c->ctx = ctx;
	c->retry_ms = CLIENT_RETRY_MIN_MS;
	c->retry = evtimer_new(base, client_on_retry, c);
	c->flush = evtimer_new(base, client_on_flush, c);
	if (!c->retry || !c->flush)
		abort();
	TAILQ_INIT(&c->requests);
	return c;
}

static void client_greet(struct api_client *c, int sock)
{
	struct api_header header = {.op = API_OP_HELLO};
	struct api_hello hello = {.major = API_MAJOR,
		.minor = API_MINOR,
		.pid = (uint32_t)getpid(),
		.software = ISTHMUS_VERSION};

	snprintf(hello.name, sizeof(hello.name), "%s", c->name);
	c->link = api_link_new(c->base, sock, &client_link_ops, c);
	api_link_send(c->link, &header, &hello, sizeof(hello), -1);
}

struct api_client *api_client_new(struct event_base *base, const char *path, const char *name,
	const struct api_client_ops *ops, void *ctx)
{
	struct api_client *c = client_make(base, name, ops, ctx);

	c->path = xstrdup(path);
	event_active(c->retry, EV_TIMEOUT, 0);
	return c;
}

struct api_client *api_client_attach(struct event_base *base, int sock, const char *name,
	const struct api_client_ops *ops, void *ctx)
{
	struct api_client *c = client_make(base, name, ops, ctx);

	client_greet(c, sock);
	return c;
}

static void request_free(struct client_request *r)
{
	if (!r)
		return;
	free(r->cookies);
	free(r->refused);
	free(r);
}

static void client_forget_requests(struct api_client *c)
{
	struct client_request *r;

	while ((r = TAILQ_FIRST(&c->requests))) {
		TAILQ_REMOVE(&c->requests, r, entry);
		if (r->done)
			r->done(r->ctx, -ECONNRESET, "the connection was lost");
		request_free(r);
	}
	request_free(c->batch);
	c->batch = NULL;
	c->bytes_size = 0;
}

static void client_destroy(struct api_client *c)
{
	client_forget_requests(c);
	api_link_free(c->link);
	event_free(c->retry);
	event_free(c->flush);
	free(c->bytes);
	free(c->path);
	free((char *)c->name);
	free(c);
}

static void client_leave(struct api_client *c)
{
	if (!--c->busy && c->freed)
		client_destroy(c);
}

void api_client_free(struct api_client *c)
{
	if (!c || c->freed)
		return;
	c->freed = true;
	c->up = false;
	if (!c->busy)
		client_destroy(c);
}

bool api_client_is_up(const struct api_client *c)
{
	return c->up;
}

bool api_client_full(const struct api_client *c)
{
	return c->up && api_link_pending(c->link) >= API_LINK_HIGH;
}

// -- connecting

static void client_retry_later(struct api_client *c)
{
	struct timeval tv = {.tv_usec = (suseconds_t)c->retry_ms * 1000};

	if (!c->path || c->freed)
		return;
	c->retry_ms = c->retry_ms * 2 < CLIENT_RETRY_MAX_MS ? c->retry_ms * 2 : CLIENT_RETRY_MAX_MS;
	event_add(c->retry, &tv);
}

static int client_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int sock;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	// A UNIX socket connects at once or not at all.
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int error = errno;

		close(sock);
		return -error;
	}
	return sock;
}

static void client_on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct api_client *c = arg;
	int sock = client_connect(c->path);

	if (sock >= 0) {
		client_greet(c, sock);
		return;
	}
	client_retry_later(c);
	c->busy++;
	if (c->ops->down)
		c->ops->down(c->ctx, sock);
	client_leave(c);
}

static void client_on_closed(void *ctx, int error)
{
	struct api_client *c = ctx;

	c->busy++;
	c->up = false;
	api_link_free(c->link);
	c->link = NULL;
	client_forget_requests(c);
	if (c->ops->down && !c->freed)
		c->ops->down(c->ctx, error ? error : -ECONNRESET);
	client_retry_later(c);
	client_leave(c);
}

static void client_on_drained(void *ctx)
{
	struct api_client *c = ctx;

	if (c->ops->drained && !c->freed)
		c->ops->drained(c->ctx);
}

// -- requests

static struct client_request *request_new(
	uint16_t op, api_object_fn *each, api_done_fn *done, void *ctx)
{
	struct client_request *r = xcalloc(1, sizeof(*r));

	r->op = op;
	r->each = each;
	r->done = done;
	r->ctx = ctx;
	return r;
}

// Takes r and fd.
static void client_send(struct api_client *c, struct client_request *r, uint16_t type,
	uint16_t flags, const void *payload, size_t size, int fd)
{
	struct api_header header = {.op = r->op, .type = type, .flags = flags};

	r->seq = header.seq = ++c->seq;
	TAILQ_INSERT_TAIL(&c->requests, r, entry);
	api_link_send(c->link, &header, payload, size, fd);
}

static void client_flush(struct api_client *c)
{
	if (!c->batch)
		return;
	client_send(c, c->batch, c->batch_type, API_F_ALL, c->bytes, c->bytes_size, -1);
	c->batch = NULL;
	c->bytes_size = 0;
	event_del(c->flush);
}

static void client_on_flush(evutil_socket_t sock, short what, void *arg)
{
	struct api_client *c = arg;

	if (c->up)
		client_flush(c);
}

static void client_append(struct api_client *c, const void *object, size_t size)
{
	struct api_item item = {.size = (uint32_t)size};
	size_t padded = sizeof(item) + (size + 7) / 8 * 8;
	uint8_t *p;

	c->bytes = xgrow(c->bytes, &c->bytes_cap, c->bytes_size + padded, 1);
	p = c->bytes + c->bytes_size;
	memset(p + padded - 8, 0, 8);
	memcpy(p, &item, sizeof(item));
	memcpy(p + sizeof(item), object, size);
	c->bytes_size += padded;
}

static void client_change(struct api_client *c, uint16_t op, uint16_t type, const void *object,
	size_t size, uint64_t cookie)
{
	struct client_request *r = c->batch;

	if (!c->up)
		return;
	if (r && (r->op != op || c->batch_type != type || c->bytes_size > CLIENT_BATCH_SIZE)) {
		client_flush(c);
		r = NULL;
	}
	if (!r) {
		r = c->batch = request_new(op, NULL, NULL, NULL);
		c->batch_type = type;
		event_active(c->flush, EV_TIMEOUT, 0);
	}
	client_append(c, object, size);
	r->cookies = xgrow(r->cookies, &r->cap, r->len + 1, sizeof(*r->cookies));
	r->cookies[r->len++] = cookie;
}

void api_client_set(
	struct api_client *c, uint16_t type, const void *object, size_t size, uint64_t cookie)
{
	client_change(c, API_OP_SET, type, object, size, cookie);
}

void api_client_del(
	struct api_client *c, uint16_t type, const void *key, size_t size, uint64_t cookie)
{
	client_change(c, API_OP_DEL, type, key, size, cookie);
}

// A message of one item, behind whatever has been gathered.
static void client_send_one(struct api_client *c, struct client_request *r, uint16_t type,
	const void *object, size_t size, int fd)
{
	client_flush(c);
	if (object)
		client_append(c, object, size);
	client_send(c, r, type, 0, c->bytes, c->bytes_size, fd);
	c->bytes_size = 0;
}

void api_client_set_fd(struct api_client *c, uint16_t type, const void *object, size_t size, int fd,
	uint64_t cookie)
{
	struct client_request *r;

	if (!c->up) {
		close(fd);
		return;
	}
	r = request_new(API_OP_SET, NULL, NULL, NULL);
	r->cookies = xgrow(r->cookies, &r->cap, 1, sizeof(*r->cookies));
	r->cookies[r->len++] = cookie;
	client_send_one(c, r, type, object, size, fd);
}

int api_client_dump(struct api_client *c, uint16_t type, const void *filter, size_t size,
	api_object_fn *each, api_done_fn *done, void *ctx)
{
	if (!c->up)
		return -ENOTCONN;
	client_send_one(c, request_new(API_OP_DUMP, each, done, ctx), type, filter, size, -1);
	return 0;
}

int api_client_call(struct api_client *c, uint16_t type, const void *object, size_t size, int fd,
	api_object_fn *each, api_done_fn *done, void *ctx)
{
	if (!c->up) {
		if (fd >= 0)
			close(fd);
		return -ENOTCONN;
	}
	client_send_one(c, request_new(API_OP_CALL, each, done, ctx), type, object, size, fd);
	return 0;
}

void api_client_subscribe(struct api_client *c, const uint16_t *types, size_t len)
{
	uint32_t wide[32];

	if (!c->up || len > sizeof(wide) / sizeof(*wide))
		return;
	for (size_t i = 0; i < len; i++)
		wide[i] = types[i];
	client_flush(c);
	client_send(c, request_new(API_OP_SUBSCRIBE, NULL, NULL, NULL), 0, 0, wide,
		len * sizeof(*wide), -1);
}

// An empty SUBSCRIBE asks for nothing and is answered in its turn.
int api_client_barrier(struct api_client *c, api_done_fn *done, void *ctx)
{
	if (!c->up)
		return -ENOTCONN;
	client_flush(c);
	client_send(c, request_new(API_OP_SUBSCRIBE, NULL, done, ctx), 0, 0, NULL, 0, -1);
	return 0;
}

// -- answers

static struct client_request *client_find(struct api_client *c, uint32_t seq)
{
	struct client_request *r;

	TAILQ_FOREACH (r, &c->requests, entry) {
		if (r->seq == seq)
			return r;
	}
	return NULL;
}

static const char *message_text(const struct api_message *m, char text[API_TEXT_SIZE])
{
	size_t size = m->header.size < API_TEXT_SIZE - 1 ? m->header.size : API_TEXT_SIZE - 1;

	memcpy(text, m->payload, size);
	text[size] = '\0';
	return text;
}

static int client_hello(struct api_client *c, const struct api_message *m)
{
	struct api_hello hello = {0};
	bool restarted;

	if (m->header.size < 2 * sizeof(uint16_t) || c->up)
		return -EBADMSG;
	memcpy(&hello, m->payload, m->header.size < sizeof(hello) ? m->header.size : sizeof(hello));
	hello.name[sizeof(hello.name) - 1] = '\0';
	hello.software[sizeof(hello.software) - 1] = '\0';
	if (hello.major != API_MAJOR)
		return -EPROTONOSUPPORT;
	restarted = c->instance != hello.instance;
	c->instance = hello.instance;
	c->retry_ms = CLIENT_RETRY_MIN_MS;
	c->up = true;
	if (c->ops->up)
		c->ops->up(c->ctx, &hello, restarted);
	return 0;
}

static int client_objects(
	struct api_client *c, struct client_request *r, const struct api_message *m)
{
	struct api_items it;
	const void *object;
	size_t size;
	int ret, fd = m->fd;

	api_items_init(&it, m->payload, m->header.size);
	while ((ret = api_items_next(&it, &object, &size)) > 0) {
		if (r && r->each && !c->freed)
			r->each(r->ctx, object, size, fd);
		else if (!r && c->ops->event && !c->freed)
			c->ops->event(c->ctx, m->header.type, object, size);
		if (r && r->each)
			fd = -1;
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

static void client_wrong(
	struct api_client *c, struct client_request *r, const struct api_message *m)
{
	char text[API_TEXT_SIZE];
	uint32_t index = m->header.done;

	if (index >= r->len || m->header.status >= 0)
		return;
	if (!r->refused)
		r->refused = xcalloc(r->len, sizeof(*r->refused));
	r->refused[index] = m->header.status;
	if (c->ops->done)
		c->ops->done(c->ctx, r->cookies[index], m->header.status, message_text(m, text));
}

// Items that no WRONG named share the fate of the message: all well, or it was refused as a whole.
static void client_ack(struct api_client *c, struct client_request *r, const struct api_message *m)
{
	char text[API_TEXT_SIZE];
	int status = r->refused || m->header.status >= 0 ? 0 : m->header.status;

	message_text(m, text);
	TAILQ_REMOVE(&c->requests, r, entry);
	for (size_t i = 0; i < r->len && c->ops->done && !c->freed; i++) {
		if (!r->refused || !r->refused[i])
			c->ops->done(c->ctx, r->cookies[i], status, status ? text : "");
	}
	if (r->done)
		r->done(r->ctx, m->header.status, m->header.status < 0 ? text : "");
	request_free(r);
}

static int client_answer(struct api_client *c, const struct api_message *m)
{
	struct client_request *r = client_find(c, m->header.seq);

	if (!r)
		return m->header.op == API_OP_ACK && m->header.status == -EPROTONOSUPPORT
			       ? -EPROTONOSUPPORT
			       : -EBADMSG;
	if (m->header.op == API_OP_ITEMS)
		return client_objects(c, r, m);
	if (m->header.op == API_OP_WRONG)
		client_wrong(c, r, m);
	else
		client_ack(c, r, m);
	return 0;
}

static int client_on_message(void *ctx, const struct api_message *m)
{
	struct api_client *c = ctx;
	bool has_objects = m->header.op == API_OP_ITEMS || m->header.op == API_OP_EVENT;
	int ret = 0;

	c->busy++;
	if (m->header.op == API_OP_HELLO)
		ret = client_hello(c, m);
	else if (!c->up)
		ret = -EPROTO;
	else if (m->header.op == API_OP_EVENT)
		ret = client_objects(c, NULL, m);
	else if (has_objects || m->header.op == API_OP_ACK || m->header.op == API_OP_WRONG)
		ret = client_answer(c, m);
	if (!has_objects && m->fd >= 0)
		close(m->fd);
	client_leave(c);
	return ret;
}
