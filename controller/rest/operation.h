// SPDX-License-Identifier: Apache-2.0
#pragma once

// Operations: what a PUT or DELETE started, until every gateway concerned reports its revision.
// Kept in memory, the newest OPERATIONS_MAX; after a restart an old id is unknown (404).

#include <stdbool.h>
#include <stdint.h>

#include "hooks.h"

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

struct operations *operations_new(void);
void operations_free(struct operations *ops);
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
