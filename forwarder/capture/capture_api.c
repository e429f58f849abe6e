// SPDX-License-Identifier: Apache-2.0

// API_TYPE_CAPTURE: one caller at a time is sent the copies as they come, until one of its bounds
// is reached or it is gone. One that does not keep up loses copies, never the forwarder packets.

#include <errno.h>
#include <event2/event.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture.h"
#include "capture/copies.h"
#include "conn/conn.h"
#include "log.h"
#include "modules.h"
#include "objects.h"
#include "serve/refuse.h"
#include "vrf/vrf.h"
#include "worker_loop.h"

#define POLL_MS     10
#define COUNT_MAX   1000000
#define TIMEOUT_MAX 600000 // ms
#define RATE_MAX    50000
#define SNAP_MIN    64

static struct {
	struct event *timer;
	struct api_emit *emit; // NULL: nobody asks
	uint32_t left;         // packets
	uint64_t room;         // bytes
	uint64_t end_ns;
	uint32_t unsent; // because the caller did not keep up
} session;

static void end_session(int status, const char *text)
{
	capture_stop();
	event_del(session.timer);
	api_emit_finish(session.emit, status, text);
	session.emit = NULL;
}

// 0, or as api_emit().
static int send_copy(struct rte_mbuf *m)
{
	struct api_captured *c = rte_pktmbuf_mtod(m, struct api_captured *);

	if (c->kept > session.room) {
		session.left = 0;
		return 0;
	}
	c->lost += session.unsent;
	session.left--;
	session.room -= c->kept;
	return api_emit(session.emit, c, rte_pktmbuf_data_len(m));
}

static void poll_capture(evutil_socket_t fd, short what, void *arg)
{
	struct rte_mbuf *m;
	int r = 0;

	for (unsigned i = 0; i < CAPTURE_RING_SIZE && session.left; i++) {
		m = capture_take();
		if (!m)
			break;
		if (r == 0)
			r = send_copy(m);
		else
			session.unsent++;
		rte_pktmbuf_free(m);
	}
	if (r == -EPIPE || !session.left || clock_ns() >= session.end_ns)
		end_session(0, NULL);
}

static int check(const struct api_capture *c, struct api_error *ret_error)
{
	if (session.emit)
		return refuse(
			ret_error, -EBUSY, "another capture runs; try again when it has ended");
	if (!c->count || c->count > COUNT_MAX)
		return refuse(ret_error, -EINVAL, "count: 1..%u", COUNT_MAX);
	if (!c->timeout_ms || c->timeout_ms > TIMEOUT_MAX)
		return refuse(ret_error, -EINVAL, "timeout_ms: 1..%u", TIMEOUT_MAX);
	if (!c->rate || c->rate > RATE_MAX)
		return refuse(ret_error, -EINVAL, "rate: 1..%u packets a second", RATE_MAX);
	if (c->snap < SNAP_MIN || c->snap > API_CAPTURE_SNAP)
		return refuse(ret_error, -EINVAL, "snap: %u..%u bytes", SNAP_MIN, API_CAPTURE_SNAP);
	if (c->vrf && !vrf_find(c->vrf))
		return refuse(ret_error, -ENOENT, "vrf: %u is not known", c->vrf);
	if (c->conn && !conn_find(c->conn))
		return refuse(ret_error, -ENOENT, "conn: %u is not known", c->conn);
	return 0;
}

// The person behind sudo or su, as the kernel keeps it; -1: nobody logged in.
static long login_uid(int pid)
{
	char path[64], text[16] = "";
	unsigned long uid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/loginuid", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	uid = fgets(text, sizeof(text), f) ? strtoul(text, NULL, 10) : UINT32_MAX;
	fclose(f);
	return uid == UINT32_MAX ? -1 : (long)uid;
}

static bool is_sealed(const struct api_conn *c)
{
	return c->type == API_CONN_IPSEC || (c->flags & API_CONN_F_GRE_OVER_IPSEC);
}

// Who looked into whose tunnel, for the journal, which knows when.
static int check_decrypt(
	const struct api_capture *c, const struct api_emit *emit, struct api_error *ret_error)
{
	const struct api_conn *conn = c->conn ? conn_api(conn_find(c->conn)) : NULL;
	uint32_t uid = UINT32_MAX;
	int pid = 0;

	if (!c->decrypt && conn && is_sealed(conn))
		return refuse(ret_error, -EPERM,
			"conn: %u is protected by IPsec; its packets are shown in clear only with "
			"decrypt, which the journal notes",
			c->conn);
	if (!c->decrypt)
		return 0;
	if (!conn || !is_sealed(conn))
		return refuse(ret_error, -EINVAL, "decrypt: conn must name one IPsec connection");
	if (api_emit_caller(emit, &uid, &pid) < 0 || uid != 0)
		return refuse(ret_error, -EPERM, "decrypt: only the administrator (root) may");
	log_warning("audit: uid %u (login uid %ld, process %d) captures connection %u (%.64s) "
		    "decrypted, at most %u packets in %u ms",
		uid, login_uid(pid), pid, c->conn, conn->name, c->count, c->timeout_ms);
	return 0;
}

static int call_capture(void *ctx, const void *object, size_t size, int fd, struct api_emit *emit,
	struct api_error *ret_error)
{
	static const struct timeval interval = {0, POLL_MS * 1000};
	const struct api_capture *c = object;
	struct capture_config config;
	int r = check(c, ret_error);

	if (r == 0)
		r = check_decrypt(c, emit, ret_error);
	if (r < 0)
		return r;
	config = (struct capture_config){.vrf = c->vrf ? vrf_find(c->vrf)->index : 0,
		.conn = c->conn ? conn_index(conn_find(c->conn)) : 0,
		.rate = c->rate,
		.snap = c->snap,
		.decrypt = c->decrypt};
	r = capture_start(&config);
	if (r < 0)
		return refuse(ret_error, r, "no memory, or too many look on already");
	session.emit = emit;
	session.left = c->count;
	session.room = c->bytes ? c->bytes : UINT64_MAX;
	session.end_ns = clock_ns() + c->timeout_ms * UINT64_C(1000000);
	session.unsent = 0;
	event_add(session.timer, &interval);
	return API_DEFERRED;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_CAPTURE,
		.size = sizeof(struct api_capture),
		.min_size = offsetof(struct api_capture, decrypt),
		.name = "capture",
		.call = call_capture},
};

static int module_init(const struct module_env *env)
{
	session.timer = event_new(env->base, -1, EV_PERSIST, poll_capture, NULL);
	return 0;
}

static void module_fini(void)
{
	if (session.emit)
		end_session(-ESHUTDOWN, "the forwarder ends");
	event_free(session.timer);
}

const struct module module_capture = {
	.name = "capture",
	.init = module_init,
	.fini = module_fini,
	.handlers = handlers,
	.handlers_len = sizeof(handlers) / sizeof(handlers[0]),
};
