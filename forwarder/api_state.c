// SPDX-License-Identifier: Apache-2.0
//
// What the forwarder reports of itself: ports, counters of drops, nodes, workers. Counters are
// per worker, written by it alone and read here without locks; each is a sum of 64-bit loads.
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "graph.h"
#include "log.h"
#include "modules.h"
#include "objects.h"
#include "rcu.h"
#include "worker_loop.h"

#define REFRESH_MS 500

static struct event *refresh_timer;

static int dump_ports(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_port *want = filter;

	for (uint16_t i = 0; i < PORT_MAX; i++) {
		struct port *p = port_table[i];
		struct api_port out = {0};

		if (!p || (want && want->port && want->port != i))
			continue;
		p->ops->refresh(p);
		out = (struct api_port){
			.port = i,
			.up = p->up,
			.kind = p->ops == &af_packet_ops ? 1 : 2,
			.mac = p->mac,
			.mtu = p->mtu,
			.rx_packets = p->rx_packets,
			.rx_bytes = p->rx_bytes,
			.tx_packets = p->tx_packets,
			.tx_bytes = p->tx_bytes,
			.rx_dropped = p->rx_dropped,
			.tx_dropped = p->tx_dropped,
		};
		memcpy(out.name, p->name, sizeof(out.name));
		(void)api_emit(emit, &out, sizeof(out)); // few: their sum is bounded
	}
	return 0;
}

static uint64_t drops_of(enum drop_reason reason)
{
	uint64_t sum = 0;

	for (uint16_t i = 0; i < worker_count; i++)
		sum += __atomic_load_n(&worker_table[i]->drops[reason], __ATOMIC_RELAXED);
	return sum;
}

static int dump_counters(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_counter *want = filter;

	for (int reason = 1; reason < DROP_COUNT; reason++) {
		struct api_counter out = {.value = drops_of(reason)};

		snprintf(out.name, sizeof(out.name), "drop.%s", drop_name(reason));
		snprintf(out.text, sizeof(out.text), "%s", drop_text(reason));
		if (want && want->name[0] && strncmp(want->name, out.name, sizeof(out.name)) != 0)
			continue;
		(void)api_emit(emit, &out, sizeof(out)); // few: their sum is bounded
	}
	return 0;
}

static void emit_stats(
	struct api_emit *emit, uint16_t worker, const char *name, const struct node_stats *s)
{
	struct api_node_stats out = {.worker = worker, .calls = s->calls, .packets = s->packets};

	// Some loops are timed; the cycles of all follow from their share.
	if (s->timed_packets)
		out.cycles = (uint64_t)((double)s->timed_cycles * (double)s->packets /
					(double)s->timed_packets);
	snprintf(out.name, sizeof(out.name), "%s", name);
	(void)api_emit(emit, &out, sizeof(out)); // few: their sum is bounded
}

static int dump_nodes(void *ctx, const void *filter, struct api_emit *emit)
{
	for (uint16_t i = 0; i < worker_count; i++) {
		const struct worker *w = worker_table[i];

		emit_stats(emit, i, "rx", &w->rx_stats);
		for (uint16_t n = 0; n < w->graph->len; n++)
			emit_stats(emit, i, w->graph->nodes[n]->name, &w->stats[n]);
		emit_stats(emit, i, "tx", &w->tx_stats);
	}
	return 0;
}

static int dump_workers(void *ctx, const void *filter, struct api_emit *emit)
{
	struct worker_report r;

	for (uint16_t i = 0; worker_report(i, &r); i++) {
		struct api_worker out = {
			.worker = i,
			.core = r.core,
			.loops = r.loops,
			.busy_loops = r.busy_loops,
			.sleeps = r.sleeps,
			.beat_us = r.beat_us,
		};

		(void)api_emit(emit, &out, sizeof(out)); // few: their sum is bounded
	}
	return 0;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_PORT,
		.size = sizeof(struct api_port),
		.key_size = offsetof(struct api_port, up),
		.name = "port",
		.dump = dump_ports},
	{.type = API_TYPE_COUNTER,
		.size = sizeof(struct api_counter),
		.key_size = offsetof(struct api_counter, value),
		.name = "counter",
		.dump = dump_counters},
	{.type = API_TYPE_NODE_STATS,
		.size = sizeof(struct api_node_stats),
		.key_size = offsetof(struct api_node_stats, calls),
		.name = "node-stats",
		.dump = dump_nodes},
	{.type = API_TYPE_WORKER,
		.size = sizeof(struct api_worker),
		.key_size = offsetof(struct api_worker, core),
		.name = "worker",
		.dump = dump_workers},
};

static void refresh(evutil_socket_t fd, short what, void *arg)
{
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		if (port_table[i])
			port_table[i]->ops->refresh(port_table[i]);
	}
	rcu_reclaim();
}

static int state_init(const struct module_env *env)
{
	static const struct timeval interval = {0, REFRESH_MS * 1000};

	refresh_timer = event_new(env->base, -1, EV_PERSIST, refresh, NULL);
	event_add(refresh_timer, &interval);
	return 0;
}

static void state_fini(void)
{
	event_free(refresh_timer);
	refresh_timer = NULL;
}

const struct module module_state = {
	.name = "state",
	.init = state_init,
	.fini = state_fini,
	.handlers = handlers,
	.handlers_len = sizeof(handlers) / sizeof(handlers[0]),
};
