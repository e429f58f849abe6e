// SPDX-License-Identifier: Apache-2.0
#include "slab.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "xmalloc.h"

#define CHUNK (2u << 20) // a large page

struct slab_chunk {
	struct slab_chunk *next;
	void *memory;
};

struct piece {
	struct piece *next;
};

void slab_init(struct slab *s, size_t size)
{
	*s = (struct slab){.size = size};
}

void slab_fini(struct slab *s)
{
	while (s->chunks != NULL) {
		struct slab_chunk *c = s->chunks;

		s->chunks = c->next;
		munmap(c->memory, CHUNK);
		free(c);
	}
	s->free = NULL;
}

// Aligned to its size, so that one large page can carry it.
static uint8_t *chunk_map(void)
{
	uint8_t *p =
		mmap(NULL, 2 * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = (CHUNK - (uintptr_t)p % CHUNK) % CHUNK;
	if (before != 0)
		munmap(p, before);
	munmap(p + before + CHUNK, CHUNK - before);
	madvise(p + before, CHUNK, MADV_HUGEPAGE);
	madvise(p + before, CHUNK, MADV_DONTDUMP);
	return p + before;
}

static void chunk_new(struct slab *s)
{
	uint8_t *memory = chunk_map();
	struct slab_chunk *c;

	if (memory == NULL)
		return;
	c = xmalloc(sizeof(*c));
	*c = (struct slab_chunk){s->chunks, memory};
	s->chunks = c;
	for (size_t at = CHUNK / s->size * s->size; at != 0; at -= s->size)
		slab_put(s, memory + at - s->size);
}

void *slab_get(struct slab *s)
{
	struct piece *p;

	if (s->free == NULL)
		chunk_new(s);
	p = s->free;
	if (p == NULL)
		return NULL;
	s->free = p->next;
	memset(p, 0, s->size);
	return p;
}

void slab_put(struct slab *s, void *piece)
{
	struct piece *p = piece;

	p->next = s->free;
	s->free = p;
}
