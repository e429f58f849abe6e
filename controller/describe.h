// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the API shows beyond what clients stored: where things are, how far they have come, what
// gateways report of them.

#include "fleet.h"
#include "hooks.h"
#include "learnt.h"
#include "plan.h"
#include "resource.h"

struct describe {
	const struct resource_store *resources;
	struct plan *plan;
	struct fleet *fleet;
	struct learnt *learnt;
	int64_t started_ms;
	int64_t (*now_ms)(void *arg);
};

// Members of struct rest_hooks and struct rest_list; arg is the struct describe.
enum rest_progress describe_progress(void *arg, const struct model_path *path, uint64_t revision);
void describe_resource(void *arg, const struct model_path *path, json_t *properties);
// What a gateway reports of a BGP peer (NULL: nothing) into its properties.
void describe_peer_state(const json_t *value, json_t *properties);
// generated.c. Where a peer's session is, configured or generated: *ret_gateway NULL: nowhere now.
// key: "vrf/slot/address", as in reports. 0 or -ENOENT.
#define DESCRIBE_PEER_KEY 96
int describe_peer_place(const struct describe *d, const struct model_path *path,
	const char **ret_gateway, char key[DESCRIBE_PEER_KEY]);
json_t *describe_generated(void *arg, const struct model_path *collection);
// NULL: it would be incomplete, as gateways have not yet said again what BGP has learnt.
json_t *describe_host_routes(void *arg, uint64_t *ret_revision);
uint64_t describe_host_routes_revision(void *arg);
json_t *describe_slots(void *arg, uint64_t *ret_revision);
// A gateway that works and holds connections must be drained first: once deleted it hears nothing
// more.
const char *describe_keeps(void *arg, const struct model_path *path);
// What rebalancing would move now.
json_t *describe_rebalance(void *arg, uint64_t *ret_revision);
