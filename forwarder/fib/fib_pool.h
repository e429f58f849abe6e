// SPDX-License-Identifier: Apache-2.0
#pragma once

// Arrays of 1..64 equal elements in one address range, named by the index of their first element
// (never 0). Freed arrays wait until no reader can hold them. One thread.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIB_POOL_CLASSES 12

struct fib_retired;

struct fib_pool {
	uint8_t *base;
	size_t elem_size;
	uint32_t used, max; // elements ever handed out, and possible
	uint32_t free_head[FIB_POOL_CLASSES];
	struct fib_retired *open; // arrays out of use that are not yet given to rcu_defer()
	bool concurrent;
};

int fib_pool_init(struct fib_pool *p, size_t elem_size, uint32_t max_elems, bool concurrent);
void fib_pool_fini(struct fib_pool *p);
// True if `arrays` more arrays of any length can surely be had.
bool fib_pool_has_room(const struct fib_pool *p, unsigned arrays);
uint32_t fib_pool_alloc(struct fib_pool *p, unsigned len); // after fib_pool_has_room
void fib_pool_retire(struct fib_pool *p, uint32_t at, unsigned len);
void fib_pool_flush(struct fib_pool *p); // starts the wait for what was retired so far
