// SPDX-License-Identifier: Apache-2.0

// Control thread's side of GRE keepalives: sends one an interval, counts those that do not come
// back, and says of its connection that it is down or up. A connection begins as up, so that
// neither a start nor a take-over flaps it.

#include "keepalive.h"

#include <stdlib.h>

#include "bfd/wheel.h"
#include "conn/conn.h"
#include "gre/keepalive_packet.h"
#include "graph.h"
#include "hot.h"
#include "packet.h"
#include "rcu.h"
#include "xmalloc.h"

#define REASON_KEEPALIVE 1  // of struct api_conn_event
#define STAGGER          97 // spreads the first ones of many connections over their interval

struct keepalive {
	struct wheel_entry timer;
	struct keepalive_config config;
	struct keepalive_probe *probe;
	uint32_t heard;      // of the probe's, when last looked at
	uint32_t unanswered; // sent since
};

static struct wheel timers;
static uint64_t now_us;

void keepalive_init(void)
{
	wheel_init(&timers, 0);
	now_us = 0;
}

static void send(struct keepalive *k)
{
	struct rte_mbuf *m = worker_table[0] ? rte_pktmbuf_alloc(worker_table[0]->pool) : NULL;
	uint8_t bytes[KEEPALIVE_PACKET_SIZE];
	uint32_t id = k->probe->sent + 1;
	size_t size;

	k->unanswered++;
	if (!m)
		return;
	packet_meta_reset(m);
	packet_meta(m)->source = PACKET_FROM_LOCAL;
	packet_meta(m)->out = k->config.hop;
	size = keepalive_write_probe(&k->config, (uint16_t)id, bytes);
	memcpy(rte_pktmbuf_append(m, (uint16_t)size), bytes, size);
	__atomic_store_n(&k->probe->sent, id, __ATOMIC_RELAXED);
	if (!worker_inject(0, NODE_HOP_OUT, m))
		rte_pktmbuf_free(m);
}

static void step(struct keepalive *k)
{
	uint32_t heard = __atomic_load_n(&k->probe->heard, __ATOMIC_RELAXED);

	if (heard != k->heard) {
		k->heard = heard;
		k->unanswered = 0;
		conn_set_up(k->config.conn, true, REASON_KEEPALIVE);
	} else if (k->unanswered >= k->config.retries) {
		k->unanswered = k->config.retries;
		conn_set_up(k->config.conn, false, REASON_KEEPALIVE);
	}
	send(k);
}

void keepalive_tick(uint64_t now_ms)
{
	struct wheel_entry *e;

	now_us = now_ms * 1000;
	while ((e = wheel_take(&timers, now_us))) {
		struct keepalive *k =
			(struct keepalive *)((char *)e - offsetof(struct keepalive, timer));

		step(k);
		wheel_set(&timers, &k->timer, now_us + k->config.interval_ms * UINT64_C(1000));
	}
}

struct keepalive *keepalive_set(struct keepalive *k, const struct keepalive_config *config)
{
	if (!config) {
		if (k) {
			wheel_clear(&timers, &k->timer);
			rcu_defer(hot_free, k->probe);
			free(k);
		}
		return NULL;
	}
	if (!k) {
		k = xcalloc(1, sizeof(*k));
		k->probe = hot_alloc(sizeof(*k->probe));
		k->probe->sent = config->conn * UINT32_C(0x9e3779b1) >> 16;
	}
	if (!k->timer.set || config->interval_ms != k->config.interval_ms)
		wheel_set(&timers, &k->timer,
			now_us + config->conn * STAGGER % config->interval_ms * UINT64_C(1000));
	k->config = *config;
	return k;
}

struct keepalive_probe *keepalive_probe(const struct keepalive *k)
{
	return k ? k->probe : NULL;
}
