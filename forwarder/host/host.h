// SPDX-License-Identifier: Apache-2.0
#pragma once

// Hosts' virtual machines: customer address to (MAC, provider address). Each is a host route of its
// VRF with an adjacency of its own; a machine that moves is one store.

struct api_server;

int host_init(void);
void host_fini(void);
int host_serve(struct api_server *s);
