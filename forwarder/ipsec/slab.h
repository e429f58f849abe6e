// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory for SAs: equal pieces from large pages where the kernel gives them, because thousands of
// SAs in random order miss the TLB before they miss the cache. Never in core dumps: they hold keys.
// Control thread only.

#include <stddef.h>

struct slab_chunk;

struct slab {
	size_t size; // of a piece; a multiple of 64
	struct slab_chunk *chunks;
	void *free;
};

void slab_init(struct slab *s, size_t size);
void slab_fini(struct slab *s); // all at once, whether given back or not
void *slab_get(struct slab *s); // zeroed, 64-byte aligned; NULL: no memory
void slab_put(struct slab *s, void *piece);
