// SPDX-License-Identifier: Apache-2.0
#include "store.h"

// Everything lies in one ordered map (engine.h), a letter for each family of keys, parts separated
// by a byte that no key contains:
//
//   k <key>                  "<revision> <json>"      the rows
//   l <revision> <key>       "p" or "d"               the log; older than STORE_LOG_LEN is cut off
//   f <from> <to>            ""                       references, and the same
//   r <to> <from>            ""                       the other way round
//   c <space> <value>        "<hold_until> <owner>"   claims; owner "" while held off
//   o <owner> <space> <value>                         the claims of an owner
//   h <until> <space> <value>                         hold-offs by their end
//   n <name>                 "<next>"                 counters
//   m <name>                 text                     schema, revision

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "xmalloc.h"

#define SEP         "\x1f"
#define AFTER       "\x20" // the byte after SEP: ends a range
#define BATCH       128    // pairs read at once
#define SUBSCRIBERS 8

struct pending {
	char *key;
	bool deleted;
};

struct subscriber {
	void (*changed)(void *arg, const struct store_change *changes, size_t len);
	void *arg;
};

struct store {
	const struct engine_ops *ops;
	struct engine *engine;
	uint64_t revision;
	uint64_t epoch; // the last one taken
	int epoch_fd;
	bool in_transaction;
	struct pending *pending;
	size_t pending_len, pending_cap;
	struct subscriber subscribers[SUBSCRIBERS];
	size_t subscriber_len;
};

// -- small helpers over the engine

static int put_text(struct store *s, const char *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int put_text(struct store *s, const char *value, const char *fmt, ...)
{
	char *key;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	if (vasprintf(&key, fmt, ap) < 0)
		abort();
	va_end(ap);
	rc = s->ops->put(s->engine, key, value);
	free(key);
	return rc;
}

static int del_text(struct store *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int del_text(struct store *s, const char *fmt, ...)
{
	char *key;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	if (vasprintf(&key, fmt, ap) < 0)
		abort();
	va_end(ap);
	rc = s->ops->del(s->engine, key);
	free(key);
	return rc;
}

typedef int scan_fn(void *arg, const char *key, const char *value);

// Calls each() for every pair with from <= key < to; it may write meanwhile.
static int scan(struct store *s, const char *from, const char *to, scan_fn *each, void *arg)
{
	struct engine_pair pairs[BATCH];
	char *at = xstrdup(from);
	int n, rc = 0;

	do {
		n = s->ops->scan(s->engine, at, to, pairs, BATCH);
		if (n < 0)
			rc = n;
		for (int i = 0; i < n; i++) {
			if (!rc)
				rc = each(arg, pairs[i].key, pairs[i].value);
			free(pairs[i].value);
			if (i == n - 1) {
				free(at);
				at = xasprintf("%s\x01", pairs[i].key); // the next possible key
			}
			free(pairs[i].key);
		}
	} while (n == BATCH && !rc);
	free(at);
	return rc;
}

static uint64_t read_number(struct store *s, const char *key, uint64_t absent)
{
	char *text;
	uint64_t v;

	if (s->ops->get(s->engine, key, &text) < 0)
		return absent;
	v = strtoull(text, NULL, 10);
	free(text);
	return v;
}

static int write_number(struct store *s, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	return s->ops->put(s->engine, key, text);
}

// -- opening

static int check_schema(struct store *s)
{
	char *text, want[16];
	unsigned long major;
	int rc;

	snprintf(want, sizeof(want), "%d.%d", STORE_MAJOR, STORE_MINOR);
	rc = s->ops->get(s->engine, "m" SEP "schema", &text);
	if (rc == -ENOENT)
		return s->ops->put(s->engine, "m" SEP "schema", want);
	if (rc < 0)
		return rc;
	major = strtoul(text, NULL, 10);
	free(text);
	return major == STORE_MAJOR ? 0 : -EPROTO;
}

static int open_epoch(struct store *s, const char *path)
{
	char *name = xasprintf("%s.epoch", path), text[24] = "";
	uint64_t beside;

	s->epoch_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(name);
	if (s->epoch_fd < 0)
		return -errno;
	if (pread(s->epoch_fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	beside = strtoull(text, NULL, 10);
	s->epoch = read_number(s, "n" SEP "epoch", 0);
	if (s->epoch < beside)
		s->epoch = beside;
	return 0;
}

int store_open(const char *path, struct store **ret_store)
{
	struct store *s = xcalloc(1, sizeof(*s));
	int rc;

	s->ops = &engine_sqlite;
	s->epoch_fd = -1;
	rc = s->ops->open(path, &s->engine);
	if (rc < 0) {
		free(s);
		return rc;
	}
	rc = check_schema(s);
	if (!rc)
		rc = open_epoch(s, path);
	if (rc < 0) {
		store_close(s);
		return rc;
	}
	s->revision = read_number(s, "m" SEP "revision", 0);
	*ret_store = s;
	return 0;
}

static void forget_pending(struct store *s)
{
	for (size_t i = 0; i < s->pending_len; i++)
		free(s->pending[i].key);
	s->pending_len = 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->in_transaction)
		store_rollback(s);
	forget_pending(s);
	free(s->pending);
	if (s->epoch_fd >= 0)
		close(s->epoch_fd);
	s->ops->close(s->engine);
	free(s);
}

uint64_t store_revision(const struct store *s)
{
	return s->revision;
}

// -- transactions

int store_begin(struct store *s)
{
	int rc = s->in_transaction ? -EALREADY : s->ops->begin(s->engine);

	if (!rc)
		s->in_transaction = true;
	return rc;
}

bool store_in_transaction(const struct store *s)
{
	return s->in_transaction;
}

void store_rollback(struct store *s)
{
	if (!s->in_transaction)
		return;
	s->ops->rollback(s->engine);
	s->in_transaction = false;
	forget_pending(s);
}

static int drop_pair(void *arg, const char *key, const char *value)
{
	struct store *s = arg;

	return s->ops->del(s->engine, key);
}

static int compact_log(struct store *s, uint64_t revision)
{
	char to[40];

	if (revision <= STORE_LOG_LEN)
		return 0;
	snprintf(to, sizeof(to), "l" SEP "%016" PRIx64, revision - STORE_LOG_LEN);
	return scan(s, "l" SEP, to, drop_pair, s);
}

static int write_log(struct store *s, uint64_t revision)
{
	int rc = 0;

	for (size_t i = 0; i < s->pending_len && !rc; i++)
		rc = put_text(s, s->pending[i].deleted ? "d" : "p", "l" SEP "%016" PRIx64 SEP "%s",
			revision, s->pending[i].key);
	if (!rc)
		rc = write_number(s, "m" SEP "revision", revision);
	if (!rc)
		rc = compact_log(s, revision);
	return rc;
}

static void tell(struct store *s)
{
	struct pending *pending = s->pending;
	size_t len = s->pending_len;
	struct store_change *changes = xcalloc(len, sizeof(*changes));

	// A subscriber may open a transaction of its own.
	s->pending = NULL;
	s->pending_len = s->pending_cap = 0;
	for (size_t i = 0; i < len; i++)
		changes[i] = (struct store_change){pending[i].key, s->revision, pending[i].deleted};
	for (size_t i = 0; i < s->subscriber_len; i++)
		s->subscribers[i].changed(s->subscribers[i].arg, changes, len);
	for (size_t i = 0; i < len; i++)
		free(pending[i].key);
	free(pending);
	free(changes);
}

int store_commit(struct store *s, uint64_t *ret_revision)
{
	uint64_t revision = s->revision + (s->pending_len > 0);
	int rc = s->in_transaction ? 0 : -EINVAL;

	if (!rc && s->pending_len)
		rc = write_log(s, revision);
	if (!rc)
		rc = s->ops->commit(s->engine);
	if (rc < 0) {
		store_rollback(s);
		return rc;
	}
	s->in_transaction = false;
	s->revision = revision;
	if (ret_revision)
		*ret_revision = revision;
	if (s->pending_len)
		tell(s);
	return 0;
}

void store_subscribe(struct store *s,
	void (*changed)(void *arg, const struct store_change *changes, size_t len), void *arg)
{
	if (s->subscriber_len == SUBSCRIBERS)
		abort(); // a fixed, small set of parts: a programming error
	s->subscribers[s->subscriber_len++] = (struct subscriber){changed, arg};
}

static void note_change(struct store *s, const char *key, bool deleted)
{
	for (size_t i = s->pending_len; i-- > 0;) {
		if (!strcmp(s->pending[i].key, key)) {
			s->pending[i].deleted = deleted;
			return;
		}
	}
	s->pending = xgrow(s->pending, &s->pending_cap, s->pending_len + 1, sizeof(*s->pending));
	s->pending[s->pending_len++] = (struct pending){xstrdup(key), deleted};
}

// -- rows

void store_row_fini(struct store_row *row)
{
	free(row->key);
	json_decref(row->value);
	*row = (struct store_row){0};
}

// "<revision> <json>"
static int parse_row(const char *key, const char *text, struct store_row *ret_row)
{
	char *json;
	uint64_t revision = strtoull(text, &json, 10);
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);

	if (!value)
		return -EBADMSG;
	*ret_row = (struct store_row){xstrdup(key), revision, value};
	return 0;
}

static char *row_key(const char *key)
{
	return xasprintf("k" SEP "%s", key);
}

int store_get(struct store *s, const char *key, struct store_row *ret_row)
{
	char *k = row_key(key), *text;
	int rc = s->ops->get(s->engine, k, &text);

	free(k);
	if (rc < 0)
		return rc;
	rc = parse_row(key, text, ret_row);
	free(text);
	return rc;
}

// Equal but for the revision in front?
static bool same_value(struct store *s, const char *k, const char *json)
{
	char *old, *space;
	bool same = false;

	if (s->ops->get(s->engine, k, &old) == 0) {
		space = strchr(old, ' ');
		same = space && !strcmp(space + 1, json);
		free(old);
	}
	return same;
}

int store_put(struct store *s, const char *key, const json_t *value)
{
	char *json, *k, *text;
	int rc = 0;

	if (!s->in_transaction)
		return -EINVAL;
	json = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	if (!json)
		return -EINVAL;
	k = row_key(key);
	if (!same_value(s, k, json)) {
		text = xasprintf("%" PRIu64 " %s", s->revision + 1, json);
		rc = s->ops->put(s->engine, k, text);
		free(text);
		if (!rc)
			note_change(s, key, false);
	}
	free(k);
	free(json);
	return rc;
}

int store_delete(struct store *s, const char *key)
{
	char *k = row_key(key), *text;
	int rc = s->in_transaction ? s->ops->get(s->engine, k, &text) : -EINVAL;

	if (!rc) {
		free(text);
		rc = s->ops->del(s->engine, k);
	}
	free(k);
	if (rc)
		return rc;
	note_change(s, key, true);
	rc = store_refs_set(s, key, NULL, 0);
	return rc ? rc : store_claim_release_owner(s, key, 0);
}

struct each_row {
	int (*each)(void *arg, const struct store_row *row);
	void *arg;
};

static int call_row(void *arg, const char *key, const char *value)
{
	struct each_row *e = arg;
	struct store_row row;
	int rc = parse_row(key + 2, value, &row);

	if (rc < 0)
		return rc;
	rc = e->each(e->arg, &row);
	store_row_fini(&row);
	return rc;
}

int store_each(struct store *s, const char *prefix,
	int (*each)(void *arg, const struct store_row *row), void *arg)
{
	struct each_row e = {each, arg};
	char *from = xasprintf("k" SEP "%s", prefix), *to = xasprintf("k" SEP "%s\xff", prefix);
	int rc = scan(s, from, to, call_row, &e);

	free(from);
	free(to);
	return rc;
}

struct each_change {
	struct store *store;
	int (*each)(void *arg, const struct store_change *change);
	void *arg;
};

static int call_change(void *arg, const char *key, const char *value)
{
	struct each_change *e = arg;
	char *name;
	uint64_t revision = strtoull(key + 2, &name, 16), now = 0;
	struct store_change change = {name + 1, revision, *value == 'd'};
	char *k = row_key(change.key);

	now = read_number(e->store, k, 0);
	free(k);
	// Something newer happened to it, which comes later in the log.
	if (change.deleted ? now != 0 : now != revision)
		return 0;
	return e->each(e->arg, &change);
}

int store_changes(struct store *s, uint64_t since,
	int (*each)(void *arg, const struct store_change *change), void *arg)
{
	struct each_change e = {s, each, arg};
	char from[40];

	if (since + STORE_LOG_LEN < s->revision || since > s->revision)
		return -ESTALE;
	snprintf(from, sizeof(from), "l" SEP "%016" PRIx64, since + 1);
	return scan(s, from, "l" AFTER, call_change, &e);
}

// -- references

static int drop_ref(void *arg, const char *key, const char *value)
{
	struct store *s = arg;
	const char *from = key + 2, *to = strstr(from, SEP) + 1;
	int rc = del_text(s, "r" SEP "%s" SEP "%.*s", to, (int)(to - 1 - from), from);

	return rc ? rc : s->ops->del(s->engine, key);
}

int store_refs_set(struct store *s, const char *key, const char *const *to, size_t len)
{
	char *from = xasprintf("f" SEP "%s" SEP, key), *end = xasprintf("f" SEP "%s" AFTER, key);
	int rc = scan(s, from, end, drop_ref, s);

	free(from);
	free(end);
	for (size_t i = 0; i < len && !rc; i++) {
		rc = put_text(s, "", "f" SEP "%s" SEP "%s", key, to[i]);
		if (!rc)
			rc = put_text(s, "", "r" SEP "%s" SEP "%s", to[i], key);
	}
	return rc;
}

struct each_ref {
	int (*each)(void *arg, const char *from, const char *to);
	void *arg;
};

static int call_ref(void *arg, const char *key, const char *value)
{
	struct each_ref *e = arg;
	const char *sep = strstr(key + 2, SEP);
	char *to = xasprintf("%.*s", (int)(sep - (key + 2)), key + 2);
	int rc = e->each(e->arg, sep + 1, to);

	free(to);
	return rc;
}

int store_referrers(struct store *s, const char *to, bool within,
	int (*each)(void *arg, const char *from, const char *to), void *arg)
{
	struct each_ref e = {each, arg};
	char *from = xasprintf("r" SEP "%s" SEP, to), *end = xasprintf("r" SEP "%s" AFTER, to);
	int rc = scan(s, from, end, call_ref, &e);

	free(from);
	free(end);
	if (rc || !within)
		return rc;
	from = xasprintf("r" SEP "%s/", to);
	end = xasprintf("r" SEP "%s0", to); // '0' follows '/'
	rc = scan(s, from, end, call_ref, &e);
	free(from);
	free(end);
	return rc;
}

// -- claims

struct claim {
	int64_t hold_until_s;
	const char *owner; // within the text it was parsed from
};

static struct claim parse_claim(const char *text)
{
	char *end;
	struct claim c = {strtoll(text, &end, 10), NULL};

	c.owner = *end == ' ' ? end + 1 : end;
	return c;
}

static int write_claim(struct store *s, const char *space, const char *value, const char *owner,
	int64_t hold_until_s)
{
	char *text = xasprintf("%" PRId64 " %s", hold_until_s, owner);
	int rc = put_text(s, text, "c" SEP "%s" SEP "%s", space, value);

	free(text);
	if (!rc && *owner)
		rc = put_text(s, "", "o" SEP "%s" SEP "%s" SEP "%s", owner, space, value);
	if (!rc && hold_until_s)
		rc = put_text(s, "", "h" SEP "%016" PRIx64 SEP "%s" SEP "%s",
			(uint64_t)hold_until_s, space, value);
	return rc;
}

int store_claim(struct store *s, const char *space, const char *value, const char *owner)
{
	char *key = xasprintf("c" SEP "%s" SEP "%s", space, value), *text;
	int rc = s->ops->get(s->engine, key, &text);

	free(key);
	if (rc == -ENOENT)
		return write_claim(s, space, value, owner, 0);
	if (rc < 0)
		return rc;
	rc = strcmp(parse_claim(text).owner, owner) ? -EEXIST : 0;
	free(text);
	return rc;
}

int store_claim_release(struct store *s, const char *space, const char *value, int64_t hold_until_s)
{
	char *key = xasprintf("c" SEP "%s" SEP "%s", space, value), *text;
	int rc = s->ops->get(s->engine, key, &text);

	if (!rc) {
		struct claim c = parse_claim(text);

		if (*c.owner)
			rc = del_text(s, "o" SEP "%s" SEP "%s" SEP "%s", c.owner, space, value);
		if (!rc)
			rc = s->ops->del(s->engine, key);
		if (!rc && hold_until_s)
			rc = write_claim(s, space, value, "", hold_until_s);
		free(text);
	}
	free(key);
	return rc == -ENOENT ? 0 : rc;
}

struct release {
	struct store *store;
	int64_t hold_until_s;
};

// key: "o <owner> <space> <value>" or "h <until> <space> <value>"
static int release_pair(void *arg, const char *key, const char *value)
{
	struct release *r = arg;
	const char *space = strstr(key + 2, SEP) + 1, *v = strstr(space, SEP) + 1;
	char *name = xasprintf("%.*s", (int)(v - 1 - space), space);
	int rc = store_claim_release(r->store, name, v, r->hold_until_s);

	free(name);
	return rc ? rc : r->store->ops->del(r->store->engine, key);
}

int store_claim_release_owner(struct store *s, const char *owner, int64_t hold_until_s)
{
	struct release r = {s, hold_until_s};
	char *from = xasprintf("o" SEP "%s" SEP, owner), *to = xasprintf("o" SEP "%s" AFTER, owner);
	int rc = scan(s, from, to, release_pair, &r);

	free(from);
	free(to);
	return rc;
}

int store_claim_expire(struct store *s, int64_t now_s)
{
	struct release r = {s, 0};
	char to[40];

	snprintf(to, sizeof(to), "h" SEP "%016" PRIx64, (uint64_t)now_s);
	return scan(s, "h" SEP, to, release_pair, &r);
}

struct each_claim {
	int (*each)(void *arg, const char *value, const char *owner);
	void *arg;
	size_t skip; // bytes of a key before the value
};

static int call_claim(void *arg, const char *key, const char *value)
{
	struct each_claim *e = arg;

	return e->each(e->arg, key + e->skip, parse_claim(value).owner);
}

static char *claim_from(const char *space, const char *from)
{
	return xasprintf("c" SEP "%s" SEP "%s", space, from ? from : "");
}

static char *claim_to(const char *space, const char *to)
{
	return to ? xasprintf("c" SEP "%s" SEP "%s\x01", space, to)
		  : xasprintf("c" SEP "%s" AFTER, space);
}

int store_claims(struct store *s, const char *space, const char *from, const char *to,
	int (*each)(void *arg, const char *value, const char *owner), void *arg)
{
	struct each_claim e = {each, arg, strlen(space) + 3};
	char *start = claim_from(space, from), *end = claim_to(space, to);
	int rc = scan(s, start, end, call_claim, &e);

	free(start);
	free(end);
	return rc;
}

struct tally {
	uint64_t used, held;
};

static int tally_claim(void *arg, const char *value, const char *owner)
{
	struct tally *t = arg;

	if (*owner)
		t->used++;
	else
		t->held++;
	return 0;
}

int store_claim_count(struct store *s, const char *space, const char *from, const char *to,
	uint64_t *ret_used, uint64_t *ret_held)
{
	struct tally t = {0};
	int rc = store_claims(s, space, from, to, tally_claim, &t);

	if (rc < 0)
		return rc;
	if (ret_used)
		*ret_used = t.used;
	if (ret_held)
		*ret_held = t.held;
	return 0;
}

// -- numbers

int store_counter_take(struct store *s, const char *name, uint64_t count, uint64_t *ret_first)
{
	char *key = xasprintf("n" SEP "%s", name);
	uint64_t next = read_number(s, key, 1);
	int rc = write_number(s, key, next + count);

	free(key);
	if (!rc)
		*ret_first = next;
	return rc;
}

static int set_epoch(struct store *s, uint64_t epoch)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%020" PRIu64 "\n", epoch);

	if (pwrite(s->epoch_fd, text, (size_t)n, 0) != n || fdatasync(s->epoch_fd) < 0)
		return errno ? -errno : -EIO;
	s->epoch = epoch;
	return write_number(s, "n" SEP "epoch", epoch);
}

int store_epoch_take(struct store *s, uint64_t count, uint64_t *ret_first)
{
	uint64_t first = s->epoch + 1;
	int rc = set_epoch(s, s->epoch + count);

	if (!rc)
		*ret_first = first;
	return rc;
}

int store_epoch_raise(struct store *s, uint64_t epoch)
{
	return epoch > s->epoch ? set_epoch(s, epoch) : 0;
}
