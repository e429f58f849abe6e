// SPDX-License-Identifier: Apache-2.0
#pragma once

// Joins the parts: a commit in the store becomes plan inputs, a step of the plan becomes rows in
// the store and objects for the fleet, what the fleet reports becomes what the API shows.
//
// Rows of the plan are kept under "plan/"; the certificates that were issued, under "fleet/".

#include <event2/event.h>

#include "resource.h"
#include "rest.h"

struct wire;

struct wire_config {
	const char *southbound_address;
	uint16_t southbound_port; // 0: any
	const char *pki_dir;      // without a CA in it there is no southbound server
};

// All pointers outlive it. 0 or -errno; the reason was logged.
int wire_new(struct event_base *base, const struct wire_config *config,
	const struct resource_store *resources, struct rest *rest, struct wire **ret_wire);
void wire_free(struct wire *w);
