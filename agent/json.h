// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading members of a southbound object's value. Failure is sticky, as in lib/buf.h: read all
// fields, ask once. An absent or null member reads as zero; only a wrong one fails.

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "ipaddr.h"

struct json_reader {
	const json_t *object;
	const char *key; // of the southbound object; NULL within one
	bool failed;
	char text[128]; // what was wrong first, naming the member
};

void json_reader_init(struct json_reader *r, const json_t *object);
uint64_t json_get_uint(struct json_reader *r, const char *name, uint64_t max);
bool json_get_bool(struct json_reader *r, const char *name);
const char *json_get_text(struct json_reader *r, const char *name); // "" when absent
void json_get_copy(struct json_reader *r, const char *name, char *dst, size_t size); // cut to fit
struct ip_addr json_get_ip(struct json_reader *r, const char *name);
struct ip_prefix json_get_prefix(struct json_reader *r, const char *name);
struct mac_addr json_get_mac(struct json_reader *r, const char *name);
// One of names (NULL-terminated): its index plus 1, 0 when absent; matched without case.
uint8_t json_get_word(struct json_reader *r, const char *name, const char *const *names);
const json_t *json_get_object(struct json_reader *r, const char *name); // NULL when absent
const json_t *json_get_array(struct json_reader *r, const char *name);  // NULL when absent
// At most cap addresses or prefixes; more is a failure. They return how many.
uint8_t json_get_ips(struct json_reader *r, const char *name, struct ip_addr *dst, uint8_t cap);
uint8_t json_get_prefixes(
	struct json_reader *r, const char *name, struct ip_prefix *dst, uint8_t cap);
// The first address of each IP version: IPv4 to dst[0], IPv6 to dst[1].
void json_get_ip_pair(struct json_reader *r, const char *name, struct ip_addr dst[2]);
// "10.0.0.11/24": the address with its host bits, and the length.
int json_address_parse(const char *text, struct ip_addr *ret_addr, uint8_t *ret_len);
// Notes a failure of the caller's own, unless there is one already.
void json_reader_fail(struct json_reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
