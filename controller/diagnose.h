// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why a connection is not up: what the controller knows itself, then what the gateway that holds it
// finds. Members of struct rest_hooks.

#include "describe.h"
#include "server.h"

struct diagnose {
	const struct describe *describe;
	struct server *server; // NULL: no gateways are served
};

// body of done: {"verdicts": [...], "exchanges": [...]}. Returns an id for forget; 0: done was
// called.
uint64_t diagnose_ask(struct diagnose *d, const struct model_path *path,
	void (*done)(void *arg, json_t *body), void *arg);
void diagnose_forget(struct diagnose *d, uint64_t id);
