// SPDX-License-Identifier: Apache-2.0
#pragma once

// Graph nodes: plain C functions over vectors of packets, run to completion on a worker.
//
// One node a file, file name = node name. A node looks at each packet of its vector and hands it on
// with node_push() or ends it with packet_drop(); it owns each packet until then. Workers call the
// nodes in the order of the visible list (forwarder/graph.c) as long as any has packets, so a
// packet goes down the list without another look at the rx queue; an edge that points up the list
// (decapsulated packets, ICMP errors) is served in the next round of the same loop.
// Nodes never allocate but mbufs, never lock, log or make a system call.

#include <rte_mbuf.h>
#include <stdint.h>

#include "packet.h"

#define NODE_VECTOR 64 // packets in one call, at most

struct worker;

typedef void (*node_fn)(struct worker *w, struct rte_mbuf **pkts, uint16_t n);

struct node {
	const char *name;
	node_fn run;
	// Writes one line about the packet as this node saw it; may be NULL. Only when tracing.
	void (*trace)(const struct rte_mbuf *m, char *buf, size_t size);
};
