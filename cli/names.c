// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "xmalloc.h"

// What the server answers besides resources: the word, and the path.
static const struct {
	const char *word, *path;
	bool has_name;
} others[] = {
	{"hostroutes", "/hostRoutes", false},
	{"slots", "/slots", false},
	{"rebalance", "/rebalance", false},
	{"operation", "/operations", true},
	{"operations", "/operations", true},
	{"statistics", "/monitoring/networkControllerStatistics", false},
};

static unsigned type_depth(const struct model_type *type)
{
	unsigned depth = 0;

	for (; type; type = type->parent)
		depth++;
	return depth;
}

// Ids "T/C" under the collections of the type: "/virtualGateways/T/networkConnections/C".
static int target_from_ids(
	const struct model_type *type, const char *ids, struct cli_target *ret_target)
{
	const struct model_type *levels[MODEL_DEPTH];
	unsigned depth = type_depth(type), n = 0;
	size_t used = 0;

	for (const struct model_type *t = type; t && n < MODEL_DEPTH; t = t->parent)
		levels[n++] = t;
	for (unsigned i = depth; i-- > 0;) {
		size_t size = strcspn(ids, "/");

		if (!size)
			return cli_fail(CLI_USAGE, "a %s is named by %u ids with '/' between them",
				type->noun, depth);
		used += (size_t)snprintf(ret_target->path + used, sizeof(ret_target->path) - used,
			"/%s/%.*s", levels[i]->collection, (int)size, ids);
		if (used >= sizeof(ret_target->path))
			return cli_fail(CLI_USAGE, "the name is too long");
		ids += size + (ids[size] == '/');
	}
	if (*ids)
		return cli_fail(CLI_USAGE, "a %s is named by %u ids, not more", type->noun, depth);
	return CLI_OK;
}

// The path in the spelling of URLs; a collection's ends with its name.
static void target_from_path(const struct model_path *path, char buf[MODEL_PATH_SIZE])
{
	const struct model_type *levels[MODEL_DEPTH];
	unsigned depth = type_depth(path->type), n = 0;
	size_t used = 0;

	for (const struct model_type *t = path->type; t && n < MODEL_DEPTH; t = t->parent)
		levels[n++] = t;
	for (unsigned i = 0; i < depth && used < MODEL_PATH_SIZE; i++)
		used += (size_t)snprintf(buf + used, MODEL_PATH_SIZE - used, "/%s%s%s",
			levels[depth - 1 - i]->collection, i < path->depth ? "/" : "",
			i < path->depth ? path->id[i] : "");
}

static bool target_other(const char *word, const char *name, struct cli_target *ret_target)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (strcasecmp(others[i].word, word) != 0)
			continue;
		*ret_target = (struct cli_target){.is_collection = !name};
		snprintf(ret_target->path, sizeof(ret_target->path), "%s%s%s", others[i].path,
			name && others[i].has_name ? "/" : "",
			name && others[i].has_name ? name : "");
		return true;
	}
	return false;
}

int cli_target_parse(const char *word, const char *name, struct cli_target *ret_target)
{
	struct model_path path;
	const char *slash = strchr(word, '/');
	char *first = strndup(word, slash ? (size_t)(slash - word) : strlen(word));
	const struct model_type *type = model_type_find(first);
	bool other = target_other(first, name ? name : slash ? slash + 1 : NULL, ret_target);

	free(first);
	if (other)
		return CLI_OK;
	*ret_target = (struct cli_target){0};
	if ((word[0] == '/' || (slash && !name)) && model_path_parse(word, &path) == 0) {
		ret_target->type = path.type;
		ret_target->is_collection = path.is_collection;
		target_from_path(&path, ret_target->path);
		return CLI_OK;
	}
	if (!type)
		type = model_type_find(word);
	if (!type)
		return cli_fail(CLI_USAGE,
			"'%s' is no kind of resource; 'isthmus get --help' lists them", word);
	ret_target->type = type;
	if (slash && !name)
		name = slash + 1;
	if (name)
		return target_from_ids(type, name, ret_target);
	ret_target->is_collection = true;
	return CLI_OK;
}

void cli_short_name(const char *ref, char *buf, size_t size)
{
	size_t used = 0;
	bool id = false;

	buf[0] = '\0';
	for (const char *p = ref; *p; id = !id) {
		size_t n;

		p += *p == '/';
		n = strcspn(p, "/");
		if (id && used < size)
			used += (size_t)snprintf(
				buf + used, size - used, "%s%.*s", used ? "/" : "", (int)n, p);
		p += n;
	}
}

static int list_collection(struct cli *cli, const char *path, json_t *list)
{
	json_t *body;
	int ret = rest_get(cli, path, &body);

	json_array_extend(list, json_object_get(body, "value"));
	json_decref(body);
	return ret;
}

int cli_list(struct cli *cli, const struct model_type *type, json_t *list)
{
	json_t *parents, *parent;
	char path[MODEL_PATH_SIZE];
	size_t i;
	int ret;

	if (!type->parent) {
		snprintf(path, sizeof(path), "/%s", type->collection);
		return list_collection(cli, path, list);
	}
	parents = json_array();
	ret = cli_list(cli, type->parent, parents);
	json_array_foreach (parents, i, parent) {
		const char *ref = json_string_value(json_object_get(parent, "resourceRef"));

		if (ret || !ref)
			break;
		snprintf(path, sizeof(path), "%s/%s", ref, type->collection);
		ret = list_collection(cli, path, list);
	}
	json_decref(parents);
	return ret;
}
