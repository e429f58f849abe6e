// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "bfd.h"
#include "client.h"
#include "log.h"
#include "map.h"
#include "xmalloc.h"

// Routes to the forwarder. It keeps what it was told when we die; on every (re)connection we ask
// what it has from us, tell all again, and delete what is left over once a VRF has settled: so a
// restart of either side loses no packet and leaves nothing behind.

enum {
	READY_MAX_MS = 2000,  // start without the forwarder after that
	ORPHAN_AFTER_S = 180, // leftovers of VRFs for which no router ever came
	AGAIN_MIN_MS = 100,   // after the forwarder has refused routes
	AGAIN_MAX_MS = 30000,
};

struct leftover {
	uint32_t vrf; // with prefix the key
	struct ip_prefix prefix;
};

// A VRF of which the forwarder has refused routes: it may not know it yet, or be full.
struct refusal {
	uint32_t vrf;
	unsigned wait_ms;
	bool due; // since it was last told all
};

struct fib {
	struct daemon *daemon;
	struct api_client *client;
	struct map leftovers, refusals;
	struct event *ready_timer, *orphan_timer, *again_timer;
	unsigned again_ms;               // what again_timer was set to, 0: not set
	void (*ready)(struct daemon *d); // NULL: called already
	bool filled;                     // told once since the start
};

static size_t key_size(void)
{
	return offsetof(struct api_route, preference);
}

static void del_route(struct fib *f, uint32_t vrf, const struct ip_prefix *prefix)
{
	const struct api_route key = {.vrf = vrf, .prefix = *prefix, .source = API_ROUTE_BGP};

	api_client_del(f->client, API_TYPE_ROUTE, &key, key_size(), vrf);
}

static void drop_leftovers(struct fib *f, uint32_t vrf)
{
	struct leftover *l;
	size_t at = 0;

	while ((l = map_next(&f->leftovers, &at))) {
		if (vrf && l->vrf != vrf)
			continue;
		map_del(&f->leftovers, l, sizeof(*l));
		del_route(f, l->vrf, &l->prefix);
		free(l);
	}
}

static void forget_leftovers(struct fib *f)
{
	struct leftover *l;
	size_t at = 0;

	while ((l = map_next(&f->leftovers, &at)))
		free(l);
	map_fini(&f->leftovers);
	map_init(&f->leftovers);
}

static void on_found(void *ctx, const void *object, size_t size, int fd)
{
	const struct api_route *route = object;
	struct fib *f = ctx;
	struct leftover *l;

	if (size < key_size() || route->source != API_ROUTE_BGP)
		return;
	l = xcalloc(1, sizeof(*l));
	l->vrf = route->vrf;
	l->prefix = route->prefix;
	free(map_set(&f->leftovers, l, sizeof(*l), l));
}

static void become_ready(struct fib *f)
{
	void (*ready)(struct daemon * d) = f->ready;

	f->ready = NULL;
	if (ready)
		ready(f->daemon);
}

static void on_dumped(void *ctx, int status, const char *text)
{
	struct fib *f = ctx;
	struct leftover *l;
	size_t at = 0;

	if (status)
		return;
	daemon_enter(f->daemon);
	if (f->filled) {
		speaker_refill_fib(f->daemon->speaker);
	} else {
		while ((l = map_next(&f->leftovers, &at)))
			speaker_expect_restart(f->daemon->speaker, l->vrf);
	}
	f->filled = true;
	become_ready(f);
	daemon_leave(f->daemon);
}

// -- BFD of peers

static void take_bfd(struct fib *f, const void *object, size_t size)
{
	struct api_bfd_state state = {0};

	memcpy(&state, object, size < sizeof(state) ? size : sizeof(state));
	daemon_enter(f->daemon);
	speaker_on_bfd(f->daemon->speaker, &state);
	daemon_leave(f->daemon);
}

static void on_event(void *ctx, uint16_t type, const void *object, size_t size)
{
	if (type == API_TYPE_BFD_STATE)
		take_bfd(ctx, object, size);
}

static void on_bfd_item(void *ctx, const void *object, size_t size, int fd)
{
	take_bfd(ctx, object, size);
}

void fib_ask_bfd(struct fib *f)
{
	api_client_dump(f->client, API_TYPE_BFD_STATE, NULL, 0, on_bfd_item, NULL, f);
}

static void on_up(void *ctx, const struct api_hello *server, bool restarted)
{
	static const uint16_t events[] = {API_TYPE_BFD_STATE};
	const struct api_route filter = {.source = API_ROUTE_BGP};
	struct fib *f = ctx;

	forget_leftovers(f);
	api_client_subscribe(f->client, events, 1);
	fib_ask_bfd(f);
	api_client_dump(f->client, API_TYPE_ROUTE, &filter, key_size(), on_found, on_dumped, f);
}

// -- refusals: all of the VRF is told again, later and later

static void again_in(struct fib *f, unsigned wait_ms)
{
	const struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};

	if (f->again_ms && f->again_ms <= wait_ms)
		return;
	f->again_ms = wait_ms;
	evtimer_add(f->again_timer, &tv);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct fib *f = arg;
	struct refusal *r;
	size_t at = 0;
	unsigned wait_ms = 0;

	f->again_ms = 0;
	daemon_enter(f->daemon);
	while ((r = map_next(&f->refusals, &at))) {
		if (r->due) {
			r->due = false;
			wait_ms = r->wait_ms > wait_ms ? r->wait_ms : wait_ms;
			speaker_refill_vrf(f->daemon->speaker, r->vrf);
			continue;
		}
		map_del(&f->refusals, &r->vrf, sizeof(r->vrf)); // it took all the last time
		free(r);
	}
	if (f->refusals.len)
		again_in(f, 2 * wait_ms);
	daemon_leave(f->daemon);
}

static void on_done(void *ctx, uint64_t cookie, int status, const char *text)
{
	struct fib *f = ctx;
	uint32_t vrf = (uint32_t)cookie;
	struct refusal *r;

	if (status >= 0)
		return;
	r = map_find(&f->refusals, &vrf, sizeof(vrf));
	if (!r) {
		log_warning("the forwarder refuses routes of VRF %u: %s", vrf, text);
		r = xcalloc(1, sizeof(*r));
		r->vrf = vrf;
		map_set(&f->refusals, &r->vrf, sizeof(r->vrf), r);
	}
	if (r->due)
		return;
	r->due = true;
	r->wait_ms = r->wait_ms ? r->wait_ms * 2 : AGAIN_MIN_MS;
	if (r->wait_ms > AGAIN_MAX_MS)
		r->wait_ms = AGAIN_MAX_MS;
	again_in(f, r->wait_ms);
}

static void on_drained(void *ctx)
{
	struct fib *f = ctx;

	daemon_enter(f->daemon);
	speaker_fib_writable(f->daemon->speaker);
	daemon_leave(f->daemon);
}

static void on_down(void *ctx, int error)
{
	speaker_forget_bfd(((struct fib *)ctx)->daemon->speaker);
	on_drained(ctx); // what is said now is lost and said again on the next connection
}

static const struct api_client_ops client_ops = {
	.up = on_up,
	.down = on_down,
	.event = on_event,
	.done = on_done,
	.drained = on_drained,
};

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct fib *f = arg;

	if (!f->ready)
		return;
	log_warning("the forwarder does not answer; starting without it");
	f->filled = true;
	become_ready(f);
}

static void on_orphans(evutil_socket_t fd, short what, void *arg)
{
	drop_leftovers(arg, 0);
}

struct fib *fib_new(struct daemon *d, const char *path, void (*ready)(struct daemon *d))
{
	const struct timeval late = {.tv_sec = READY_MAX_MS / 1000};
	const struct timeval orphans = {.tv_sec = ORPHAN_AFTER_S};
	struct fib *f = xcalloc(1, sizeof(*f));

	f->daemon = d;
	f->ready = ready;
	map_init(&f->leftovers);
	map_init(&f->refusals);
	f->again_timer = evtimer_new(d->base, on_again, f);
	f->ready_timer = evtimer_new(d->base, on_late, f);
	f->orphan_timer = evtimer_new(d->base, on_orphans, f);
	evtimer_add(f->ready_timer, &late);
	evtimer_add(f->orphan_timer, &orphans);
	f->client = api_client_new(d->base, path, "isthmus-bgp", &client_ops, f);
	return f;
}

void fib_free(struct fib *f)
{
	struct refusal *r;
	size_t at = 0;

	if (!f)
		return;
	while ((r = map_next(&f->refusals, &at)))
		free(r);
	map_fini(&f->refusals);
	event_free(f->again_timer);
	api_client_free(f->client);
	event_free(f->ready_timer);
	event_free(f->orphan_timer);
	forget_leftovers(f);
	map_fini(&f->leftovers);
	free(f);
}

void fib_route(struct fib *f, const struct api_route *route, bool present)
{
	struct leftover key = {.vrf = route->vrf, .prefix = route->prefix};

	if (f->leftovers.len)
		free(map_del(&f->leftovers, &key, sizeof(key)));
	if (present)
		api_client_set(f->client, API_TYPE_ROUTE, route,
			offsetof(struct api_route, path) +
				route->path_count * sizeof(route->path[0]),
			route->vrf);
	else
		del_route(f, route->vrf, &route->prefix);
}

bool fib_is_full(const struct fib *f)
{
	return api_client_is_up(f->client) && api_client_full(f->client);
}

void fib_settled(struct fib *f, uint32_t vrf)
{
	drop_leftovers(f, vrf);
}
