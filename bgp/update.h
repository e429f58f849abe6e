// SPDX-License-Identifier: Apache-2.0
#pragma once

// UPDATE (RFC 4271 4.3, 6.3) with the error handling of RFC 7606. Pure: bytes to struct and back.
//
// Reading always ends in one of four ways, the strongest that any error in the message demands:
// the message is used; used without some attributes; its prefixes are withdrawn; the session is
// reset. Nothing else in the speaker decides about malformed bytes.

#include "attrs.h"
#include "message.h"
#include "nlri.h"

enum update_verdict {
	UPDATE_OK = 0,
	UPDATE_DISCARD,  // attribute discard: the rest is used
	UPDATE_WITHDRAW, // treat-as-withdraw
	UPDATE_RESET,    // NOTIFICATION, error says which
};

// What the session has agreed on; decides how bytes are read and written.
struct update_options {
	bool as4;
	bool internal;               // iBGP
	bool ipv6_nexthop;           // RFC 8950 agreed
	bool add_path[BGP_FAMILIES]; // in the direction concerned
	bool family[BGP_FAMILIES];   // agreed; NLRI of others is ignored
	uint16_t max_size;           // of a message to write
};

#define UPDATE_RUNS 4 // withdrawn, MP_UNREACH_NLRI, NLRI, MP_REACH_NLRI

struct update {
	enum update_verdict verdict;
	struct bgp_error error; // UPDATE_RESET: what to notify
	const char *reason;     // first error in words, or NULL
	uint8_t bad_attribute;  // code it concerns, 0: none
	bool end_of_rib;
	uint8_t end_of_rib_family;
	uint8_t unreach_len, reach_len;
	struct nlri_run unreach[2];
	struct nlri_run reach[2]; // attrs.next_hop of each: see reach_next_hop
	struct ip_addr reach_next_hop[2];
	struct ip_addr reach_link_local[2];
	struct attrs attrs; // without next hop
};

// Scratch for what cannot be borrowed from the message (widened AS_PATHs, sorted unknown
// attributes).
#define UPDATE_SCRATCH_SIZE (4 * BGP_EXTENDED_MAX)

// Body without the header. `scratch` has UPDATE_SCRATCH_SIZE bytes; both outlive the update.
void update_read(const uint8_t *body, size_t size, const struct update_options *options,
	uint8_t *scratch, struct update *ret_update);

// Announces as many of the prefixes (all of one family) as fit in one message and says how many in
// *ret_used. 0 if not even one fits. attrs carries the next hop.
size_t update_write_reach(uint8_t *bytes, size_t size, const struct update_options *options,
	const struct attrs *attrs, const struct nlri *nlri, size_t len, size_t *ret_used);
size_t update_write_unreach(uint8_t *bytes, size_t size, const struct update_options *options,
	const struct nlri *nlri, size_t len, size_t *ret_used);
size_t update_write_end_of_rib(uint8_t *bytes, size_t size, enum bgp_family family);
