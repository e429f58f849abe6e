// SPDX-License-Identifier: Apache-2.0
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "xmalloc.h"

#define LINGER_MS 3000 // how long a refused client may still send, to read its answer

enum guard_state {
	GUARD_IDLE,    // between requests
	GUARD_READING, // part of a request has come
	GUARD_SERVING, // ours to answer
	GUARD_REFUSED, // answered early; what still comes is thrown away
	GUARD_CLOSING,
};

// evhttp's own, put aside while the guard talks to a refused client.
struct callbacks {
	bufferevent_data_cb read, write;
	bufferevent_event_cb event;
	void *arg;
};

struct guard {
	struct guard_set *set;
	struct bufferevent *bev;
	struct event *timer;
	enum guard_state state;
	struct callbacks evhttp;
	uint64_t size; // bytes of this request so far
};

struct guard_set {
	struct event_base *base;
	struct guard_limits limits;
	void (*full)(void *arg, bool is_full);
	void *arg;
	uint32_t len;
	int index; // of the guard in an SSL object
};

static void arm(struct guard *g, uint32_t ms)
{
	struct timeval tv = {ms / 1000, (long)(ms % 1000) * 1000};

	evtimer_add(g->timer, &tv);
}

// evhttp closes what it is told has timed out.
static void give_up(struct guard *g)
{
	if (g->state == GUARD_REFUSED)
		bufferevent_setcb(
			g->bev, g->evhttp.read, g->evhttp.write, g->evhttp.event, g->evhttp.arg);
	g->state = GUARD_CLOSING;
	bufferevent_trigger_event(g->bev, BEV_EVENT_READING | BEV_EVENT_TIMEOUT, 0);
}

static void on_refused_event(struct bufferevent *bev, short what, void *arg)
{
	give_up(arg);
}

static void refuse(struct guard *g, const char *status, const char *code, const char *message)
{
	struct callbacks *own = &g->evhttp;
	char body[256], head[256];
	int n = snprintf(body, sizeof(body),
		"{\"error\":{\"code\":\"%s\",\"message\":\"%s\",\"target\":\"request\"}}", code,
		message);

	snprintf(head, sizeof(head),
		"HTTP/1.1 %s\r\nContent-Type: application/json; charset=utf-8\r\n"
		"Content-Length: %d\r\nConnection: close\r\n\r\n",
		status, n);
	g->state = GUARD_REFUSED;
	bufferevent_getcb(g->bev, &own->read, &own->write, &own->event, &own->arg);
	bufferevent_setcb(g->bev, NULL, NULL, on_refused_event, g);
	bufferevent_write(g->bev, head, strlen(head));
	bufferevent_write(g->bev, body, (size_t)n);
	bufferevent_enable(g->bev, EV_READ | EV_WRITE); // evhttp had stopped one of them
	arm(g, LINGER_MS);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct guard *g = arg;

	if (g->state == GUARD_READING)
		refuse(g, "408 Request Timeout", "InvalidRequestFormat",
			"The request did not come in time.");
	else
		give_up(g);
}

static void on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	struct guard *g = arg;

	if (!info->n_added)
		return;
	if (g->state == GUARD_REFUSED || g->state == GUARD_CLOSING) {
		evbuffer_drain(buffer, evbuffer_get_length(buffer));
		return;
	}
	if (g->state == GUARD_IDLE) {
		g->state = GUARD_READING;
		g->size = 0;
		arm(g, g->set->limits.request_timeout_ms);
	}
	g->size += info->n_added;
	if (g->state == GUARD_READING && g->size > g->set->limits.max_size) {
		refuse(g, "413 Content Too Large", "InvalidRequestFormat",
			"The request is larger than this controller takes.");
		evbuffer_drain(buffer, evbuffer_get_length(buffer));
	}
}

static void on_ssl_free(
	void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct guard *g = ptr;
	struct guard_set *set;

	if (!g)
		return;
	set = g->set;
	event_free(g->timer);
	free(g);
	if (set->len-- == set->limits.max_connections)
		set->full(set->arg, false);
}

static int ssl_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_free);
	return index;
}

struct guard_set *guard_set_new(struct event_base *base, const struct guard_limits *limits,
	void (*full)(void *arg, bool is_full), void *arg)
{
	struct guard_set *set = xcalloc(1, sizeof(*set));

	*set = (struct guard_set){base, *limits, full, arg, 0, ssl_index()};
	return set;
}

void guard_set_free(struct guard_set *set)
{
	free(set);
}

void guard_add(struct guard_set *set, struct bufferevent *bev, SSL *ssl)
{
	struct guard *g = xcalloc(1, sizeof(*g));

	g->set = set;
	g->bev = bev;
	g->timer = evtimer_new(set->base, on_timer, g);
	evbuffer_add_cb(bufferevent_get_input(bev), on_input, g);
	SSL_set_ex_data(ssl, set->index, g);
	arm(g, set->limits.request_timeout_ms); // for the handshake and the first byte
	if (++set->len == set->limits.max_connections)
		set->full(set->arg, true);
}

void guard_request_begins(SSL *ssl)
{
	struct guard *g = SSL_get_ex_data(ssl, ssl_index());

	g->state = GUARD_SERVING;
	evtimer_del(g->timer);
}

void guard_request_ends(SSL *ssl)
{
	struct guard *g = SSL_get_ex_data(ssl, ssl_index());

	// A pipelined request may have come already; it has not been counted, evhttp has it.
	g->state = GUARD_IDLE;
	arm(g, g->set->limits.idle_timeout_ms);
}
