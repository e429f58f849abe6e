// SPDX-License-Identifier: Apache-2.0

// apply, delete and wait.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli.h"
#include "xmalloc.h"

#define WAIT_TICK_MS 50

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static const char *properties_text(const json_t *resource, const char *way, char *buf, size_t size)
{
	const json_t *v = json_object_get(resource, "properties");
	char *copy = xstrdup(way), *rest = NULL;

	for (char *word = strtok_r(copy, ".", &rest); word; word = strtok_r(NULL, ".", &rest))
		v = model_member(v, word);
	free(copy);
	buf[0] = '\0';
	if (json_is_string(v))
		snprintf(buf, size, "%s", json_string_value(v));
	else if (v)
		snprintf(buf, size, "%s", json_is_true(v) ? "true" : "false");
	return buf;
}

// Until "member=value" holds, or the resource is gone ("delete"). One line says what it came to.
static int wait_for(struct cli *cli, const char *path, const char *condition)
{
	const char *equals = strchr(condition, '=');
	char *way = strndup(condition, equals ? (size_t)(equals - condition) : 0);
	bool gone = !strcmp(condition, "delete");
	double end = now_s() + cli->timeout_s;
	char text[256] = "";
	int ret;

	do {
		struct rest_answer a;
		bool done;

		ret = rest_request(cli, "GET", path, NULL, &a);
		if (!ret && !(gone && a.status == 404))
			ret = rest_check(&a, path);
		if (!ret && equals)
			properties_text(a.body, way, text, sizeof(text));
		done = gone ? a.status == 404 : equals && !strcasecmp(text, equals + 1);
		rest_answer_fini(&a);
		if (ret || done) {
			free(way);
			return ret;
		}
		if (!strcasecmp(way, "provisioningState") && !strcasecmp(text, "Failed")) {
			free(way);
			return cli_fail(CLI_FAILED,
				"%s: provisioning has failed; 'isthmus describe' says why", path);
		}
		nanosleep(&(struct timespec){.tv_nsec = WAIT_TICK_MS * 1000000L}, NULL);
	} while (now_s() < end);
	free(way);
	return cli_fail(CLI_TIMEOUT, "%s: waited %g s for %s; it is '%s'", path, cli->timeout_s,
		condition, text);
}

int cmd_wait(struct cli *cli)
{
	const char *condition = cli->wait_for ? cli->wait_for : "provisioningState=Succeeded";
	struct cli_target target;
	int ret = cli_target_parse(cli->argv[0], cli->argc > 1 ? cli->argv[1] : NULL, &target);

	if (ret)
		return ret;
	if (target.is_collection)
		return cli_fail(CLI_USAGE, "one resource is waited for: name it");
	if (strcmp(condition, "delete") != 0 && !strchr(condition, '='))
		return cli_fail(CLI_USAGE, "--for=delete or --for=MEMBER=VALUE");
	ret = wait_for(cli, target.path, condition);
	if (!ret)
		printf("%s: %s\n", target.path, condition);
	return ret;
}

// -- apply

static int resource_path(const json_t *resource, char path[MODEL_PATH_SIZE])
{
	const char *ref = json_string_value(model_member(resource, "resourceRef"));
	const char *kind = json_string_value(model_member(resource, "kind"));
	const char *id = json_string_value(model_member(resource, "resourceId"));
	struct cli_target target;
	int ret;

	if (!ref && (!kind || !id))
		return cli_fail(CLI_USAGE,
			"every resource needs \"resourceRef\", or \"kind\" and \"resourceId\"");
	ret = cli_target_parse(ref ? ref : kind, ref ? NULL : id, &target);
	if (!ret && (target.is_collection || !target.type))
		ret = cli_fail(CLI_USAGE, "%s names no resource", ref ? ref : kind);
	if (!ret)
		memcpy(path, target.path, MODEL_PATH_SIZE);
	return ret;
}

static int apply_one(struct cli *cli, const json_t *resource)
{
	struct rest_answer before = {0}, after = {0};
	char path[MODEL_PATH_SIZE];
	json_t *body;
	bool same;
	int ret = resource_path(resource, path);

	if (ret)
		return ret;
	body = json_copy((json_t *)resource);
	json_object_del(body, "kind");
	json_object_del(body, "resourceRef");
	json_object_del(body, "etag");
	ret = rest_request(cli, "GET", path, NULL, &before);
	if (!ret)
		ret = rest_request(cli, "PUT", path, body, &after);
	if (!ret)
		ret = rest_check(&after, path);
	same = before.etag && after.etag && !strcmp(before.etag, after.etag);
	if (!ret)
		printf("%s %s\n", path,
			before.status == 404 ? "created"
			: same               ? "unchanged"
					     : "configured");
	json_decref(body);
	rest_answer_fini(&before);
	rest_answer_fini(&after);
	if (!ret && cli->wait)
		ret = wait_for(cli, path, "provisioningState=Succeeded");
	return ret;
}

int cmd_apply(struct cli *cli)
{
	json_error_t error;
	json_t *whole;
	const json_t *list, *item;
	size_t i;
	int ret = CLI_OK;

	if (!cli->file)
		return cli_fail(CLI_USAGE, "apply needs -f FILE (or -f - for standard input)");
	whole = strcmp(cli->file, "-") != 0 ? json_load_file(cli->file, 0, &error)
					    : json_loadf(stdin, 0, &error);
	if (!whole)
		return cli_fail(CLI_FAILED, "%s:%d:%d: %s", cli->file, error.line, error.column,
			error.text);
	list = json_is_array(whole) ? whole : json_object_get(whole, "value");
	if (!json_is_array(list))
		ret = apply_one(cli, whole);
	// What can be applied is, in the order of the file; the first failure is the exit code.
	json_array_foreach ((json_t *)list, i, item) {
		int one = apply_one(cli, item);

		if (!ret)
			ret = one;
	}
	json_decref(whole);
	return ret;
}

// -- delete

int cmd_delete(struct cli *cli)
{
	struct cli_target target;
	struct rest_answer a;
	int ret = cli_target_parse(cli->argv[0], cli->argc > 1 ? cli->argv[1] : NULL, &target);

	if (ret)
		return ret;
	if (target.is_collection || !target.type)
		return cli_fail(CLI_USAGE, "one resource is deleted: name it");
	ret = rest_request(cli, "DELETE", target.path, NULL, &a);
	if (!ret)
		ret = rest_check(&a, target.path);
	if (!ret)
		printf("%s %s\n", target.path, a.status == 204 ? "was not there" : "deleted");
	rest_answer_fini(&a);
	if (!ret && cli->wait)
		ret = wait_for(cli, target.path, "delete");
	return ret;
}
