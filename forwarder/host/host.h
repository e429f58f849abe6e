// SPDX-License-Identifier: Apache-2.0
#pragma once

// Hosts' virtual machines: customer address to (MAC, provider address). Each is a host route of its
// VRF with an adjacency of its own; a machine that moves is one store.

#include <stdint.h>

struct api_server;

int host_init(void);
void host_fini(void);
void host_tick(uint64_t now_ms);
int host_serve(struct api_server *s);
