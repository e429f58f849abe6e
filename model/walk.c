// SPDX-License-Identifier: Apache-2.0
#include "model.h"

// Walks over a document along its tables: what may be shown, what differs, what it refers to, what
// is secret.

#include <stdio.h>
#include <string.h>

#define WHERE_SIZE 160

static bool hidden(const struct model_field *field, const json_t *doc)
{
	return field->flags & MODEL_SECRET && (!field->is_secret || field->is_secret(doc));
}

static json_t *show_object(const struct model_table *table, const json_t *doc);

static json_t *show_value(const struct model_field *field, json_t *value)
{
	json_t *list, *item;
	size_t i;

	if (field->kind != MODEL_OBJECT)
		return json_incref(value);
	if (!(field->flags & MODEL_LIST))
		return show_object(field->table, value);
	list = json_array();
	json_array_foreach (value, i, item) {
		json_array_append_new(list, show_object(field->table, item));
	}
	return list;
}

static json_t *show_object(const struct model_table *table, const json_t *doc)
{
	json_t *out = json_object();

	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *field = &table->fields[i];
		json_t *value = json_object_get(doc, field->name);

		if (value && !hidden(field, doc))
			json_object_set_new(out, field->name, show_value(field, value));
	}
	return out;
}

json_t *model_show(const struct model_type *type, const json_t *doc)
{
	json_t *out = show_object(type->top ? type->top : &model_top_table, doc);

	json_object_set_new(out, "properties",
		show_object(type->properties, json_object_get(doc, "properties")));
	return out;
}

struct walk {
	void (*visit)(const struct walk *walk, const struct model_field *field, const char *where,
		json_t *holder, json_t *value);
	void *arg;
	union {
		void (*ref)(void *arg, const struct model_field *field, const char *where,
			const char *ref);
		void (*ref_object)(void *arg, const struct model_field *field, const char *where,
			json_t *object);
		void (*secret)(void *arg, json_t *holder, const char *member);
	} each;
};

static void walk_object(
	const struct walk *walk, const struct model_table *table, json_t *doc, const char *where);

static void walk_value(const struct walk *walk, const struct model_field *field, const char *where,
	json_t *holder, json_t *value)
{
	if (field->kind == MODEL_OBJECT)
		walk_object(walk, field->table, value, where);
	else
		walk->visit(walk, field, where, holder, value);
}

static void walk_object(
	const struct walk *walk, const struct model_table *table, json_t *doc, const char *where)
{
	char here[WHERE_SIZE];

	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *field = &table->fields[i];
		json_t *value = json_object_get(doc, field->name), *item;
		size_t at;

		if (!value)
			continue;
		snprintf(here, sizeof(here), "%s.%s", where, field->name);
		if (!(field->flags & MODEL_LIST)) {
			walk_value(walk, field, here, doc, value);
			continue;
		}
		json_array_foreach (value, at, item) {
			snprintf(here, sizeof(here), "%s.%s[%zu]", where, field->name, at);
			walk_value(walk, field, here, value, item);
		}
	}
}

static void visit_ref(const struct walk *walk, const struct model_field *field, const char *where,
	json_t *holder, json_t *value)
{
	const char *ref = json_string_value(json_object_get(value, "resourceRef"));

	if (field->kind == MODEL_REF && ref)
		walk->each.ref(walk->arg, field, where, ref);
}

void model_each_ref(const struct model_type *type, const json_t *doc,
	void (*each)(
		void *arg, const struct model_field *field, const char *where, const char *ref),
	void *arg)
{
	const struct walk walk = {.visit = visit_ref, .arg = arg, .each.ref = each};

	walk_object(&walk, type->properties, json_object_get(doc, "properties"), "properties");
}

static void visit_ref_object(const struct walk *walk, const struct model_field *field,
	const char *where, json_t *holder, json_t *value)
{
	if (field->kind == MODEL_REF)
		walk->each.ref_object(walk->arg, field, where, value);
}

void model_each_ref_object(const struct model_type *type, json_t *doc,
	void (*each)(void *arg, const struct model_field *field, const char *where, json_t *object),
	void *arg)
{
	const struct walk walk = {.visit = visit_ref_object, .arg = arg, .each.ref_object = each};

	walk_object(&walk, type->properties, json_object_get(doc, "properties"), "properties");
}

static void visit_secret(const struct walk *walk, const struct model_field *field,
	const char *where, json_t *holder, json_t *value)
{
	if (field->flags & MODEL_SECRET && json_is_string(value))
		walk->each.secret(walk->arg, holder, field->name);
}

void model_each_secret(const struct model_type *type, json_t *doc,
	void (*each)(void *arg, json_t *holder, const char *member), void *arg)
{
	const struct walk walk = {.visit = visit_secret, .arg = arg, .each.secret = each};

	walk_object(&walk, type->properties, json_object_get(doc, "properties"), "properties");
}

struct diff {
	void (*each)(void *arg, const struct model_field *field, const char *where);
	void *arg;
	enum model_blast most;
};

static void diff_object(struct diff *diff, const struct model_table *table, const json_t *a,
	const json_t *b, const char *where)
{
	char here[WHERE_SIZE];

	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *field = &table->fields[i];
		const json_t *old = json_object_get(a, field->name);
		const json_t *fresh = json_object_get(b, field->name);

		if ((!old && !fresh) || (old && fresh && json_equal(old, fresh)))
			continue;
		snprintf(here, sizeof(here), "%s.%s", where, field->name);
		if (field->kind == MODEL_OBJECT && !(field->flags & MODEL_LIST)) {
			diff_object(diff, field->table, old, fresh, here);
			continue;
		}
		if (diff->most < (enum model_blast)field->blast)
			diff->most = (enum model_blast)field->blast;
		if (diff->each)
			diff->each(diff->arg, field, here);
	}
}

enum model_blast model_diff(const struct model_type *type, const json_t *old, const json_t *fresh,
	void (*each)(void *arg, const struct model_field *field, const char *where), void *arg)
{
	struct diff diff = {each, arg, MODEL_BLAST_NOTHING};

	diff_object(&diff, type->properties, json_object_get(old, "properties"),
		json_object_get(fresh, "properties"), "properties");
	return diff.most;
}

const char *model_enum_name(const char *const *names, uint8_t value)
{
	for (uint8_t i = 0; names[i]; i++) {
		if (i + 1 == value)
			return names[i];
	}
	return "";
}
