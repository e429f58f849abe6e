// SPDX-License-Identifier: Apache-2.0
#include "ask.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent.h"
#include "bgp.h"
#include "ike.h"
#include "ike_json.h"
#include "proto.h"
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

// -- routes of a BGP peer

struct ask_routes {
	struct agent *agent;
	json_int_t id;
	struct api_bgp_route filter;
	struct ip_addr peer;
	bool rejected_only;
	json_t *routes;
	json_int_t total;
};

static const char *verdict_word(uint8_t verdict)
{
	static const char *const words[] = {[API_BGP_BEST] = "Best",
		[API_BGP_MULTIPATH] = "Multipath",
		[API_BGP_CANDIDATE] = "Candidate"};

	if (verdict >= API_BGP_REJECT_POLICY)
		return "Rejected";
	return verdict && verdict < sizeof(words) / sizeof(*words) ? words[verdict] : "";
}

static json_t *route_json(const struct api_bgp_route *r, bool advertised)
{
	static const char *const origins[] = {"IGP", "EGP", "Incomplete"};
	char prefix[PREFIX_TEXT_SIZE], via[IP_TEXT_SIZE];

	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:s,s:b,s:I}", "prefix",
		prefix_format(&r->prefix, prefix), "nextHop", ip_format(&r->next_hop, via),
		"asPath", r->as_path, "communities", r->communities, "origin",
		r->origin < 3 ? origins[r->origin] : "", "med", (json_int_t)r->med, "localPref",
		(json_int_t)r->local_pref, "weight", (json_int_t)r->weight, "state",
		advertised ? "Advertised" : verdict_word(r->verdict), "reason", r->reason, "stale",
		(int)r->stale, "pathId", (json_int_t)r->path_id);
}

static void on_route(void *ctx, const void *object, size_t size, int fd)
{
	struct ask_routes *k = ctx;
	struct api_bgp_route r = {0};

	memcpy(&r, object, size < sizeof(r) ? size : sizeof(r));
	r.as_path[sizeof(r.as_path) - 1] = r.communities[sizeof(r.communities) - 1] = 0;
	r.reason[sizeof(r.reason) - 1] = 0;
	if (k->rejected_only && r.verdict < API_BGP_REJECT_POLICY)
		return;
	if (k->filter.view == API_BGP_VIEW_BEST && !ip_equal(&r.peer, &k->peer))
		return;
	if (k->total++ < ASK_ROUTES_MAX)
		json_array_append_new(
			k->routes, route_json(&r, k->filter.view == API_BGP_VIEW_ADVERTISED));
}

static void on_routes(void *ctx, int status, const char *text)
{
	struct ask_routes *k = ctx;
	struct agent *a = k->agent;

	a->ask_len--;
	if (status < 0)
		answer_error(a, k->id, text);
	else if (a->south)
		south_answer(a->south, json_pack("{s:I,s:{s:O,s:I}}", "id", k->id, "value",
					       "routes", k->routes, "total", k->total));
	json_decref(k->routes);
	free(k);
}

// key: "view vrf/slot/peer".
static bool read_routes_key(struct ask_routes *k, const char *key)
{
	char view[16], peer[IP_TEXT_SIZE];
	unsigned vrf, slot;

	if (sscanf(key, "%15s %u/%u/%45s", view, &vrf, &slot, peer) != 4 || slot > UINT16_MAX ||
		ip_parse(peer, &k->peer) < 0)
		return false;
	k->filter.vrf = vrf;
	k->filter.slot = (uint16_t)slot;
	k->rejected_only = !strcasecmp(view, "rejected");
	k->filter.view = !strcasecmp(view, "advertised") ? API_BGP_VIEW_ADVERTISED
			 : !strcasecmp(view, "best")     ? API_BGP_VIEW_BEST
							 : API_BGP_VIEW_RECEIVED;
	if (k->filter.view != API_BGP_VIEW_BEST)
		k->filter.peer = k->peer;
	return true;
}

static void bgp_routes(struct agent *a, json_int_t id, const char *key)
{
	struct target *t = a->targets[DESIRED_BGP];
	struct api_client *bgp = t ? target_client(t) : NULL;
	struct ask_routes *k;

	if (!bgp || !api_client_is_up(bgp)) {
		answer_error(a, id, "isthmus-bgp does not run on this gateway");
		return;
	}
	if (a->ask_len >= ASK_MAX)
		return;
	k = xcalloc(1, sizeof(*k));
	*k = (struct ask_routes){.agent = a, .id = id, .routes = json_array()};
	a->ask_len++;
	if (!read_routes_key(k, key))
		on_routes(k, -EINVAL, "the question is not understood");
	else if (api_client_dump(bgp, API_TYPE_BGP_ROUTE, &k->filter,
			 offsetof(struct api_bgp_route, verdict), on_route, on_routes, k) < 0)
		on_routes(k, -ENOTCONN, "isthmus-bgp has just ended");
}

static const struct {
	const char *ask;
	void (*answer)(struct agent *a, json_int_t id, const char *key);
} answers[] = {{"diagnose", diagnose}, {"bgpRoutes", bgp_routes}};

static bool answer_one(struct agent *a, json_int_t id, const char *ask, const char *key)
{
	for (size_t i = 0; ask && key && i < sizeof(answers) / sizeof(*answers); i++) {
		if (strcmp(ask, answers[i].ask) != 0)
			continue;
		answers[i].answer(a, id, key);
		return true;
	}
	return false;
}

void agent_on_asked(void *ctx, const json_t *questions)
{
	const json_t *one;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)questions, i, one) {
		const char *ask = json_string_value(json_object_get(one, "ask"));
		const char *key = json_string_value(json_object_get(one, "key"));
		json_int_t id = json_integer_value(json_object_get(one, "id"));

		if (!answer_one(ctx, id, ask, key))
			answer_error(ctx, id, "this release does not know such a question");
	}
}
