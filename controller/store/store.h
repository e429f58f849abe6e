// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is wanted, kept durably: rows of JSON under text keys, each with the revision at which it
// last changed; a log of changes; claims on unique values; counters; the epoch counter.
//
// Keys that begin with '/' are resources (lower-case resourceRefs); others belong to the part of
// the controller named by their first word ("plan/...", "fleet/..."). Learnt and reported state is
// never stored. One writer: transactions do not nest and belong to the event-loop thread. Reads see
// the open transaction. Everything a read returns is the caller's, released as said.
//
// An engine is a struct store_ops; the SQLite one is the default. Nothing here rests on SQL:
// ordered keys, compare-and-set of a revision and a change feed are all another engine needs.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define STORE_MAJOR   1      // schema; a store of another major is refused (-EPROTO)
#define STORE_MINOR   0      // a store of a newer minor is read and written as far as known
#define STORE_LOG_LEN 100000 // changes kept; older ones are compacted

struct store;

struct store_row {
	char *key;
	uint64_t revision; // set by the store
	json_t *value;
};

void store_row_fini(struct store_row *row);

struct store_change {
	const char *key;
	uint64_t revision;
	bool deleted;
};

// path: a file, made with mode 0600 if absent. -EPROTO: schema of another major.
int store_open(const char *path, struct store **ret_store);
void store_close(struct store *store);

// The revision of the last commit.
uint64_t store_revision(const struct store *store);

// -- transactions

int store_begin(struct store *store);
// Rows put or deleted since begin all carry the new revision. With nothing changed the revision
// stays and nobody is told. Subscribers are called before this returns.
int store_commit(struct store *store, uint64_t *ret_revision);
void store_rollback(struct store *store);
bool store_in_transaction(const struct store *store);

// Creates or replaces. An equal value changes nothing, not even the revision. value is borrowed.
int store_put(struct store *store, const char *key, const json_t *value);
// -ENOENT if absent. Its references, as referrer, and its claims go with it (claims without
// hold-off; see store_claim_release).
int store_delete(struct store *store, const char *key);

// -- reads

int store_get(struct store *store, const char *key, struct store_row *ret_row); // -ENOENT
// Calls each() in key order for keys that begin with prefix; stops at the first non-zero result
// and returns it. row belongs to the store, until each() returns; it may write other rows.
int store_each(struct store *store, const char *prefix,
	int (*each)(void *arg, const struct store_row *row), void *arg);
// Changes after `since`, oldest first, one per key (its latest). -ESTALE after compaction: read
// all.
int store_changes(struct store *store, uint64_t since,
	int (*each)(void *arg, const struct store_change *change), void *arg);

// Told after each commit, in order of subscription.
void store_subscribe(struct store *store,
	void (*changed)(void *arg, const struct store_change *changes, size_t len), void *arg);

// -- references: who needs whom

// Replaces all references from `key`. to[] are keys.
int store_refs_set(struct store *store, const char *key, const char *const *to, size_t len);
// Calls each() for every key that refers to `to` (within: or to what is below it).
int store_referrers(struct store *store, const char *to, bool within,
	int (*each)(void *arg, const char *from, const char *to), void *arg);

// -- claims: unique values of a space, such as the addresses of a subnet

// value sorts as text (fixed-width hex for numbers and addresses). -EEXIST if another owner has it
// or it is held off; 0 if owner has it already.
int store_claim(struct store *store, const char *space, const char *value, const char *owner);
// Frees; until hold_until_s (UNIX time) nobody but the old owner gets it again. 0: at once.
int store_claim_release(
	struct store *store, const char *space, const char *value, int64_t hold_until_s);
// All claims of an owner, in every space.
int store_claim_release_owner(struct store *store, const char *owner, int64_t hold_until_s);
// Calls each() in order of value for from <= value <= to; owner is "" while held off.
int store_claims(struct store *store, const char *space, const char *from, const char *to,
	int (*each)(void *arg, const char *value, const char *owner), void *arg);
// Counts within the range; either may be NULL.
int store_claim_count(struct store *store, const char *space, const char *from, const char *to,
	uint64_t *ret_used, uint64_t *ret_held);
// Forgets hold-offs that ended before now_s.
int store_claim_expire(struct store *store, int64_t now_s);

// -- numbers

// Takes `count` numbers of a named counter that starts at 1: *ret_first and those after it. Within
// a transaction they are given back by a rollback.
int store_counter_take(struct store *store, const char *name, uint64_t count, uint64_t *ret_first);
// The installation's epoch counter. Durable on return, in or out of a transaction; kept outside the
// store file too, so that neither rollback nor restoring an old copy lowers it.
int store_epoch_take(struct store *store, uint64_t count, uint64_t *ret_first);
// Raises it to at least `epoch` (a gateway reported one we do not remember).
int store_epoch_raise(struct store *store, uint64_t epoch);
