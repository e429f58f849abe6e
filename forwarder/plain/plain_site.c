// SPDX-License-Identifier: Apache-2.0

// What came out of ESP: the rest of its way at once (plain.h), or ip_forward.

#include <rte_branch_prediction.h>

#include "cpu.h"
#include "graph.h"
#include "plain/plain.h"
#include "rcu.h"

static uint16_t vector(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	switch (cpu_level) {
	case CPU_V4: return plain_site_vector_v4(w, pkts, n);
	case CPU_V3: return plain_site_vector_v3(w, pkts, n);
	default: return plain_site_vector_any(w, pkts, n);
	}
}

static void plain_site_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	const struct worker_observer *o = rcu_load(&w->observer);
	uint16_t done = 0;

	if (likely(!o || !o->every_node))
		done = vector(w, pkts, n);
	for (uint16_t i = done; i < n; i++)
		node_push(w, NODE_IP_FORWARD, pkts[i]);
}

const struct node node_plain_site = {.name = "plain_site", .run = plain_site_run};
