// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "log.h"
#include "server.h"

// The loop around the speaker. What sockets say is only noted; all work, reading them included, is
// done in slices of about SLICE_US, tenant after tenant. Sessions' timers are looked at after each,
// new events after WORK_US. So keepalives are never more than a few milliseconds late and no
// tenant waits longer than a slice of each of the others, whatever a peer sends.

enum { SLICE_US = 500, WORK_US = 2000 };

struct loop {
	struct daemon daemon; // first: callbacks get a pointer to it
	struct event *timer, *work, *term, *intr;
	const char *socket_path;
	unsigned depth;    // nested enter/leave
	uint64_t timer_at; // what the timer is set to, UINT64_MAX: not set
	bool work_due;     // the work event is pending
	uint64_t slice_end;
	int status;
};

static struct loop *loop_of(struct daemon *d)
{
	return (struct loop *)(void *)d;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void daemon_enter(struct daemon *d)
{
	loop_of(d)->depth++;
	speaker_set_time(d->speaker, now_us() / 1000);
}

// To add a timer again whose time has come takes it back from what is about to run: done at every
// turn of the loop, it would never run. So it is touched only when it changes.
static void arm_timer(struct loop *l)
{
	uint64_t at = speaker_deadline(l->daemon.speaker), now = now_us() / 1000;
	struct timeval tv;

	if (at == l->timer_at)
		return;
	l->timer_at = at;
	if (at == UINT64_MAX) {
		evtimer_del(l->timer);
		return;
	}
	at = at > now ? at - now : 0;
	tv = (struct timeval){.tv_sec = (time_t)(at / 1000), .tv_usec = (long)(at % 1000) * 1000};
	evtimer_add(l->timer, &tv);
}

// Sessions' timers come before everything else: looked at after every piece of input or work.
static void run_timers(struct loop *l)
{
	struct speaker *s = l->daemon.speaker;
	uint64_t now = now_us() / 1000;

	if (speaker_deadline(s) > now)
		return;
	speaker_set_time(s, now);
	speaker_tick(s);
	io_flush(l->daemon.io);
}

// A timer of no time, not an active event: the loop serves what is active until nothing is, and
// would look at no socket while there is work.
static void work_soon(struct loop *l)
{
	static const struct timeval now;

	if (l->work_due)
		return;
	l->work_due = true;
	evtimer_add(l->work, &now);
}

void daemon_leave(struct daemon *d)
{
	struct loop *l = loop_of(d);

	if (l->depth > 1) {
		l->depth--;
		return;
	}
	run_timers(l);
	l->depth--;
	io_flush(d->io);
	arm_timer(l);
	work_soon(l);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	loop_of(d)->timer_at = UINT64_MAX;
	daemon_enter(d);
	daemon_leave(d);
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct loop *l = loop_of(d);
	uint64_t start = now_us();
	bool more;

	l->work_due = false;
	l->depth++;
	speaker_set_time(d->speaker, start / 1000);
	do {
		l->slice_end = now_us() + SLICE_US;
		more = speaker_work(d->speaker);
		run_timers(l);
	} while (more && now_us() - start < WORK_US);
	l->depth--;
	io_flush(d->io);
	arm_timer(l);
	if (more)
		work_soon(l);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	event_base_loopbreak(l->daemon.base);
}

// -- what the speaker asks for

static void op_dial(void *ctx, struct peer *p)
{
	io_dial(((struct daemon *)ctx)->io, p);
}

static void op_dial_cancel(void *ctx, struct peer *p)
{
	io_dial_cancel(((struct daemon *)ctx)->io, p);
}

static void op_send(void *ctx, struct conn *c, const uint8_t *bytes, size_t size)
{
	io_send(((struct daemon *)ctx)->io, c, bytes, size);
}

static void op_close(void *ctx, struct conn *c)
{
	io_close(((struct daemon *)ctx)->io, c);
}

static bool op_unread(void *ctx, struct conn *c)
{
	return io_unread(c);
}

static bool op_receive(void *ctx, struct peer *p)
{
	return io_receive(((struct daemon *)ctx)->io, p);
}

static bool op_slice_over(void *ctx)
{
	return now_us() >= loop_of(ctx)->slice_end;
}

static bool op_full(void *ctx, struct conn *c)
{
	return io_full(c);
}

static void op_state(void *ctx, struct peer *p)
{
	control_peer_event(ctx, p);
}

static void op_fib(void *ctx, const struct api_route *route, bool present)
{
	struct daemon *d = ctx;

	if (d->fib)
		fib_route(d->fib, route, present);
}

static bool op_fib_full(void *ctx)
{
	struct daemon *d = ctx;

	return d->fib && fib_is_full(d->fib);
}

static void op_fib_settled(void *ctx, uint32_t vrf)
{
	struct daemon *d = ctx;

	if (d->fib)
		fib_settled(d->fib, vrf);
}

static bool op_best_wanted(void *ctx)
{
	const struct daemon *d = ctx;

	return api_server_has_subscriber(d->server, API_TYPE_BGP_ROUTE);
}

static bool op_best_full(void *ctx)
{
	const struct daemon *d = ctx;

	return api_server_is_full(d->server, API_TYPE_BGP_ROUTE);
}

static void op_best(void *ctx, const struct api_bgp_route *route)
{
	control_route_event(ctx, route);
}

static const struct speaker_ops speaker_ops = {
	.dial = op_dial,
	.dial_cancel = op_dial_cancel,
	.send = op_send,
	.close = op_close,
	.unread = op_unread,
	.receive = op_receive,
	.slice_over = op_slice_over,
	.full = op_full,
	.state = op_state,
	.fib = op_fib,
	.fib_full = op_fib_full,
	.fib_settled = op_fib_settled,
	.best_wanted = op_best_wanted,
	.best_full = op_best_full,
	.best = op_best,
};

static void on_events_drained(void *ctx)
{
	struct daemon *d = ctx;

	daemon_enter(d);
	speaker_best_writable(d->speaker);
	daemon_leave(d);
}

// -- start and stop

static void on_ready(struct daemon *d)
{
	struct loop *l = loop_of(d);
	int err = api_server_listen(d->server, l->socket_path);

	if (!err)
		err = sandbox_enter();
	if (err) {
		log_error("cannot serve %s: %s", l->socket_path, strerror(-err));
		l->status = 1;
		event_base_loopbreak(d->base);
	}
}

static int loop_init(struct loop *l, const char *forwarder_path)
{
	struct daemon *d = &l->daemon;
	uint64_t random[2];
	int err;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	d->base = event_base_new();
	d->server = api_server_new(d->base, "isthmus-bgp", random[0] | 1);
	api_server_on_drained(d->server, on_events_drained, d);
	d->speaker = speaker_new(&speaker_ops, d, random[1]);
	speaker_set_time(d->speaker, now_us() / 1000);
	l->timer_at = UINT64_MAX;
	d->io = io_new(d);
	l->timer = evtimer_new(d->base, on_timer, d);
	l->work = evtimer_new(d->base, on_work, d);
	l->term = evsignal_new(d->base, SIGTERM, on_signal, l);
	l->intr = evsignal_new(d->base, SIGINT, on_signal, l);
	evsignal_add(l->term, NULL);
	evsignal_add(l->intr, NULL);
	err = control_init(d);
	if (err)
		return err;
	if (forwarder_path)
		d->fib = fib_new(d, forwarder_path, on_ready);
	else
		on_ready(d);
	return 0;
}

// Sessions end without a word: the neighbours keep our routes and theirs stay in the FIB until the
// next start (RFC 4724). Who wants the sessions to end deletes the routers first.
static void loop_fini(struct loop *l)
{
	struct daemon *d = &l->daemon;

	api_server_free(d->server);
	fib_free(d->fib);
	event_free(l->timer);
	event_free(l->work);
	event_free(l->term);
	event_free(l->intr);
	event_base_free(d->base);
}

int daemon_run(const char *socket_path, const char *forwarder_path, const char *user)
{
	static struct loop loop;
	int err = sandbox_drop_privileges(user);

	loop.socket_path = socket_path;
	if (!err)
		err = loop_init(&loop, forwarder_path);
	if (err) {
		log_error("cannot start: %s", strerror(-err));
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	if (!loop.status)
		event_base_dispatch(loop.daemon.base);
	loop_fini(&loop);
	return loop.status;
}
