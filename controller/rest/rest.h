// SPDX-License-Identifier: Apache-2.0
#pragma once

// The northbound API: HTTPS, JSON, resources ([MS-NCNBI]).
//
// One libevent loop and one thread serve everything; a request runs to its answer without waiting,
// except those that ask to wait for a change.

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include "hooks.h"
#include "resource.h"

#define REST_CLIENTS_MAX 256

enum rest_role {
	REST_ROLE_NONE,
	REST_ROLE_READER, // GET
	REST_ROLE_ADMIN,  // everything
};

struct rest_client {
	char name[64];
	char thumbprint[65]; // SHA-256 of the certificate, lower-case hex
	enum rest_role role;
};

struct rest_config {
	const char *address; // to listen on
	uint16_t port;       // 0: any
	const char *certificate_file, *key_file;
	bool authenticate;                 // false, for tests: every client is an administrator
	const struct rest_client *clients; // borrowed for the life of the server
	size_t client_len;
	uint32_t max_connections;    // further ones wait to be accepted
	uint32_t request_timeout_ms; // from a request's first byte to its last
	uint32_t idle_timeout_ms;    // between requests
	uint32_t max_body_size;      // bytes
};

// -EADDRINUSE and the like; -EBADMSG: certificate or key. resources is borrowed.
int rest_new(struct event_base *base, const struct rest_config *config,
	const struct resource_store *resources, struct rest **ret_rest);
void rest_free(struct rest *rest);
uint16_t rest_port(const struct rest *rest); // the one it listens on
