// SPDX-License-Identifier: Apache-2.0
//
// A slot follows one packet, found by its buffer's address while PACKET_F_TRACED is set. The worker
// owns a slot until it marks it DONE; then the control thread does, until it marks it FREE.
#include "trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "control.h"
#include "observe.h"
#include "xmalloc.h"

enum slot_state { SLOT_FREE, SLOT_FOLLOWING, SLOT_DONE };

struct slot {
	enum slot_state state;
	const struct rte_mbuf *m;
	bool matched;
	uint32_t len; // of text, bytes
	char text[TRACE_TEXT_SIZE];
};

struct trace {
	struct trace_config config;
	struct slot slots[WORKER_MAX][TRACE_SLOTS];
};

static struct trace *trace; // ctl: rw, worker: ro while an observer is set

static struct slot *slot_of(const struct worker *w, const struct rte_mbuf *m)
{
	for (int i = 0; i < TRACE_SLOTS; i++) {
		struct slot *s = &trace->slots[w->index][i];

		if (__atomic_load_n(&s->state, __ATOMIC_RELAXED) == SLOT_FOLLOWING && s->m == m)
			return s;
	}
	return NULL;
}

static void finish(struct slot *s)
{
	__atomic_store_n(&s->state, s->matched ? SLOT_DONE : SLOT_FREE, __ATOMIC_RELEASE);
}

static struct slot *slot_take(const struct worker *w, const struct rte_mbuf *m)
{
	struct slot *s = slot_of(w, m);

	if (s)
		finish(s); // its packet ended out of our sight; the buffer is in use again
	for (int i = 0; i < TRACE_SLOTS; i++) {
		s = &trace->slots[w->index][i];
		if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != SLOT_FREE)
			continue;
		s->m = m;
		s->len = 0;
		s->matched = !trace->config.vrf && !trace->config.conn;
		__atomic_store_n(&s->state, SLOT_FOLLOWING, __ATOMIC_RELAXED);
		return s;
	}
	return NULL;
}

__attribute__((format(printf, 2, 3))) static void line(struct slot *s, const char *fmt, ...)
{
	size_t room = sizeof(s->text) - s->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->text + s->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		s->len += (size_t)n < room ? (uint32_t)n : (uint32_t)room - 1;
}

static void match(struct slot *s, const struct packet_meta *meta)
{
	const struct trace_config *c = &trace->config;

	if ((!c->vrf || meta->vrf == c->vrf) && (!c->conn || meta->conn == c->conn))
		s->matched = true;
}

static void describe(struct slot *s, const struct node *node, const struct rte_mbuf *m)
{
	const struct packet_meta *meta = packet_meta(m);
	char text[256];

	match(s, meta);
	text[0] = '\0';
	if (node->trace)
		node->trace(m, text, sizeof(text));
	line(s, "%s: %u bytes, port %u, vlan %u, vrf %u, conn %u%s%s\n", node->name, m->pkt_len,
		meta->port, meta->vlan, meta->vrf, meta->conn, text[0] ? ": " : "", text);
}

// Packets in front of the graph are taken up as long as there is a slot.
static bool takes_up(const struct worker *w, uint16_t node, const struct rte_mbuf *m)
{
	bool flagged = packet_meta(m)->flags & PACKET_F_TRACED;

	if (trace->config.injected_only)
		return flagged && !slot_of(w, m);
	return node == w->graph->input && (!flagged || !slot_of(w, m));
}

static void on_node(struct worker *w, uint16_t node, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct packet_meta *meta = packet_meta(pkts[i]);
		struct slot *s = NULL;

		if (takes_up(w, node, pkts[i]))
			s = slot_take(w, pkts[i]);
		else if (meta->flags & PACKET_F_TRACED)
			s = slot_of(w, pkts[i]);
		if (s) {
			meta->flags |= PACKET_F_TRACED;
			describe(s, w->graph->nodes[node], pkts[i]);
		} else {
			meta->flags &= (uint8_t)~PACKET_F_TRACED;
		}
	}
}

static struct slot *ending(struct worker *w, struct rte_mbuf *m)
{
	struct packet_meta *meta = packet_meta(m);
	struct slot *s = meta->flags & PACKET_F_TRACED ? slot_of(w, m) : NULL;

	meta->flags &= (uint8_t)~PACKET_F_TRACED;
	if (s)
		match(s, meta);
	return s;
}

static void on_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	struct slot *s = ending(w, m);

	if (!s)
		return;
	line(s, "drop: %s: %s\n", drop_name(reason), drop_text(reason));
	finish(s);
}

static void on_tx(struct worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	const struct port *p = port_table[port];

	for (uint16_t i = 0; i < n; i++) {
		struct slot *s = ending(w, pkts[i]);

		if (!s)
			continue;
		line(s, "tx: %u bytes on port %u (%s)\n", pkts[i]->pkt_len, port,
			p ? p->name : "none");
		finish(s);
	}
}

static void on_control(struct worker *w, uint8_t what, struct rte_mbuf *m)
{
	struct slot *s = ending(w, m);

	if (!s)
		return;
	line(s, "control: handed to the control thread (%s)\n", control_name(what));
	finish(s);
}

static const struct worker_observer trace_observer = {
	.node = on_node,
	.drop = on_drop,
	.tx = on_tx,
	.control = on_control,
};

int trace_arm(const struct trace_config *config)
{
	if (trace)
		return -EBUSY;
	trace = xcalloc(1, sizeof(*trace));
	trace->config = *config;
	return observe_start(&trace_observer);
}

uint32_t trace_collect(uint32_t max, trace_fn fn, void *ctx)
{
	uint32_t len = 0;

	for (uint16_t i = 0; trace && i < worker_count; i++) {
		for (int k = 0; k < TRACE_SLOTS && len < max; k++) {
			struct slot *s = &trace->slots[i][k];

			if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != SLOT_DONE)
				continue;
			fn(ctx, s->text);
			len++;
			__atomic_store_n(&s->state, SLOT_FREE, __ATOMIC_RELEASE);
		}
	}
	return len;
}

void trace_disarm(void)
{
	if (!trace)
		return;
	observe_stop(&trace_observer);
	free(trace);
	trace = NULL;
}
