// SPDX-License-Identifier: Apache-2.0
#pragma once

// ICMP and ICMPv6 inside tenants' networks: errors made here, by rate; echo answered.

#include <rte_mbuf.h>
#include <stdint.h>

#include "worker.h"

// Also the counter under which the packet that caused the error ends.
enum icmp_error_kind {
	ICMP_ERROR_TTL = 0,
	ICMP_ERROR_NO_ROUTE,
	ICMP_ERROR_HOST,
	ICMP_ERROR_TOO_BIG,
	ICMP_ERROR_KINDS,
};

// What the icmp_error node reads from meta.out.
static inline uint32_t icmp_error_word(enum icmp_error_kind kind, uint16_t mtu)
{
	return (uint32_t)kind << 16 | mtu;
}
