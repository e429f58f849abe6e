// SPDX-License-Identifier: Apache-2.0
#pragma once

// Prefixes on the wire (RFC 4271 4.3, RFC 4760 5), with path identifiers (RFC 7911). Pure.

#include "buf.h"
#include "ipaddr.h"
#include "wire.h"

struct nlri {
	struct ip_prefix prefix;
	uint32_t path_id; // 0 without add-path
};

// A run of prefixes in a message: borrowed bytes that nlri_check() has passed.
struct nlri_run {
	const uint8_t *bytes;
	uint16_t size;
	uint8_t family; // enum bgp_family
	bool add_path;
};

// Whether the run parses to its last byte: lengths in range, nothing cut off.
bool nlri_check(const struct nlri_run *run);
// Takes the next prefix off the run; false at its end. Host bits are cleared.
bool nlri_next(struct nlri_run *run, struct nlri *ret_nlri);
void nlri_write(struct buf_writer *w, const struct nlri *nlri, bool add_path);
size_t nlri_size(const struct nlri *nlri, bool add_path); // bytes on the wire

static inline enum ip_family nlri_ip_family(unsigned family)
{
	return family == BGP_IPV4 ? IP_V4 : IP_V6;
}

static inline enum bgp_family nlri_family(const struct ip_prefix *prefix)
{
	return prefix->addr.family == IP_V6 ? BGP_IPV6 : BGP_IPV4;
}
