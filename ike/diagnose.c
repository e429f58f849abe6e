// SPDX-License-Identifier: GPL-3.0-or-later
#include "diagnose.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "conn.h"
#include "doctor.h"
#include "ring.h"
#include "server.h"
#include "xmalloc.h"

#define MESSAGES 256 // at most that many are looked at for one connection

// -- the decoded exchanges

struct dump {
	struct api_emit *emit;
	uint64_t skip, seen;
	uint32_t only;
	int rc;
};

static void emit_exchange(void *ctx, uint32_t conn, const struct exchange *e)
{
	struct dump *d = ctx;
	struct api_ike_exchange out = {
		.conn = conn,
		.time_ms = e->time_ms,
		.inbound = e->inbound,
		.request = e->request,
		.exchange = e->exchange,
		.message_id = e->message_id,
		.local = e->local,
		.remote = e->remote,
	};

	if (d->rc < 0 || d->seen++ < d->skip)
		return;
	out.index = (uint32_t)d->seen;
	exchange_text(e, out.text, sizeof(out.text));
	d->rc = api_emit(d->emit, &out, sizeof(out));
}

static int dump_exchanges(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_ike_exchange *f = filter;
	struct dump d = {.emit = emit, .skip = *api_emit_cursor(emit)};
	struct api_ike_conn want;

	if (!f || !f->conn)
		ring_each(emit_exchange, &d);
	else if (conn_get(f->conn, &want))
		ring_collect(f->conn, &want.local, &want.remote, conn_is_any_remote,
			conn_shares_address(f->conn), emit_exchange, &d);
	*api_emit_cursor(emit) = d.seen;
	return d.rc == -EAGAIN ? -EAGAIN : 0;
}

// -- the doctor

struct messages {
	struct exchange *list[MESSAGES];
	size_t len;
};

// The newest MESSAGES of them.
static void keep(void *ctx, uint32_t conn, const struct exchange *e)
{
	struct messages *m = ctx;

	if (m->len == MESSAGES) {
		free(m->list[0]);
		for (size_t i = 1; i < MESSAGES; i++)
			m->list[i - 1] = m->list[i];
		m->len--;
	}
	m->list[m->len++] = exchange_clone(e, NULL);
}

static int call_diagnose(void *ctx, const void *object, size_t size, int fd, struct api_emit *emit,
	struct api_error *ret_error)
{
	const struct api_ike_diagnose *ask = object;
	struct api_ike_verdict verdicts[DOCTOR_VERDICTS];
	struct messages m = {.len = 0};
	struct api_ike_state state;
	struct api_ike_conn want;
	struct doctor_case c = {.want = &want, .state = &state};
	size_t len;

	if (!conn_get(ask->conn, &want) || !conn_state_get(ask->conn, &state)) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			"conn: there is no connection %u", ask->conn);
		return -ENOENT;
	}
	c.withheld = ring_collect(ask->conn, &want.local, &want.remote, conn_is_any_remote,
		conn_shares_address(ask->conn), keep, &m);
	c.has_credential = conn_has_credential(ask->conn, want.auth);
	c.exchanges = (const struct exchange *const *)m.list;
	c.len = m.len;
	len = doctor_diagnose(&c, verdicts);
	for (size_t i = 0; i < len; i++)
		api_emit(emit, &verdicts[i], sizeof(verdicts[i]));
	while (m.len)
		free(m.list[--m.len]);
	return API_UNCHANGED;
}

static const struct api_handler handlers[] = {
	{
		.type = API_TYPE_IKE_EXCHANGE,
		.name = "ike-exchange",
		.size = sizeof(struct api_ike_exchange),
		.min_size = offsetof(struct api_ike_exchange, index),
		.key_size = offsetof(struct api_ike_exchange, time_ms),
		.dump = dump_exchanges,
	},
	{
		.type = API_TYPE_IKE_DIAGNOSE,
		.name = "ike-diagnose",
		.size = sizeof(struct api_ike_diagnose),
		.min_size = offsetof(struct api_ike_diagnose, pad),
		.key_size = offsetof(struct api_ike_diagnose, pad),
		.call = call_diagnose,
	},
};

int diagnose_init(struct api_server *server)
{
	return api_server_add(server, handlers, countof(handlers), NULL);
}
