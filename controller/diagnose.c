// SPDX-License-Identifier: Apache-2.0
#include "diagnose.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nouns.h"
#include "xmalloc.h"

struct asked {
	json_t *verdicts; // the controller's own
	void (*done)(void *arg, json_t *body);
	void *arg;
	char gateway[FLEET_NAME_SIZE];
};

static void add(json_t *verdicts, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void add(json_t *verdicts, const char *field, const char *fmt, ...)
{
	char words[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	json_array_append_new(verdicts,
		json_pack("{s:i,s:b,s:s,s:s,s:s}", "rank", (int)json_array_size(verdicts) + 1,
			"certain", 1, "exchange", "", "field", field, "verdict", words));
}

// The controller's verdicts come first, the gateway's after them.
static json_t *put_together(json_t *verdicts, const json_t *value)
{
	const json_t *theirs = json_object_get(value, "verdicts"), *one;
	json_t *exchanges = json_object_get(value, "exchanges");
	size_t i, before = json_array_size(verdicts);

	json_array_foreach ((json_t *)(uintptr_t)theirs, i, one) {
		json_t *copy = json_copy((json_t *)(uintptr_t)one);

		json_object_set_new(copy, "rank", json_integer((json_int_t)(before + i + 1)));
		json_array_append_new(verdicts, copy);
	}
	return json_pack("{s:O,s:o}", "verdicts", verdicts, "exchanges",
		json_is_array(exchanges) ? json_incref(exchanges) : json_array());
}

static void asked_end(struct asked *k, const json_t *value)
{
	json_t *body = put_together(k->verdicts, value);

	k->done(k->arg, body);
	json_decref(k->verdicts);
	free(k);
}

static void on_answer(void *arg, const json_t *value, const char *words)
{
	struct asked *k = arg;

	if (!value)
		add(k->verdicts, "", "gateway %s holds this connection and cannot be asked: %s",
			k->gateway, words);
	asked_end(k, value);
}

static bool is_ipsec(const struct diagnose *d, const struct model_path *path)
{
	struct resource r;
	const json_t *type;
	bool is;

	if (resource_get(d->describe->resources, path, &r) < 0)
		return false;
	type = model_member(model_member(r.doc, "properties"), "connectionType");
	if (!type)
		type = model_member(r.doc, "connectionType");
	is = json_is_string(type) && !strcasecmp(json_string_value(type), "IPSec");
	resource_fini(&r);
	return is;
}

// What the controller itself knows; whether the gateway is to be asked too.
static bool look(const struct diagnose *d, const struct model_path *path,
	struct plan_connection_status *st, json_t *verdicts)
{
	struct model_path low = *path;
	struct fleet_error error;
	char ref[MODEL_PATH_SIZE];

	for (size_t i = 0; i < low.depth; i++) {
		for (char *c = low.id[i]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
	if (plan_connection_status(d->describe->plan, low.id[0], low.id[1], st)) {
		add(verdicts, "", "the connection is not planned yet");
		return false;
	}
	if (st->wait)
		add(verdicts, "", "%s", st->words);
	if (fleet_progress(d->describe->fleet, model_path_format(path, ref), &error) ==
		FLEET_FAILED)
		add(verdicts, "", "gateway %s refuses the configuration: %s", error.gateway,
			error.message);
	if (!st->gateway) {
		if (!st->wait)
			add(verdicts, "", "no gateway that lives holds this connection");
		return false;
	}
	if (is_ipsec(d, path))
		return true;
	add(verdicts, "connectionType",
		"only IPSec connections negotiate: look at "
		"connectionState, the counters and the routes");
	return false;
}

uint64_t diagnose_ask(struct diagnose *d, const struct model_path *path,
	void (*done)(void *arg, json_t *body), void *arg)
{
	struct asked *k = xcalloc(1, sizeof(*k));
	struct plan_connection_status st = {0};
	uint64_t id = 0;
	char key[16];

	*k = (struct asked){.verdicts = json_array(), .done = done, .arg = arg};
	if (look(d, path, &st, k->verdicts)) {
		snprintf(k->gateway, sizeof(k->gateway), "%s", st.gateway);
		snprintf(key, sizeof(key), "%u", st.id);
		id = d->server ? server_ask(d->server, st.gateway, "diagnose", key, on_answer, k)
			       : 0;
		if (!id)
			add(k->verdicts, "", "too many questions are waiting for gateways");
	}
	if (!id)
		asked_end(k, NULL);
	return id;
}

void diagnose_forget(struct diagnose *d, uint64_t id)
{
	struct asked *k = server_ask_forget(d->server, id);

	if (!k)
		return;
	json_decref(k->verdicts);
	free(k);
}
