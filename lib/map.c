// SPDX-License-Identifier: Apache-2.0
#include "map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "xmalloc.h"

struct map_entry {
	const void *key; // NULL: free, or a tombstone if `value` is TOMBSTONE
	size_t key_size;
	uint64_t hash;
	void *value;
};

static char tombstone;
#define TOMBSTONE ((void *)&tombstone)

static uint64_t read_up_to_8(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n < 8 ? n : 8);
	return v;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t r = (__uint128_t)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

// Multiply-and-fold over 8-byte words. Seeded, so that tenants cannot choose colliding names.
uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed)
{
	const uint64_t k0 = 0x9e3779b97f4a7c15u, k1 = 0xd6e8feb86659fd93u;
	const uint8_t *p = bytes;
	uint64_t h = seed ^ mix(size ^ k0, k1);

	for (; size > 8; p += 8, size -= 8)
		h = mix(h ^ read_up_to_8(p, 8), k0);
	h = mix(h ^ read_up_to_8(p, size), k1);
	return mix(h, k0);
}

static uint64_t process_seed(void)
{
	static uint64_t seed;

	while (!seed) {
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			seed = 0;
	}
	return seed;
}

void map_init(struct map *m)
{
	*m = (struct map){0};
}

void map_fini(struct map *m)
{
	free(m->entries);
	*m = (struct map){0};
}

static struct map_entry *lookup(
	const struct map *m, const void *key, size_t key_size, uint64_t hash)
{
	if (!m->cap)
		return NULL;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_entry *e = &m->entries[i];

		if (!e->key && e->value != TOMBSTONE)
			return NULL;
		if (e->key && e->hash == hash && e->key_size == key_size &&
			!memcmp(e->key, key, key_size))
			return e;
	}
}

static void insert_new(struct map *m, const struct map_entry *entry)
{
	size_t i = entry->hash & (m->cap - 1);

	while (m->entries[i].key)
		i = (i + 1) & (m->cap - 1);
	if (m->entries[i].value != TOMBSTONE)
		m->used++;
	m->entries[i] = *entry;
	m->len++;
}

static void resize(struct map *m)
{
	struct map old = *m;

	*m = (struct map){.cap = 16};
	while (m->cap < old.len * 4)
		m->cap *= 2;
	m->entries = xcalloc(m->cap, sizeof(*m->entries));
	for (size_t i = 0; i < old.cap; i++) {
		if (old.entries[i].key)
			insert_new(m, &old.entries[i]);
	}
	free(old.entries);
}

void *map_find(const struct map *m, const void *key, size_t key_size)
{
	struct map_entry *e;

	if (!m->len)
		return NULL;
	e = lookup(m, key, key_size, hash_bytes(key, key_size, process_seed()));
	return e ? e->value : NULL;
}

void *map_set(struct map *m, const void *key, size_t key_size, void *value)
{
	uint64_t hash = hash_bytes(key, key_size, process_seed());
	struct map_entry *e = lookup(m, key, key_size, hash);

	if (e) {
		void *old = e->value;

		e->key = key;
		e->value = value;
		return old;
	}
	if ((m->used + 1) * 4 > m->cap * 3)
		resize(m);
	insert_new(m, &(struct map_entry){key, key_size, hash, value});
	return NULL;
}

void *map_del(struct map *m, const void *key, size_t key_size)
{
	struct map_entry *e = NULL;
	void *value;

	if (m->len)
		e = lookup(m, key, key_size, hash_bytes(key, key_size, process_seed()));
	if (!e)
		return NULL;
	value = e->value;
	*e = (struct map_entry){.value = TOMBSTONE};
	m->len--;
	return value;
}

void *map_next(const struct map *m, size_t *at)
{
	while (*at < m->cap) {
		const struct map_entry *e = &m->entries[(*at)++];

		if (e->key)
			return e->value;
	}
	return NULL;
}

void *map_find_str(const struct map *m, const char *key)
{
	return map_find(m, key, strlen(key));
}

void *map_set_str(struct map *m, const char *key, void *value)
{
	return map_set(m, key, strlen(key), value);
}

void *map_del_str(struct map *m, const char *key)
{
	return map_del(m, key, strlen(key));
}
