// SPDX-License-Identifier: Apache-2.0
// Prints docs/api-reference.md from the tables.
#include "nouns.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_words[] = {
	[MODEL_TEXT] = "text",
	[MODEL_BOOL] = "boolean",
	[MODEL_INT] = "integer",
	[MODEL_ENUM] = "one of",
	[MODEL_IP] = "IP address",
	[MODEL_PREFIX] = "IP prefix",
	[MODEL_MAC] = "MAC address",
	[MODEL_ASN] = "AS number",
	[MODEL_REF] = "reference",
	[MODEL_OBJECT] = "object",
	[MODEL_JSON] = "object",
	[MODEL_CHILDREN] = "resources",
	[MODEL_STATE] = "read-only",
};

static void print_kind(const struct model_field *f)
{
	if (f->flags & MODEL_LIST)
		printf("list of ");
	if (f->kind == MODEL_INT && f->flags & MODEL_AS_TEXT)
		printf("integer in a string");
	else
		printf("%s", kind_words[f->kind]);
	for (size_t i = 0; f->kind == MODEL_ENUM && f->names[i]; i++)
		printf("%s `%s`", i ? "," : "", f->names[i]);
	if (f->kind == MODEL_INT && (f->min || f->max))
		printf(", %lld to %lld", (long long)f->min, (long long)f->max);
	for (const char *t = f->kind == MODEL_REF ? f->target : ""; *t;) {
		size_t n = strcspn(t, "|");

		printf("%s `%.*s`", t == f->target ? " to" : " or", (int)n, t);
		t += n + (t[n] == '|');
	}
	if (f->kind == MODEL_CHILDREN)
		printf(" of type `%s`", f->child->collection);
}

static void print_notes(const struct model_field *f)
{
	static const char *const blasts[] = {
		[MODEL_BLAST_REKEY] = " A change renews security associations.",
		[MODEL_BLAST_TUNNEL] = " A change takes this tunnel or session down and up.",
	};

	printf("%s", f->help);
	if (f->flags & MODEL_REQUIRED)
		printf(" Required.");
	if (f->flags & MODEL_IMMUTABLE)
		printf(" Cannot change.");
	if (f->flags & MODEL_SECRET)
		printf(" Write-only: absent keeps it, null clears it.");
	if (f->fallback && f->kind != MODEL_OBJECT && !(f->flags & MODEL_LIST))
		printf(" Default `%s`.", f->fallback);
	if (blasts[f->blast])
		printf("%s", blasts[f->blast]);
}

static void print_fields(const struct model_table *table, const char *prefix)
{
	char name[256];

	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *f = &table->fields[i];

		snprintf(name, sizeof(name), "%s%s", prefix, f->name);
		printf("| `%s` | ", name);
		print_kind(f);
		printf(" | ");
		print_notes(f);
		printf(" |\n");
		if (f->kind != MODEL_OBJECT)
			continue;
		strncat(name, f->flags & MODEL_LIST ? "[]." : ".", sizeof(name) - strlen(name) - 1);
		print_fields(f->table, name);
	}
}

static void print_url(const struct model_type *type)
{
	if (type->parent) {
		print_url(type->parent);
		printf("/{id}");
	}
	printf("/%s", type->collection);
}

static void print_type(const struct model_type *type)
{
	printf("\n## %s\n\n%s\n\n`", type->noun, type->help);
	print_url(type);
	printf("/%s`: GET%s%s%s. In the CLI: `%s`, `%s`.\n",
		type->singleton ? type->singleton : "{id}",
		type->flags & MODEL_CAN_LIST ? " (also the list)" : "",
		type->flags & MODEL_CAN_PUT ? ", PUT" : "",
		type->flags & MODEL_CAN_DELETE ? ", DELETE" : "", type->noun, type->short_name);
	printf("\n| member of `properties` | what | meaning |\n|---|---|---|\n");
	print_fields(type->properties, "");
}

int main(void)
{
	printf("# API reference\n\n"
	       "Made from the tables in `model/` by `model/reference`; do not edit.\n\n"
	       "Resources are at `https://{host}/networking/v1/...`. Names and words of a list are "
	       "understood in any case and shown as here. `provisioningState` is read-only in "
	       "every "
	       "resource. Members under `isthmus` extend the published interface: on PUT, an "
	       "absent "
	       "one keeps its value and null clears it.\n");
	for (const struct model_type *const *t = model_types; *t; t++)
		print_type(*t);
	return 0;
}
