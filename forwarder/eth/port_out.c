// SPDX-License-Identifier: Apache-2.0

// Whole frames, made by the control thread: meta.port says where they leave.

#include "graph.h"
#include "worker.h"

static void port_out_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		port_tx(w, packet_meta(pkts[i])->port, pkts[i]);
}

const struct node node_port_out = {.name = "port_out", .run = port_out_run};
