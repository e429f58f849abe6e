// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory that is freed all at once: one request, one loaded object, one plan.
// Allocations are zeroed, aligned for any type, and never fail (xmalloc.h).

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena); // NULL is fine
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *arena, const char *s) __attribute__((returns_nonnull));
