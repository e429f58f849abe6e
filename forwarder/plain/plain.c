// SPDX-License-Identifier: Apache-2.0

// The common packet's whole way at once: see plain.h.

#include "plain/plain.h"

#include <rte_branch_prediction.h>

#include "cpu.h"
#include "graph.h"
#include "rcu.h"

static uint16_t vector(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	switch (cpu_level) {
	case CPU_V4: return plain_vector_v4(w, pkts, n);
	case CPU_V3: return plain_vector_v3(w, pkts, n);
	default: return plain_vector_any(w, pkts, n);
	}
}

static void plain_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	const struct worker_observer *o = rcu_load(&w->observer);
	uint16_t done = 0;

	if (likely(!o || !o->every_node))
		done = vector(w, pkts, n);
	for (uint16_t i = done; i < n; i++)
		node_push(w, NODE_ETH, pkts[i]);
}

const struct node node_plain = {.name = "plain", .run = plain_run};
