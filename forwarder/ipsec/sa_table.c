// SPDX-License-Identifier: Apache-2.0
#include "sa_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ledger.h"
#include "map.h"
#include "rcu.h"
#include "slab.h"
#include "xmalloc.h"

// Nonces a worker may still use after the SA was shut: it has at most one vector in hand.
#define NONCE_MARGIN 4096

struct key {
	uint32_t conn, spi;
	uint8_t dir;
	uint8_t pad[3];
};

struct entry {
	struct esp_sa sa; // first
	struct esp_table *table;
	struct key key;
	struct conn *conn;
	LIST_ENTRY(entry) of_conn, of_slot, of_learnt;
	uint64_t pmtu_until_ns;      // the path MTU is learnt and holds till then; 0: it is not
	struct ledger_entry *ledger; // out with a counter nonce
	uint8_t identity[32];        // digest of what may not change
	uint32_t raised;             // events the control thread raised ever
	struct api_sa want;          // without keys
};

struct conn {
	uint32_t id;
	uint32_t index;
	LIST_HEAD(, entry) sas;
	struct esp_policy_set *set; // as published; NULL: none
};

struct slot {
	LIST_HEAD(, entry) sas;
	bool active;
	uint64_t iv_epoch;
};

struct esp_table {
	struct esp_lookup lookup;
	const struct esp_crypto *crypto;
	struct slab slab;
	struct map entries, conns;
	struct ledger *ledger;
	LIST_HEAD(, entry) learnt; // path MTU
	struct slot slots[ESP_SLOTS];
};

struct esp_table *esp_table_new(const struct esp_crypto *crypto, uint32_t conns_len)
{
	struct esp_table *t = xcalloc(1, sizeof(*t));

	t->crypto = crypto;
	t->lookup.conns = xcalloc(conns_len, sizeof(*t->lookup.conns));
	t->lookup.soles = xcalloc(conns_len, sizeof(*t->lookup.soles));
	t->lookup.conns_len = conns_len;
	t->ledger = ledger_new(ESP_LEDGER_MAX);
	slab_init(&t->slab, (sizeof(struct entry) + 63) / 64 * 64);
	map_init(&t->entries);
	map_init(&t->conns);
	return t;
}

static void entry_free(void *p)
{
	struct entry *e = p;
	struct esp_table *t = e->table;

	if (e->ledger != NULL)
		ledger_put(t->ledger, e->ledger, e->sa.counter);
	esp_sa_fini(&e->sa, t->crypto);
	slab_put(&t->slab, e);
}

void esp_table_free(struct esp_table *t)
{
	struct entry *e;
	struct conn *c;
	size_t at = 0;

	if (t == NULL)
		return;
	rcu_synchronize(); // entries on their way out
	while ((e = map_next(&t->entries, &at)) != NULL)
		entry_free(e);
	at = 0;
	while ((c = map_next(&t->conns, &at)) != NULL) {
		for (uint32_t i = 0; c->set != NULL && i < c->set->len; i++)
			free(c->set->list[i]);
		free(c->set);
		free(c);
	}
	for (int i = 0; i < ESP_SLOTS; i++)
		free(t->lookup.slots[i]);
	map_fini(&t->entries);
	map_fini(&t->conns);
	slab_fini(&t->slab);
	ledger_free(t->ledger);
	free(t->lookup.conns);
	free(t->lookup.soles);
	free(t);
}

struct esp_lookup *esp_table_lookup(struct esp_table *t)
{
	return &t->lookup;
}

// -- connections and policies

static void sole_refresh(struct esp_table *t, const struct conn *c)
{
	bool sole = c->set != NULL && c->set->len == 1 && esp_policy_any(c->set->list[0]);

	rcu_store(&t->lookup.soles[c->index].sa, sole ? c->set->list[0]->out : NULL);
}

// The connection was taken away and is back under another index.
static void conn_move(struct esp_table *t, struct conn *c, uint32_t index)
{
	struct entry *e;

	rcu_store(&t->lookup.conns[c->index], NULL);
	rcu_store(&t->lookup.soles[c->index].sa, NULL);
	c->index = index;
	rcu_store(&t->lookup.conns[c->index], c->set);
	sole_refresh(t, c);
	LIST_FOREACH(e, &c->sas, of_conn)
	__atomic_store_n(&e->sa.conn_index, index, __ATOMIC_RELAXED);
}

static struct conn *conn_get(struct esp_table *t, uint32_t id, uint32_t index)
{
	struct conn *c = map_find(&t->conns, &id, sizeof(id));

	if (c != NULL && c->index != index)
		conn_move(t, c, index);
	if (c != NULL)
		return c;
	c = xcalloc(1, sizeof(*c));
	c->id = id;
	c->index = index;
	LIST_INIT(&c->sas);
	map_set(&t->conns, &c->id, sizeof(c->id), c);
	return c;
}

static void conn_put(struct esp_table *t, struct conn *c)
{
	if (c->set != NULL || !LIST_EMPTY(&c->sas))
		return;
	map_del(&t->conns, &c->id, sizeof(c->id));
	free(c);
}

static struct esp_policy *policy_find(const struct conn *c, uint32_t child)
{
	for (uint32_t i = 0; c->set != NULL && i < c->set->len; i++)
		if (c->set->list[i]->child == child)
			return c->set->list[i];
	return NULL;
}

static struct esp_sa *out_sa(const struct conn *c, uint32_t spi)
{
	struct entry *e;

	LIST_FOREACH(e, &c->sas, of_conn)
	if (e->key.dir == API_SA_OUT && e->key.spi == spi)
		return &e->sa;
	return NULL;
}

// Publishes the set without `old` and with `new` (either may be NULL), in the order of children.
static void set_replace(
	struct esp_table *t, struct conn *c, const struct esp_policy *old, struct esp_policy *new)
{
	uint32_t len = (c->set ? c->set->len : 0) + (new != NULL) - (old != NULL), n = 0;
	struct esp_policy_set *set = NULL, *gone = c->set;

	if (len != 0) {
		set = xcalloc(1, sizeof(*set) + len * sizeof(set->list[0]));
		for (uint32_t i = 0; gone != NULL && i < gone->len; i++) {
			struct esp_policy *p = gone->list[i];

			if (new != NULL &&new->child <= p->child) {
				set->list[n++] = new;
				new = NULL;
			}
			if (p != old)
				set->list[n++] = p;
		}
		if (new != NULL)
			set->list[n++] = new;
		set->len = n;
	}
	c->set = set;
	rcu_store(&t->lookup.conns[c->index], set);
	sole_refresh(t, c);
	if (gone != NULL)
		rcu_defer(free, gone);
}

// One object for all that let everything pass: workers need not look into it.
static struct esp_policy *inbound_policy(struct esp_policy *p)
{
	return p != NULL && esp_policy_any(p) ? &esp_policy_open : p;
}

static void inbound_point(const struct conn *c, uint32_t child, struct esp_policy *p)
{
	struct entry *e;

	LIST_FOREACH(e, &c->sas, of_conn)
	if (e->key.dir == API_SA_IN && e->sa.child == child)
		rcu_store(&e->sa.policy, inbound_policy(p));
}

int esp_table_policy_set(struct esp_table *t, const struct api_sa_policy *want,
	const struct esp_place *place, const char **ret_words)
{
	struct esp_policy *old, *p;
	struct conn *c;
	int r = esp_policy_check(want, ret_words);

	if (r < 0)
		return r;
	if (place->conn_index >= t->lookup.conns_len) {
		*ret_words =
			"conn: beyond the number of connections this forwarder was started for";
		return -ENOSPC;
	}
	c = conn_get(t, want->conn, place->conn_index);
	old = policy_find(c, want->child);
	if (old != NULL && memcmp(&old->want, want, sizeof(*want)) == 0)
		return 0;
	p = xcalloc(1, sizeof(*p));
	p->conn = want->conn;
	p->child = want->child;
	p->want = *want;
	p->out = want->out_spi != 0 ? out_sa(c, want->out_spi) : NULL;
	set_replace(t, c, old, p);
	inbound_point(c, p->child, p);
	if (old != NULL)
		rcu_defer(free, old);
	return 1;
}

int esp_table_policy_del(struct esp_table *t, uint32_t conn, uint32_t child)
{
	struct conn *c = map_find(&t->conns, &conn, sizeof(conn));
	struct esp_policy *p = c != NULL ? policy_find(c, child) : NULL;

	if (p == NULL)
		return 0;
	inbound_point(c, child, NULL);
	set_replace(t, c, p, NULL);
	rcu_defer(free, p);
	conn_put(t, c);
	return 1;
}

// -- SAs

static struct entry *entry_find(struct esp_table *t, uint32_t conn, uint32_t spi, uint8_t dir)
{
	struct key key = {.conn = conn, .spi = spi, .dir = dir};

	return map_find(&t->entries, &key, sizeof(key));
}

struct esp_sa *esp_table_find(struct esp_table *t, uint32_t conn, uint32_t spi, uint8_t dir)
{
	struct entry *e = entry_find(t, conn, spi, dir);

	return e != NULL ? &e->sa : NULL;
}

// What of an SA may not change without its being another one. Keys are compared by digest.
static void identity_of(const struct api_sa *want, uint8_t digest[32])
{
	struct api_sa same = *want;

	same.child = 0;
	same.path_mtu = 0;
	same.local_port = same.remote_port = 0;
	same.flags &= ~(uint32_t)API_SA_F_REPLAY_CLOSED;
	same.local = same.remote = (struct ip_addr){0};
	same.birth_epoch = same.sequence = same.sequence_end = same.replay_top = 0;
	same.time_ms = same.bytes = same.packets = (struct api_sa_limit){0};
	esp_digest(&same, sizeof(same), digest);
	esp_wipe(&same, sizeof(same));
}

static bool readdress_wanted(const struct api_sa *a, const struct api_sa *b)
{
	return !ip_equal(&a->local, &b->local) || !ip_equal(&a->remote, &b->remote) ||
	       a->local_port != b->local_port || a->remote_port != b->remote_port;
}

static int entry_change(struct entry *e, const struct api_sa *want, const char **ret_words)
{
	uint8_t digest[32];
	int changed = 0;

	identity_of(want, digest);
	if (memcmp(digest, e->identity, sizeof(digest)) != 0) {
		*ret_words =
			"an SA with this SPI and other keys or options is installed; delete it "
			"first";
		return -EEXIST;
	}
	if (readdress_wanted(want, &e->want)) {
		if (want->local.family != e->want.local.family) {
			*ret_words = "local: the IP version of an SA cannot change";
			return -EINVAL;
		}
		esp_sa_readdress(
			&e->sa, &want->local, &want->remote, want->local_port, want->remote_port);
		changed = 1;
	}
	if (want->path_mtu != e->want.path_mtu) {
		__atomic_store_n(&e->sa.path_mtu, want->path_mtu, __ATOMIC_RELAXED);
		changed = 1;
	}
	if (want->sequence_end > e->sa.sequence_end) {
		esp_sa_grant(&e->sa, want->sequence_end);
		changed = 1;
	}
	if (memcmp(&want->time_ms, &e->want.time_ms, sizeof(want->time_ms)) != 0) {
		esp_sa_limit_time(&e->sa, &want->time_ms);
		changed = 1;
	}
	e->want.local = want->local;
	e->want.remote = want->remote;
	e->want.local_port = want->local_port;
	e->want.remote_port = want->remote_port;
	e->want.path_mtu = want->path_mtu;
	e->want.time_ms = want->time_ms;
	return changed;
}

// Room in the slot's directory for an index; 0 or -ENOMEM.
static void dir_grow(struct esp_table *t, uint16_t slot, uint32_t index)
{
	struct esp_spi_dir *old = t->lookup.slots[slot], *dir;
	uint32_t len = 64;

	if (old != NULL && index < old->len)
		return;
	while (len <= index)
		len *= 2;
	dir = xcalloc(1, sizeof(*dir) + len * sizeof(dir->sas[0]));
	dir->len = len;
	if (old != NULL)
		memcpy(dir->sas, old->sas, old->len * sizeof(old->sas[0]));
	rcu_store(&t->lookup.slots[slot], dir);
	if (old != NULL)
		rcu_defer(free, old);
}

static int place_check(struct esp_table *t, const struct api_sa *want,
	const struct esp_place *place, const char **ret_words)
{
	const struct esp_spi_dir *dir = t->lookup.slots[API_SPI_SLOT(want->spi)];
	uint32_t index = API_SPI_INDEX(want->spi);

	if (t->entries.len >= ESP_SAS_MAX) {
		*ret_words = "no room: this forwarder holds as many SAs as it can";
		return -ENOSPC;
	}
	if (place->conn_index >= t->lookup.conns_len) {
		*ret_words =
			"conn: beyond the number of connections this forwarder was started for";
		return -ENOSPC;
	}
	if (want->dir == API_SA_IN && dir != NULL && index < dir->len && dir->sas[index] != NULL) {
		*ret_words = "spi: its index is taken by another SA of the slot";
		return -EEXIST;
	}
	return 0;
}

static int nonce_take(
	struct esp_table *t, struct entry *e, const struct api_sa *want, const char **ret_words)
{
	uint64_t counter = 0;

	if (want->dir != API_SA_OUT || !esp_suite_counter_nonce(e->sa.key.suite))
		return 0;
	e->ledger = ledger_take(t->ledger, want->key, want->key_size, &counter);
	if (e->ledger == NULL) {
		*ret_words = "key: another SA seals with it, and its nonces would repeat";
		return -EEXIST;
	}
	e->sa.counter = counter;
	return 0;
}

static void entry_link(struct esp_table *t, struct entry *e, const struct esp_place *place)
{
	struct slot *slot = &t->slots[e->sa.slot];

	e->conn = conn_get(t, e->key.conn, place->conn_index);
	LIST_INSERT_HEAD(&e->conn->sas, e, of_conn);
	LIST_INSERT_HEAD(&slot->sas, e, of_slot);
	map_set(&t->entries, &e->key, sizeof(e->key), e);
	e->raised |= esp_sa_activate(&e->sa, slot->active, slot->iv_epoch);
	__atomic_fetch_or(&e->sa.events, e->raised, __ATOMIC_RELAXED);
	if (e->key.dir == API_SA_IN) {
		e->sa.policy = inbound_policy(policy_find(e->conn, e->sa.child));
		dir_grow(t, e->sa.slot, API_SPI_INDEX(e->key.spi));
		rcu_store(&t->lookup.slots[e->sa.slot]->sas[API_SPI_INDEX(e->key.spi)], &e->sa);
		return;
	}
	for (uint32_t i = 0; e->conn->set != NULL && i < e->conn->set->len; i++)
		if (e->conn->set->list[i]->want.out_spi == e->key.spi)
			rcu_store(&e->conn->set->list[i]->out, &e->sa);
	sole_refresh(t, e->conn);
}

int esp_table_set(struct esp_table *t, const struct api_sa *want, const struct esp_place *place,
	uint64_t now_ns, const char **ret_words)
{
	struct entry *e = entry_find(t, want->conn, want->spi, want->dir);
	int r;

	if (e != NULL)
		return entry_change(e, want, ret_words);
	r = place_check(t, want, place, ret_words);
	if (r < 0)
		return r;
	e = slab_get(&t->slab);
	if (e == NULL) {
		*ret_words = "no memory";
		return -ENOMEM;
	}
	*ret_words = "no memory for the key";
	r = esp_sa_init(&e->sa, want, t->crypto, now_ns, ret_words);
	if (r < 0) {
		slab_put(&t->slab, e);
		return r;
	}
	e->table = t;
	e->key = (struct key){.conn = want->conn, .spi = want->spi, .dir = want->dir};
	e->sa.conn_index = place->conn_index;
	e->sa.owner = place->owner;
	r = nonce_take(t, e, want, ret_words);
	if (r < 0) {
		entry_free(e);
		return r;
	}
	e->want = *want;
	esp_wipe(e->want.key, sizeof(e->want.key));
	esp_wipe(e->want.auth_key, sizeof(e->want.auth_key));
	identity_of(want, e->identity);
	entry_link(t, e, place);
	return 1;
}

int esp_table_del(struct esp_table *t, uint32_t conn, uint32_t spi, uint8_t dir)
{
	struct entry *e = entry_find(t, conn, spi, dir);

	if (e == NULL)
		return 0;
	__atomic_store_n(&e->sa.active, false, __ATOMIC_RELEASE);
	if (dir == API_SA_IN)
		rcu_store(&t->lookup.slots[e->sa.slot]->sas[API_SPI_INDEX(spi)], NULL);
	for (uint32_t i = 0; e->conn->set != NULL && i < e->conn->set->len; i++)
		if (e->conn->set->list[i]->out == &e->sa)
			rcu_store(&e->conn->set->list[i]->out, NULL);
	sole_refresh(t, e->conn);
	if (e->ledger != NULL)
		ledger_put(t->ledger, e->ledger,
			__atomic_load_n(&e->sa.counter, __ATOMIC_RELAXED) + NONCE_MARGIN);
	e->ledger = NULL;
	LIST_REMOVE(e, of_conn);
	LIST_REMOVE(e, of_slot);
	if (e->pmtu_until_ns != 0)
		LIST_REMOVE(e, of_learnt);
	map_del(&t->entries, &e->key, sizeof(e->key));
	conn_put(t, e->conn);
	rcu_defer(entry_free, e);
	return 1;
}

int esp_table_grant(struct esp_table *t, uint32_t conn, uint32_t spi, uint64_t sequence_end)
{
	struct entry *e = entry_find(t, conn, spi, API_SA_OUT);

	if (e == NULL)
		return -ENOENT;
	if (sequence_end <= e->sa.sequence_end)
		return 0;
	esp_sa_grant(&e->sa, sequence_end);
	return 1;
}

// -- slots

void esp_table_slot(struct esp_table *t, uint16_t slot, bool active, uint64_t iv_epoch)
{
	struct slot *s = &t->slots[slot];
	struct entry *e;

	if (s->active == active && s->iv_epoch == iv_epoch)
		return;
	s->active = active;
	s->iv_epoch = iv_epoch;
	LIST_FOREACH(e, &s->sas, of_slot)
	{
		uint32_t bits = esp_sa_activate(&e->sa, active, iv_epoch) & ~e->raised;

		e->raised |= bits;
		__atomic_fetch_or(&e->sa.events, bits, __ATOMIC_RELAXED);
	}
}

int esp_table_export(struct esp_table *t, uint32_t conn, uint32_t spi, uint8_t dir, uint64_t now_ns,
	struct api_sa_record *ret_record)
{
	struct entry *e = entry_find(t, conn, spi, dir);

	if (e == NULL)
		return -ENOENT;
	if (!e->sa.active)
		rcu_synchronize(); // the last vector is through: what follows is exact
	esp_sa_export(&e->sa, now_ns, ret_record);
	return 0;
}

int esp_table_import(struct esp_table *t, const struct api_sa_record *record, uint64_t now_ns,
	const char **ret_words)
{
	struct entry *e = entry_find(t, record->conn, record->spi, record->dir);

	if (e == NULL) {
		*ret_words = "spi: no such SA; set it first";
		return -ENOENT;
	}
	if (e->sa.active) {
		*ret_words = "slot: is active; a record goes into an SA at rest only";
		return -EBUSY;
	}
	rcu_synchronize();
	if (esp_sa_import(&e->sa, record, now_ns) == 0)
		return 1;
	*ret_words = "sequence: below what this SA has used";
	return -ESTALE;
}

// -- looking

struct esp_sa *esp_table_next(struct esp_table *t, size_t *at)
{
	struct entry *e = map_next(&t->entries, at);

	return e != NULL ? &e->sa : NULL;
}

const struct esp_policy *esp_table_policy_next(struct esp_table *t, size_t *at)
{
	size_t conn_at = *at >> 16, child = *at & 0xffff;

	for (;;) {
		size_t before = conn_at;
		const struct conn *c = map_next(&t->conns, &conn_at);

		if (c == NULL)
			return NULL;
		if (c->set != NULL && child < c->set->len) {
			*at = before << 16 | (child + 1);
			return c->set->list[child];
		}
		child = 0;
	}
}

static bool can_send(const struct esp_sa *sa)
{
	return sa != NULL && sa->stopped == DROP_NONE &&
	       __atomic_load_n(&sa->raised, __ATOMIC_RELAXED) >> ESP_EVENT_HARD == 0;
}

bool esp_table_conn_up(struct esp_table *t, uint32_t conn)
{
	const struct conn *c = map_find(&t->conns, &conn, sizeof(conn));

	if (c == NULL || c->set == NULL)
		return false;
	for (uint32_t i = 0; i < c->set->len; i++)
		if (!can_send(c->set->list[i]->out))
			return false;
	return true;
}

uint16_t esp_table_conn_mtu(struct esp_table *t, uint32_t conn, uint16_t path_mtu)
{
	const struct conn *c = map_find(&t->conns, &conn, sizeof(conn));
	uint16_t least = 0;

	for (uint32_t i = 0; c != NULL && c->set != NULL && i < c->set->len; i++) {
		const struct esp_sa *sa = c->set->list[i]->out;
		uint16_t path = sa != NULL && sa->path_mtu != 0 && sa->path_mtu < path_mtu
					? sa->path_mtu
					: path_mtu;
		uint16_t mtu = sa != NULL ? esp_sa_inner_mtu(sa, path) : 0;

		if (mtu != 0 && (least == 0 || mtu < least))
			least = mtu;
	}
	return least;
}

// -- events

static void emit_bits(const struct entry *e, uint32_t bits, esp_event_fn emit, void *ctx)
{
	for (; bits != 0; bits &= bits - 1) {
		unsigned bit = (unsigned)__builtin_ctz(bits);
		struct api_sa_event event = {
			.conn = e->key.conn,
			.spi = e->key.spi,
			.dir = e->key.dir,
			.kind = (uint8_t)(bit % ESP_EVENT_HARD),
			.hard = bit >= ESP_EVENT_HARD,
			.child = e->sa.child,
		};

		if (event.kind == API_SA_EVENT_MAPPING) {
			event.remote = e->sa.seen_remote;
			event.remote_port = e->sa.seen_port;
		}
		emit(ctx, &event);
	}
}

void esp_table_events(struct esp_table *t, uint64_t now_ns, esp_event_fn emit, void *ctx)
{
	struct entry *e;
	size_t at = 0;

	while ((e = map_next(&t->entries, &at)) != NULL) {
		uint32_t aged = esp_sa_age(&e->sa, now_ns) & ~e->raised, bits = 0;

		e->raised |= aged;
		if (__atomic_load_n(&e->sa.events, __ATOMIC_RELAXED) != 0)
			bits = __atomic_exchange_n(&e->sa.events, 0, __ATOMIC_ACQUIRE);
		emit_bits(e, bits | aged, emit, ctx);
	}
}

// -- path MTU

static bool may_have_sent(const struct entry *e, const struct esp_pmtu *said)
{
	uint32_t ago =
		(uint32_t)__atomic_load_n(&e->sa.sequence, __ATOMIC_RELAXED) - said->sequence;

	return e->sa.packets != 0 && said->sequence != 0 && ago < ESP_PMTU_SENT_AGO &&
	       ago < e->sa.packets && said->size > said->mtu &&
	       said->udp == !!(e->sa.flags & API_SA_F_UDP) &&
	       ip_equal(&e->want.remote, &said->remote) && ip_equal(&e->want.local, &said->local);
}

static void pmtu_learn(struct esp_table *t, struct entry *e, uint16_t mtu, uint64_t now_ns)
{
	if (e->pmtu_until_ns == 0)
		LIST_INSERT_HEAD(&t->learnt, e, of_learnt);
	e->pmtu_until_ns = now_ns + ESP_PMTU_NS;
	__atomic_store_n(&e->sa.path_mtu, mtu, __ATOMIC_RELAXED);
}

static void pmtu_forget(struct entry *e)
{
	if (e->pmtu_until_ns == 0)
		return;
	LIST_REMOVE(e, of_learnt);
	e->pmtu_until_ns = 0;
	__atomic_store_n(&e->sa.path_mtu, e->want.path_mtu, __ATOMIC_RELAXED);
}

const struct esp_sa *esp_table_pmtu(
	struct esp_table *t, const struct esp_pmtu *said, uint64_t now_ns)
{
	uint16_t least = said->remote.family == IP_V4 ? 576 : 1280;
	uint16_t mtu = said->mtu < least ? least : said->mtu;
	struct entry *e;
	size_t at = 0;

	while ((e = map_next(&t->entries, &at)) != NULL) {
		if (e->key.dir != API_SA_OUT || e->key.spi != said->spi || !may_have_sent(e, said))
			continue;
		if (e->sa.path_mtu != 0 && e->sa.path_mtu <= mtu)
			continue;
		pmtu_learn(t, e, mtu, now_ns);
		return &e->sa;
	}
	return NULL;
}

void esp_table_pmtu_age(
	struct esp_table *t, uint64_t now_ns, void (*changed)(const struct esp_sa *sa))
{
	struct entry *e = LIST_FIRST(&t->learnt), *next;

	for (; e != NULL; e = next) {
		next = LIST_NEXT(e, of_learnt);
		if (now_ns < e->pmtu_until_ns)
			continue;
		pmtu_forget(e);
		changed(&e->sa);
	}
}
