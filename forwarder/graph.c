// SPDX-License-Identifier: Apache-2.0
#include "graph.h"

#define X(id, name) extern const struct node node_##name;
GRAPH_NODES(X)
#undef X

static const struct node *const nodes[NODE_COUNT + 1] = {
#define X(id, name) [NODE_##id] = &node_##name,
	GRAPH_NODES(X)
#undef X
};

const struct graph forwarder_graph = {.nodes = nodes, .len = NODE_COUNT, .input = 0};
