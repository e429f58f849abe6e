// SPDX-License-Identifier: Apache-2.0
#pragma once

// The controller's configuration: one JSON file, made by `isthmus-controller bootstrap`; flags of
// the command line come before it. Relative paths are relative to the file's folder.
//
//   {"listen": "0.0.0.0", "port": 443,
//    "certificate": "server.pem", "key": "server.key", "ca": "ca.pem",
//    "store": "store.db", "storeKey": "store.key",
//    "southboundPort": 8443,
//    "authentication": "certificate" | "none",
//    "clients": [{"name": "admin", "thumbprint": "<SHA-256>", "role": "admin" | "reader"}]}

#include <stdbool.h>
#include <stdint.h>

#include "rest.h"

struct config {
	char listen[64];
	uint16_t port, southbound_port;
	char certificate[512], key[512], ca[512], store[512], store_key[512];
	bool authenticate;
	uint32_t request_timeout_ms, idle_timeout_ms, max_body_size, max_connections;
	struct rest_client clients[REST_CLIENTS_MAX];
	size_t client_len;
};

// 0; or negative with words for people in error (of 256 bytes).
int config_read(const char *file, struct config *ret_config, char *error);
