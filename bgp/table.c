// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "xmalloc.h"

enum { FIRST_LEN = 8 };

static size_t addr_size(const struct table *t)
{
	return t->family == BGP_IPV4 ? 4 : 16;
}

void table_init(struct table *t, enum bgp_family family, uint64_t hash_seed)
{
	*t = (struct table){
		.family = (uint8_t)family, .dest_end = 1, .path_end = 1, .hash_seed = hash_seed};
	t->dest_size = sizeof(struct dest) + addr_size(t);
}

void table_fini(struct table *t)
{
	free(t->dests);
	free(t->paths);
	free(t->buckets);
}

static uint32_t hash_of(const struct table *t, const uint8_t *addr, uint8_t len)
{
	uint64_t h = hash_bytes(addr, addr_size(t), t->hash_seed + len);

	return (uint32_t)(h ^ h >> 32);
}

static uint32_t *bucket_of(const struct table *t, const uint8_t *addr, uint8_t len)
{
	return &t->buckets[hash_of(t, addr, len) & (t->bucket_len - 1)];
}

uint32_t table_find(const struct table *t, const struct ip_prefix *prefix)
{
	uint32_t i;

	if (!t->bucket_len)
		return 0;
	for (i = *bucket_of(t, prefix->addr.bytes, prefix->len); i; i = table_dest(t, i)->next) {
		const struct dest *d = table_dest(t, i);

		if (d->len == prefix->len && !memcmp(d->addr, prefix->addr.bytes, addr_size(t)))
			break;
	}
	return i;
}

static void rehash(struct table *t)
{
	t->bucket_len = t->bucket_len ? t->bucket_len * 2 : FIRST_LEN;
	free(t->buckets);
	t->buckets = xcalloc(t->bucket_len, sizeof(*t->buckets));
	for (uint32_t i = 1; i < t->dest_end; i++) {
		struct dest *d = table_dest(t, i);
		uint32_t *bucket;

		if (!(d->flags & DEST_USED))
			continue;
		bucket = bucket_of(t, d->addr, d->len);
		d->next = *bucket;
		*bucket = i;
	}
}

// Grows by a quarter once large, so that little is reserved that is never used.
static void *grow(void *p, size_t *cap, size_t want, size_t size)
{
	if (want <= *cap)
		return p;
	*cap = *cap < FIRST_LEN ? FIRST_LEN : *cap < 65536 ? *cap * 2 : *cap + *cap / 4;
	return xrealloc(p, *cap * size);
}

uint32_t table_get(struct table *t, const struct ip_prefix *prefix)
{
	uint32_t i = table_find(t, prefix), *bucket;
	struct dest *d;

	if (i)
		return i;
	if (t->dest_len >= t->bucket_len)
		rehash(t);
	i = t->dest_free;
	if (i) {
		t->dest_free = table_dest(t, i)->next;
	} else {
		t->dests = grow(t->dests, &t->dest_cap, t->dest_end + 1, t->dest_size);
		i = (uint32_t)t->dest_end++;
	}
	d = table_dest(t, i);
	*d = (struct dest){.flags = DEST_USED, .len = prefix->len};
	memcpy(d->addr, prefix->addr.bytes, addr_size(t));
	bucket = bucket_of(t, d->addr, d->len);
	d->next = *bucket;
	*bucket = i;
	t->dest_len++;
	return i;
}

void table_release(struct table *t, uint32_t dest)
{
	struct dest *d = table_dest(t, dest);
	uint32_t *at;

	if (d->paths || d->queued || !(d->flags & DEST_USED))
		return;
	for (at = bucket_of(t, d->addr, d->len); *at != dest;)
		at = &table_dest(t, *at)->next;
	*at = d->next;
	d->flags = 0;
	d->next = t->dest_free;
	t->dest_free = dest;
	t->dest_len--;
}

uint32_t table_find_path(const struct table *t, uint32_t dest, uint16_t source, uint32_t path_id)
{
	uint32_t i = table_dest(t, dest)->paths;

	while (i && (t->paths[i].source != source || t->paths[i].path_id != path_id))
		i = t->paths[i].next;
	return i;
}

uint32_t table_add_path(struct table *t, uint32_t dest)
{
	uint32_t i = t->path_free, *at;

	if (i) {
		t->path_free = t->paths[i].next;
	} else {
		t->paths = grow(t->paths, &t->path_cap, t->path_end + 1, sizeof(*t->paths));
		i = (uint32_t)t->path_end++;
	}
	t->paths[i] = (struct path){0};
	for (at = &table_dest(t, dest)->paths; *at;)
		at = &t->paths[*at].next;
	*at = i;
	t->path_len++;
	return i;
}

static void unlink_path(struct table *t, uint32_t dest, uint32_t path)
{
	uint32_t *at = &table_dest(t, dest)->paths;

	while (*at != path)
		at = &t->paths[*at].next;
	*at = t->paths[path].next;
}

void table_del_path(struct table *t, uint32_t dest, uint32_t path)
{
	unlink_path(t, dest, path);
	t->paths[path].next = t->path_free;
	t->path_free = path;
	t->path_len--;
}

void table_first_path(struct table *t, uint32_t dest, uint32_t path)
{
	struct dest *d = table_dest(t, dest);

	if (d->paths == path)
		return;
	unlink_path(t, dest, path);
	t->paths[path].next = d->paths;
	d->paths = path;
}

struct ip_prefix table_prefix(const struct table *t, uint32_t dest)
{
	const struct dest *d = table_dest(t, dest);
	struct ip_prefix prefix = {.len = d->len};

	prefix.addr = ip_from_bytes(nlri_ip_family(t->family), d->addr);
	return prefix;
}

size_t table_bytes(const struct table *t)
{
	return t->dest_cap * t->dest_size + t->path_cap * sizeof(*t->paths) +
	       t->bucket_len * sizeof(*t->buckets);
}
