// SPDX-License-Identifier: Apache-2.0
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

#define CHUNK_SIZE 2000 // bytes, with its header under what malloc serves from small bins

struct chunk {
	struct chunk *next;
	size_t used, size; // bytes of `bytes`
	alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct chunk *chunks; // the newest first; only that one is filled
};

struct arena *arena_new(void)
{
	return xcalloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
	struct chunk *next;

	if (!arena)
		return;
	for (struct chunk *c = arena->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(arena);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct chunk *c = arena->chunks;
	void *p;

	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!c || c->size - c->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;

		c = xcalloc(1, sizeof(*c) + room);
		c->size = room;
		c->next = arena->chunks;
		arena->chunks = c;
	}
	p = c->bytes + c->used;
	c->used += size;
	return p;
}

char *arena_strdup(struct arena *arena, const char *s)
{
	size_t size = strlen(s) + 1;

	return memcpy(arena_alloc(arena, size), s, size);
}
