// SPDX-License-Identifier: Apache-2.0
#pragma once

// What isthmus-agent says about itself on its own socket, for people and tests.

#include <stdint.h>

#include "proto.h"

struct api_agent_status {
	uint32_t one; // always 0: there is one
	// end of key
	uint8_t controller_up;
	uint8_t settled; // every daemon holds what it should
	uint8_t forwarder_up, bgp_up, ike_up;
	uint8_t pad[7];
	uint64_t term, revision;   // last told by the controller
	uint64_t reached;          // applied and reported
	uint64_t objects, refused; // southbound objects held; local ones refused
	uint64_t objects_read;     // translated since the start
	uint64_t objects_touched;  // local objects recomputed since the start
	int64_t certificate_end;   // seconds since 1970; 0: no certificate
	char gateway[64], controller[API_TEXT_SIZE];
};
