// SPDX-License-Identifier: Apache-2.0
#include "disk.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "seal.h"
#include "xmalloc.h"

// Version 1 of the file. Later ones add statements that bring an older file up to date.
static const char schema[] =
	"PRAGMA journal_mode=WAL;"
	"PRAGMA synchronous=NORMAL;"
	"CREATE TABLE IF NOT EXISTS object(kind TEXT NOT NULL, key TEXT NOT NULL,"
	" revision INTEGER NOT NULL, must INTEGER NOT NULL, sealed INTEGER NOT NULL,"
	" value BLOB NOT NULL, PRIMARY KEY(kind, key)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS position(one INTEGER PRIMARY KEY CHECK(one = 1),"
	" term INTEGER NOT NULL, revision INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS iv_start(one INTEGER PRIMARY KEY CHECK(one = 1),"
	" next INTEGER NOT NULL, life INTEGER NOT NULL, start INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS iv_slot(slot INTEGER PRIMARY KEY, own INTEGER NOT NULL,"
	" life INTEGER NOT NULL, number INTEGER NOT NULL);"
	"PRAGMA user_version=1;";

enum {
	STATEMENT_PUT,
	STATEMENT_DEL,
	STATEMENT_POSITION,
	STATEMENT_LOAD,
	STATEMENT_IV_START,
	STATEMENT_IV_SLOT,
	STATEMENTS
};

static const char *const statements[STATEMENTS] = {
	[STATEMENT_PUT] = ("INSERT OR REPLACE INTO object" // parentheses for clang
			   "(kind, key, revision, must, sealed, value) VALUES(?, ?, ?, ?, ?, ?)"),
	[STATEMENT_DEL] = "DELETE FROM object WHERE kind = ? AND key = ?",
	[STATEMENT_POSITION] =
		"INSERT OR REPLACE INTO position(one, term, revision) VALUES(1, ?, ?)",
	[STATEMENT_LOAD] = "SELECT kind, key, revision, must, sealed, value FROM object",
	[STATEMENT_IV_START] =
		"INSERT OR REPLACE INTO iv_start(one, next, life, start) VALUES(1, ?, ?, ?)",
	[STATEMENT_IV_SLOT] =
		"INSERT OR REPLACE INTO iv_slot(slot, own, life, number) VALUES(?, ?, ?, ?)",
};

struct disk {
	sqlite3 *db;
	sqlite3_stmt *prepared[STATEMENTS];
	struct seal_key key;
	bool failed; // in the transaction under way
};

static int disk_open_files(struct disk *d, const char *directory)
{
	char *key = xasprintf("%s/host.key", directory);
	char *file = xasprintf("%s/wanted.db", directory);
	mode_t mask;
	int ret = 0;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		ret = -errno;
	if (!ret)
		ret = seal_key_open(key, &d->key);
	mask = umask(0077);
	if (!ret && sqlite3_open(file, &d->db) != SQLITE_OK)
		ret = -EIO;
	if (!ret && sqlite3_exec(d->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		ret = -EIO;
	umask(mask);
	for (size_t i = 0; i < STATEMENTS && !ret; i++) {
		if (sqlite3_prepare_v2(d->db, statements[i], -1, &d->prepared[i], NULL) !=
			SQLITE_OK)
			ret = -EIO;
	}
	free(key);
	free(file);
	return ret;
}

struct disk *disk_open(const char *directory)
{
	struct disk *d = xcalloc(1, sizeof(*d));
	int ret = disk_open_files(d, directory);

	if (!ret)
		return d;
	disk_close(d);
	errno = -ret;
	return NULL;
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(d->prepared[i]);
	sqlite3_close(d->db);
	explicit_bzero(&d->key, sizeof(d->key));
	free(d);
}

const char *disk_error(const struct disk *d)
{
	return sqlite3_errmsg(d->db);
}

void disk_position(struct disk *d, uint64_t *ret_term, uint64_t *ret_revision)
{
	sqlite3_stmt *st = NULL;

	*ret_term = *ret_revision = 0;
	if (sqlite3_prepare_v2(d->db, "SELECT term, revision FROM position", -1, &st, NULL) ==
			SQLITE_OK &&
		sqlite3_step(st) == SQLITE_ROW) {
		*ret_term = (uint64_t)sqlite3_column_int64(st, 0);
		*ret_revision = (uint64_t)sqlite3_column_int64(st, 1);
	}
	sqlite3_finalize(st);
}

// The row's value as text, to be freed; NULL: it cannot be unsealed.
static char *row_value(struct disk *d, sqlite3_stmt *st, const char *kind, const char *key)
{
	const uint8_t *blob = sqlite3_column_blob(st, 5);
	size_t size = (size_t)sqlite3_column_bytes(st, 5);
	char *text = xcalloc(1, size + 1), *name;
	int ret;

	if (!sqlite3_column_int(st, 4)) {
		memcpy(text, blob, size);
		return text;
	}
	name = xasprintf("%s/%s", kind, key);
	ret = size < SEAL_OVERHEAD ? -EBADMSG
				   : seal_open(&d->key, name, blob, size, (uint8_t *)text);
	free(name);
	if (!ret) {
		text[size - SEAL_OVERHEAD] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

int disk_load(struct disk *d,
	void (*each)(void *ctx, const char *kind, const char *key, uint64_t revision,
		const char *value, bool must),
	void *ctx, unsigned *ret_lost)
{
	sqlite3_stmt *st = d->prepared[STATEMENT_LOAD];
	int ret;

	*ret_lost = 0;
	while ((ret = sqlite3_step(st)) == SQLITE_ROW) {
		const char *kind = (const char *)sqlite3_column_text(st, 0);
		const char *key = (const char *)sqlite3_column_text(st, 1);
		char *value = row_value(d, st, kind, key);

		if (value)
			each(ctx, kind, key, (uint64_t)sqlite3_column_int64(st, 2), value,
				sqlite3_column_int(st, 3));
		else
			(*ret_lost)++;
		free(value);
	}
	sqlite3_reset(st);
	return ret == SQLITE_DONE ? 0 : -EIO;
}

static int disk_step(struct disk *d, sqlite3_stmt *st)
{
	int ret = sqlite3_step(st);

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	if (ret == SQLITE_DONE)
		return 0;
	d->failed = true;
	return -EIO;
}

int disk_begin(struct disk *d)
{
	d->failed = sqlite3_exec(d->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK;
	return d->failed ? -EIO : 0;
}

int disk_put(struct disk *d, const char *kind, const char *key, uint64_t revision,
	const char *value, bool must, bool secret)
{
	sqlite3_stmt *st = d->prepared[STATEMENT_PUT];
	size_t size = strlen(value);
	uint8_t *sealed = NULL;

	if (secret) {
		char *name = xasprintf("%s/%s", kind, key);

		sealed = xmalloc(size + SEAL_OVERHEAD);
		d->failed |= seal_close(&d->key, name, value, size, sealed) < 0;
		size += SEAL_OVERHEAD;
		free(name);
	}
	if (d->failed) {
		free(sealed);
		return -EIO;
	}
	sqlite3_bind_text(st, 1, kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)revision);
	sqlite3_bind_int(st, 4, must);
	sqlite3_bind_int(st, 5, secret);
	sqlite3_bind_blob64(st, 6, secret ? (const void *)sealed : value, size, SQLITE_STATIC);
	disk_step(d, st);
	free(sealed);
	return d->failed ? -EIO : 0;
}

int disk_del(struct disk *d, const char *kind, const char *key)
{
	sqlite3_stmt *st = d->prepared[STATEMENT_DEL];

	sqlite3_bind_text(st, 1, kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, key, -1, SQLITE_STATIC);
	return disk_step(d, st);
}

int disk_commit(struct disk *d, uint64_t term, uint64_t revision)
{
	sqlite3_stmt *st = d->prepared[STATEMENT_POSITION];

	sqlite3_bind_int64(st, 1, (sqlite3_int64)term);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)revision);
	disk_step(d, st);
	if (!d->failed && sqlite3_exec(d->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
	return -EIO;
}

// -- IV epochs

static uint64_t column(sqlite3_stmt *st, int i)
{
	return (uint64_t)sqlite3_column_int64(st, i);
}

int disk_load_iv(struct disk *d, uint64_t *ret_next, uint64_t *ret_life, uint64_t *ret_start,
	void (*each)(void *ctx, uint16_t slot, uint64_t own, uint64_t life, uint64_t number),
	void *ctx)
{
	sqlite3_stmt *start = NULL, *slot = NULL;
	int ret = SQLITE_ERROR;

	if (sqlite3_prepare_v2(d->db, "SELECT next, life, start FROM iv_start", -1, &start, NULL) ==
			SQLITE_OK &&
		sqlite3_prepare_v2(d->db, "SELECT slot, own, life, number FROM iv_slot", -1, &slot,
			NULL) == SQLITE_OK) {
		ret = sqlite3_step(start);
		if (ret == SQLITE_ROW) {
			*ret_next = column(start, 0);
			*ret_life = column(start, 1);
			*ret_start = column(start, 2);
			ret = SQLITE_DONE;
		}
		while (ret == SQLITE_DONE && sqlite3_step(slot) == SQLITE_ROW)
			each(ctx, (uint16_t)column(slot, 0), column(slot, 1), column(slot, 2),
				column(slot, 3));
	}
	sqlite3_finalize(start);
	sqlite3_finalize(slot);
	return ret == SQLITE_DONE ? 0 : -EIO;
}

// One statement, on the disk's platter before it returns.
static int disk_step_durably(struct disk *d, unsigned statement, const uint64_t *values, int len)
{
	sqlite3_stmt *st = d->prepared[statement];
	int ret;

	if (sqlite3_exec(d->db, "PRAGMA synchronous=FULL", NULL, NULL, NULL) != SQLITE_OK)
		return -EIO;
	for (int i = 0; i < len; i++)
		sqlite3_bind_int64(st, i + 1, (sqlite3_int64)values[i]);
	ret = disk_step(d, st);
	sqlite3_exec(d->db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL);
	return ret;
}

int disk_save_iv_start(struct disk *d, uint64_t next, uint64_t life, uint64_t start)
{
	return disk_step_durably(d, STATEMENT_IV_START, (const uint64_t[]){next, life, start}, 3);
}

int disk_save_iv_slot(struct disk *d, uint16_t slot, uint64_t own, uint64_t life, uint64_t number)
{
	return disk_step_durably(
		d, STATEMENT_IV_SLOT, (const uint64_t[]){slot, own, life, number}, 4);
}
