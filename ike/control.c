// SPDX-License-Identifier: GPL-3.0-or-later
#include "control.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <event2/event.h>
#include <library.h>

#include "conn.h"
#include "diagnose.h"
#include "dial.h"
#include "ike.h"
#include "ring.h"
#include "sandbox.h"
#include "server.h"
#include "xmalloc.h"

#define STATE_POLL_MS 200 // how late a change of state may be told to subscribers

static struct {
	struct api_server *server;
	struct event *poll;
} control;

static void down_because_disabled(struct api_ike_state *state, void *ctx)
{
	state->state = *(const bool *)ctx ? API_IKE_DOWN : API_IKE_DISABLED;
}

// What differs decides how far a change reaches: a disabled one is torn down, a changed one begins
// anew, an enabled one is dialled if it is ours to dial.
static void enact(const struct api_ike_conn *before, const struct api_ike_conn *now)
{
	bool was = before && before->flags & API_IKE_F_ENABLED;
	bool enabled = now->flags & API_IKE_F_ENABLED;

	if (was)
		dial_hang_up(now->conn);
	if (was != enabled || !before)
		conn_state_update(now->conn, down_because_disabled, &enabled);
	if (enabled)
		dial_now(now->conn);
}

static int set_conn(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_ike_conn *now = object;
	struct api_ike_conn before;
	bool existed = conn_get(now->conn, &before);
	int rc = conn_set(now, ret_error->text, sizeof(ret_error->text));

	if (rc < 0)
		return rc;
	if (rc == 1)
		return API_UNCHANGED;
	ring_forget(now->conn, &now->local, &now->remote);
	if (existed)
		ring_forget_strangers(&before.local);
	enact(existed ? &before : NULL, now);
	return API_CHANGED;
}

static int del_conn(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_ike_conn *conn = key;
	struct api_ike_conn before;

	dial_hang_up(conn->conn);
	if (conn_get(conn->conn, &before)) {
		ring_forget(conn->conn, &before.local, &before.remote);
		ring_forget_strangers(&before.local);
	}
	return conn_del(conn->conn) == 0 ? API_CHANGED : API_UNCHANGED;
}

struct dump {
	struct api_emit *emit;
	uint32_t only; // 0: all
	uint64_t skip, seen;
	int rc;
};

// The table hands them out in one order as long as it does not change; a dump that is interrupted
// by back-pressure goes on by count, and a change in between can show one twice, never hide one
// from the next dump.
static bool due(struct dump *d, uint32_t conn)
{
	return (!d->only || d->only == conn) && d->rc == 0 && d->seen++ >= d->skip;
}

static void emit_conn(void *ctx, const struct api_ike_conn *conn)
{
	struct dump *d = ctx;

	if (due(d, conn->conn))
		d->rc = api_emit(d->emit, conn, sizeof(*conn));
}

static void emit_state(void *ctx, const struct api_ike_state *state)
{
	struct api_ike_state s = *state;
	struct dump *d = ctx;

	if (!due(d, s.conn))
		return;
	if (s.up_s)
		s.up_s = (uint32_t)time_monotonic(NULL) - s.up_s;
	d->rc = api_emit(d->emit, &s, sizeof(s));
}

static int finish(struct dump *d)
{
	*api_emit_cursor(d->emit) = d->seen;
	return d->rc == -EAGAIN ? -EAGAIN : 0;
}

static int dump_conns(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_ike_conn *f = filter;
	struct dump d = {.emit = emit, .only = f ? f->conn : 0, .skip = *api_emit_cursor(emit)};

	conn_each(emit_conn, &d);
	return finish(&d);
}

static int dump_states(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_ike_state *f = filter;
	struct dump d = {.emit = emit, .only = f ? f->conn : 0, .skip = *api_emit_cursor(emit)};

	conn_state_each(emit_state, &d);
	return finish(&d);
}

static int set_credential(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_ike_credential *cred = object;
	int rc;

	if (size < offsetof(struct api_ike_credential, secret) + cred->secret_size) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			"secret_size: %u bytes were said, fewer came", cred->secret_size);
		return -EINVAL;
	}
	rc = conn_credential_set(cred, ret_error->text, sizeof(ret_error->text));
	if (rc == 0)
		dial_now(cred->conn);
	return rc < 0 ? rc : rc == 0 ? API_CHANGED : API_UNCHANGED;
}

static int del_credential(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_ike_credential *cred = key;

	return conn_credential_del(cred->conn, cred->type, cred->index) == 0 ? API_CHANGED
									     : API_UNCHANGED;
}

static const struct api_handler handlers[] = {
	{
		.type = API_TYPE_IKE_CONN,
		.name = "ike-conn",
		.size = sizeof(struct api_ike_conn),
		.min_size = sizeof(struct api_ike_conn),
		.key_size = offsetof(struct api_ike_conn, vrf),
		.set = set_conn,
		.del = del_conn,
		.dump = dump_conns,
	},
	{
		.type = API_TYPE_IKE_CREDENTIAL,
		.name = "ike-credential",
		.size = sizeof(struct api_ike_credential),
		.min_size = offsetof(struct api_ike_credential, secret),
		.key_size = offsetof(struct api_ike_credential, secret_size),
		.set = set_credential,
		.del = del_credential,
	},
	{
		.type = API_TYPE_IKE_STATE,
		.name = "ike-state",
		.size = sizeof(struct api_ike_state),
		.min_size = offsetof(struct api_ike_state, state),
		.key_size = offsetof(struct api_ike_state, state),
		.dump = dump_states,
	},
};

// Tells subscribers of each state that changed since the last look. libcharon's threads only mark
// a connection; what is sent is what holds now.
static void poll_states(evutil_socket_t fd, short what, void *ctx)
{
	struct api_ike_state state;
	uint32_t conn;

	sandbox_report();
	while ((conn = conn_state_take_changed())) {
		if (!conn_state_get(conn, &state))
			continue;
		if (state.up_s)
			state.up_s = (uint32_t)time_monotonic(NULL) - state.up_s;
		api_server_event(control.server, API_TYPE_IKE_STATE, &state, sizeof(state));
	}
}

int control_init(struct event_base *base, const char *path)
{
	static const struct timeval every = {0, STATE_POLL_MS * 1000};
	uint64_t instance = 0;
	int rc;

	while (!instance && getrandom(&instance, sizeof(instance), 0) != sizeof(instance))
		instance = 0;
	control.server = api_server_new(base, "isthmus-ike", instance);
	rc = api_server_add(control.server, handlers, countof(handlers), NULL);
	if (rc == 0)
		rc = diagnose_init(control.server);
	if (rc == 0)
		rc = api_server_listen(control.server, path);
	control.poll = event_new(base, -1, EV_PERSIST, poll_states, NULL);
	event_add(control.poll, &every);
	return rc;
}

void control_fini(void)
{
	event_free(control.poll);
	api_server_free(control.server);
}
