// SPDX-License-Identifier: Apache-2.0
#pragma once

// Own copies of what an input struct borrows.

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

static inline char *copy_text(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static inline void *copy_bytes(const void *bytes, size_t size)
{
	return size ? memcpy(xmalloc(size), bytes, size) : NULL;
}

static inline void copy_free_all(const void *const *pointers, size_t len)
{
	for (size_t i = 0; i < len; i++)
		free((void *)(uintptr_t)pointers[i]);
}

#define copy_free(...)                                    \
	copy_free_all((const void *const[]){__VA_ARGS__}, \
		sizeof((const void *const[]){__VA_ARGS__}) / sizeof(void *))
