// SPDX-License-Identifier: Apache-2.0
#include "learnt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "xmalloc.h"

#define PAGES_MAX 1000 // of a connection; further ones are not kept

struct block_key {
	uint32_t vrf, conn;
};

struct block {
	struct block_key key;
	char *gateway;      // that reported it
	int64_t leaving_ms; // since when it is only kept; 0: it is not
	json_t **pages;     // by number, NULL: none
	size_t len, cap;
};

struct learnt {
	learnt_holder_fn *holder;
	void *arg;
	struct map blocks;
	uint64_t changes;
};

struct learnt *learnt_new(learnt_holder_fn *holder, void *arg)
{
	struct learnt *l = xcalloc(1, sizeof(*l));

	l->holder = holder;
	l->arg = arg;
	map_init(&l->blocks);
	return l;
}

static void block_clear(struct block *b)
{
	for (size_t i = 0; i < b->len; i++)
		json_decref(b->pages[i]);
	b->len = 0;
}

static void block_free(struct block *b)
{
	block_clear(b);
	free(b->pages);
	free(b->gateway);
	free(b);
}

static void block_drop(struct learnt *l, struct block *b)
{
	map_del(&l->blocks, &b->key, sizeof(b->key));
	block_free(b);
	l->changes++;
}

void learnt_free(struct learnt *l)
{
	struct block *b;
	size_t at = 0;

	if (!l)
		return;
	while ((b = map_next(&l->blocks, &at)))
		block_free(b);
	map_fini(&l->blocks);
	free(l);
}

static bool is_holder(const struct learnt *l, uint32_t vrf, const char *gateway)
{
	const char *holder = l->holder(l->arg, vrf);

	return holder && !strcmp(holder, gateway);
}

static void block_set(struct learnt *l, struct block *b, unsigned page, const json_t *value)
{
	if (page >= PAGES_MAX)
		return;
	while (b->len <= page) {
		b->pages = xgrow(b->pages, &b->cap, b->len + 1, sizeof(*b->pages));
		b->pages[b->len++] = NULL;
	}
	json_decref(b->pages[page]);
	b->pages[page] = json_incref((json_t *)(uintptr_t)value);
	l->changes++;
}

static void take(struct learnt *l, const struct block_key *key, const char *gateway, unsigned page,
	const json_t *value)
{
	struct block *b = map_find(&l->blocks, key, sizeof(*key));

	if (b && strcmp(b->gateway, gateway) != 0 && !is_holder(l, key->vrf, gateway))
		return; // by one that is not, or no longer, the reflector's
	if (!b) {
		b = xcalloc(1, sizeof(*b));
		b->key = *key;
		map_set(&l->blocks, &b->key, sizeof(b->key), b);
	}
	if (b->leaving_ms || !b->gateway || strcmp(b->gateway, gateway) != 0) {
		block_clear(b); // the first page of a new life
		free(b->gateway);
		b->gateway = xstrdup(gateway);
	}
	b->leaving_ms = 0;
	block_set(l, b, page, value);
}

static bool is_empty(const struct block *b)
{
	for (size_t i = 0; i < b->len; i++) {
		if (b->pages[i])
			return false;
	}
	return true;
}

// Who no longer is the reflector forgets its routes; the tenant has them still.
static void take_gone(struct learnt *l, const struct block_key *key, const char *gateway,
	unsigned page, int64_t now_ms)
{
	struct block *b = map_find(&l->blocks, key, sizeof(*key));

	if (!b || strcmp(b->gateway, gateway) != 0 || page >= b->len)
		return;
	if (!is_holder(l, key->vrf, gateway)) {
		b->leaving_ms = b->leaving_ms ? b->leaving_ms : now_ms;
		return;
	}
	json_decref(b->pages[page]);
	b->pages[page] = NULL;
	l->changes++;
	if (is_empty(b))
		block_drop(l, b);
}

void learnt_report(
	struct learnt *l, const char *gateway, const char *key, const json_t *value, int64_t now_ms)
{
	struct block_key k;
	unsigned page = 0;

	if (sscanf(key, "%u/%u/%u", &k.vrf, &k.conn, &page) < 2)
		return;
	if (value)
		take(l, &k, gateway, page, value);
	else
		take_gone(l, &k, gateway, page, now_ms);
}

void learnt_begins(struct learnt *l, const char *gateway, int64_t now_ms)
{
	struct block *b;
	size_t at = 0;

	while ((b = map_next(&l->blocks, &at))) {
		if (!strcmp(b->gateway, gateway) && !b->leaving_ms)
			b->leaving_ms = now_ms;
	}
}

uint64_t learnt_changes(const struct learnt *l)
{
	return l->changes;
}

// Whether it is still good.
static bool block_look(struct learnt *l, struct block *b, int64_t now_ms)
{
	const char *holder = l->holder(l->arg, b->key.vrf);

	if (holder && strcmp(holder, b->gateway) != 0 && !b->leaving_ms)
		b->leaving_ms = now_ms;
	if (!b->leaving_ms || now_ms - b->leaving_ms < LEARNT_KEEP_MS)
		return true;
	block_drop(l, b);
	return false;
}

void learnt_each(struct learnt *l, uint32_t vrf, uint32_t conn, int64_t now_ms,
	void (*each)(void *arg, const char *prefix, const char *via), void *arg)
{
	const struct block_key key = {vrf, conn};
	struct block *b = map_find(&l->blocks, &key, sizeof(key));
	const json_t *one;
	size_t i;

	if (!b || !block_look(l, b, now_ms))
		return;
	for (size_t page = 0; page < b->len; page++) {
		json_array_foreach (json_object_get(b->pages[page], "learnt"), i, one) {
			const char *prefix = json_string_value(json_object_get(one, "prefix"));
			const char *via = json_string_value(json_object_get(one, "via"));

			if (prefix)
				each(arg, prefix, via ? via : "0.0.0.0");
		}
	}
}
