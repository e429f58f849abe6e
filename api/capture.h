// SPDX-License-Identifier: Apache-2.0
#pragma once

// Copies of packets as they pass through the forwarder, for a capture file. CALL: each packet comes
// back as one struct api_captured as far as it is used, until a bound is reached. A `conn` of IPsec
// is refused without `decrypt`.

#include <stdint.h>

#define API_CAPTURE_SNAP 1600 // bytes of a packet at most

struct api_capture {
	uint32_t vrf;        // 0: any
	uint32_t conn;       // 0: any
	uint32_t count;      // packets, 1..1 000 000
	uint32_t timeout_ms; // 1..600 000
	uint32_t rate;       // packets a second, 1..50 000
	uint32_t snap;       // bytes of each packet, 64..API_CAPTURE_SNAP
	uint64_t bytes;      // of all packets together; 0: as many as there are
	// Minor 1. What IPsec protects is shown as it was sealed; with `decrypt` also in clear, to
	// an administrator who names the connection, and the forwarder's log says so.
	uint8_t decrypt;
	uint8_t pad[7];
};

enum api_capture_where {
	API_CAPTURE_OUTER_IN = 1, // a frame from a port, with its tunnel's headers
	API_CAPTURE_INNER_IN,     // the tenant's IP packet in it, before it is routed
	API_CAPTURE_INNER_OUT,    // routed, as it goes into a connection or to a host
	API_CAPTURE_OUTER_OUT,    // a frame for a port
	API_CAPTURE_DROPPED,      // as it came, a frame; or an IP packet made here
};

enum { API_CAPTURE_F_FRAME = 1 << 0 }; // the bytes are an Ethernet frame, else an IP packet

struct api_captured {
	uint64_t time_ns; // since 1970
	uint32_t vrf;     // 0: none yet
	uint32_t conn;    // 0: none
	uint32_t size;    // of the whole packet
	uint32_t lost;    // matching packets that were not copied so far: rate, no room
	uint16_t port;    // of a frame
	uint16_t kept;    // bytes that follow
	uint8_t where;    // enum api_capture_where
	uint8_t flags;    // API_CAPTURE_F_
	uint8_t pad[2];
	char reason[32]; // API_CAPTURE_DROPPED: of enum drop_reason, in short
	uint8_t bytes[API_CAPTURE_SNAP];
};
