// SPDX-License-Identifier: Apache-2.0

// IP packets that waited for a neighbour, and those the control thread makes: meta.out is the hop.

#include "control.h"
#include "graph.h"
#include "ip/encap.h"
#include "worker.h"

struct encap_id encap_id[WORKER_MAX];

static void hop_out_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		hop_send(w, pkts[i], packet_meta(pkts[i])->out);
}

const struct node node_hop_out = {.name = "hop_out", .run = hop_out_run};
