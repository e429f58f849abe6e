// SPDX-License-Identifier: Apache-2.0
#pragma once

// What stands below the store: an ordered map from text to bytes with one writer's transactions.
// store.c builds rows, log, references, claims and counters on it; an engine knows none of these.

#include <stdint.h>

struct engine;

struct engine_pair {
	char *key, *value; // NUL-terminated
};

struct engine_ops {
	int (*open)(const char *where, struct engine **ret_engine);
	void (*close)(struct engine *engine);
	int (*begin)(struct engine *engine);
	int (*commit)(struct engine *engine); // durable on return
	void (*rollback)(struct engine *engine);
	int (*get)(struct engine *engine, const char *key, char **ret_value); // -ENOENT
	int (*put)(struct engine *engine, const char *key, const char *value);
	int (*del)(struct engine *engine, const char *key); // absent is no error
	// Up to `max` pairs with from <= key < to, in order of bytes; returns how many.
	// The caller frees each pair's texts.
	int (*scan)(struct engine *engine, const char *from, const char *to,
		struct engine_pair *pairs, int max);
	int64_t (*count)(struct engine *engine, const char *from, const char *to);
};

extern const struct engine_ops engine_sqlite;
