// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// The link to the forwarder: one asynchronous connection on the API thread for events and for
// telling a restarted forwarder everything again, and blocking ones, each under a lock, for
// libcharon's threads.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

// Starts connecting; path is borrowed. Call before libcharon's threads run.
void forwarder_init(struct event_base *base, const char *path);
void forwarder_fini(void);
bool forwarder_is_up(void);

// From any thread but the API thread; -errno as api/sync.h. One attempt to reconnect is made.
int forwarder_set(uint16_t type, const void *object, size_t size);
int forwarder_del(uint16_t type, const void *key, size_t size);
int forwarder_dump(uint16_t type, const void *filter, size_t size,
	void (*each)(void *ctx, const void *object, size_t size, int fd), void *ctx);
// On the API thread: grants further sequence numbers; no answer is waited for.
struct api_sa_grant;
void forwarder_grant(const struct api_sa_grant *grant);
struct api_punt;
int forwarder_send(const struct api_punt *datagram, size_t size);
