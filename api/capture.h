// SPDX-License-Identifier: Apache-2.0
#pragma once

// Captures: packets of a tenant or a connection copied into a pcapng file.

#include <stdint.h>

enum {
	API_CAPTURE_IN = 1 << 0,    // as received, outer headers included
	API_CAPTURE_INNER = 1 << 1, // inside the tenant: the inner IP packet in front of the lookup
	API_CAPTURE_OUT = 1 << 2,   // as sent, outer headers included
};

// CALL with a descriptor to write to. Ends when one of its bounds is reached, or when the caller
// closes its connection; answers struct api_capture_result. One at a time.
struct api_capture {
	uint32_t vrf;         // 0: any
	uint32_t conn;        // it came in or goes out by; 0: any
	uint32_t where;       // API_CAPTURE_*; 0: all
	uint32_t snap_size;   // bytes of each packet; 0: 65535
	uint32_t packets_max; // 1..10000000
	uint32_t rate_max;    // packets a second, further ones are counted as lost; 0: 10000
	uint32_t duration_ms; // 1..3600000
	uint32_t pad;
};

struct api_capture_result {
	uint64_t packets, bytes; // written
	uint64_t lost;           // above the rate, or for want of buffers
};
