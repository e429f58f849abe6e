// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's parts and how they hang together; main.c has the chapter.

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "desired.h"
#include "disk.h"
#include "join.h"
#include "report.h"
#include "slots.h"
#include "stats.h"
#include "south.h"
#include "target.h"
#include "wanted.h"

struct agent {
	struct event_base *base;
	struct config config;
	struct http_tls tls;
	struct desired_set desired;
	struct wanted_set wanted;
	struct disk *disk;
	struct south *south;
	struct target *targets[DESIRED_TARGETS];
	struct slots slots;
	struct report report;
	struct stats stats;
	uint64_t term, revision;   // applied to `desired`
	struct api_server *server; // the agent's own socket
	struct join join;
	char *ca_file, *identity_file; // the latter holds certificate and key
};

// Brings up everything that config names. 0 or -errno, logged.
int agent_init(struct agent *a, struct event_base *base);
void agent_fini(struct agent *a);
// Connects to the daemons of this host.
void agent_start_targets(struct agent *a);
// Begins the conversation with the controller, as soon as there is a certificate.
void agent_start_south(struct agent *a);
// Listens on the agent's own socket. 0 or -errno, logged.
int agent_start_status(struct agent *a, uint64_t instance);
// All daemons hold what they should at a->revision.
bool agent_is_settled(const struct agent *a);
