// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's parts and how they hang together; main.c has the chapter.

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "desired.h"
#include "disk.h"
#include "fence.h"
#include "iv.h"
#include "join.h"
#include "peers.h"
#include "report.h"
#include "service.h"
#include "slots.h"
#include "stats.h"
#include "south.h"
#include "target.h"
#include "watch.h"
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
	struct services services;
	struct event *kernel_timer; // namespaces are made a few at a time
	struct event *busy_timer;
	SLIST_HEAD(, kernel_busy) busy;
	struct slots slots;
	struct fence fence;
	struct watch watch;
	struct iv iv;
	struct report report;
	struct stats stats;
	struct peers peers;
	uint64_t term, revision;   // applied to `desired`
	struct api_server *server; // the agent's own socket
	struct join join;
	size_t ask_len;                // questions under way (ask.h)
	char *ca_file, *identity_file; // the latter holds certificate and key
};

// Brings up everything that config names. 0 or -errno, logged.
int agent_init(struct agent *a, struct event_base *base);
void agent_fini(struct agent *a);
// Connects to the daemons of this host.
void agent_start_targets(struct agent *a);
// kernel.c: adopts what is there of an earlier life, then makes and removes what differs.
int agent_start_kernel(struct agent *a); // 0 or -errno, logged
void agent_stop_kernel(struct agent *a);
void agent_push_kernel(struct agent *a);
// Opens what `object` (struct api_tun, api_bgp_socket) needs. False: not now.
bool agent_before_tun(struct agent *a, struct api_tun *tun, int *ret_fd);
bool agent_before_socket(struct agent *a, const struct api_bgp_socket *want, int *ret_fd);
// isthmus-bgp wants a socket to dial with.
void agent_give_socket(struct agent *a, const struct api_bgp_socket *want);
// Sends what is queued to every daemon, and to the kernel.
void agent_push(struct agent *a);
void agent_report(struct agent *a);
// Begins the conversation with the controller, as soon as there is a certificate.
void agent_start_south(struct agent *a);
// Listens on the agent's own socket. 0 or -errno, logged.
int agent_start_status(struct agent *a, uint64_t instance);
// All daemons hold what they should at a->revision.
bool agent_is_settled(const struct agent *a);
