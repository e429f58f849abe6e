// SPDX-License-Identifier: Apache-2.0

// gw doctor CONNECTION-ID: what isthmus-ike finds wrong with a connection, and what it saw.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "gw.h"
#include "ike.h"
#include "sync.h"

#define DOCTOR_TIMEOUT_MS 5000

static const char *const exchange_names[] = {
	"IKE_SA_INIT", "IKE_AUTH", "CREATE_CHILD_SA", "INFORMATIONAL"};

static const char *exchange_name(uint16_t exchange)
{
	return exchange >= 34 && exchange <= 37 ? exchange_names[exchange - 34] : "";
}

static void take_verdict(void *ctx, const void *object, size_t size, int fd)
{
	const struct api_ike_verdict *v = object;

	if (size >= sizeof(*v))
		json_array_append_new(
			ctx, json_pack("{s:i,s:b,s:s,s:s%,s:s%}", "rank", (int)v->rank, "certain",
				     v->certain, "exchange", exchange_name(v->exchange), "field",
				     v->field, strnlen(v->field, sizeof(v->field)), "verdict",
				     v->text, strnlen(v->text, sizeof(v->text))));
}

static void take_exchange(void *ctx, const void *object, size_t size, int fd)
{
	const struct api_ike_exchange *e = object;
	time_t at;
	char when[32];
	struct tm tm;

	if (size < sizeof(*e))
		return;
	at = (time_t)(e->time_ms / 1000);
	strftime(when, sizeof(when), "%FT%TZ", gmtime_r(&at, &tm));
	json_array_append_new(
		ctx, json_pack("{s:s,s:s,s:s,s:b,s:i,s:s%}", "time", when, "direction",
			     e->inbound ? "in" : "out", "exchange", exchange_name(e->exchange),
			     "request", e->request, "message", (int)e->message_id, "payloads",
			     e->text, strnlen(e->text, sizeof(e->text))));
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
