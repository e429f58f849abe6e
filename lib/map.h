// SPDX-License-Identifier: Apache-2.0
#pragma once

// A hash map from a byte string (any key of fixed or varying size) to a pointer.
//
// Open addressing with linear probing; keys are borrowed: they normally live inside the value and
// must stay put and unchanged while the entry is in the map. Not thread safe. Iteration order is
// unspecified; removal during iteration is allowed only of the entry just returned.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry;

struct map {
	struct map_entry *entries;
	size_t cap;  // slots, a power of two or 0
	size_t len;  // live entries
	size_t used; // live entries and tombstones
};

void map_init(struct map *m);
void map_fini(struct map *m); // frees the table, not the values
void *map_find(const struct map *m, const void *key, size_t key_size);
// Sets or replaces; returns the value replaced, or NULL. value is not NULL.
void *map_set(struct map *m, const void *key, size_t key_size, void *value);
void *map_del(struct map *m, const void *key, size_t key_size); // returns the value, or NULL
// size_t at = 0; while ((v = map_next(m, &at))) ...
void *map_next(const struct map *m, size_t *at);

// The same with a string as the key.
void *map_find_str(const struct map *m, const char *key);
void *map_set_str(struct map *m, const char *key, void *value);
void *map_del_str(struct map *m, const char *key);

uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed);
