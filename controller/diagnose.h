// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the API answers from a gateway's own knowledge. Why a connection is not up: what the
// controller knows itself, then what the gateway that holds it finds. The routes of a BGP peer:
// what it told us, what it is told, and what became of each. Members of struct rest_hooks.

#include "describe.h"
#include "server.h"

struct diagnose {
	const struct describe *describe;
	struct server *server; // NULL: no gateways are served
};

// body of done: {"verdicts": [...], "exchanges": [...]}, or {"value": [...]} for a peer (view:
// received, rejected, advertised, best; "" is received). Returns an id for forget; 0: done was
// called.
uint64_t diagnose_ask(struct diagnose *d, const struct model_path *path, const char *view,
	void (*done)(void *arg, int status, json_t *body), void *arg);
void diagnose_forget(struct diagnose *d, uint64_t id);
