// SPDX-License-Identifier: Apache-2.0

#include "fib_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "rcu.h"
#include "xmalloc.h"

#define RETIRED_BATCH 254

// Arrays whose readers are waited for together.
struct fib_retired {
	struct fib_pool *pool;
	uint32_t len;
	struct {
		uint32_t at;
		uint32_t class;
	} arrays[RETIRED_BATCH];
};

static const uint8_t class_len[FIB_POOL_CLASSES] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};

static unsigned class_of(unsigned len)
{
	unsigned class = 0;

	while (class_len[class] < len)
		class ++;
	return class;
}

int fib_pool_init(struct fib_pool *p, size_t elem_size, uint32_t max_elems, bool concurrent)
{
	size_t size = elem_size * max_elems;
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	// Random lookups are bound by TLB misses on small pages. Only a wish.
	(void)madvise(base, size, MADV_HUGEPAGE);
	memset(p, 0, sizeof(*p));
	p->base = base;
	p->elem_size = elem_size;
	p->max = max_elems;
	p->used = 64 / elem_size; // 0 is "none", and arrays start on a cache line
	p->concurrent = concurrent;
	return 0;
}

void fib_pool_fini(struct fib_pool *p)
{
	if (p->base)
		munmap(p->base, p->elem_size * p->max);
	free(p->open);
	memset(p, 0, sizeof(*p));
}

bool fib_pool_has_room(const struct fib_pool *p, unsigned arrays)
{
	return p->max - p->used >= arrays * 64;
}

uint32_t fib_pool_alloc(struct fib_pool *p, unsigned len)
{
	unsigned class = class_of(len);
	uint32_t at = p->free_head[class];

	if (at) {
		memcpy(&p->free_head[class], p->base + at * p->elem_size, sizeof(uint32_t));
		return at;
	}
	at = p->used;
	p->used += class_len[class];
	return at;
}

static void give_back(struct fib_pool *p, uint32_t at, unsigned class)
{
	memcpy(p->base + at * p->elem_size, &p->free_head[class], sizeof(uint32_t));
	p->free_head[class] = at;
}

static void retired_free(void *arg)
{
	struct fib_retired *r = arg;

	for (uint32_t i = 0; i < r->len; i++)
		give_back(r->pool, r->arrays[i].at, r->arrays[i].class);
	free(r);
}

void fib_pool_retire(struct fib_pool *p, uint32_t at, unsigned len)
{
	struct fib_retired *r = p->open;

	if (!p->concurrent) {
		give_back(p, at, class_of(len));
		return;
	}
	if (!r) {
		r = p->open = xmalloc(sizeof(*r));
		r->pool = p;
		r->len = 0;
	}
	r->arrays[r->len].at = at;
	r->arrays[r->len++].class = class_of(len);
	if (r->len == RETIRED_BATCH)
		fib_pool_flush(p);
}

void fib_pool_flush(struct fib_pool *p)
{
	struct fib_retired *r = p->open;

	p->open = NULL;
	rcu_defer(retired_free, r);
}
