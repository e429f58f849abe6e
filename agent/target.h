// SPDX-License-Identifier: Apache-2.0
#pragma once

// One daemon of this gateway: the connection to it, learning what it has, sending the difference.

#include <stdbool.h>

#include "client.h"
#include "desired.h"

struct target;

struct target_ops {
	// Connected and learnt; restarted as in api_client_ops. Sending begins after this.
	void (*ready)(void *ctx, enum desired_target id, bool restarted);
	// Every queued object has been sent and answered.
	void (*settled)(void *ctx, enum desired_target id);
	void (*down)(void *ctx, enum desired_target id);
	void (*event)(
		void *ctx, enum desired_target id, uint16_t type, const void *object, size_t size);
	// The daemon has this, it said when asked. May be NULL.
	void (*found)(
		void *ctx, enum desired_target id, uint16_t type, const void *object, size_t size);
	// The last word on what is sent: may change the copy `object` in place, put a descriptor
	// in *ret_fd (then taken), or say false: not now; d is then left out until enqueued again.
	bool (*before_set)(void *ctx, const struct desired *d, void *object, int *ret_fd);
};

struct target *target_new(struct event_base *base, enum desired_target id, const char *path,
	struct desired_set *desired, const struct target_ops *ops, void *ctx);
void target_free(struct target *t);
// Sends what is queued, as far as the connection takes it; the rest follows by itself.
void target_push(struct target *t);
bool target_is_ready(const struct target *t);    // connected and learnt
bool target_is_settled(const struct target *t);  // ready, and nothing queued or unanswered
bool target_is_learning(const struct target *t); // connected, not learnt yet
struct api_client *target_client(struct target *t);
uint64_t target_instance(const struct target *t); // of its process, as it said last
