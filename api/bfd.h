// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bidirectional Forwarding Detection, RFC 5880 to 5883: what the forwarder is told, what it
// reports. The sessions live in the forwarder, so that a daemon that dies does not look like a dead
// gateway.
//
// Whoever acts on a session (the agent, isthmus-bgp for a peer of its) SUBSCRIBEs to
// API_TYPE_BFD_STATE, then DUMPs it, and is told each change of state by an EVENT from then on. A
// session whose local address is not held here (its slot is elsewhere) is dormant: it says nothing
// and expects nothing, and `dormant` means that its state says nothing about the peer.
// For a BGP peer: the key is (vrf, our address of the BGP session, the peer's address). Down after
// Up is "peer unreachable", unless `remote_state` is AdminDown, which says nothing about
// reachability (RFC 5882 3.2, 4.1). With graceful restart, `remote_c_bit` says whether Down also
// means that the peer's forwarding is gone, and with it the reason to keep its routes (RFC
// 5882 4.3.2).
//
// Times are microseconds, as on the wire.

#include <stdint.h>

#include "ipaddr.h"

#define API_BFD_SESSIONS        8192 // at most; more are refused (-ENOSPC)
#define API_BFD_TENANT_FLOOR_US 700000

enum {
	API_BFD_F_MULTIHOP = 1 << 0,   // RFC 5883: port 4784, any TTL; else RFC 5881, TTL 255 only
	API_BFD_F_PASSIVE = 1 << 1,    // says nothing before the peer does
	API_BFD_F_ADMIN_DOWN = 1 << 2, // kept, and told to the peer as AdminDown
	API_BFD_F_C_BIT = 1 << 3,      // we go on when our control plane dies
	// Vouches for this gateway's workers: quiet while any of them stands still.
	API_BFD_F_POOL = 1 << 4,
	// A session that becomes awake first listens for a peer that still holds its former life Up
	// (`discriminator` is in the peer's packets) and goes on with that.
	API_BFD_F_RESUME = 1 << 5,
};

struct api_bfd {
	uint32_t vrf; // API_VRF_UNDERLAY or a tenant's
	struct ip_addr local, remote;
	// end of key
	uint32_t flags;
	uint32_t min_tx_us; // 10 000 to 60 000 000; 0: 300 000
	uint32_t min_rx_us; // the same
	uint8_t multiplier; // 0: 3
	uint8_t pad[3];
	// Neither end's detection time is shorter than this. In a tenant's VRF the bound of a
	// take-over is the least: API_BFD_TENANT_FLOOR_US also if less or nothing is said.
	uint32_t floor_us;
	// Ours in every packet; 0: random. Equal on all gateways that may hold the session, for
	// API_BFD_F_RESUME.
	uint32_t discriminator;
};

enum api_bfd_state_code { // RFC 5880 4.1
	API_BFD_ADMIN_DOWN = 0,
	API_BFD_DOWN,
	API_BFD_INIT,
	API_BFD_UP,
};

struct api_bfd_state {
	uint32_t vrf;
	struct ip_addr local, remote;
	// end of key
	uint8_t state, remote_state; // enum api_bfd_state_code
	uint8_t diag, remote_diag;   // RFC 5880 4.1
	uint8_t remote_multiplier;
	uint8_t remote_c_bit;
	uint8_t dormant;
	uint8_t pad;
	uint32_t discriminator, remote_discriminator;
	uint32_t tx_interval_us; // negotiated, before jitter; 0: nothing is sent periodically
	uint32_t remote_min_rx_us, remote_min_tx_us;
	uint32_t detection_us;        // ours of the peer; 0: none yet
	uint32_t remote_detection_us; // the peer's of us
	uint32_t transitions;         // out of and into Up
	uint64_t state_us;            // since the last change of state
	uint64_t up_us;               // Up for so long; 0: is not
	uint64_t rx_packets, tx_packets;
	uint64_t rx_dropped; // for this session, and refused
};
