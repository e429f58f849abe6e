// SPDX-License-Identifier: Apache-2.0

// What a connection has carried: sums over the workers' counters, and rates over about a second.

#include <stdlib.h>

#include "conn_impl.h"
#include "drop.h"
#include "server.h"
#include "worker.h"

#define RATE_MS 1000 // over which rates are measured

struct api_server *conn_server;

// Drop reasons met on the way out of a tenant's network into the connection; the rest are inbound.
static bool is_outbound(unsigned reason)
{
	switch (reason) {
	case DROP_MTU_EXCEEDED:
	case DROP_NEIGHBOUR_UNRESOLVED:
	case DROP_NEIGHBOUR_QUEUE_FULL:
	case DROP_ESP_NO_SA:
	case DROP_ESP_SEQUENCE_END:
	case DROP_ESP_RESERVATION_END:
	case DROP_ESP_COUNTER_END:
	case DROP_ESP_LIFETIME_END:
	case DROP_CONN_DOWN: return true;
	default: return false;
	}
}

static void sum(const struct conn *c, struct api_conn_stats *out)
{
	for (unsigned i = 0; i < worker_count; i++) {
		const struct worker *w = worker_table[i];
		const struct conn_counters *k;
		const uint64_t *drops;

		if (!w || c->index >= w->conns_size)
			continue;
		k = &w->conns[c->index];
		drops = &w->conn_drops[(size_t)c->index * DROP_COUNT];
		out->in_packets += k->in_packets;
		out->in_bytes += k->in_bytes;
		out->out_packets += k->out_packets;
		out->out_bytes += k->out_bytes;
		out->in_rate_dropped += drops[DROP_POLICER_IN];
		out->out_rate_dropped += drops[DROP_POLICER_OUT];
		for (unsigned r = 1; r < DROP_COUNT; r++)
			if (r != DROP_POLICER_IN && r != DROP_POLICER_OUT)
				*(is_outbound(r) ? &out->out_dropped : &out->in_dropped) +=
					drops[r];
	}
}

int conn_stats_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_conn_stats *want = filter;
	uint64_t *cursor = api_emit_cursor(emit);

	for (uint32_t i = (uint32_t)*cursor; i < CONN_MAX; i++) {
		const struct conn *c = conn_by_index(i);
		struct api_conn_stats out = {0};
		int r;

		*cursor = i + 1;
		if (!c || (want && want->conn && want->conn != c->api.conn))
			continue;
		out.conn = c->api.conn;
		out.up = conn_fwd_table[i] && !conn_fwd_table[i]->refused && !c->is_down;
		out.in_kbps = c->in_kbps;
		out.out_kbps = c->out_kbps;
		sum(c, &out);
		r = api_emit(emit, &out, sizeof(out));
		if (r < 0)
			return r;
	}
	return 0;
}

static void measure(struct conn *c, uint64_t now_ms)
{
	uint64_t in = 0, out = 0, ms = now_ms - c->measured_ms;

	for (unsigned i = 0; i < worker_count; i++) {
		const struct worker *w = worker_table[i];

		if (!w || c->index >= w->conns_size)
			continue;
		in += w->conns[c->index].in_bytes;
		out += w->conns[c->index].out_bytes;
	}
	if (c->measured_ms && ms) {
		c->in_kbps = (in - c->last_in_bytes) * 8 / ms;
		c->out_kbps = (out - c->last_out_bytes) * 8 / ms;
	}
	c->last_in_bytes = in;
	c->last_out_bytes = out;
	c->measured_ms = now_ms;
}

// A share of the table each time, so that each connection has its turn once in RATE_MS and no call
// takes long.
void conn_tick(uint64_t now_ms)
{
	static uint64_t last_ms;
	static uint32_t next;
	uint64_t ms = now_ms > last_ms ? now_ms - last_ms : 0;
	uint32_t len =
		(uint32_t)(ms >= RATE_MS ? CONN_MAX : (CONN_MAX * ms + RATE_MS - 1) / RATE_MS);

	last_ms = now_ms;
	for (; len; len--) {
		struct conn *c = conn_by_index(next);

		next = (next + 1) % CONN_MAX;
		if (c)
			measure(c, now_ms);
	}
}

void conn_event(const struct conn *c, bool up, uint8_t reason)
{
	struct api_conn_event event = {.conn = c->api.conn, .up = up, .reason = reason};

	if (conn_server)
		api_server_event(conn_server, API_TYPE_CONN_EVENT, &event, sizeof(event));
}
