// SPDX-License-Identifier: Apache-2.0

// What a connection has carried: sums over the workers' counters, and rates over the last second.

#include <stdlib.h>

#include "conn_impl.h"
#include "drop.h"
#include "server.h"
#include "worker.h"

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

void conn_tick(uint64_t now_ms)
{
	static uint64_t last_ms;
	uint64_t ms = now_ms - last_ms;

	if (ms < 1000)
		return;
	last_ms = now_ms;
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		struct conn *c = conn_by_index(i);
		struct api_conn_stats now = {0};

		if (!c)
			continue;
		sum(c, &now);
		c->in_kbps = (now.in_bytes - c->last_in_bytes) * 8 / ms;
		c->out_kbps = (now.out_bytes - c->last_out_bytes) * 8 / ms;
		c->last_in_bytes = now.in_bytes;
		c->last_out_bytes = now.out_bytes;
	}
}

void conn_event(const struct conn *c, bool up, uint8_t reason)
{
	struct api_conn_event event = {.conn = c->api.conn, .up = up, .reason = reason};

	if (conn_server)
		api_server_event(conn_server, API_TYPE_CONN_EVENT, &event, sizeof(event));
}
