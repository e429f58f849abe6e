// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gateway kit's two tenants, and IPv6, NVGRE, keepalives, rates and a group of connections
// beside them, for fuzz targets that put bytes into the graph. What leaves is looked at: a packet
// of one tenant in another's tunnel ends the program, and so does a buffer that is not given back.

#include <stddef.h>
#include <stdint.h>

#include "framekit.h"
#include "gatewaykit.h"

extern const uint8_t world_port_mac[6], world_gateway_mac[6], world_far_mac[6];

void world_init(void); // once; more calls do nothing
void world_receive(uint16_t port, const uint8_t *frame, size_t size);
void world_settle(void); // a millisecond passes; what came out is looked at
// IPv4 headers of the frame and, in the tunnels of this world, of what is inside: sums made right.
void world_mend(uint8_t *frame, size_t size);
