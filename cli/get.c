// SPDX-License-Identifier: Apache-2.0

// get and describe: resources as the model's tables show them.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "xmalloc.h"

// A value in one cell. buf holds at least 256 bytes.
static const char *cell_text(const json_t *v, char *buf, size_t size)
{
	const char *ref = json_string_value(json_object_get(v, "resourceRef"));
	const char *status = json_string_value(json_object_get(v, "status"));
	size_t used = 0, i;
	const json_t *item;

	buf[0] = '\0';
	if (ref)
		cli_short_name(ref, buf, size);
	else if (status)
		snprintf(buf, size, "%s", status);
	else if (json_is_string(v))
		snprintf(buf, size, "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_boolean(v))
		snprintf(buf, size, "%s", json_is_true(v) ? "true" : "false");
	json_array_foreach ((json_t *)v, i, item) {
		char one[256];

		cell_text(item, one, sizeof(one));
		if (used < size)
			used += (size_t)snprintf(
				buf + used, size - used, "%s%s", i ? "," : "", one);
	}
	return buf;
}

typedef void column_fn(void *arg, const char *heading, const json_t *value);

// Every column of a table of fields, members within objects included.
static void each_column(
	const struct model_table *table, const json_t *values, column_fn *each, void *arg)
{
	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *f = &table->fields[i];
		const json_t *value = values ? model_member(values, f->name) : NULL;

		if (f->column)
			each(arg, f->column, value);
		else if (f->kind == MODEL_OBJECT && !(f->flags & MODEL_LIST))
			each_column(f->table, value, each, arg);
	}
}

static void add_heading(void *arg, const char *heading, const json_t *value)
{
	table_column(arg, heading);
}

static void add_cell(void *arg, const char *heading, const json_t *value)
{
	char text[1024];

	table_cell(arg, cell_text(value, text, sizeof(text)));
}

static void print_rows(const struct model_type *type, const json_t *list)
{
	struct table *t = table_new();
	const json_t *item;
	char text[MODEL_PATH_SIZE];
	size_t i;

	table_column(t, "NAME");
	each_column(type->properties, NULL, add_heading, t);
	table_column(t, "PROVISIONED");
	table_cut_first(t); // its first letters tell
	json_array_foreach ((json_t *)list, i, item) {
		const json_t *properties = json_object_get(item, "properties");
		const char *ref = json_string_value(json_object_get(item, "resourceRef"));

		cli_short_name(ref ? ref : "", text, sizeof(text));
		table_cell(t, text);
		each_column(type->properties, properties, add_cell, t);
		table_cell(t, cell_text(json_object_get(properties, "provisioningState"), text,
				      sizeof(text)));
	}
	table_print(t);
}

static bool is_of_kind(const json_t *item, const char *kind)
{
	const char *own = json_string_value(json_object_get(item, "kind"));

	return !kind || (own && !strcmp(own, kind));
}

// The members of `first` make the columns.
static void print_kind(const json_t *list, const json_t *first)
{
	const char *kind = json_string_value(json_object_get(first, "kind"));
	struct table *t = table_new();
	const json_t *item;
	const char *name;
	json_t *value;
	char text[1024];
	size_t i;

	json_object_foreach ((json_t *)first, name, value)
		table_column(t, name);
	json_array_foreach ((json_t *)list, i, item) {
		if (!is_of_kind(item, kind))
			continue;
		json_object_foreach ((json_t *)first, name, value)
			table_cell(t, cell_text(json_object_get(item, name), text, sizeof(text)));
	}
	table_print(t);
}

// Any list of flat objects; those that say their kind get a table for each.
static void print_plain(const json_t *list)
{
	json_t *seen = json_object();
	const json_t *item;
	size_t i;

	json_array_foreach ((json_t *)list, i, item) {
		const char *kind = json_string_value(json_object_get(item, "kind"));

		if (json_object_get(seen, kind ? kind : ""))
			continue;
		if (json_object_size(seen))
			printf("\n");
		json_object_set_new(seen, kind ? kind : "", json_true());
		print_kind(list, item);
	}
	json_decref(seen);
}

// {"value": [...]}, whether one was asked for or all.
static int fetch_list(struct cli *cli, const struct cli_target *target, json_t **ret_list)
{
	json_t *list = json_array(), *body = NULL;
	int ret;

	if (target->type && target->is_collection && !*target->path) {
		ret = cli_list(cli, target->type, list);
	} else {
		ret = rest_get(cli, target->path, &body);
		if (!ret && json_is_array(json_object_get(body, "value")))
			json_array_extend(list, json_object_get(body, "value"));
		else if (!ret)
			json_array_append(list, body);
		json_decref(body);
	}
	if (ret) {
		json_decref(list);
		return ret;
	}
	*ret_list = list;
	return CLI_OK;
}

int cmd_get(struct cli *cli)
{
	struct cli_target target;
	json_t *list = NULL, *whole;
	int ret = cli_target_parse(cli->argv[0], cli->argc > 1 ? cli->argv[1] : NULL, &target);

	if (!ret)
		ret = fetch_list(cli, &target, &list);
	if (ret)
		return ret;
	if (cli->output == CLI_JSON && target.is_collection) {
		whole = json_pack("{s:O}", "value", list);
		cli_print_json(whole);
		json_decref(whole);
	} else if (cli->output == CLI_JSON) {
		cli_print_json(json_array_get(list, 0));
	} else if (target.type) {
		print_rows(target.type, list);
	} else {
		print_plain(list);
	}
	json_decref(list);
	return CLI_OK;
}

// "  member:  value", objects indented below their name.
static void describe_value(const char *name, const json_t *v, int depth)
{
	char text[4096];
	const char *member;
	json_t *value;
	size_t i;

	if (json_is_object(v) && !json_object_get(v, "resourceRef")) {
		printf("%*s%s:\n", depth * 2, "", name);
		json_object_foreach ((json_t *)v, member, value)
			describe_value(member, value, depth + 1);
	} else if (json_is_array(v) && json_is_object(json_array_get(v, 0)) &&
		   !json_object_get(json_array_get(v, 0), "resourceRef")) {
		json_array_foreach ((json_t *)v, i, value) {
			snprintf(text, sizeof(text), "%s[%zu]", name, i);
			describe_value(text, value, depth);
		}
	} else {
		printf("%*s%-*s  %s\n", depth * 2, "", 34 - depth * 2, name,
			cell_text(v, text, sizeof(text)));
	}
}

int cmd_describe(struct cli *cli)
{
	struct cli_target target;
	json_t *list = NULL, *value;
	const json_t *item;
	const char *member;
	size_t i;
	int ret = cli_target_parse(cli->argv[0], cli->argc > 1 ? cli->argv[1] : NULL, &target);

	if (!ret)
		ret = fetch_list(cli, &target, &list);
	if (ret)
		return ret;
	json_array_foreach (list, i, item) {
		if (i)
			printf("\n");
		json_object_foreach ((json_t *)item, member, value)
			describe_value(member, value, 0);
	}
	json_decref(list);
	return CLI_OK;
}
