// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's configuration: a file of "word value" lines, '#' begins a comment.

#include <stddef.h>
#include <stdint.h>

#define CONFIG_CONTROLLERS 8

struct config {
	char *controllers[CONFIG_CONTROLLERS]; // "controller https://10.0.0.1:8443", repeated
	size_t controller_len;
	char *name;                  // of the gateway, as the controller knows it
	char *directory;             // where the agent keeps its state; mode 0700
	char *certificates;          // directory of ca.pem, identity.pem
	char *token_file;            // the enrolment token, read when there is no certificate yet
	char *forwarder, *bgp, *ike; // sockets; NULL: that daemon is not run here
	char *socket;                // the agent's own, for `isthmus gw`
	char *netns_dir;             // where the tenants' namespaces are named
	uint64_t number; // of the gateway on this host, in names of namespaces and devices
};

// 0 or -errno; *ret_text (to be freed) says what is wrong, with file and line.
int config_read(const char *path, struct config *ret_config, char **ret_text);
void config_fini(struct config *c);
