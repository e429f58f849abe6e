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
	json_t *verdicts; // the controller's own; NULL: routes are asked for
	void (*done)(void *arg, int status, json_t *body);
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

	k->done(k->arg, 200, body);
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

static uint64_t ask_connection(struct diagnose *d, const struct model_path *path, struct asked *k)
{
	struct plan_connection_status st = {0};
	uint64_t id = 0;
	char key[16];

	k->verdicts = json_array();
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

// -- routes of a BGP peer

static void refuse(struct asked *k, int status, const char *code, const char *words)
{
	k->done(k->arg, status,
		json_pack("{s:{s:s,s:s,s:s}}", "error", "code", code, "message", words, "target",
			"bgpRoutes"));
	free(k);
}

static void on_routes(void *arg, const json_t *value, const char *words)
{
	struct asked *k = arg;
	char text[FLEET_NAME_SIZE + 320];
	json_t *body;

	if (!value) {
		snprintf(text, sizeof(text), "Gateway %s cannot be asked: %.256s", k->gateway,
			words);
		refuse(k, 503, "HostUnreachable", text);
		return;
	}
	body = json_pack("{s:O,s:s,s:O,s:s}", "value", json_object_get(value, "routes"), "nextLink",
		"", "total", json_object_get(value, "total"), "gateway", k->gateway);
	k->done(k->arg, body ? 200 : 503, body);
	free(k);
}

static bool is_view(const char *view)
{
	static const char *const views[] = {"received", "rejected", "advertised", "best"};

	for (size_t i = 0; i < sizeof(views) / sizeof(*views); i++) {
		if (!strcasecmp(views[i], view))
			return true;
	}
	return false;
}

static uint64_t ask_peer(
	struct diagnose *d, const struct model_path *path, const char *view, struct asked *k)
{
	char place[DESCRIBE_PEER_KEY], key[DESCRIBE_PEER_KEY + 16];
	const char *gateway = NULL;
	uint64_t id;

	view = *view ? view : "received";
	if (!is_view(view)) {
		refuse(k, 400, "InvalidParameterValue",
			"view is received, rejected, advertised or best.");
		return 0;
	}
	if (describe_peer_place(d->describe, path, &gateway, place) < 0) {
		refuse(k, 404, "NotFound", "There is no such peer.");
		return 0;
	}
	if (!gateway) {
		refuse(k, 503, "HostUnreachable", "No gateway that lives has this session.");
		return 0;
	}
	snprintf(k->gateway, sizeof(k->gateway), "%s", gateway);
	snprintf(key, sizeof(key), "%s %s", view, place);
	id = d->server ? server_ask(d->server, gateway, "bgpRoutes", key, on_routes, k) : 0;
	if (!id)
		refuse(k, 503, "ServerBusy", "Too many questions are waiting for gateways.");
	return id;
}

uint64_t diagnose_ask(struct diagnose *d, const struct model_path *path, const char *view,
	void (*done)(void *arg, int status, json_t *body), void *arg)
{
	struct asked *k;
	struct resource r;

	if (path->type == &model_type_connection &&
		resource_get(d->describe->resources, path, &r) < 0) {
		done(arg, 404,
			json_pack("{s:{s:s,s:s,s:s}}", "error", "code", "NotFound", "message",
				"There is no such connection.", "target", "uri"));
		return 0;
	}
	if (path->type == &model_type_connection)
		resource_fini(&r);
	k = xcalloc(1, sizeof(*k));
	*k = (struct asked){.done = done, .arg = arg};
	return path->type == &model_type_bgp_peer ? ask_peer(d, path, view, k)
						  : ask_connection(d, path, k);
}

void diagnose_forget(struct diagnose *d, uint64_t id)
{
	struct asked *k = server_ask_forget(d->server, id);

	if (!k)
		return;
	json_decref(k->verdicts);
	free(k);
}
