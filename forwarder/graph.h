// SPDX-License-Identifier: Apache-2.0
#pragma once

// The forwarder's graph: every node, in the order in which they are called. A packet that follows
// its path down this list crosses the graph in one round; an edge that points up costs another.
// X(id, name): the node is `const struct node node_<name>`, in a file of that name.

#include "worker.h"

#define GRAPH_NODES(X)

enum graph_node {
#define X(id, name) NODE_##id,
	GRAPH_NODES(X)
#undef X
		NODE_COUNT,
};

extern const struct graph forwarder_graph;
