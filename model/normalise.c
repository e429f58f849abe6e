// SPDX-License-Identifier: Apache-2.0
#include "model.h"

// From what a client sent to the document.
//
// Clients write names and enums in any case, scalars as text, null for "not given", [null] for an
// empty list, whole objects for references, and members that are read-only or unknown to us. All of
// that is understood here and nowhere else; what comes out has one spelling. What has a default is
// filled in. What a client may not know of (extensions) or cannot read back (secrets) is carried
// over from the old document when absent, and cleared by null.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "value.h"

struct way {
	const struct way *up;
	const char *name;
	size_t index; // of a list element, counted from 1; 0: none
};

struct job {
	const struct model_type *type;
	struct model_errors *errors;
};

static size_t way_format(const struct way *way, char *buf, size_t size)
{
	size_t at = way->up ? way_format(way->up, buf, size) : 0;

	if (at < size && way->name)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? "." : "", way->name);
	if (at < size && way->index)
		at += (size_t)snprintf(buf + at, size - at, "[%zu]", way->index - 1);
	return at;
}

void model_error_add(
	struct model_errors *errors, const char *code, const char *target, const char *fmt, ...)
{
	struct model_error *e;
	va_list ap;

	if (errors->len++ >= MODEL_ERRORS)
		return;
	e = &errors->errors[errors->len - 1];
	e->code = code;
	snprintf(e->target, sizeof(e->target), "%s", target ? target : "");
	va_start(ap, fmt);
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
}

static void complain(const struct job *job, const struct way *way, const struct model_field *field,
	const char *code, const char *message)
{
	bool named = field->target && field->kind != MODEL_REF;
	char target[96];

	way_format(way, target, sizeof(target));
	model_error_add(job->errors, code, named ? field->target : target, "%s", message);
}

json_t *model_member(const json_t *object, const char *name)
{
	json_t *exact = json_object_get(object, name), *value;
	const char *key;

	if (exact || !json_is_object(object))
		return exact;
	json_object_foreach ((json_t *)object, key, value) {
		if (!strcasecmp(key, name))
			return value;
	}
	return NULL;
}

static json_t *field_member(const struct model_field *field, const json_t *object)
{
	json_t *value = model_member(object, field->name);

	return value || !field->alias ? value : model_member(object, field->alias);
}

static json_t *read_object(const struct job *job, const struct way *way,
	const struct model_table *table, const json_t *body, const json_t *old, bool keep);

static json_t *read_one(const struct job *job, const struct way *way,
	const struct model_field *field, const json_t *in, const json_t *old, bool keep)
{
	struct value_fault fault;
	json_t *value = NULL;

	if (field->kind == MODEL_OBJECT || field->kind == MODEL_JSON) {
		if (!json_is_object(in)) {
			complain(job, way, field, "InvalidJson", "an object is expected here.");
			return NULL;
		}
		return field->kind == MODEL_JSON
			       ? json_deep_copy(in)
			       : read_object(job, way, field->table, in, old, keep);
	}
	if (value_canonical(job->type, field, in, &value, &fault) < 0)
		complain(job, way, field, fault.code, fault.message);
	return value;
}

// A single value where a list belongs counts as a list of one; nulls in it do not count.
static json_t *read_list(const struct job *job, const struct way *way,
	const struct model_field *field, const json_t *in, bool keep)
{
	size_t max = field->max && field->kind != MODEL_TEXT && field->kind != MODEL_INT
			     ? (size_t)field->max
			     : MODEL_LIST_MAX;
	json_t *list = json_array(), *item;
	struct way element = {.up = way};
	size_t i;

	if (!json_is_array(in)) {
		item = read_one(job, way, field, in, NULL, keep);
		if (item)
			json_array_append_new(list, item);
		return list;
	}
	if (json_array_size(in) > max) {
		char text[80];

		snprintf(text, sizeof(text), "has more than %zu elements.", max);
		complain(job, way, field, "InvalidParameterValue", text);
		return list;
	}
	json_array_foreach (in, i, item) {
		if (json_is_null(item) || (field->is_reflected && field->is_reflected(item)))
			continue;
		element.index = i + 1;
		item = read_one(job, &element, field, item, NULL, keep);
		if (item)
			json_array_append_new(list, item);
	}
	return list;
}

static json_t *fallback(
	const struct job *job, const struct way *way, const struct model_field *field, bool keep)
{
	struct value_fault fault;
	json_t *text, *value = NULL;

	if (!field->fallback)
		return NULL;
	if (field->flags & MODEL_LIST)
		return json_array();
	if (field->kind == MODEL_OBJECT)
		return read_object(job, way, field->table, NULL, NULL, keep);
	text = json_string(field->fallback);
	value_canonical(job->type, field, text, &value, &fault);
	json_decref(text);
	return value;
}

// An object was not given: what must outlive that is still within the old one.
static json_t *carry_within(const struct job *job, const struct way *way,
	const struct model_field *field, const json_t *old)
{
	const struct model_table *table = field->table;

	if (field->kind != MODEL_OBJECT || field->flags & MODEL_LIST || !json_is_object(old))
		return NULL;
	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *f = &table->fields[i];

		if (f->flags & MODEL_SECRET && json_object_get(old, f->name))
			return read_object(job, way, table, NULL, old, false);
	}
	return NULL;
}

static void check_required(const struct job *job, const struct way *way,
	const struct model_field *field, const json_t *value)
{
	char text[128];

	if (!(field->flags & MODEL_REQUIRED) ||
		(value && (!(field->flags & MODEL_LIST) || json_array_size(value) > 0)))
		return;
	snprintf(text, sizeof(text), "'%s' of a %s is required.", field->name, job->type->noun);
	complain(job, way, field,
		field->code && field->kind == MODEL_REF ? field->code : "RequiredParamMissing",
		text);
}

static void check_immutable(const struct job *job, const struct way *way,
	const struct model_field *field, const json_t *value, const json_t *old)
{
	char text[128];

	if (!(field->flags & MODEL_IMMUTABLE) || !old || json_equal(old, value))
		return;
	snprintf(text, sizeof(text), "'%s' of a %s cannot be changed once it is set.", field->name,
		job->type->noun);
	complain(job, way, field, field->code ? field->code : "InvalidParameterValue", text);
}

// An extension of which only derived members are given: shown by a GET, and sent back.
static bool is_only_state(const struct model_field *field, const json_t *in)
{
	size_t left = json_object_size(in);

	if (field->kind != MODEL_OBJECT || !(field->flags & MODEL_KEEP) || !left)
		return false;
	for (size_t i = 0; i < field->table->len; i++) {
		const struct model_field *f = &field->table->fields[i];

		left -= f->kind == MODEL_STATE && field_member(f, in);
	}
	return !left;
}

static json_t *read_field(const struct job *job, const struct way *way,
	const struct model_field *field, const json_t *in, const json_t *old, bool keep)
{
	bool carried = keep || field->flags & (MODEL_KEEP | MODEL_SECRET);
	size_t errors = job->errors->len;
	json_t *value = NULL;

	if (is_only_state(field, in))
		in = NULL;
	if (!in && carried && old)
		value = json_deep_copy(old);
	else if (!in)
		value = carry_within(job, way, field, old);
	else if (!json_is_null(in) && field->flags & MODEL_LIST)
		value = read_list(job, way, field, in, keep || field->flags & MODEL_KEEP);
	else if (!json_is_null(in))
		value = read_one(job, way, field, in, old, keep || field->flags & MODEL_KEEP);
	if (errors != job->errors->len)
		return value;
	if (!value)
		value = fallback(job, way, field, keep);
	check_required(job, way, field, value);
	check_immutable(job, way, field, value, old);
	return value;
}

// keep: within an extension, where absent members keep their old values.
static json_t *read_object(const struct job *job, const struct way *way,
	const struct model_table *table, const json_t *body, const json_t *old, bool keep)
{
	json_t *doc = json_object();

	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *field = &table->fields[i];
		struct way here = {.up = way, .name = field->name};
		json_t *value;

		if (field->kind == MODEL_STATE || field->kind == MODEL_CHILDREN)
			continue;
		value = read_field(job, &here, field, field_member(field, body),
			json_object_get(old, field->name), keep);
		if (value)
			json_object_set_new(doc, field->name, value);
	}
	return doc;
}

static const struct model_field common_top_fields[] = {
	{.name = "tags", .kind = MODEL_JSON, .help = "Words of the client's own, kept as given."},
	{.name = "resourceMetadata",
		.kind = MODEL_JSON,
		.help = "Who made it: client, tenantId, groupId, resourceName, originalHref."},
};

const struct model_table model_top_table = {common_top_fields, 2, 0};

static const struct model_table *type_top(const struct model_type *type)
{
	return type->top ? type->top : &model_top_table;
}

static void run_check(const struct model_type *type, const json_t *doc, struct model_errors *errors)
{
	void *properties;

	if (!type->check)
		return;
	properties = model_load(type, doc);
	type->check(properties, errors);
	model_free(properties);
}

int model_normalise(const struct model_type *type, json_t *body, const json_t *old,
	json_t **ret_doc, struct model_errors *errors)
{
	const struct job job = {type, errors};
	const struct way way = {.name = "properties"};
	json_t *given = model_member(body, "properties"), *doc;

	if (!json_is_object(body) || (given && !json_is_object(given) && !json_is_null(given))) {
		model_error_add(errors, "InvalidJson", json_is_object(body) ? "properties" : "",
			"a %s must be a JSON object with 'properties', an object.", type->noun);
		return -EINVAL;
	}
	doc = read_object(&job, NULL, type_top(type), body, old, false);
	json_object_set_new(doc, "properties",
		read_object(&job, &way, type->properties, given, json_object_get(old, "properties"),
			false));
	if (!errors->len)
		run_check(type, doc, errors);
	if (errors->len) {
		json_decref(doc);
		return -EINVAL;
	}
	*ret_doc = doc;
	return 0;
}

json_t *model_children(const struct model_field *field, json_t *body)
{
	json_t *list = field_member(field, model_member(body, "properties"));

	return json_is_array(list) ? list : NULL;
}
