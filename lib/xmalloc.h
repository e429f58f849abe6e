// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

// Control-plane memory. Running out aborts the process: nothing useful is left to do there.
// Never called by graph nodes. free() releases everything these return.
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t len, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
// Grows an array to at least `want` elements by doubling; *cap is in elements.
void *xgrow(void *p, size_t *cap, size_t want, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
// Returned text belongs to the caller.
char *xasprintf(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), malloc, returns_nonnull));
