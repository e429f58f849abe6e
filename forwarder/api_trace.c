// SPDX-License-Identifier: Apache-2.0
//
// API_TYPE_TRACE: arms a trace, injects the given frame if there is one, and answers each finished
// packet as it comes, until there are enough or time is up. One caller at a time.
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "conn/conn.h"
#include "graph.h"
#include "modules.h"
#include "objects.h"
#include "trace.h"
#include "vrf/vrf.h"
#include "worker_loop.h"

#define POLL_MS     10
#define COUNT_MAX   1000
#define TIMEOUT_MAX 60000 // ms

static struct {
	struct event *timer;
	struct rte_mempool *pool;
	struct api_emit *emit; // NULL: nobody asks
	uint32_t left;
	uint64_t end_ns;
} session;

static void answer(void *ctx, const char *text)
{
	struct api_trace_text out = {0};

	snprintf(out.text, sizeof(out.text), "%s", text);
	// A client that is gone is noticed when the call is finished.
	(void)api_emit(session.emit, &out, sizeof(out));
}

static void end_session(int status, const char *text)
{
	trace_disarm();
	event_del(session.timer);
	api_emit_finish(session.emit, status, text);
	session.emit = NULL;
}

static void poll_trace(evutil_socket_t fd, short what, void *arg)
{
	session.left -= trace_collect(session.left, answer, NULL);
	if (!session.left || clock_ns() >= session.end_ns)
		end_session(0, NULL);
}

static int inject(const struct api_trace *t)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(session.pool);

	if (!m)
		return -ENOBUFS;
	packet_meta_reset(m);
	packet_meta(m)->port = t->inject_port;
	packet_meta(m)->flags = PACKET_F_TRACED;
	memcpy(rte_pktmbuf_append(m, (uint16_t)t->inject_size), t->inject, t->inject_size);
	if (worker_inject(0, forwarder_graph.input, m))
		return 0;
	rte_pktmbuf_free(m);
	return -ENOBUFS;
}

static int refuse(struct api_error *ret_error, int error, const char *text)
{
	snprintf(ret_error->text, sizeof(ret_error->text), "%s", text);
	return error;
}

static int check(const struct api_trace *t, struct api_error *ret_error)
{
	if (session.emit)
		return refuse(ret_error, -EBUSY, "another trace runs; try again when it has ended");
	if (!t->count || t->count > COUNT_MAX)
		return refuse(ret_error, -EINVAL, "count: 1..1000");
	if (!t->timeout_ms || t->timeout_ms > TIMEOUT_MAX)
		return refuse(ret_error, -EINVAL, "timeout_ms: 1..60000");
	if (t->inject_size > sizeof(t->inject))
		return refuse(ret_error, -EINVAL, "inject_size: at most 2048 bytes");
	if (t->inject_size && (t->inject_port >= PORT_MAX || !port_table[t->inject_port]))
		return refuse(ret_error, -ENODEV, "inject_port: no such port");
	if (t->vrf && !vrf_find(t->vrf))
		return refuse(ret_error, -ENOENT, "vrf: not known here");
	if (t->conn && !conn_find(t->conn))
		return refuse(ret_error, -ENOENT, "conn: not known here");
	return 0;
}

static int call_trace(void *ctx, const void *object, size_t size, int fd, struct api_emit *emit,
	struct api_error *ret_error)
{
	static const struct timeval interval = {0, POLL_MS * 1000};
	const struct api_trace *t = object;
	struct trace_config config = {.injected_only = t->inject_size != 0};
	int r = check(t, ret_error);

	if (r < 0)
		return r;
	config.vrf = t->vrf ? vrf_find(t->vrf)->index : 0;
	config.conn = t->conn ? conn_index(conn_find(t->conn)) : 0;
	r = trace_arm(&config);
	if (r < 0)
		return r;
	r = t->inject_size ? inject(t) : 0;
	if (r < 0) {
		trace_disarm();
		return refuse(ret_error, r, "no packet buffer, or the worker's inbox is full");
	}
	session.emit = emit;
	session.left = t->inject_size ? 1 : t->count;
	session.end_ns = clock_ns() + t->timeout_ms * 1000000ull;
	event_add(session.timer, &interval);
	return API_DEFERRED;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_TRACE,
		.size = sizeof(struct api_trace),
		.min_size = offsetof(struct api_trace, inject),
		.name = "trace",
		.call = call_trace},
};

static int trace_init(const struct module_env *env)
{
	session.timer = event_new(env->base, -1, EV_PERSIST, poll_trace, NULL);
	session.pool = env->pool;
	return 0;
}

static void trace_fini(void)
{
	if (session.emit)
		end_session(-ESHUTDOWN, "the forwarder ends");
	event_free(session.timer);
}

const struct module module_trace = {
	.name = "trace",
	.init = trace_init,
	.fini = trace_fini,
	.handlers = handlers,
	.handlers_len = sizeof(handlers) / sizeof(handlers[0]),
};
