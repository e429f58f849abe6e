// SPDX-License-Identifier: Apache-2.0
#pragma once

// OPEN (RFC 4271 4.2) with capabilities (RFC 5492) and extended parameters (RFC 9072). Pure.

#include "message.h"

struct open_restart_family {
	bool present;
	bool forwarding; // F bit: routes were kept
};

// An OPEN as said or as heard. Absent capabilities are false or zero.
struct bgp_open {
	uint32_t asn; // from the AS4 capability when there is one
	uint16_t hold_time_s;
	uint32_t identifier; // host order
	bool as4;
	bool family[BGP_FAMILIES];
	bool multiprotocol; // any such capability seen: without one, IPv4 unicast is meant
	bool route_refresh;
	bool enhanced_refresh;
	bool extended_message;
	bool ipv6_nexthop;                // RFC 8950 for IPv4 unicast
	bool add_path_send[BGP_FAMILIES]; // the speaker is able to send
	bool add_path_receive[BGP_FAMILIES];
	uint8_t role; // enum bgp_role
	bool graceful_restart;
	bool restarting;           // R bit
	bool restart_notification; // N bit, RFC 8538
	uint16_t restart_time_s;   // 0..4095
	struct open_restart_family restart[BGP_FAMILIES];
};

// Whole message; 0 if it does not fit.
size_t open_write(uint8_t *bytes, size_t size, const struct bgp_open *open);
// Body without the header. 0, or -EBADMSG with what to notify.
int open_read(
	const uint8_t *body, size_t size, struct bgp_open *ret_open, struct bgp_error *ret_error);
