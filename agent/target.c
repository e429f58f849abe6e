// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "proto.h"
#include "xmalloc.h"

static const char *const target_names[DESIRED_TARGETS] = {"forwarder", "bgp", "ike"};

// A dump under way.
struct target_dump {
	struct target *target;
	const struct desired_type *type;
};

struct target {
	enum desired_target id;
	struct desired_set *desired;
	const struct target_ops *ops;
	void *ctx;
	struct api_client *client;
	struct target_dump *dumps; // one a type
	size_t dumps_open;
	uint64_t instance;
	bool restarted, ready, pushing, was_down;
};

static void target_on_up(void *ctx, const struct api_hello *server, bool restarted);
static void target_on_down(void *ctx, int error);
static void target_on_done(void *ctx, uint64_t cookie, int status, const char *text);
static void target_on_event(void *ctx, uint16_t type, const void *object, size_t size);
static void target_on_drained(void *ctx);

static const struct api_client_ops target_client_ops = {.up = target_on_up,
	.down = target_on_down,
	.done = target_on_done,
	.event = target_on_event,
	.drained = target_on_drained};

struct target *target_new(struct event_base *base, enum desired_target id, const char *path,
	struct desired_set *desired, const struct target_ops *ops, void *ctx)
{
	struct target *t = xcalloc(1, sizeof(*t));

	t->id = id;
	t->desired = desired;
	t->ops = ops;
	t->ctx = ctx;
	t->dumps = xcalloc(desired_type_len, sizeof(*t->dumps));
	t->client = api_client_new(base, path, "isthmus-agent", &target_client_ops, t);
	return t;
}

void target_free(struct target *t)
{
	if (!t)
		return;
	api_client_free(t->client);
	free(t->dumps);
	free(t);
}

struct api_client *target_client(struct target *t)
{
	return t->client;
}

uint64_t target_instance(const struct target *t)
{
	return t->instance;
}

bool target_is_ready(const struct target *t)
{
	return t->ready;
}

bool target_is_settled(const struct target *t)
{
	return t->ready && !t->desired->queued_len[t->id] && !t->desired->in_flight_len[t->id];
}

bool target_is_learning(const struct target *t)
{
	return api_client_is_up(t->client) && !t->ready;
}

// -- learning what it has

static void target_on_object(void *ctx, const void *object, size_t size, int fd)
{
	struct target_dump *dump = ctx;
	struct target *t = dump->target;

	if (t->ops->found)
		t->ops->found(t->ctx, t->id, dump->type->type, object, size);
	desired_found(t->desired, dump->type, object, size);
}

static void target_learnt(struct target *t)
{
	t->ready = true;
	t->ops->ready(t->ctx, t->id, t->restarted);
	target_push(t);
}

static void target_on_dumped(void *ctx, int status, const char *text)
{
	struct target_dump *dump = ctx;
	struct target *t = dump->target;

	if (!api_client_is_up(t->client))
		return; // lost on the way; there will be another dump
	if (status < 0)
		log_warning("asking %s for its %s objects: %s", target_names[t->id],
			dump->type->name, text);
	desired_dumped(t->desired, dump->type);
	if (!--t->dumps_open)
		target_learnt(t);
}

static void target_on_up(void *ctx, const struct api_hello *server, bool restarted)
{
	struct target *t = ctx;

	log_info("connected to %s (%s %s, process %u)", target_names[t->id], server->name,
		server->software, server->pid);
	t->restarted = restarted;
	t->instance = server->instance;
	t->was_down = false;
	desired_forget_target(t->desired, t->id);
	t->dumps_open = 0;
	for (size_t i = 0; i < desired_type_len; i++) {
		if (desired_types[i].target != t->id)
			continue;
		if (desired_types[i].is_blind) {
			desired_dumped(t->desired, &desired_types[i]);
			continue;
		}
		t->dumps[i] = (struct target_dump){.target = t, .type = &desired_types[i]};
		t->dumps_open++;
		api_client_dump(t->client, desired_types[i].type, NULL, 0, target_on_object,
			target_on_dumped, &t->dumps[i]);
	}
	if (!t->dumps_open)
		target_learnt(t);
}

static void target_on_down(void *ctx, int error)
{
	struct target *t = ctx;

	if (!t->was_down)
		log_warning("%s is not there: %s", target_names[t->id], strerror(-error));
	t->was_down = true;
	if (!t->ready)
		return;
	t->ready = false;
	t->ops->down(t->ctx, t->id);
}

static void target_on_event(void *ctx, uint16_t type, const void *object, size_t size)
{
	struct target *t = ctx;

	if (t->ops->event)
		t->ops->event(t->ctx, t->id, type, object, size);
}

// -- sending

static void target_send(struct target *t, struct desired *d)
{
	uint64_t cookie = (uint64_t)(uintptr_t)d;
	uint8_t *object;
	int fd = -1;

	if (!desired_is_wanted(d)) {
		api_client_del(t->client, d->type->type, d->key, d->type->key_size, cookie);
		return;
	}
	object = xmalloc(d->value_size);
	memcpy(object, d->value, d->value_size);
	if (t->ops->before_set && !t->ops->before_set(t->ctx, d, object, &fd))
		desired_answered(t->desired, d, 0, "");
	else if (fd >= 0)
		api_client_set_fd(t->client, d->type->type, object, d->value_size, fd, cookie);
	else
		api_client_set(t->client, d->type->type, object, d->value_size, cookie);
	free(object);
}

void target_push(struct target *t)
{
	struct desired *d;

	if (!t->ready || t->pushing)
		return;
	t->pushing = true;
	while (!api_client_full(t->client) && (d = desired_next(t->desired, t->id)))
		target_send(t, d);
	t->pushing = false;
	if (target_is_settled(t))
		t->ops->settled(t->ctx, t->id);
}

static void target_on_drained(void *ctx)
{
	target_push(ctx);
}

static void target_on_done(void *ctx, uint64_t cookie, int status, const char *text)
{
	struct target *t = ctx;

	if (!cookie)
		return; // not one of the desired objects
	desired_answered(t->desired, (struct desired *)(uintptr_t)cookie, status, text);
	if (t->desired->queued_len[t->id] || target_is_settled(t))
		target_push(t);
}
