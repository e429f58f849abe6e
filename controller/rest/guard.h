// SPDX-License-Identifier: Apache-2.0
#pragma once

// Watches over connections while evhttp reads: how long and how large a request may be, and how
// many connections there are. evhttp answers neither with a body of ours, nor before all has come.

#include <stdbool.h>
#include <stdint.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <openssl/ssl.h>

struct guard_limits {
	uint32_t request_timeout_ms; // first byte to last; also of the TLS handshake
	uint32_t idle_timeout_ms;
	uint32_t max_size; // bytes of a request with its headers
	uint32_t max_connections;
};

struct guard_set;

// full(arg, true) when no more connections are wanted, full(arg, false) when there is room again.
struct guard_set *guard_set_new(struct event_base *base, const struct guard_limits *limits,
	void (*full)(void *arg, bool is_full), void *arg);
void guard_set_free(struct guard_set *set); // after every connection is gone

// Watches a new connection until its SSL object is freed.
void guard_add(struct guard_set *set, struct bufferevent *bev, SSL *ssl);
// A whole request has been read from it, or answered.
void guard_request_begins(SSL *ssl);
void guard_request_ends(SSL *ssl);
