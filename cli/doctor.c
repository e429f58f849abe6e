// SPDX-License-Identifier: Apache-2.0

// What is wrong with an IPsec connection, and what was seen of it: `doctor GATEWAY/CONNECTION` asks
// the controller, `gw doctor CONNECTION-ID` this host's isthmus-ike.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "gw.h"
#include "ike.h"
#include "ike_json.h"
#include "peer_compare.h"
#include "sync.h"
#include "xmalloc.h"

#define DOCTOR_TIMEOUT_MS 5000

static void take_verdict(void *ctx, const void *object, size_t size, int fd)
{
	ike_json_add_verdict(ctx, object, size);
}

static void take_exchange(void *ctx, const void *object, size_t size, int fd)
{
	ike_json_add_exchange(ctx, object, size);
}

static void print_text(const json_t *verdicts, const json_t *exchanges)
{
	const json_t *v;
	size_t i;

	json_array_foreach ((json_t *)verdicts, i, v) {
		const char *exchange = json_string_value(json_object_get(v, "exchange"));

		printf("%zu. %s%s%s%s\n", i + 1,
			json_is_true(json_object_get(v, "certain")) ? "" : "likely: ", exchange,
			*exchange ? ": " : "", json_string_value(json_object_get(v, "verdict")));
	}
	if (json_array_size(exchanges))
		printf("\nMessages, oldest first:\n");
	json_array_foreach ((json_t *)exchanges, i, v)
		printf("  %s %-3s %s %s %s\n", json_string_value(json_object_get(v, "time")),
			json_string_value(json_object_get(v, "direction")),
			json_string_value(json_object_get(v, "exchange")),
			json_is_true(json_object_get(v, "request")) ? "request:" : "answer:",
			json_string_value(json_object_get(v, "payloads")));
}

int gw_doctor(struct cli *cli, struct api_sync *s)
{
	uint32_t conn = (uint32_t)strtoul(cli->argv[1], NULL, 10);
	struct api_ike_diagnose ask = {.conn = conn};
	struct api_ike_exchange filter = {.conn = conn};
	json_t *verdicts = json_array(), *exchanges = json_array(), *whole;
	int ret = api_sync_call(s, API_TYPE_IKE_DIAGNOSE, &ask, sizeof(ask), DOCTOR_TIMEOUT_MS,
		take_verdict, verdicts);

	if (ret >= 0)
		ret = api_sync_dump(s, API_TYPE_IKE_EXCHANGE, &filter, sizeof(filter),
			take_exchange, exchanges);
	if (ret < 0) {
		cli_fail(CLI_FAILED, "%s", api_sync_error(s));
	} else if (cli->output == CLI_JSON) {
		whole = json_pack("{s:O,s:O}", "verdicts", verdicts, "exchanges", exchanges);
		cli_print_json(whole);
		json_decref(whole);
	} else {
		print_text(verdicts, exchanges);
	}
	json_decref(verdicts);
	json_decref(exchanges);
	return ret == -ENOENT ? CLI_NOT_FOUND : ret < 0 ? CLI_FAILED : CLI_OK;
}

#define PEER_CONFIG_MAX 65536

// A pasted configuration of the far end against ours: what would disagree, before anything is sent.
static int doctor_compare(struct cli *cli)
{
	static char config[PEER_CONFIG_MAX + 1];
	FILE *f = strcmp(cli->peer_config, "-") != 0 ? fopen(cli->peer_config, "r") : stdin;
	json_t *resource = NULL, *verdicts, *v;
	char err[256];
	size_t i;
	int rc;

	if (!f)
		return cli_fail(CLI_FAILED, "%s: %s", cli->peer_config, strerror(errno));
	config[fread(config, 1, PEER_CONFIG_MAX, f)] = '\0';
	if (f != stdin)
		fclose(f);
	rc = cli_read_connection(cli, &resource);
	if (rc)
		return rc;
	verdicts = peer_compare(resource, config, err, sizeof(err));
	json_decref(resource);
	explicit_bzero(config, sizeof(config)); // it may hold the secret
	if (!verdicts)
		return cli_fail(CLI_FAILED, "%s: %s", cli->peer_config, err);
	if (cli->output == CLI_JSON)
		cli_print_json(verdicts);
	else if (!json_array_size(verdicts))
		puts("nothing wrong here: the peer's configuration agrees with this connection");
	json_array_foreach (verdicts, i, v) {
		if (cli->output != CLI_JSON)
			printf("%zu. %s\n", i + 1,
				json_string_value(json_object_get(v, "verdict")));
	}
	json_decref(verdicts);
	return CLI_OK;
}

int cmd_doctor(struct cli *cli)
{
	struct cli_target target;
	struct rest_answer a;
	json_t *nothing = json_object();
	char *path;
	int rc;

	if (cli->peer_config) {
		json_decref(nothing);
		return doctor_compare(cli);
	}
	rc = cli->argc ? cli_target_parse("networkConnection", cli->argv[0], &target)
		       : cli_fail(CLI_USAGE, "name a connection, as GATEWAY/CONNECTION");
	if (rc) {
		json_decref(nothing);
		return rc;
	}
	path = xasprintf("%s/diagnose", target.path);
	rc = rest_request(cli, "POST", path, nothing, &a);
	if (!rc)
		rc = rest_check(&a, path);
	if (!rc && cli->output == CLI_JSON)
		cli_print_json(a.body);
	else if (!rc)
		print_text(
			json_object_get(a.body, "verdicts"), json_object_get(a.body, "exchanges"));
	rest_answer_fini(&a);
	json_decref(nothing);
	free(path);
	return rc;
}
