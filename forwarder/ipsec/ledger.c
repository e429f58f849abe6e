// SPDX-License-Identifier: Apache-2.0
#include "ledger.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "crypto.h"
#include "map.h"
#include "xmalloc.h"

#define DIGEST_SIZE 32

struct ledger_entry {
	TAILQ_ENTRY(ledger_entry) link; // while not in use
	uint8_t digest[DIGEST_SIZE];
	uint64_t counter;
	bool in_use;
};

struct ledger {
	struct map map;
	TAILQ_HEAD(, ledger_entry) idle; // oldest first
	size_t idle_len, max;
};

struct ledger *ledger_new(size_t max)
{
	struct ledger *l = xcalloc(1, sizeof(*l));

	map_init(&l->map);
	TAILQ_INIT(&l->idle);
	l->max = max;
	return l;
}

void ledger_free(struct ledger *l)
{
	struct ledger_entry *e;
	size_t at = 0;

	if (l == NULL)
		return;
	while ((e = map_next(&l->map, &at)) != NULL)
		free(e);
	map_fini(&l->map);
	free(l);
}

struct ledger_entry *ledger_take(
	struct ledger *l, const uint8_t *key, size_t size, uint64_t *ret_counter)
{
	uint8_t digest[DIGEST_SIZE];
	struct ledger_entry *e;

	esp_digest(key, size, digest);
	e = map_find(&l->map, digest, sizeof(digest));
	if (e != NULL && e->in_use)
		return NULL;
	if (e != NULL) {
		TAILQ_REMOVE(&l->idle, e, link);
		l->idle_len--;
	} else {
		e = xcalloc(1, sizeof(*e));
		memcpy(e->digest, digest, sizeof(digest));
		map_set(&l->map, e->digest, sizeof(e->digest), e);
	}
	e->in_use = true;
	*ret_counter = e->counter;
	return e;
}

void ledger_put(struct ledger *l, struct ledger_entry *e, uint64_t counter)
{
	e->in_use = false;
	if (counter > e->counter)
		e->counter = counter;
	TAILQ_INSERT_TAIL(&l->idle, e, link);
	if (++l->idle_len <= l->max)
		return;
	e = TAILQ_FIRST(&l->idle);
	TAILQ_REMOVE(&l->idle, e, link);
	l->idle_len--;
	map_del(&l->map, e->digest, sizeof(e->digest));
	free(e);
}
