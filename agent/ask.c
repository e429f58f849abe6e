// SPDX-License-Identifier: Apache-2.0
#include "ask.h"

#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "ike.h"
#include "ike_json.h"
#include "xmalloc.h"

struct ask {
	struct agent *agent;
	uint32_t conn;
	json_int_t id;
	json_t *verdicts, *exchanges;
};

static void answer_error(struct agent *a, json_int_t id, const char *words)
{
	if (a->south)
		south_answer(a->south, json_pack("{s:I,s:s}", "id", id, "error", words));
}

static void ask_end(struct ask *k, const char *error)
{
	struct agent *a = k->agent;

	a->ask_len--;
	if (error)
		answer_error(a, k->id, error);
	else if (a->south)
		south_answer(a->south, json_pack("{s:I,s:{s:O,s:O}}", "id", k->id, "value",
					       "verdicts", k->verdicts, "exchanges", k->exchanges));
	json_decref(k->verdicts);
	json_decref(k->exchanges);
	free(k);
}

static void on_verdict(void *ctx, const void *object, size_t size, int fd)
{
	ike_json_add_verdict(((struct ask *)ctx)->verdicts, object, size);
}

static void on_exchange(void *ctx, const void *object, size_t size, int fd)
{
	ike_json_add_exchange(((struct ask *)ctx)->exchanges, object, size);
}

static void on_exchanges(void *ctx, int status, const char *text)
{
	ask_end(ctx, status < 0 ? text : NULL);
}

static struct api_client *ike_of(struct agent *a)
{
	struct target *t = a->targets[DESIRED_IKE];
	struct api_client *client = t ? target_client(t) : NULL;

	return client && api_client_is_up(client) ? client : NULL;
}

static void on_verdicts(void *ctx, int status, const char *text)
{
	struct ask *k = ctx;
	struct api_ike_exchange filter = {.conn = k->conn};
	struct api_client *ike = ike_of(k->agent);

	if (status < 0)
		ask_end(k, text);
	else if (!ike || api_client_dump(ike, API_TYPE_IKE_EXCHANGE, &filter, sizeof(filter),
				 on_exchange, on_exchanges, k) < 0)
		ask_end(k, "isthmus-ike has just ended");
}

static void diagnose(struct agent *a, json_int_t id, const char *key)
{
	struct api_ike_diagnose want = {.conn = (uint32_t)strtoul(key, NULL, 10)};
	struct api_client *ike = ike_of(a);
	struct ask *k;

	if (!ike) {
		answer_error(a, id, "isthmus-ike does not run on this gateway");
		return;
	}
	if (a->ask_len >= ASK_MAX)
		return;
	k = xcalloc(1, sizeof(*k));
	*k = (struct ask){a, want.conn, id, json_array(), json_array()};
	a->ask_len++;
	if (api_client_call(ike, API_TYPE_IKE_DIAGNOSE, &want, sizeof(want), -1, on_verdict,
		    on_verdicts, k) < 0)
		ask_end(k, "isthmus-ike has just ended");
}

void agent_on_asked(void *ctx, const json_t *questions)
{
	const json_t *one;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)questions, i, one) {
		const char *ask = json_string_value(json_object_get(one, "ask"));
		const char *key = json_string_value(json_object_get(one, "key"));
		json_int_t id = json_integer_value(json_object_get(one, "id"));

		if (ask && key && !strcmp(ask, "diagnose"))
			diagnose(ctx, id, key);
		else
			answer_error(ctx, id, "this release does not know such a question");
	}
}
