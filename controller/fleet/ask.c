// SPDX-License-Identifier: Apache-2.0
#include "ask.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "xmalloc.h"

struct ask {
	TAILQ_ENTRY(ask) link;
	struct asks *asks;
	uint64_t id;
	int64_t told_ms; // 0: not yet
	char *gateway, *ask, *key;
	struct event *timer;
	ask_done_fn *done;
	void *arg;
};

struct asks {
	struct event_base *base;
	uint64_t last_id;
	size_t len;
	TAILQ_HEAD(, ask) list;
};

struct asks *asks_new(struct event_base *base)
{
	struct asks *a = xcalloc(1, sizeof(*a));

	a->base = base;
	TAILQ_INIT(&a->list);
	return a;
}

static void ask_free(struct ask *k)
{
	TAILQ_REMOVE(&k->asks->list, k, link);
	k->asks->len--;
	event_free(k->timer);
	free(k->gateway);
	free(k->ask);
	free(k->key);
	free(k);
}

void asks_free(struct asks *a)
{
	struct ask *k;

	if (!a)
		return;
	while ((k = TAILQ_FIRST(&a->list)))
		ask_free(k);
	free(a);
}

static void ask_end(struct ask *k, const json_t *value, const char *words)
{
	ask_done_fn *done = k->done;
	void *arg = k->arg;

	ask_free(k);
	done(arg, value, words);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	ask_end(arg, NULL, "the gateway does not answer");
}

uint64_t asks_put(struct asks *a, const char *gateway, const char *ask, const char *key,
	ask_done_fn *done, void *arg)
{
	const struct timeval wait = {ASK_TIMEOUT_MS / 1000, ASK_TIMEOUT_MS % 1000 * 1000};
	struct ask *k;

	if (a->len >= ASK_MAX)
		return 0;
	k = xcalloc(1, sizeof(*k));
	*k = (struct ask){.asks = a, .id = ++a->last_id, .done = done, .arg = arg};
	k->gateway = xstrdup(gateway);
	k->ask = xstrdup(ask);
	k->key = xstrdup(key);
	k->timer = evtimer_new(a->base, on_timeout, k);
	evtimer_add(k->timer, &wait);
	TAILQ_INSERT_TAIL(&a->list, k, link);
	a->len++;
	return k->id;
}

static struct ask *ask_find(struct asks *a, uint64_t id)
{
	struct ask *k;

	TAILQ_FOREACH (k, &a->list, link) {
		if (k->id == id)
			return k;
	}
	return NULL;
}

void *asks_forget(struct asks *a, uint64_t id)
{
	struct ask *k = ask_find(a, id);
	void *arg = k ? k->arg : NULL;

	if (k)
		ask_free(k);
	return arg;
}

static bool is_due(const struct ask *k, const char *gateway, int64_t now_ms)
{
	return (!k->told_ms || now_ms - k->told_ms >= ASK_AGAIN_MS) && !strcmp(k->gateway, gateway);
}

void asks_write(struct asks *a, const char *gateway, int64_t now_ms, struct text *t)
{
	bool any = false;
	struct ask *k;

	TAILQ_FOREACH (k, &a->list, link) {
		if (!is_due(k, gateway, now_ms))
			continue;
		if (!any)
			text_open(t, "ask", '[');
		any = true;
		k->told_ms = now_ms;
		text_open(t, NULL, '{');
		text_u64(t, "id", k->id);
		text_str(t, "ask", k->ask);
		text_str(t, "key", k->key);
		text_close(t, '}');
	}
	if (any)
		text_close(t, ']');
}

void asks_answer(struct asks *a, const char *gateway, const json_t *answer)
{
	struct ask *k = ask_find(a, (uint64_t)json_integer_value(json_object_get(answer, "id")));
	const json_t *value = json_object_get(answer, "value");
	const char *words = json_string_value(json_object_get(answer, "error"));

	if (!k || strcmp(k->gateway, gateway) != 0)
		return;
	ask_end(k, json_is_object(value) ? value : NULL, words ? words : "it says nothing");
}
