// SPDX-License-Identifier: Apache-2.0
// The embedded engine: one SQLite file with one table, in WAL mode. A commit is synced to disk
// before it is answered (synchronous=FULL), so what a client was told is stored stays stored.
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "xmalloc.h"

#define BUSY_MS 2000 // a copy being made by another process

enum { GET, PUT, DEL, SCAN, COUNT, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[GET] = "SELECT value FROM kv WHERE key = ?1",
	[PUT] = ("INSERT INTO kv(key, value) VALUES(?1, ?2) "
		 "ON CONFLICT(key) DO UPDATE SET value = excluded.value"),
	[DEL] = "DELETE FROM kv WHERE key = ?1",
	[SCAN] = "SELECT key, value FROM kv WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
	[COUNT] = "SELECT count(*) FROM kv WHERE key >= ?1 AND key < ?2",
};

struct engine {
	sqlite3 *db;
	sqlite3_stmt *stmt[STATEMENTS];
};

static int to_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EBUSY;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_READONLY:
	case SQLITE_PERM: return -EACCES;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT: return -EBADMSG;
	case SQLITE_NOMEM: return -ENOMEM;
	default: return -EIO;
	}
}

static int run(struct engine *e, const char *text)
{
	return to_errno(sqlite3_exec(e->db, text, NULL, NULL, NULL));
}

static void sqlite_close(struct engine *e)
{
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(e->stmt[i]);
	sqlite3_close(e->db);
	free(e);
}

static int sqlite_open(const char *where, struct engine **ret_engine)
{
	int fd = open(where, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct engine *e;
	int rc;

	if (fd < 0)
		return -errno;
	close(fd);
	e = xcalloc(1, sizeof(*e));
	rc = to_errno(sqlite3_open_v2(where, &e->db, SQLITE_OPEN_READWRITE, NULL));
	if (!rc)
		rc = to_errno(sqlite3_busy_timeout(e->db, BUSY_MS));
	if (!rc)
		rc = run(e, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			    "CREATE TABLE IF NOT EXISTS kv(key TEXT PRIMARY KEY, value TEXT NOT "
			    "NULL) WITHOUT ROWID");
	for (int i = 0; !rc && i < STATEMENTS; i++)
		rc = to_errno(sqlite3_prepare_v3(
			e->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &e->stmt[i], NULL));
	if (rc) {
		sqlite_close(e);
		return rc;
	}
	*ret_engine = e;
	return 0;
}

static int sqlite_begin(struct engine *e)
{
	return run(e, "BEGIN IMMEDIATE");
}

static int sqlite_commit(struct engine *e)
{
	return run(e, "COMMIT");
}

static void sqlite_rollback(struct engine *e)
{
	run(e, "ROLLBACK");
}

// The statement with up to two texts bound; they outlive the step.
static sqlite3_stmt *bind(struct engine *e, int which, const char *a, const char *b)
{
	sqlite3_stmt *s = e->stmt[which];

	sqlite3_reset(s);
	sqlite3_bind_text(s, 1, a, -1, SQLITE_STATIC);
	if (b)
		sqlite3_bind_text(s, 2, b, -1, SQLITE_STATIC);
	return s;
}

static char *column(sqlite3_stmt *s, int i)
{
	return xstrdup((const char *)sqlite3_column_text(s, i));
}

static int sqlite_get(struct engine *e, const char *key, char **ret_value)
{
	sqlite3_stmt *s = bind(e, GET, key, NULL);
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		*ret_value = column(s, 0);
	sqlite3_reset(s);
	return rc == SQLITE_DONE ? -ENOENT : to_errno(rc);
}

static int step_once(sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	sqlite3_reset(s);
	return to_errno(rc);
}

static int sqlite_put(struct engine *e, const char *key, const char *value)
{
	return step_once(bind(e, PUT, key, value));
}

static int sqlite_del(struct engine *e, const char *key)
{
	return step_once(bind(e, DEL, key, NULL));
}

static int sqlite_scan(
	struct engine *e, const char *from, const char *to, struct engine_pair *pairs, int max)
{
	sqlite3_stmt *s = bind(e, SCAN, from, to);
	int n = 0, rc;

	sqlite3_bind_int(s, 3, max);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW && n < max) {
		pairs[n].key = column(s, 0);
		pairs[n++].value = column(s, 1);
	}
	sqlite3_reset(s);
	if (rc == SQLITE_DONE || rc == SQLITE_ROW)
		return n;
	while (n-- > 0) {
		free(pairs[n].key);
		free(pairs[n].value);
	}
	return to_errno(rc);
}

static int64_t sqlite_count(struct engine *e, const char *from, const char *to)
{
	sqlite3_stmt *s = bind(e, COUNT, from, to);
	int64_t n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -EIO;

	sqlite3_reset(s);
	return n;
}

const struct engine_ops engine_sqlite = {
	.open = sqlite_open,
	.close = sqlite_close,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.get = sqlite_get,
	.put = sqlite_put,
	.del = sqlite_del,
	.scan = sqlite_scan,
	.count = sqlite_count,
};
