// SPDX-License-Identifier: Apache-2.0
#include "stats.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto.h"
#include "xmalloc.h"

#define STATS_TICK_MS      100 // workers are asked this often, for the heartbeat
#define STATS_CONN_TICKS   10  // connections: whether they are up
#define STATS_COUNT_ROUNDS 5   // and of those rounds, every fifth their counters

struct stats_conn {
	struct api_conn_stats told;
	uint64_t up_since_s; // by the monotonic clock
	bool known;
	unsigned round; // last seen in
};

// Lasts as long as the connection is wanted, also while the forwarder is away.
struct stats_note {
	uint32_t conn;
	char *warning;
	bool has_ike, changed;
	struct api_ike_state ike;
	uint64_t up_since_s; // by the monotonic clock
};

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

// -- connections

// The error numbers that clients of the API know (of the Windows remote access service).
static uint32_t error_number(uint32_t error)
{
	static const struct {
		uint32_t notify, number;
	} known[] = {
		{7, 13843},  // INVALID_SYNTAX: invalid payload
		{14, 13868}, // NO_PROPOSAL_CHOSEN: policy match error
		{17, 13868}, // INVALID_KE_PAYLOAD
		{24, 13801}, // AUTHENTICATION_FAILED: credentials not accepted
		{38, 13868}, // TS_UNACCEPTABLE
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (known[i].notify == error)
			return known[i].number;
	}
	return error; // 809, no answer, is the same in both
}

// What isthmus-ike knows beyond up or down.
static void add_ike(json_t *value, const struct stats_note *note, bool up)
{
	const struct api_ike_state *ike = &note->ike;
	bool failed = !up && ike->error;
	char number[16];

	if (up && ike->state == API_IKE_UP)
		json_object_set_new(
			value, "upTimeS", json_integer((json_int_t)(now_s() - note->up_since_s)));
	snprintf(number, sizeof(number), "%u", failed ? error_number(ike->error) : 0);
	json_object_set_new(value, "errorReason", json_string(number));
	json_object_set_new(
		value, "unreachabilityReason", json_string(failed ? "ConnectionFailure" : ""));
	if (failed && ike->reason[0])
		json_object_set_new(value, "message", json_string(ike->reason));
}

static json_t *conn_state(
	const struct stats_conn *c, const struct api_conn_stats *now, const struct stats_note *note)
{
	json_t *value;
	json_t *counters = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", //
		"inboundBytes", (json_int_t)now->in_bytes,                //
		"outboundBytes", (json_int_t)now->out_bytes,              //
		"rxTotalPacketsDropped", (json_int_t)(now->in_dropped + now->in_rate_dropped),
		"txTotalPacketsDropped", (json_int_t)(now->out_dropped + now->out_rate_dropped),
		"rxRateLimitedPacketsDropped", (json_int_t)now->in_rate_dropped,  //
		"txRateLimitedPacketsDropped", (json_int_t)now->out_rate_dropped, //
		"rxRateKbps", (json_int_t)now->in_kbps, "txRateKbps", (json_int_t)now->out_kbps);

	value = json_pack("{s:s,s:I,s:o}", "state", now->up ? "Connected" : "Disconnected",
		"upTimeS", (json_int_t)(now->up ? now_s() - c->up_since_s : 0), "statistics",
		counters);
	if (note && note->warning)
		json_object_set_new(value, "warning", json_string(note->warning));
	if (note && note->has_ike)
		add_ike(value, note, now->up);
	return value;
}

static void stats_on_conn(void *ctx, const void *object, size_t size, int fd)
{
	struct stats *s = ctx;
	struct api_conn_stats now = {0};
	struct stats_note *note;
	struct stats_conn *c;
	bool counters, moved;
	char key[16];

	memcpy(&now, object, size < sizeof(now) ? size : sizeof(now));
	c = map_find(&s->conns, &now.conn, sizeof(now.conn));
	if (!c) {
		c = xcalloc(1, sizeof(*c));
		c->told.conn = now.conn;
		map_set(&s->conns, &c->told.conn, sizeof(c->told.conn), c);
	}
	c->round = s->round;
	counters = s->round % STATS_COUNT_ROUNDS == 0 && memcmp(&c->told, &now, sizeof(now));
	note = map_find(&s->notes, &now.conn, sizeof(now.conn));
	if (c->known && c->told.up == now.up && !counters && !(note && note->changed))
		return;
	if (note)
		note->changed = false;
	if (now.up && (!c->known || !c->told.up))
		c->up_since_s = now_s();
	moved = now.up != (c->known ? c->told.up : 1);
	c->known = true;
	c->told = now;
	if (moved && s->conn_moved)
		s->conn_moved(s->ctx, now.conn);
	snprintf(key, sizeof(key), "%u", now.conn);
	report_state(s->report, "connection", key, conn_state(c, &now, note));
}

static void stats_on_conns(void *ctx, int status, const char *text)
{
	struct stats *s = ctx;
	struct stats_conn *c;
	size_t at = 0;
	char key[16];

	s->asking_conns = false;
	while (status >= 0 && (c = map_next(&s->conns, &at))) {
		if (c->round == s->round)
			continue;
		snprintf(key, sizeof(key), "%u", c->told.conn);
		report_gone(s->report, "connection", key);
		map_del(&s->conns, &c->told.conn, sizeof(c->told.conn));
		free(c);
	}
	if (report_due(s->report))
		s->changed(s->ctx);
}

static void stats_ask_conns(struct stats *s)
{
	if (s->asking_conns || !s->forwarder)
		return;
	s->round++;
	s->asking_conns = !api_client_dump(
		s->forwarder, API_TYPE_CONN_STATS, NULL, 0, stats_on_conn, stats_on_conns, s);
}

bool stats_is_usable(const struct stats *s, uint32_t conn)
{
	const struct stats_conn *c = map_find(&s->conns, &conn, sizeof(conn));

	return !c || !c->known || c->told.up;
}

// -- what others say

static struct stats_note *note_get(struct stats *s, uint32_t conn)
{
	struct stats_note *n = map_find(&s->notes, &conn, sizeof(conn));

	if (!n) {
		n = xcalloc(1, sizeof(*n));
		n->conn = conn;
		map_set(&s->notes, &n->conn, sizeof(n->conn), n);
	}
	return n;
}

static bool ike_differs(const struct api_ike_state *a, const struct api_ike_state *b)
{
	return a->state != b->state || a->error != b->error || strcmp(a->reason, b->reason) != 0;
}

void stats_on_ike(struct stats *s, const struct api_ike_state *state)
{
	struct stats_note *n = note_get(s, state->conn);

	n->changed |= !n->has_ike || ike_differs(&n->ike, state);
	n->has_ike = true;
	n->ike = *state;
	n->up_since_s = now_s() - state->up_s;
	if (n->changed)
		stats_ask_conns(s);
}

void stats_set_warning(struct stats *s, uint32_t conn, const char *text)
{
	struct stats_note *n =
		text || map_find(&s->notes, &conn, sizeof(conn)) ? note_get(s, conn) : NULL;

	if (!n || (!text && !n->warning) || (text && n->warning && !strcmp(text, n->warning)))
		return;
	free(n->warning);
	n->warning = text ? xstrdup(text) : NULL;
	n->changed = true;
}

void stats_forget(struct stats *s, uint32_t conn)
{
	struct stats_note *n = map_del(&s->notes, &conn, sizeof(conn));

	if (!n)
		return;
	free(n->warning);
	free(n);
}

void stats_conn_event(struct stats *s)
{
	stats_ask_conns(s);
}

// -- workers

static void stats_on_worker(void *ctx, const void *object, size_t size, int fd)
{
	struct stats *s = ctx;
	struct api_worker w = {0};

	memcpy(&w, object, size < sizeof(w) ? size : sizeof(w));
	if (w.worker >= sizeof(s->loops) / sizeof(*s->loops))
		return;
	// beat_us is 0 only for one that sleeps because there is nothing to do.
	if (w.loops == s->loops[w.worker] && w.beat_us)
		s->all_moved = false;
	s->loops[w.worker] = w.loops;
}

static void stats_on_workers(void *ctx, int status, const char *text)
{
	struct stats *s = ctx;

	s->asking_workers = false;
	if (status >= 0 && s->all_moved)
		s->workers++;
}

static void stats_on_port(void *ctx, const void *object, size_t size, int fd)
{
	struct stats *s = ctx;
	struct api_port port = {0};

	memcpy(&port, object, size < sizeof(port) ? size : sizeof(port));
	if (port.port >= 64)
		return;
	s->plugged_ports &= ~(UINT64_C(1) << port.port);
	s->plugged_ports |= (uint64_t)(port.up != 0) << port.port;
	s->ports_known = true;
}

bool stats_is_unplugged(const struct stats *s)
{
	return s->forwarder && s->ports_known && s->underlay_ports &&
	       !(s->underlay_ports & s->plugged_ports);
}

static void stats_on_tick(evutil_socket_t sock, short what, void *arg)
{
	static unsigned ticks;
	struct stats *s = arg;

	if (!s->forwarder)
		return;
	if (!s->asking_workers) {
		s->all_moved = true;
		s->asking_workers = !api_client_dump(s->forwarder, API_TYPE_WORKER, NULL, 0,
			stats_on_worker, stats_on_workers, s);
		api_client_dump(s->forwarder, API_TYPE_PORT, NULL, 0, stats_on_port, NULL, s);
	}
	if (++ticks % STATS_CONN_TICKS == 0)
		stats_ask_conns(s);
}

void stats_init(struct stats *s, struct event_base *base, struct report *report,
	void (*changed)(void *ctx), void *ctx)
{
	*s = (struct stats){.report = report, .changed = changed, .ctx = ctx};
	map_init(&s->conns);
	map_init(&s->notes);
	s->timer = event_new(base, -1, EV_PERSIST, stats_on_tick, s);
	if (!s->timer)
		abort();
	event_add(s->timer, &(struct timeval){.tv_usec = STATS_TICK_MS * 1000});
}

void stats_fini(struct stats *s)
{
	struct stats_conn *c;
	struct stats_note *n;
	size_t at = 0;

	while ((c = map_next(&s->conns, &at)))
		free(c);
	map_fini(&s->conns);
	for (at = 0; (n = map_next(&s->notes, &at));) {
		free(n->warning);
		free(n);
	}
	map_fini(&s->notes);
	event_free(s->timer);
}

void stats_set_forwarder(struct stats *s, struct api_client *forwarder)
{
	s->forwarder = forwarder;
	s->asking_conns = s->asking_workers = s->ports_known = false;
}
