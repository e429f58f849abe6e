// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

enum { PEER_PRODUCTS = 9 };

extern const char *const peer_products[PEER_PRODUCTS];  // "strongswan"
extern const char *const peer_templates[PEER_PRODUCTS]; // peer_templates.c

// Writes what `product` needs to be the peer of a networkConnection (as GET shows it) to out.
// 0, or -1 with err filled.
int peer_export(const json_t *resource, const char *product, FILE *out, char *err, size_t err_size);
