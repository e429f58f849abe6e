// SPDX-License-Identifier: Apache-2.0
#pragma once

// Operations: what a PUT or DELETE started, until every gateway concerned reports its revision.
// The newest OPERATIONS_MAX are kept, each with the change that it is: in one transaction, as a row
// "rest/operation/SLOT". So a client goes on polling over a restart of the controller. What was
// Canceled is then as far as what took its place, and a repeated request is carried out again
// (which changes nothing): neither that mark nor the answer is in the row.

#include <stdbool.h>
#include <stdint.h>

#include "hooks.h"
#include "store.h"

#define OPERATIONS_MAX 10000

struct operations;

struct operation {
	char id[40];
	struct model_path path;
	bool is_delete;
	bool canceled;
	uint64_t revision;
	// The answer that a repeated request gets: same client, same x-ms-client-request-id.
	char *repeat_key; // NULL: it carried no id
	int status;
	char *body; // kept for repetitions; NULL: none
};

// With those that an earlier life of the controller left in the store.
struct operations *operations_new(struct store *store);
void operations_free(struct operations *ops);
// Within the transaction of a change: the row of the operation that operations_add() will remember
// once it is committed.
int operations_store(const struct operations *ops, struct store *store, const char *id,
	const struct model_path *path, bool is_delete);
// Remembers one; it lives until OPERATIONS_MAX newer ones came. Cancels older ones in progress on
// the same resource, and on those above or below it as the reference says.
struct operation *operations_add(struct operations *ops, const char *id,
	const struct model_path *path, bool is_delete, uint64_t revision,
	const struct rest_hooks *hooks);
struct operation *operations_find(const struct operations *ops, const char *id); // or NULL
// repeat_key and body are copied; both may be NULL.
void operation_set_answer(struct operations *ops, struct operation *op, const char *repeat_key,
	int status, const char *body);
struct operation *operations_find_repeat(const struct operations *ops, const char *repeat_key);
// "InProgress", "Succeeded", "Failed" or "Canceled".
const char *operation_status(const struct operation *op, const struct rest_hooks *hooks);
