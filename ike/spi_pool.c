// SPDX-License-Identifier: GPL-3.0-or-later
#include "spi_pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

#include "sa.h"
#include "xmalloc.h"

#define SLOTS   4096
#define INDEXES 65536 // index 0 is not used

struct slot_pool {
	uint32_t used;
	uint16_t next;          // where the search goes on
	uint8_t state[INDEXES]; // generation of the next taking, top bit: in use
};

#define IN_USE 0x80

static struct slot_pool *pools[SLOTS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void spi_pool_init(void)
{
	for (size_t i = 0; i < SLOTS; i++) {
		free(pools[i]);
		pools[i] = NULL;
	}
}

// Generations start at random, so that a restart does not hand out the SPIs just used again.
static struct slot_pool *pool_of(uint16_t slot)
{
	struct slot_pool *p = pools[slot];

	if (p)
		return p;
	p = pools[slot] = xcalloc(1, sizeof(*p));
	for (size_t at = 0; at < INDEXES; at += 256) {
		if (getrandom(p->state + at, 256, 0) != 256)
			abort();
	}
	for (size_t i = 0; i < INDEXES; i++)
		p->state[i] &= 0xf;
	if (getrandom(&p->next, sizeof(p->next), 0) != sizeof(p->next))
		abort();
	return p;
}

uint32_t spi_pool_take(uint16_t slot)
{
	uint32_t spi = 0;

	if (!slot || slot >= SLOTS)
		return 0;
	pthread_mutex_lock(&mutex);
	struct slot_pool *p = pool_of(slot);
	if (p->used < INDEXES - 1) {
		do
			p->next++;
		while (!p->next || p->state[p->next] & IN_USE);
		spi = API_SPI_MAKE(slot, p->state[p->next], p->next);
		p->state[p->next] |= IN_USE;
		p->used++;
	}
	pthread_mutex_unlock(&mutex);
	return spi;
}

void spi_pool_give(uint32_t spi)
{
	uint16_t slot = API_SPI_SLOT(spi), index = (uint16_t)API_SPI_INDEX(spi);

	if (!slot || !index)
		return;
	pthread_mutex_lock(&mutex);
	struct slot_pool *p = pool_of(slot);
	if (p->state[index] == (IN_USE | API_SPI_GENERATION(spi))) {
		p->state[index] = (uint8_t)((API_SPI_GENERATION(spi) + 1) & 0xf);
		p->used--;
	}
	pthread_mutex_unlock(&mutex);
}

void spi_pool_mark(uint32_t spi)
{
	uint16_t slot = API_SPI_SLOT(spi), index = (uint16_t)API_SPI_INDEX(spi);

	if (!slot || !index)
		return;
	pthread_mutex_lock(&mutex);
	struct slot_pool *p = pool_of(slot);
	if (!(p->state[index] & IN_USE))
		p->used++;
	p->state[index] = (uint8_t)(IN_USE | API_SPI_GENERATION(spi));
	pthread_mutex_unlock(&mutex);
}
