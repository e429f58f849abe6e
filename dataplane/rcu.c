// SPDX-License-Identifier: Apache-2.0
#include "rcu.h"

#include <errno.h>
#include <rte_rcu_qsbr.h>
#include <stdlib.h>

#include "xmalloc.h"

struct deferred {
	void (*free_fn)(void *p);
	void *p;
	uint64_t token; // of rte_rcu_qsbr_start()
};

static struct rte_rcu_qsbr *qsbr;

// A ring of what waits, oldest first: tokens only grow, so the first that may not go ends the walk.
static struct {
	struct deferred *entries;
	size_t cap, head, len;
} waiting;

int rcu_init(void)
{
	size_t size = rte_rcu_qsbr_get_memsize(RCU_READERS_MAX);

	size = (size + RTE_CACHE_LINE_SIZE - 1) / RTE_CACHE_LINE_SIZE * RTE_CACHE_LINE_SIZE;
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (!qsbr)
		return -ENOMEM;
	rte_rcu_qsbr_init(qsbr, RCU_READERS_MAX);
	for (unsigned i = 0; i < RCU_READERS_MAX; i++)
		rte_rcu_qsbr_thread_register(qsbr, i);
	return 0;
}

void rcu_fini(void)
{
	if (!qsbr)
		return;
	rcu_synchronize();
	free(waiting.entries);
	waiting.entries = NULL;
	waiting.cap = waiting.head = 0;
	free(qsbr);
	qsbr = NULL;
}

void rcu_reader_online(unsigned reader)
{
	rte_rcu_qsbr_thread_online(qsbr, reader);
}

void rcu_reader_offline(unsigned reader)
{
	rte_rcu_qsbr_thread_offline(qsbr, reader);
}

void rcu_reader_quiescent(unsigned reader)
{
	rte_rcu_qsbr_quiescent(qsbr, reader);
}

static void grow(void)
{
	size_t cap = waiting.cap ? waiting.cap * 2 : 64;
	struct deferred *entries = xcalloc(cap, sizeof(*entries));

	for (size_t i = 0; i < waiting.len; i++)
		entries[i] = waiting.entries[(waiting.head + i) % waiting.cap];
	free(waiting.entries);
	waiting.entries = entries;
	waiting.cap = cap;
	waiting.head = 0;
}

void rcu_defer(void (*free_fn)(void *p), void *p)
{
	if (!p)
		return;
	if (waiting.len == waiting.cap)
		rcu_reclaim();
	if (waiting.len == waiting.cap)
		grow();
	waiting.entries[(waiting.head + waiting.len++) % waiting.cap] =
		(struct deferred){free_fn, p, rte_rcu_qsbr_start(qsbr)};
}

size_t rcu_reclaim(void)
{
	while (waiting.len) {
		struct deferred d = waiting.entries[waiting.head];

		if (rte_rcu_qsbr_check(qsbr, d.token, false) != 1)
			break;
		waiting.head = (waiting.head + 1) % waiting.cap;
		waiting.len--;
		d.free_fn(d.p);
	}
	return waiting.len;
}

void rcu_synchronize(void)
{
	rte_rcu_qsbr_synchronize(qsbr, RTE_QSBR_THRID_INVALID);
	while (rcu_reclaim())
		;
}
