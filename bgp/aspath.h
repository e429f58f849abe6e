// SPDX-License-Identifier: Apache-2.0
#pragma once

// AS_PATH (RFC 4271 4.3, 5.1.2, RFC 6793). Inside the speaker a path is always its wire form with
// 4-byte numbers; 2-byte forms exist only on the wire of old sessions. Pure.

#include "buf.h"
#include "wire.h"

struct span {
	const uint8_t *bytes; // borrowed
	uint16_t size;
};

enum aspath_verdict { ASPATH_OK, ASPATH_MALFORMED, ASPATH_AS0 };

// Checks the wire form: known segments, none empty, nothing left over, no AS 0 (RFC 7607).
enum aspath_verdict aspath_check(struct span path, bool as4);
// 2-byte wire form to ours. Output needs at most twice the bytes. Returns bytes written, 0 if
// empty.
size_t aspath_widen(struct span path, uint8_t *out, size_t size);
// Ours to the 2-byte wire form; numbers that do not fit become AS_TRANS.
size_t aspath_narrow(struct span path, uint8_t *out, size_t size);
bool aspath_needs_as4(struct span path); // some number does not fit in two bytes
// RFC 6793 4.2.3: the two attributes of an old speaker, both in our form, made one.
size_t aspath_merge_as4(struct span path, struct span as4_path, uint8_t *out, size_t size);

// From here on paths are in our form.
unsigned aspath_len(struct span path); // as the decision process counts: an AS_SET is one
bool aspath_contains(struct span path, uint32_t asn);
unsigned aspath_count(struct span path, uint32_t asn); // how many times it occurs
// First number of a leading AS_SEQUENCE; 0 for none.
uint32_t aspath_first(struct span path);
uint32_t aspath_origin(struct span path); // last number of the last sequence; 0 for none
// Walks all numbers: at starts 0 and is opaque; false at the end.
bool aspath_next(struct span path, uint32_t *at, uint32_t *ret_asn);
// Puts asn in front n times. out needs path.size + 4 * n + 2 bytes; 0 if it does not fit.
size_t aspath_prepend(struct span path, uint32_t asn, unsigned n, uint8_t *out, size_t size);
// "64512 65001 {1 2}".
const char *aspath_format(struct span path, char *buf, size_t size);
