// SPDX-License-Identifier: Apache-2.0
#pragma once

// The southbound HTTPS server (docs/southbound.md): mutual TLS on a port of its own, on the loop
// that everything in the controller shares.

#include <stdint.h>

#include <event2/event.h>

#include "ask.h"
#include "fleet.h"
#include "pki.h"

#define SERVER_BODY_MAX    (4u << 20) // bytes of a request
#define SERVER_WAIT_MAX    60         // seconds a poll may wait
#define SERVER_CERT_LIFE_S PKI_CERT_LIFE_S

struct server;

// Which certificates are good is remembered by the caller, durably.
struct server_ops {
	void *arg;
	// A certificate with that serial number was issued to the gateway. 0, or it is not handed
	// out.
	int (*issued)(void *arg, const char *gateway, const char *serial);
	bool (*is_good)(void *arg, const char *gateway, const char *serial);
	// Calls each() with the epochs of the slots that the gateway holds.
	void (*epochs)(void *arg, const char *gateway,
		void (*each)(void *each_arg, uint16_t slot, uint64_t epoch), void *each_arg);
	int64_t (*now_ms)(void *arg);
};

struct server_config {
	const char *address;
	uint16_t port;              // 0: any
	int64_t certificate_life_s; // of gateways; 0: SERVER_CERT_LIFE_S
};

// All pointers outlive the server. -EADDRINUSE and the like; -EBADMSG: certificate or key.
int server_new(struct event_base *base, const struct server_config *config, struct pki *pki,
	struct fleet *fleet, const struct server_ops *ops, struct server **ret_server);
void server_free(struct server *s);
uint16_t server_port(const struct server *s);
// Views have changed: waiting polls are looked at.
void server_wake(struct server *s);
// Questions to a gateway: ask.h.
uint64_t server_ask(struct server *s, const char *gateway, const char *ask, const char *key,
	ask_done_fn *done, void *arg);
void *server_ask_forget(struct server *s, uint64_t id);
