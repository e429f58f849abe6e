// SPDX-License-Identifier: Apache-2.0

// drain, undrain, failover: what an operator does with a whole gateway. All three only say what is
// wanted (`properties.isthmus.drain`) and follow how far it has come.

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli.h"

#define TICK_MS 100

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int set_drain(struct cli *cli, const char *path, bool drain)
{
	struct rest_answer a = {0};
	json_t *body, *properties, *extensions;
	int ret = rest_get(cli, path, &body);

	if (ret)
		return ret;
	properties = json_object_get(body, "properties");
	extensions = json_object_get(properties, "isthmus");
	if (!extensions) {
		extensions = json_object();
		json_object_set_new(properties, "isthmus", extensions);
	}
	json_object_set_new(extensions, "drain", json_boolean(drain));
	ret = rest_request(cli, "PUT", path, body, &a);
	if (!ret)
		ret = rest_check(&a, path);
	rest_answer_fini(&a);
	json_decref(body);
	return ret;
}

struct progress {
	char state[32];
	json_int_t slots, connections; // that it holds
};

static int get_progress(struct cli *cli, const char *path, struct progress *ret)
{
	json_t *gateway = NULL, *slots = NULL, *slot;
	const char *id, *state;
	size_t i;
	int rc = rest_get(cli, path, &gateway);

	*ret = (struct progress){0};
	if (!rc)
		rc = rest_get(cli, "/slots", &slots);
	if (!rc) {
		id = json_string_value(json_object_get(gateway, "resourceId"));
		state = json_string_value(
			json_object_get(json_object_get(gateway, "properties"), "state"));
		snprintf(ret->state, sizeof(ret->state), "%s", state ? state : "");
		json_array_foreach (json_object_get(slots, "value"), i, slot) {
			const char *holder = json_string_value(json_object_get(slot, "gateway"));

			if (!holder || !id || strcasecmp(holder, id) != 0)
				continue;
			ret->slots++;
			ret->connections +=
				json_integer_value(json_object_get(slot, "connections"));
		}
	}
	json_decref(gateway);
	json_decref(slots);
	return rc;
}

// A line for each step of it. CLI_TIMEOUT with what is left.
static int follow(struct cli *cli, const char *path, bool (*done)(const struct progress *p))
{
	double end = now_s() + cli->timeout_s;
	struct progress p = {0}, told = {.slots = -1};
	int ret;

	do {
		ret = get_progress(cli, path, &p);
		if (ret)
			return ret;
		if (p.slots != told.slots || strcmp(p.state, told.state) != 0)
			printf("%s: %s, holds %" JSON_INTEGER_FORMAT
			       " slots with %" JSON_INTEGER_FORMAT " connections\n",
				path, p.state, p.slots, p.connections);
		fflush(stdout);
		told = p;
		if (done(&p))
			return CLI_OK;
		nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000L}, NULL);
	} while (now_s() < end);
	return cli_fail(CLI_TIMEOUT,
		"%s: after %g s it is %s and holds %" JSON_INTEGER_FORMAT
		" slots; no other gateway of its pool has room for them, or none is healthy",
		path, cli->timeout_s, p.state, p.slots);
}

static bool is_drained(const struct progress *p)
{
	return !p->slots && !strcasecmp(p->state, "Passive");
}

static bool is_back(const struct progress *p)
{
	return strcasecmp(p->state, "Passive") != 0;
}

static int parse(struct cli *cli, struct cli_target *ret_target)
{
	return cli_target_parse("gateway", cli->argv[0], ret_target);
}

static int drain(struct cli *cli, const char *path)
{
	int ret = set_drain(cli, path, true);

	return ret ? ret : follow(cli, path, is_drained);
}

static int undrain(struct cli *cli, const char *path)
{
	int ret = set_drain(cli, path, false);

	return ret ? ret : follow(cli, path, is_back);
}

int cmd_drain(struct cli *cli)
{
	struct cli_target target;
	int ret = parse(cli, &target);

	return ret ? ret : drain(cli, target.path);
}

int cmd_undrain(struct cli *cli)
{
	struct cli_target target;
	int ret = parse(cli, &target);

	return ret ? ret : undrain(cli, target.path);
}

// What could not be moved stays where it is.
int cmd_failover(struct cli *cli)
{
	struct cli_target target;
	int ret = parse(cli, &target), back;

	if (ret)
		return ret;
	ret = drain(cli, target.path);
	back = undrain(cli, target.path);
	return ret ? ret : back;
}
