// SPDX-License-Identifier: GPL-3.0-or-later
#include "ring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "xmalloc.h"

struct place_key {
	uint32_t conn;                // 0: unclaimed, and then the addresses name it
	struct ip_addr local, remote; // zero when conn is not
};

// Two lists hold each record: its place's, oldest first, and its class's by age.
struct record {
	struct exchange *e;
	size_t size;
	struct place *place;
	struct record *next;          // in the place
	struct record *older, *newer; // in the class
};

struct place {
	struct place_key key;
	struct record *first, *last;
	size_t len;
};

struct class
{
	struct record *oldest, *newest;
	size_t size, max;
};

static struct {
	pthread_mutex_t mutex;
	struct map places;
	struct class claimed, unclaimed;
} ring = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.claimed = {.max = RING_BYTES},
	.unclaimed = {.max = RING_UNCLAIMED_BYTES},
};

static struct class *class_of(const struct place *p)
{
	return p->key.conn ? &ring.claimed : &ring.unclaimed;
}

static struct place_key key_of(uint32_t conn, const struct exchange *e)
{
	struct place_key key;

	memset(&key, 0, sizeof(key));
	key.conn = conn;
	if (!conn) {
		key.local = e->local;
		key.remote = e->remote;
	}
	return key;
}

static struct place *place_find(const struct place_key *key)
{
	return map_find(&ring.places, key, sizeof(*key));
}

static struct place *place_get(const struct place_key *key)
{
	struct place *p = place_find(key);

	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->key = *key;
		map_set(&ring.places, &p->key, sizeof(p->key), p);
	}
	return p;
}

// A place without records is freed: callers that go on with it hold a record of their own in it.
static void record_unlink(struct record *r)
{
	struct place *p = r->place;
	struct class *c = class_of(p);
	struct record **at = &p->first, *before = NULL;

	while (*at != r) {
		before = *at;
		at = &before->next;
	}
	*at = r->next;
	if (p->last == r)
		p->last = before;
	*(r->older ? &r->older->newer : &c->oldest) = r->newer;
	*(r->newer ? &r->newer->older : &c->newest) = r->older;
	c->size -= r->size;
	r->place = NULL;
	if (--p->len)
		return;
	map_del(&ring.places, &p->key, sizeof(p->key));
	free(p);
}

static void record_free(struct record *r)
{
	free(r->e);
	free(r);
}

static void drop(struct record *r)
{
	record_unlink(r);
	record_free(r);
}

static void record_link(struct record *r, struct place *p)
{
	struct class *c = class_of(p);

	r->place = p;
	r->next = NULL;
	*(p->last ? &p->last->next : &p->first) = r;
	p->last = r;
	r->newer = NULL;
	r->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = r;
	c->newest = r;
	c->size += r->size;
	p->len++;
	if (p->len > RING_MESSAGES)
		drop(p->first);
	while (c->size > c->max && c->oldest != r)
		drop(c->oldest);
}

// The attempt is the connection's: so are its earlier messages.
static void claim(uint32_t conn, const struct exchange *e)
{
	struct place_key from_key = key_of(0, e), to_key = key_of(conn, e);
	struct place *from = place_find(&from_key);
	struct record *moved[RING_MESSAGES];
	size_t len = 0;

	for (struct record *r = from ? from->first : NULL; r && len < RING_MESSAGES; r = r->next) {
		if (r->e->spi == e->spi)
			moved[len++] = r;
	}
	for (size_t i = 0; i < len; i++) {
		record_unlink(moved[i]);
		record_link(moved[i], place_get(&to_key));
	}
}

void ring_note(uint32_t conn, const struct exchange *e)
{
	struct record *r = xcalloc(1, sizeof(*r));
	struct place_key key = key_of(conn, e);

	r->e = exchange_clone(e, &r->size);
	r->size += sizeof(*r);
	pthread_mutex_lock(&ring.mutex);
	if (conn)
		claim(conn, e);
	record_link(r, place_get(&key));
	pthread_mutex_unlock(&ring.mutex);
}

static void forget_place(const struct place_key *key)
{
	struct place *p;

	while ((p = place_find(key)))
		drop(p->first);
}

void ring_forget(uint32_t conn, const struct ip_addr *local, const struct ip_addr *remote)
{
	struct exchange at = {.local = *local, .remote = *remote};
	struct place_key claimed = key_of(conn, &at), unclaimed = key_of(0, &at);

	pthread_mutex_lock(&ring.mutex);
	forget_place(&claimed);
	forget_place(&unclaimed);
	pthread_mutex_unlock(&ring.mutex);
}

void ring_forget_strangers(const struct ip_addr *local)
{
	struct record *r, *newer;

	pthread_mutex_lock(&ring.mutex);
	for (r = ring.unclaimed.oldest; r; r = newer) {
		newer = r->newer;
		if (ip_equal(&r->e->local, local))
			drop(r);
	}
	pthread_mutex_unlock(&ring.mutex);
}

// -- reading

struct gathered {
	struct record **list;
	size_t len, cap;
};

static void gather(struct gathered *g, const struct place *p)
{
	for (struct record *r = p->first; r; r = r->next) {
		g->list = xgrow(g->list, &g->cap, g->len + 1, sizeof(struct record *));
		g->list[g->len++] = r;
	}
}

static int by_time(const void *a, const void *b)
{
	const struct record *x = *(struct record *const *)a, *y = *(struct record *const *)b;

	if (x->e->time_ms != y->e->time_ms)
		return x->e->time_ms < y->e->time_ms ? -1 : 1;
	// Within one exchange and millisecond the request comes first.
	if (x->e->message_id != y->e->message_id)
		return x->e->message_id < y->e->message_id ? -1 : 1;
	return (int)y->e->request - (int)x->e->request;
}

static void hand_out(struct gathered *g, ring_fn *fn, void *ctx)
{
	if (g->len)
		qsort(g->list, g->len, sizeof(struct record *), by_time);
	for (size_t i = 0; i < g->len; i++)
		fn(ctx, g->list[i]->place->key.conn, g->list[i]->e);
	free(g->list);
}

static bool is_from(const struct place_key *k, const struct ip_addr *local,
	const struct ip_addr *remote, ring_remote_fn *is_ours)
{
	return ip_equal(&k->local, local) &&
	       (remote->family ? ip_equal(&k->remote, remote) : is_ours(local, &k->remote));
}

size_t ring_collect(uint32_t conn, const struct ip_addr *local, const struct ip_addr *remote,
	ring_remote_fn *is_ours, bool withhold, ring_fn *fn, void *ctx)
{
	struct gathered g = {0};
	size_t at = 0, withheld = 0;
	struct place *p;

	pthread_mutex_lock(&ring.mutex);
	while ((p = map_next(&ring.places, &at))) {
		const struct place_key *k = &p->key;

		if (!(k->conn ? k->conn == conn : is_from(k, local, remote, is_ours)))
			continue;
		if (!k->conn && withhold)
			withheld += p->len;
		else
			gather(&g, p);
	}
	hand_out(&g, fn, ctx);
	pthread_mutex_unlock(&ring.mutex);
	return withheld;
}

void ring_each(ring_fn *fn, void *ctx)
{
	struct gathered g = {0};
	struct place *p;
	size_t at = 0;

	pthread_mutex_lock(&ring.mutex);
	while ((p = map_next(&ring.places, &at)))
		gather(&g, p);
	hand_out(&g, fn, ctx);
	pthread_mutex_unlock(&ring.mutex);
}

size_t ring_size(bool unclaimed)
{
	size_t size;

	pthread_mutex_lock(&ring.mutex);
	size = unclaimed ? ring.unclaimed.size : ring.claimed.size;
	pthread_mutex_unlock(&ring.mutex);
	return size;
}

void ring_fini(void)
{
	pthread_mutex_lock(&ring.mutex);
	while (ring.claimed.oldest)
		drop(ring.claimed.oldest);
	while (ring.unclaimed.oldest)
		drop(ring.unclaimed.oldest);
	map_fini(&ring.places);
	pthread_mutex_unlock(&ring.mutex);
}
