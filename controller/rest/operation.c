// SPDX-License-Identifier: Apache-2.0
#include "operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "xmalloc.h"

struct operations {
	struct operation ring[OPERATIONS_MAX];
	size_t next, oldest_open; // counted on; the slot is modulo OPERATIONS_MAX
	struct map by_id, by_repeat;
};

struct operations *operations_new(void)
{
	return xcalloc(1, sizeof(struct operations));
}

static void forget(struct operations *ops, struct operation *op)
{
	if (!op->id[0])
		return;
	map_del_str(&ops->by_id, op->id);
	if (op->repeat_key && map_find_str(&ops->by_repeat, op->repeat_key) == op)
		map_del_str(&ops->by_repeat, op->repeat_key);
	free(op->repeat_key);
	free(op->body);
	memset(op, 0, sizeof(*op));
}

void operations_free(struct operations *ops)
{
	if (!ops)
		return;
	for (size_t i = 0; i < OPERATIONS_MAX; i++)
		forget(ops, &ops->ring[i]);
	map_fini(&ops->by_id);
	map_fini(&ops->by_repeat);
	free(ops);
}

static enum rest_progress progress(const struct operation *op, const struct rest_hooks *hooks)
{
	return hooks->progress ? hooks->progress(hooks->arg, &op->path, op->revision)
			       : REST_SUCCEEDED;
}

const char *operation_status(const struct operation *op, const struct rest_hooks *hooks)
{
	static const char *const words[] = {
		[REST_SUCCEEDED] = "Succeeded",
		[REST_UPDATING] = "InProgress",
		[REST_FAILED] = "Failed",
	};

	return op->canceled ? "Canceled" : words[progress(op, hooks)];
}

// Does `key` lie at or below `top`?
static bool within(const char *key, const char *top)
{
	size_t n = strlen(top);

	return !strncmp(key, top, n) && (key[n] == '\0' || key[n] == '/');
}

// A newer operation makes an older one on the same resource or below it pointless; what is done to
// a child also cancels a PUT of those above it.
static void cancel_older(
	struct operations *ops, const struct operation *fresh, const struct rest_hooks *hooks)
{
	char key[MODEL_PATH_SIZE], other[MODEL_PATH_SIZE];

	model_path_key(&fresh->path, key);
	while (ops->oldest_open < ops->next) {
		struct operation *op = &ops->ring[ops->oldest_open % OPERATIONS_MAX];

		if (!op->canceled && progress(op, hooks) == REST_UPDATING)
			break;
		ops->oldest_open++;
	}
	for (size_t i = ops->oldest_open; i < ops->next; i++) {
		struct operation *op = &ops->ring[i % OPERATIONS_MAX];

		if (op->canceled || op == fresh)
			continue;
		model_path_key(&op->path, other);
		if (!within(other, key) && (op->is_delete || !within(key, other)))
			continue;
		if (progress(op, hooks) == REST_UPDATING)
			op->canceled = true;
	}
}

struct operation *operations_add(struct operations *ops, const char *id,
	const struct model_path *path, bool is_delete, uint64_t revision,
	const struct rest_hooks *hooks)
{
	struct operation *op = &ops->ring[ops->next % OPERATIONS_MAX];

	forget(ops, op);
	if (ops->next >= OPERATIONS_MAX && ops->oldest_open <= ops->next - OPERATIONS_MAX)
		ops->oldest_open = ops->next - OPERATIONS_MAX + 1;
	snprintf(op->id, sizeof(op->id), "%s", id);
	op->path = *path;
	op->is_delete = is_delete;
	op->revision = revision;
	cancel_older(ops, op, hooks);
	map_set_str(&ops->by_id, op->id, op);
	ops->next++;
	return op;
}

struct operation *operations_find(const struct operations *ops, const char *id)
{
	return map_find_str(&ops->by_id, id);
}

void operation_set_answer(struct operations *ops, struct operation *op, const char *repeat_key,
	int status, const char *body)
{
	op->status = status;
	if (!repeat_key)
		return;
	op->body = body ? xstrdup(body) : NULL;
	op->repeat_key = xstrdup(repeat_key);
	map_set_str(&ops->by_repeat, op->repeat_key, op);
}

struct operation *operations_find_repeat(const struct operations *ops, const char *repeat_key)
{
	return map_find_str(&ops->by_repeat, repeat_key);
}
