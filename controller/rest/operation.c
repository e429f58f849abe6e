// SPDX-License-Identifier: Apache-2.0
#include "operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "xmalloc.h"

#define ROWS "rest/operation/"

struct operations {
	struct operation ring[OPERATIONS_MAX];
	size_t next, oldest_open; // counted on; the slot is modulo OPERATIONS_MAX
	struct map by_id, by_repeat;
};

static const char *row_key(size_t slot, char *buf, size_t size)
{
	snprintf(buf, size, ROWS "%05zu", slot);
	return buf;
}

static int load(void *arg, const struct store_row *row)
{
	struct operations *ops = arg;
	const char *id = NULL, *ref = NULL;
	size_t slot = strtoul(row->key + strlen(ROWS), NULL, 10);
	struct operation *op;
	struct model_path path;
	int is_delete = 0;

	if (slot >= OPERATIONS_MAX ||
		json_unpack(row->value, "{s:s, s:s, s:b}", "id", &id, "path", &ref, "delete",
			&is_delete) ||
		model_path_parse(ref, &path))
		return 0;
	op = &ops->ring[slot];
	snprintf(op->id, sizeof(op->id), "%s", id);
	op->path = path;
	op->is_delete = is_delete;
	op->revision = row->revision;
	op->status = is_delete ? 202 : 200;
	map_set_str(&ops->by_id, op->id, op);
	return 0;
}

struct operations *operations_new(struct store *store)
{
	struct operations *ops = xcalloc(1, sizeof(*ops));
	size_t newest = OPERATIONS_MAX - 1;

	store_each(store, ROWS, load, ops);
	for (size_t i = 0; i < OPERATIONS_MAX; i++) {
		if (ops->ring[i].revision > ops->ring[newest].revision)
			newest = i;
	}
	ops->next = newest + 1 + OPERATIONS_MAX;
	ops->oldest_open = ops->next - OPERATIONS_MAX;
	return ops;
}

int operations_store(const struct operations *ops, struct store *store, const char *id,
	const struct model_path *path, bool is_delete)
{
	char key[32], ref[MODEL_PATH_SIZE];
	json_t *row = json_pack("{s:s, s:s, s:b}", "id", id, "path", model_path_format(path, ref),
		"delete", is_delete);
	int rc = store_put(store, row_key(ops->next % OPERATIONS_MAX, key, sizeof(key)), row);

	json_decref(row);
	return rc;
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

		if (op->id[0] && !op->canceled && progress(op, hooks) == REST_UPDATING)
			break;
		ops->oldest_open++;
	}
	for (size_t i = ops->oldest_open; i < ops->next; i++) {
		struct operation *op = &ops->ring[i % OPERATIONS_MAX];

		if (!op->id[0] || op->canceled || op == fresh)
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
	if (ops->oldest_open <= ops->next - OPERATIONS_MAX)
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
