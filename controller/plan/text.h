// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes JSON text straight into a growing string: objects are written by the hundred thousand.
// Commas are set by themselves. The name is NULL inside an array.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipaddr.h"

struct text {
	char *s; // NUL-terminated once anything was written
	size_t len, cap;
};

void text_fini(struct text *t);
void text_reset(struct text *t); // empty, memory kept

void text_open(struct text *t, const char *name, char bracket); // '{' or '['
void text_close(struct text *t, char bracket);                  // '}' or ']'
void text_u64(struct text *t, const char *name, uint64_t v);
void text_bool(struct text *t, const char *name, bool v);
void text_str(struct text *t, const char *name, const char *v); // NULL: written as null
void text_ip(struct text *t, const char *name, const struct ip_addr *v);
void text_prefix(struct text *t, const char *name, const struct ip_prefix *v);
void text_mac(struct text *t, const char *name, const struct mac_addr *v);
void text_raw(struct text *t, const char *name, const char *json); // text that is JSON already
// An array of those of the `len` addresses that are not none; nothing if there is none of them.
void text_ips(struct text *t, const char *name, const struct ip_addr *v, size_t len);
