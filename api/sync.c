// SPDX-License-Identifier: Apache-2.0
#include "sync.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xmalloc.h"

struct api_sync {
	struct event_base *base;
	struct api_client *client;
	struct event *timer;
	unsigned timeout_ms;
	struct api_hello server;
	bool waiting;
	uint64_t cookie; // of the request under way: a late answer to an older one does not count
	api_object_fn *each;
	void *each_ctx;
	int status;
	char text[API_TEXT_SIZE];
};

static void sync_finish(struct api_sync *s, int status, const char *text)
{
	s->waiting = false;
	s->status = status;
	snprintf(s->text, sizeof(s->text), "%s", text);
}

static void sync_on_up(void *ctx, const struct api_hello *server, bool restarted)
{
	struct api_sync *s = ctx;

	s->server = *server;
	sync_finish(s, 0, "");
}

static void sync_on_down(void *ctx, int error)
{
	struct api_sync *s = ctx;

	// Until the first greeting the client keeps trying and the timer decides.
	s->status = error;
	if (s->server.major)
		sync_finish(s, error, "the connection was lost");
}

static void sync_on_done(void *ctx, uint64_t cookie, int status, const char *text)
{
	struct api_sync *s = ctx;

	if (cookie == s->cookie)
		sync_finish(s, status, text);
}

static void sync_on_answer(void *ctx, int status, const char *text)
{
	sync_finish(ctx, status, text);
}

static void sync_on_timer(evutil_socket_t sock, short what, void *arg)
{
	struct api_sync *s = arg;
	int status = s->server.major || !s->status ? -ETIMEDOUT : s->status;

	sync_finish(s, status, strerror(-status));
}

static const struct api_client_ops sync_ops = {
	.up = sync_on_up, .down = sync_on_down, .done = sync_on_done};

static int sync_wait(struct api_sync *s, unsigned timeout_ms)
{
	struct timeval tv = {
		.tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};

	s->waiting = true;
	event_add(s->timer, &tv);
	while (s->waiting)
		event_base_loop(s->base, EVLOOP_ONCE);
	event_del(s->timer);
	return s->status;
}

struct api_sync *api_sync_open(const char *path, const char *name, unsigned timeout_ms)
{
	struct api_sync *s = xcalloc(1, sizeof(*s));
	int ret;

	s->base = event_base_new();
	if (!s->base)
		abort();
	s->timeout_ms = timeout_ms;
	s->timer = evtimer_new(s->base, sync_on_timer, s);
	if (!s->timer)
		abort();
	s->client = api_client_new(s->base, path, name, &sync_ops, s);
	ret = sync_wait(s, timeout_ms);
	if (ret < 0) {
		api_sync_close(s);
		errno = -ret;
		return NULL;
	}
	return s;
}

void api_sync_close(struct api_sync *s)
{
	if (!s)
		return;
	api_client_free(s->client);
	event_free(s->timer);
	event_base_free(s->base);
	free(s);
}

const struct api_hello *api_sync_server(const struct api_sync *s)
{
	return &s->server;
}

const char *api_sync_error(const struct api_sync *s)
{
	return s->text;
}

static int sync_lost(struct api_sync *s)
{
	sync_finish(s, -ENOTCONN, "not connected");
	return -ENOTCONN;
}

int api_sync_set(struct api_sync *s, uint16_t type, const void *object, size_t size)
{
	if (!api_client_is_up(s->client))
		return sync_lost(s);
	api_client_set(s->client, type, object, size, ++s->cookie);
	return sync_wait(s, s->timeout_ms);
}

int api_sync_set_fd(struct api_sync *s, uint16_t type, const void *object, size_t size, int fd)
{
	if (!api_client_is_up(s->client)) {
		close(fd);
		return sync_lost(s);
	}
	api_client_set_fd(s->client, type, object, size, fd, ++s->cookie);
	return sync_wait(s, s->timeout_ms);
}

int api_sync_del(struct api_sync *s, uint16_t type, const void *key, size_t size)
{
	if (!api_client_is_up(s->client))
		return sync_lost(s);
	api_client_del(s->client, type, key, size, ++s->cookie);
	return sync_wait(s, s->timeout_ms);
}

static void sync_on_object(void *ctx, const void *object, size_t size, int fd)
{
	struct api_sync *s = ctx;

	if (s->each)
		s->each(s->each_ctx, object, size, fd);
	else if (fd >= 0)
		close(fd);
}

static int sync_ask(
	struct api_sync *s, int ret, unsigned timeout_ms, api_object_fn *each, void *ctx)
{
	if (ret < 0)
		return sync_lost(s);
	s->each = each;
	s->each_ctx = ctx;
	ret = sync_wait(s, timeout_ms);
	s->each = NULL;
	return ret;
}

int api_sync_dump(struct api_sync *s, uint16_t type, const void *filter, size_t size,
	api_object_fn *each, void *ctx)
{
	int ret = api_client_dump(s->client, type, filter, size, sync_on_object, sync_on_answer, s);

	return sync_ask(s, ret, s->timeout_ms, each, ctx);
}

int api_sync_call(struct api_sync *s, uint16_t type, const void *object, size_t size,
	unsigned timeout_ms, api_object_fn *each, void *ctx)
{
	int ret = api_client_call(
		s->client, type, object, size, -1, sync_on_object, sync_on_answer, s);

	return sync_ask(s, ret, timeout_ms, each, ctx);
}
