// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <string.h>

#include "value.h"

// What model_load returns lies behind this.
struct loaded {
	struct arena *arena;
	max_align_t properties[];
};

static void load_object(
	const struct model_table *table, const json_t *doc, void *at, struct arena *arena);

static void load_one(
	const struct model_field *field, const json_t *value, void *at, struct arena *arena)
{
	if (field->kind != MODEL_OBJECT) {
		value_load(field, value, at, arena);
		return;
	}
	*(void **)at = NULL;
	if (json_is_object(value)) {
		*(void **)at = arena_alloc(arena, field->table->size);
		load_object(field->table, value, *(void **)at, arena);
	}
}

static void load_list(const struct model_field *field, const json_t *value, struct model_list *list,
	struct arena *arena)
{
	size_t size = value_size(field), i;
	json_t *item;

	*list = (struct model_list){0};
	if (!json_array_size(value))
		return;
	list->items = arena_alloc(arena, json_array_size(value) * size);
	json_array_foreach (value, i, item) {
		if (field->kind == MODEL_OBJECT && !json_is_object(item))
			continue; // readers may follow every pointer
		load_one(field, item, (char *)list->items + list->len++ * size, arena);
	}
}

static void load_object(
	const struct model_table *table, const json_t *doc, void *at, struct arena *arena)
{
	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *field = &table->fields[i];
		const json_t *value = json_object_get(doc, field->name);
		void *member = (char *)at + field->offset;

		if (!value_size(field))
			continue;
		if (field->flags & MODEL_LIST)
			load_list(field, value, member, arena);
		else
			load_one(field, value, member, arena);
	}
}

void *model_load(const struct model_type *type, const json_t *doc)
{
	struct arena *arena = arena_new();
	struct loaded *l = arena_alloc(arena, sizeof(*l) + type->properties->size);

	l->arena = arena;
	load_object(type->properties, json_object_get(doc, "properties"), l->properties, arena);
	return l->properties;
}

void model_free(void *properties)
{
	if (properties)
		arena_free((
			(struct loaded *)((char *)properties - offsetof(struct loaded, properties)))
				   ->arena);
}
