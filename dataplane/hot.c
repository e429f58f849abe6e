// SPDX-License-Identifier: Apache-2.0

// Chunks of 1 MiB, each cut into objects of one class; classes are powers of two from a cache line
// up. Free objects of a class hang on one list.

#include "hot.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define REGION_SIZE (UINT64_C(1) << 32) // address space; pages come with use
#define CHUNK_SIZE  HOT_MAX
#define CHUNKS      (REGION_SIZE / CHUNK_SIZE)
#define MIN_SHIFT   6
#define CLASSES     15 // 64 bytes .. 1 MiB
#define LARGE_PAGE  (UINT64_C(2) << 20)

struct large { // header page of a mapping of its own
	size_t size;
};

static uint8_t *region;
static uint32_t chunks_used;
static uint8_t chunk_class[CHUNKS];
static void *free_list[CLASSES];

static void *map_or_die(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	return p;
}

static void region_init(void)
{
	uint8_t *p = map_or_die(REGION_SIZE + LARGE_PAGE);

	region = (uint8_t *)(((uintptr_t)p + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
	(void)madvise(region, REGION_SIZE, MADV_HUGEPAGE); // only a wish
}

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	while (((size_t)1 << (MIN_SHIFT + class)) < size)
		class ++;
	return class;
}

static void add_chunk(unsigned class)
{
	size_t size = (size_t)1 << (MIN_SHIFT + class);
	uint8_t *chunk;

	if (!region)
		region_init();
	if (chunks_used == CHUNKS) {
		fprintf(stderr, "no room for the workers' tables\n");
		abort();
	}
	chunk_class[chunks_used] = (uint8_t) class;
	chunk = region + (size_t)chunks_used++ * CHUNK_SIZE;
	for (size_t at = CHUNK_SIZE; at >= size; at -= size) {
		void *p = chunk + at - size;

		memcpy(p, &free_list[class], sizeof(void *));
		free_list[class] = p;
	}
}

static void *large_alloc(size_t size)
{
	size_t whole = (size + 2 * LARGE_PAGE) & ~(LARGE_PAGE - 1);
	struct large *l = map_or_die(whole);

	(void)madvise(l, whole, MADV_HUGEPAGE);
	l->size = whole;
	return (uint8_t *)l + 4096;
}

void *hot_alloc(size_t size)
{
	unsigned class;
	void *p;

	if (size > HOT_MAX)
		return large_alloc(size);
	class = class_of(size);
	if (!free_list[class])
		add_chunk(class);
	p = free_list[class];
	memcpy(&free_list[class], p, sizeof(void *));
	memset(p, 0, size);
	return p;
}

void hot_free(void *p)
{
	uint8_t *at = p;
	unsigned class;

	if (!p)
		return;
	if (!region || at < region || at >= region + REGION_SIZE) {
		struct large *l = (struct large *)(at - 4096);

		munmap(l, l->size);
		return;
	}
	class = chunk_class[(size_t)(at - region) / CHUNK_SIZE];
	memcpy(p, &free_list[class], sizeof(void *));
	free_list[class] = p;
}
