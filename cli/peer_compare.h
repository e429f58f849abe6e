// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

#include <jansson.h>

// Compares a strongSwan configuration (swanctl.conf, its first connection and child) with a
// networkConnection as GET shows it. Returns a new array of {"field","verdict"}, what disagrees, in
// the order in which the exchanges would show it; NULL with err filled when one of the two cannot
// be compared.
json_t *peer_compare(const json_t *resource, const char *config, char *err, size_t err_size);
