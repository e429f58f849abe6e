// SPDX-License-Identifier: Apache-2.0
//
// Workers see one observer: none, or the one here that passes each call on to all in `observers`.
#include "observe.h"

#include <errno.h>

#include "rcu.h"

static const struct worker_observer *observers[OBSERVERS_MAX]; // ctl: rw, worker: ro

#define EACH(o)                                    \
	for (int i_ = 0; i_ < OBSERVERS_MAX; i_++) \
		for (const struct worker_observer *o = rcu_load(&observers[i_]); o; o = NULL)

static void pass_node(struct worker *w, uint16_t node, struct rte_mbuf **pkts, uint16_t n)
{
	EACH(o)
	if (o->node)
		o->node(w, node, pkts, n);
}

static void pass_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	EACH(o)
	if (o->drop)
		o->drop(w, m, reason);
}

static void pass_tx(struct worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	EACH(o)
	if (o->tx)
		o->tx(w, port, pkts, n);
}

static void pass_control(struct worker *w, uint8_t what, struct rte_mbuf *m)
{
	EACH(o)
	if (o->control)
		o->control(w, what, m);
}

static const struct worker_observer all = {
	.node = pass_node,
	.drop = pass_drop,
	.tx = pass_tx,
	.control = pass_control,
	.every_node = true,
};

static void show(void)
{
	const struct worker_observer *o = NULL;

	for (int i = 0; i < OBSERVERS_MAX; i++)
		o = observers[i] ? &all : o;
	for (uint16_t i = 0; i < worker_count; i++)
		rcu_store(&worker_table[i]->observer, o);
}

int observe_start(const struct worker_observer *observer)
{
	for (int i = 0; i < OBSERVERS_MAX; i++) {
		if (observers[i])
			continue;
		rcu_store(&observers[i], observer);
		show();
		return 0;
	}
	return -ENOSPC;
}

void observe_stop(const struct worker_observer *observer)
{
	for (int i = 0; i < OBSERVERS_MAX; i++) {
		if (observers[i] == observer)
			rcu_store(&observers[i], NULL);
	}
	show();
	rcu_synchronize();
}
