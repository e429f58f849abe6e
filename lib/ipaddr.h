// SPDX-License-Identifier: Apache-2.0
#pragma once

// IP addresses and prefixes of both versions, and MAC addresses: values, never pointers.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ip_family {
	IP_NONE = 0, // "no address"; the all-zero struct
	IP_V4 = 4,
	IP_V6 = 6,
};

// Network byte order. An IPv4 address uses bytes[0..3] and the rest is zero, so memcmp compares.
struct ip_addr {
	uint8_t family; // enum ip_family
	uint8_t pad[3];
	uint8_t bytes[16];
};

struct ip_prefix {
	struct ip_addr addr; // host bits are zero
	uint8_t len;         // bits: 0..32 or 0..128
	uint8_t pad[3];
};

struct mac_addr {
	uint8_t bytes[6];
};

#define IP_TEXT_SIZE     46 // longest text form with its NUL
#define PREFIX_TEXT_SIZE 50
#define MAC_TEXT_SIZE    18

// Readers of text. 0, or -EINVAL and the output is untouched. Surrounding blanks are refused.
int ip_parse(const char *text, struct ip_addr *ret_addr);
// "10.0.0.0/24"; host bits set: -EDOM. A bare address is a host prefix.
int prefix_parse(const char *text, struct ip_prefix *ret_prefix);
// Twelve hex digits, bare or in pairs with ':' or '-'.
int mac_parse(const char *text, struct mac_addr *ret_mac);

// Writers of text; they return buf, which holds at least the size named above.
const char *ip_format(const struct ip_addr *addr, char *buf);
const char *prefix_format(const struct ip_prefix *prefix, char *buf);
const char *mac_format(const struct mac_addr *mac, char *buf);

struct ip_addr ip_from_v4(uint32_t host_order);
struct ip_addr ip_from_bytes(enum ip_family family, const uint8_t *bytes);
uint32_t ip_to_v4(const struct ip_addr *addr); // host order; 0 unless IP_V4

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b);
int ip_compare(const struct ip_addr *a, const struct ip_addr *b); // by family, then as a number
bool ip_is_zero(const struct ip_addr *addr);                      // none, 0.0.0.0 or ::
unsigned ip_bits(const struct ip_addr *addr);                     // 0, 32 or 128
// addr + n within its family, -ERANGE past the end.
int ip_add(const struct ip_addr *addr, uint64_t n, struct ip_addr *ret_addr);

// Clears host bits; len is clamped to the family's.
struct ip_prefix prefix_make(const struct ip_addr *addr, unsigned len);
bool prefix_contains(const struct ip_prefix *prefix, const struct ip_addr *addr);
bool prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner);
bool prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b);
bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);
