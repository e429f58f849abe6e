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
	json_t *missing;  // of it, what traffic lacks even through a tunnel that is up
	json_t *limits;   // of it, what takes traffic away
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

static void append(json_t *verdicts, const json_t *more)
{
	const json_t *one;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)more, i, one) {
		json_t *copy = json_copy((json_t *)(uintptr_t)one);

		json_object_set_new(
			copy, "rank", json_integer((json_int_t)json_array_size(verdicts) + 1));
		json_array_append_new(verdicts, copy);
	}
}

static bool is_fine(const json_t *verdicts)
{
	const char *first =
		json_string_value(json_object_get(json_array_get(verdicts, 0), "verdict"));

	return first && !strncmp(first, "nothing wrong", strlen("nothing wrong"));
}

// What keeps it from being held at all comes first; then the tunnel, if that is what is wrong; then
// what traffic lacks, and what is taken from it.
static json_t *put_together(const struct asked *k, const json_t *value)
{
	const json_t *theirs = json_object_get(value, "verdicts");
	json_t *exchanges = json_object_get(value, "exchanges");
	bool fine = is_fine(theirs);

	append(k->verdicts, fine ? k->missing : theirs);
	append(k->verdicts, fine ? theirs : k->missing);
	append(k->verdicts, k->limits);
	return json_pack("{s:O,s:o}", "verdicts", k->verdicts, "exchanges",
		json_is_array(exchanges) ? json_incref(exchanges) : json_array());
}

static void asked_free(struct asked *k)
{
	json_decref(k->verdicts);
	json_decref(k->missing);
	json_decref(k->limits);
	free(k);
}

static void asked_end(struct asked *k, const json_t *value)
{
	json_t *body = put_together(k, value);

	k->done(k->arg, 200, body);
	asked_free(k);
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

// -- what traffic needs besides the tunnel

static void look_for_drops(const json_t *properties, json_t *limits)
{
	static const struct {
		const char *count, *field, *direction;
	} ways[] = {
		{"txRateLimitedPacketsDropped", "outboundKiloBitsPerSecond", "towards the site"},
		{"rxRateLimitedPacketsDropped", "inboundKiloBitsPerSecond", "from the site"},
	};
	const json_t *statistics = json_object_get(properties, "statistics");

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		json_int_t n = json_integer_value(json_object_get(statistics, ways[i].count));

		if (n > 0)
			add(limits, ways[i].field,
				"%" JSON_INTEGER_FORMAT " packets %s were dropped by policing at "
				"%" JSON_INTEGER_FORMAT " kbit/s: raise %s or send less",
				n, ways[i].direction,
				json_integer_value(json_object_get(properties, ways[i].field)),
				ways[i].field);
	}
}

struct peers {
	const struct diagnose *d;
	const json_t *routes; // of the connection
	json_t *missing;
};

static bool leads_to(const json_t *routes, const struct ip_addr *addr)
{
	const json_t *one;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)routes, i, one) {
		const char *text = json_string_value(json_object_get(one, "destinationPrefix"));
		struct ip_prefix prefix;

		if (text && !prefix_parse(text, &prefix) && prefix_contains(&prefix, addr))
			return true;
	}
	return false;
}

static int look_at_peer(void *arg, const struct resource *res)
{
	const struct peers *p = arg;
	const char *address, *state;
	json_t *properties;
	struct ip_addr addr;

	if (res->path.type != &model_type_bgp_peer)
		return 0;
	properties = json_deep_copy(json_object_get(res->doc, "properties"));
	describe_resource((void *)(uintptr_t)p->d->describe, &res->path, properties);
	address = json_string_value(json_object_get(properties, "peerIpAddress"));
	state = json_string_value(json_object_get(properties, "connectionState"));
	if (address && !ip_parse(address, &addr) && leads_to(p->routes, &addr) &&
		!(state && !strcmp(state, "Connected")))
		add(p->missing, "bgpPeers",
			"the BGP session with %s, which lies behind this connection, is not up: "
			"what the site announces is not known; look at bgpPeer %s",
			address, res->path.id[res->path.depth - 1]);
	json_decref(properties);
	return 0;
}

static void look_beyond(const struct diagnose *d, const struct model_path *path, struct asked *k)
{
	struct model_path tenant = {.type = &model_type_virtual_gateway, .depth = 1};
	struct resource r;
	json_t *properties;
	struct peers p;

	if (resource_get(d->describe->resources, path, &r) < 0)
		return;
	properties = json_deep_copy(json_object_get(r.doc, "properties"));
	resource_fini(&r);
	describe_resource((void *)(uintptr_t)d->describe, path, properties);
	look_for_drops(properties, k->limits);
	p = (struct peers){d, json_object_get(properties, "routes"), k->missing};
	if (!json_array_size(p.routes))
		add(k->missing, "routes",
			"no route leads into this connection, so that nothing is sent through it: "
			"set routes, or let BGP announce the site's prefixes");
	snprintf(tenant.id[0], sizeof(tenant.id[0]), "%s", path->id[0]);
	resource_each(d->describe->resources, &tenant, look_at_peer, &p);
	json_decref(properties);
}

static uint64_t ask_connection(struct diagnose *d, const struct model_path *path, struct asked *k)
{
	struct plan_connection_status st = {0};
	uint64_t id = 0;
	char key[16];

	k->verdicts = json_array();
	k->missing = json_array();
	k->limits = json_array();
	look_beyond(d, path, k);
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
	asked_free(k);
}
