// SPDX-License-Identifier: Apache-2.0
#pragma once

// Attribute sets, each kept once for the whole process and named by a small number. A path holds
// two such numbers, so a route costs little however long its attributes are. Not thread safe.

#include "attrs.h"

struct attrstore;

#define ATTRS_NONE 0 // names no set

struct attrstore *attrstore_new(uint64_t hash_seed); // as in table.h
void attrstore_free(struct attrstore *s);
// The set equal to a, with one reference more for the caller.
uint32_t attrstore_take(struct attrstore *s, const struct attrs *a);
uint32_t attrstore_ref(struct attrstore *s, uint32_t id); // returns id
void attrstore_put(struct attrstore *s, uint32_t id);     // ATTRS_NONE is fine
// A view: its spans borrow from the set while a reference is held.
void attrstore_view(const struct attrstore *s, uint32_t id, struct attrs *ret_attrs);
size_t attrstore_len(const struct attrstore *s);   // sets alive
size_t attrstore_bytes(const struct attrstore *s); // memory of all sets and tables
