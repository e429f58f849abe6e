// SPDX-License-Identifier: Apache-2.0
#pragma once

// One connected UNIX stream socket carrying messages both ways on a libevent loop: what server and
// client have in common. Output is buffered without a bound of its own; the owner asks
// api_link_pending() and stops producing, or closes.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"
#include "reader.h"

struct event_base;
struct api_link;

#define API_LINK_HIGH (4u << 20) // bytes waiting to be written from which producers pause
#define API_LINK_LOW  (1u << 20) // and resume

struct api_link_ops {
	// A whole message; its fd is the callee's. A negative errno closes the link with it.
	int (*message)(void *ctx, const struct api_message *m);
	// Output has fallen to API_LINK_LOW after having been above API_LINK_HIGH.
	void (*drained)(void *ctx);
	// Once; 0 when the other side hung up. The owner frees the link, here or later.
	void (*closed)(void *ctx, int error);
};

// Takes sock, which becomes non-blocking. ops and ctx outlive the link.
struct api_link *api_link_new(
	struct event_base *base, int sock, const struct api_link_ops *ops, void *ctx);
// May be called from within ops.
void api_link_free(struct api_link *link);
// Queues a message; header->size is set here. Takes fd unless it is -1.
void api_link_send(
	struct api_link *link, struct api_header *header, const void *payload, size_t size, int fd);
size_t api_link_pending(const struct api_link *link); // bytes
// Who is at the other end (SO_PEERCRED). 0 or -errno.
int api_link_peer(const struct api_link *link, uint32_t *ret_uid, int *ret_pid);
// While paused, no message is delivered and nothing is read. Resuming delivers from the loop.
void api_link_pause(struct api_link *link, bool paused);
// Closes from the loop, after what is queued has been written if the other side takes it.
void api_link_finish(struct api_link *link);
