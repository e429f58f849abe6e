// SPDX-License-Identifier: Apache-2.0

// rebalance: what would move so that a pool's gateways carry about the same, and moving it. Only
// the number `properties.isthmus.rebalance` of the pool is changed; the controller does the rest.

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli.h"

#define TICK_MS 100

static const char *text(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

static bool is_of(const json_t *move, const char *pool)
{
	return !pool || !strcasecmp(text(move, "pool"), pool);
}

// How many moves of the pool (NULL: of all) there are; says each.
static size_t show(const json_t *moves, const char *pool)
{
	const json_t *m;
	size_t i, len = 0;

	json_array_foreach ((json_t *)moves, i, m) {
		if (!is_of(m, pool))
			continue;
		len++;
		printf("%s: slot %" JSON_INTEGER_FORMAT " with %" JSON_INTEGER_FORMAT
		       " kbit/s from %s to %s\n",
			text(m, "pool"), json_integer_value(json_object_get(m, "slot")),
			json_integer_value(json_object_get(m, "kbps")), text(m, "from"),
			text(m, "to"));
	}
	if (!len)
		printf("nothing to move: the gateways are even\n");
	fflush(stdout);
	return len;
}

static int ask(struct cli *cli, const char *pool)
{
	struct rest_answer a = {0};
	json_t *body, *properties, *extensions;
	char path[512];
	int ret;

	snprintf(path, sizeof(path), "/gatewayPools/%s", pool);
	ret = rest_get(cli, path, &body);
	if (ret)
		return ret;
	properties = json_object_get(body, "properties");
	extensions = json_object_get(properties, "isthmus");
	if (!extensions) {
		extensions = json_object();
		json_object_set_new(properties, "isthmus", extensions);
	}
	json_object_set_new(extensions, "rebalance",
		json_integer(
			json_integer_value(json_object_get(extensions, "rebalance")) % 1000000000 +
			1));
	ret = rest_request(cli, "PUT", path, body, &a);
	if (!ret)
		ret = rest_check(&a, path);
	rest_answer_fini(&a);
	json_decref(body);
	return ret;
}

// Once for each pool that a move is of.
static int ask_all(struct cli *cli, const json_t *moves, const char *pool)
{
	const json_t *m;
	size_t i, j;
	int ret = CLI_OK;

	json_array_foreach ((json_t *)moves, i, m) {
		for (j = 0; j < i; j++)
			if (!strcmp(text(json_array_get(moves, j), "pool"), text(m, "pool")))
				break;
		if (j == i && !ret && is_of(m, pool))
			ret = ask(cli, text(m, "pool"));
	}
	return ret;
}

static const char *holder_of(const json_t *slots, json_int_t number)
{
	const json_t *s;
	size_t i;

	json_array_foreach ((json_t *)slots, i, s) {
		if (json_integer_value(json_object_get(s, "slot")) == number)
			return text(s, "gateway");
	}
	return "";
}

static size_t count_moved(const json_t *slots, const json_t *moves, const char *pool)
{
	const json_t *m;
	size_t i, moved = 0;

	json_array_foreach ((json_t *)moves, i, m) {
		json_int_t number = json_integer_value(json_object_get(m, "slot"));

		moved += is_of(m, pool) && !strcasecmp(holder_of(slots, number), text(m, "to"));
	}
	return moved;
}

// A line for each step of it.
static int follow(struct cli *cli, const json_t *moves, const char *pool, size_t len)
{
	size_t moved = 0, told = len + 1;
	json_t *slots;

	for (double left = cli->timeout_s; left > 0; left -= TICK_MS / 1000.0) {
		int ret = rest_get(cli, "/slots", &slots);

		if (ret)
			return ret;
		moved = count_moved(json_object_get(slots, "value"), moves, pool);
		json_decref(slots);
		if (moved != told)
			printf("%zu of %zu slots moved\n", moved, len);
		fflush(stdout);
		told = moved;
		if (moved == len)
			return CLI_OK;
		nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000L}, NULL);
	}
	return cli_fail(
		CLI_TIMEOUT, "after %g s %zu of %zu slots have moved", cli->timeout_s, moved, len);
}

int cmd_rebalance(struct cli *cli)
{
	const char *pool = cli->argc ? cli->argv[0] : NULL;
	json_t *body, *moves;
	size_t len;
	int ret;

	if (cli->dry_run == cli->apply)
		return cli_fail(CLI_USAGE, "either --dry-run or --apply");
	ret = rest_get(cli, "/rebalance", &body);
	if (ret)
		return ret;
	moves = json_object_get(body, "value");
	len = show(moves, pool);
	if (cli->apply && len) {
		ret = ask_all(cli, moves, pool);
		if (!ret)
			ret = follow(cli, moves, pool, len);
	}
	json_decref(body);
	return ret;
}
