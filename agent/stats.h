// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the forwarder says about itself while it runs: the state of connections, for reports, and
// the count that its workers advance, for the heartbeat.

#include <stdbool.h>
#include <stdint.h>

#include "objects.h"
#include "client.h"
#include "ike.h"
#include "map.h"
#include "report.h"

struct stats {
	struct api_client *forwarder; // NULL: none
	struct report *report;
	struct event *timer;
	void (*changed)(void *ctx);                   // there is something to report
	void (*conn_moved)(void *ctx, uint32_t conn); // up or down; may be NULL
	void *ctx;
	struct map conns; // struct stats_conn by id
	struct map notes; // struct stats_note by id: what others say of a connection
	unsigned round;
	bool asking_conns, asking_workers;
	// Workers: the count advances only when every one of them has moved or sleeps by choice.
	uint64_t workers;
	uint64_t loops[256];
	bool all_moved;
	uint64_t underlay_ports; // those with addresses of the gateway's own, by number
	uint64_t plugged_ports;  // those with carrier, as last heard
	bool ports_known;
};

void stats_init(struct stats *s, struct event_base *base, struct report *report,
	void (*changed)(void *ctx), void *ctx);
void stats_fini(struct stats *s);
// The forwarder is there (again), or NULL.
void stats_set_forwarder(struct stats *s, struct api_client *forwarder);
// No port with an address of the gateway's own has carrier.
bool stats_is_unplugged(const struct stats *s);
// What isthmus-ike says of a connection.
void stats_on_ike(struct stats *s, const struct api_ike_state *state);
// What is obeyed but unwise about a connection, in words; NULL: nothing.
void stats_set_warning(struct stats *s, uint32_t conn, const char *text);
// Not known to be down.
bool stats_is_usable(const struct stats *s, uint32_t conn);
// The connection is wanted no more.
void stats_forget(struct stats *s, uint32_t conn);
// A connection went up or down: ask now.
void stats_conn_event(struct stats *s);
