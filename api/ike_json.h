// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the doctor answers, as JSON: {"verdicts": [...], "exchanges": [...]}, the same from a
// gateway's command and from the API.

#include <stddef.h>

#include <jansson.h>

// Objects as they come from isthmus-ike; too short ones are left out. to is an array.
void ike_json_add_verdict(json_t *to, const void *object, size_t size);
void ike_json_add_exchange(json_t *to, const void *object, size_t size);
