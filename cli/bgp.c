// SPDX-License-Identifier: Apache-2.0

// `bgp routes GATEWAY[/ROUTER[/PEER]]`: what became of each route of a peer, as its gateway says.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "xmalloc.h"

// Adds the routes of one peer, each with the peer's name.
static int add_peer(struct cli *cli, const char *ref, json_t *routes)
{
	char *path = xasprintf(
		"%s/bgpRoutes%s%s", ref, cli->view ? "?view=" : "", cli->view ? cli->view : "");
	json_t *body = NULL, *one;
	char name[MODEL_PATH_SIZE];
	const char *last;
	json_int_t total;
	size_t i, len;
	int rc = rest_get(cli, path, &body);

	cli_short_name(ref, name, sizeof(name));
	last = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	json_array_foreach (json_object_get(body, "value"), i, one) {
		json_object_set_new(one, "peer", json_string(last));
		json_array_append(routes, one);
	}
	len = json_array_size(json_object_get(body, "value"));
	total = json_integer_value(json_object_get(body, "total"));
	if (!rc && total > (json_int_t)len)
		fprintf(stderr, "isthmus: %s: the first %zu of %lld routes\n", name, len,
			(long long)total);
	json_decref(body);
	free(path);
	return rc;
}

// All peers below a collection of routers or peers; what is below is asked for in turn.
static int add_below(struct cli *cli, const char *path, const char *child, json_t *routes)
{
	json_t *body = NULL, *one;
	int rc = rest_get(cli, path, &body);
	size_t i;

	json_array_foreach (json_object_get(body, "value"), i, one) {
		const char *ref = json_string_value(json_object_get(one, "resourceRef"));
		char *below;

		if (rc || !ref)
			break;
		below = child ? xasprintf("%s/%s", ref, child) : NULL;
		rc = below ? add_below(cli, below, NULL, routes) : add_peer(cli, ref, routes);
		free(below);
	}
	json_decref(body);
	return rc;
}

static int add_named(struct cli *cli, const char *name, json_t *routes)
{
	static const struct {
		const char *noun, *below, *child;
	} levels[] = {{"virtualGateway", "bgpRouters", "bgpPeers"}, {"bgpRouter", "bgpPeers", NULL},
		{"bgpPeer", NULL, NULL}};
	struct cli_target target;
	size_t depth = 0;
	char *path;
	int rc;

	for (const char *c = name; (c = strchr(c, '/')); c++)
		depth++;
	if (depth >= sizeof(levels) / sizeof(*levels))
		return cli_fail(CLI_USAGE, "a peer is named GATEWAY/ROUTER/PEER");
	rc = cli_target_parse(levels[depth].noun, name, &target);
	if (rc)
		return rc;
	if (!levels[depth].below)
		return add_peer(cli, target.path, routes);
	path = xasprintf("%s/%s", target.path, levels[depth].below);
	rc = add_below(cli, path, levels[depth].child, routes);
	free(path);
	return rc;
}

static void print_table(const json_t *routes)
{
	static const struct {
		const char *heading, *member;
	} columns[] = {{"PREFIX", "prefix"}, {"PEER", "peer"}, {"NEXT HOP", "nextHop"},
		{"AS PATH", "asPath"}, {"STATE", "state"}, {"REASON", "reason"}};
	struct table *t = table_new();
	const json_t *one;
	size_t i;

	for (size_t c = 0; c < sizeof(columns) / sizeof(*columns); c++)
		table_column(t, columns[c].heading);
	json_array_foreach ((json_t *)(uintptr_t)routes, i, one) {
		for (size_t c = 0; c < sizeof(columns) / sizeof(*columns); c++) {
			const char *text =
				json_string_value(json_object_get(one, columns[c].member));

			table_cell(t, text ? text : "");
		}
	}
	table_print(t);
}

int cmd_bgp(struct cli *cli)
{
	json_t *routes, *whole;
	int rc;

	if (strcmp(cli->argv[0], "routes") != 0)
		return cli_fail(CLI_USAGE, "usage: isthmus bgp routes GATEWAY[/ROUTER[/PEER]]");
	routes = json_array();
	rc = add_named(cli, cli->argv[1], routes);
	if (!rc && cli->output == CLI_JSON) {
		whole = json_pack("{s:O}", "value", routes);
		cli_print_json(whole);
		json_decref(whole);
	} else if (!rc) {
		print_table(routes);
	}
	json_decref(routes);
	return rc;
}
