// SPDX-License-Identifier: Apache-2.0
#pragma once

// One scalar: from a client's JSON to canonical JSON, and from canonical JSON into a struct.

#include <jansson.h>

#include "arena.h"
#include "model.h"

struct value_fault {
	const char *code; // for the error body
	char message[192];
};

// *ret_value is a new reference, or NULL where the value says "absent" (null, an empty text where
// text has no meaning, an empty reference). -EINVAL with the fault filled.
int value_canonical(const struct model_type *type, const struct model_field *field,
	const json_t *in, json_t **ret_value, struct value_fault *fault);

// Stores a canonical value at `at`; NULL or of another form: the absent value.
void value_load(
	const struct model_field *field, const json_t *value, void *at, struct arena *arena);

// Bytes a value of this field takes in a struct, as an element of a list; 0: not in structs.
size_t value_size(const struct model_field *field);
