// SPDX-License-Identifier: Apache-2.0
#include "describe.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nouns.h"

// Of a controller that has just started, until the gateways that speak BGP have reported.
#define LISTEN_MS 5000

static void set(json_t *to, const char *name, json_t *value)
{
	json_object_set_new(to, name, value);
}

static void lower_ids(struct model_path *path)
{
	for (size_t i = 0; i < path->depth; i++) {
		for (char *c = path->id[i]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
}

// -- configurationState

struct state {
	const char *status, *source, *code, *message;
};

static void set_state(json_t *properties, const struct state *s)
{
	json_t *state = json_pack("{s:s}", "status", s->status);

	if (s->code)
		set(state, "detailedInfo",
			json_pack("[{s:s,s:s,s:s}]", "source",
				s->source ? s->source : "ResourceGlobal", "message", s->message,
				"code", s->code));
	set(properties, "configurationState", state);
}

// From what the gateways concerned have reached and reported.
static void state_of_objects(
	const struct describe *d, const struct model_path *path, json_t *properties)
{
	char ref[MODEL_PATH_SIZE];
	struct fleet_error error;

	switch (fleet_progress(d->fleet, model_path_format(path, ref), &error)) {
	case FLEET_FAILED:
		set_state(properties, &(struct state){"Failure", NULL, error.code, error.message});
		break;
	case FLEET_UPDATING: set_state(properties, &(struct state){"InProgress"}); break;
	default: set_state(properties, &(struct state){"Success"}); break;
	}
}

enum rest_progress describe_progress(void *arg, const struct model_path *path, uint64_t revision)
{
	const struct describe *d = arg;
	char ref[MODEL_PATH_SIZE];

	switch (fleet_progress(d->fleet, model_path_format(path, ref), NULL)) {
	case FLEET_FAILED: return REST_FAILED;
	case FLEET_UPDATING: return REST_UPDATING;
	default: return REST_SUCCEEDED;
	}
}

// -- connections

static const char *gateway_ref(const struct describe *d, const char *name, char *buf)
{
	struct model_path path = {.type = &model_type_gateway, .depth = 1};
	struct resource res;

	snprintf(path.id[0], sizeof(path.id[0]), "%s", name);
	if (!resource_get(d->resources, &path, &res)) {
		path = res.path;
		resource_fini(&res);
	}
	return model_path_format(&path, buf);
}

static void set_up_time(json_t *properties, json_int_t s)
{
	char text[32];

	snprintf(text, sizeof(text), "%02" PRId64 ":%02d:%02d", (int64_t)(s / 3600),
		(int)(s / 60 % 60), (int)(s % 60));
	set(properties, "connectionUpTime", json_string(text));
}

static void copy_member(const json_t *from, const char *name, json_t *to, const char *as)
{
	const json_t *member = json_object_get(from, name);

	if (member)
		json_object_set(to, as, (json_t *)(uintptr_t)member);
}

static const json_t *connection_value(
	const struct describe *d, const struct plan_connection_status *st)
{
	char key[16];

	snprintf(key, sizeof(key), "%u", st->id);
	return st->gateway ? fleet_state(d->fleet, st->gateway, "connection", key) : NULL;
}

// What a gateway obeys and thinks unwise, unless there is worse to say.
static void add_warning(const json_t *value, json_t *properties)
{
	const char *words = json_string_value(json_object_get(value, "warning"));
	const char *status = json_string_value(
		json_object_get(json_object_get(properties, "configurationState"), "status"));

	if (words && status && !strcmp(status, "Success"))
		set_state(properties,
			&(struct state){"Warning", NULL, "PolicyConfigurationWarning", words});
}

static void set_reported(
	const struct describe *d, const struct plan_connection_status *st, json_t *properties)
{
	const json_t *value = connection_value(d, st), *member;

	member = json_object_get(value, "state");
	set(properties, "connectionState",
		json_string(json_is_string(member) ? json_string_value(member) : "Disconnected"));
	set_up_time(properties, json_integer_value(json_object_get(value, "upTimeS")));
	copy_member(value, "statistics", properties, "statistics");
	copy_member(value, "errorReason", properties, "connectionErrorReason");
	copy_member(value, "unreachabilityReason", properties, "unreachabilityReason");
}

static void add_route(void *arg, const char *prefix, const char *via)
{
	json_array_append_new(arg, json_pack("{s:s,s:s,s:i,s:s}", "destinationPrefix", prefix,
					   "nextHop", via, "metric", 0, "protocol", "BGP"));
}

// Routes that BGP learnt over the connection follow the static ones.
static void add_learnt(const struct describe *d, const struct plan_connection_status *st,
	const struct plan_tenant_status *tenant, json_t *properties)
{
	json_t *routes = json_object_get(properties, "routes"), *one;
	size_t i;

	json_array_foreach (routes, i, one) {
		set(one, "protocol", json_string("Static"));
	}
	if (json_is_array(routes))
		learnt_each(d->learnt, tenant->vrf, st->id, d->now_ms(NULL), add_route, routes);
}

static void describe_connection(
	const struct describe *d, const struct model_path *path, json_t *properties)
{
	struct model_path low = *path;
	struct plan_connection_status st;
	struct plan_tenant_status tenant;
	char buf[MODEL_PATH_SIZE];

	lower_ids(&low);
	if (plan_connection_status(d->plan, low.id[0], low.id[1], &st) ||
		plan_tenant_status(d->plan, low.id[0], &tenant))
		return;
	if (st.gateway)
		set(properties, "gateway",
			json_pack("{s:s}", "resourceRef", gateway_ref(d, st.gateway, buf)));
	else
		set(properties, "gateway", json_null());
	for (int i = 0; i < 2; i++) {
		if (st.source[i].family)
			set(properties, "sourceIPAddress",
				json_string(ip_format(&st.source[i], buf)));
	}
	set_reported(d, &st, properties);
	add_learnt(d, &st, &tenant, properties);
	if (st.wait)
		set_state(properties, &(struct state){st.slot ? "Warning" : "InProgress", NULL,
					      "HostUnreachable", st.words});
	else if (!st.gateway)
		set_state(properties,
			&(struct state){"Failure", NULL, "HostUnreachable",
				"The gateway that holds this connection does not answer."});
	else
		state_of_objects(d, path, properties);
	add_warning(connection_value(d, &st), properties);
}

static void describe_virtual_gateway(
	const struct describe *d, const struct model_path *path, json_t *properties)
{
	struct model_path low = *path;
	struct plan_tenant_status st;
	char names[512], words[768];

	lower_ids(&low);
	if (plan_tenant_status(d->plan, low.id[0], &st))
		return;
	if (st.waiting) {
		set_state(properties, &(struct state){"InProgress", NULL, "HostUnreachable",
					      "Unable to allocate resources."});
	} else if (plan_peers_unreached(d->plan, low.id[0], names, sizeof(names))) {
		snprintf(words, sizeof(words),
			"Peers %s do not have connectivity through any networkconnection. Ensure "
			"one of the networkconnections has static routes configured these BGP "
			"peers.",
			names);
		set_state(properties, &(struct state){"Failure", "ResourceGlobal",
					      "PolicyConfigurationFailure", words});
	} else {
		state_of_objects(d, path, properties);
	}
}

// -- gateways

static const char *const state_words[] = {
	[PLAN_GATEWAY_ACTIVE] = "Active",
	[PLAN_GATEWAY_PASSIVE] = "Passive",
	[PLAN_GATEWAY_REDUNDANT] = "Redundant",
};

static const char *const health_words[] = {
	[PLAN_HEALTH_UNKNOWN] = "Unknown",
	[PLAN_HEALTH_UP] = "Healthy",
	[PLAN_HEALTH_LOST] = "Unhealthy",
};

static void gateway_state(const struct describe *d, const struct model_path *path,
	const struct plan_gateway_status *st, json_t *properties)
{
	char words[128];

	snprintf(words, sizeof(words), "Over-provisioned by %" PRId64 " kbit/s.",
		-st->available_kbps);
	if (st->health == PLAN_HEALTH_UNKNOWN)
		set_state(properties, &(struct state){"Uninitialized"});
	else if (st->health == PLAN_HEALTH_LOST)
		set_state(properties, &(struct state){"Failure", NULL, "HostUnreachable",
					      "Could not connect to the gateway."});
	else if (st->available_kbps < 0)
		set_state(properties, &(struct state){"Warning", NULL, "Overloaded", words});
	else
		state_of_objects(d, path, properties);
}

static void describe_gateway(
	const struct describe *d, const struct model_path *path, json_t *properties)
{
	struct model_path low = *path;
	struct plan_gateway_status st;

	lower_ids(&low);
	if (plan_gateway_status(d->plan, low.id[0], &st))
		return;
	set(properties, "state", json_string(state_words[st.state]));
	set(properties, "healthState", json_string(health_words[st.health]));
	set(properties, "totalCapacity", json_integer((json_int_t)st.total_kbps));
	set(properties, "availableCapacity", json_integer(st.available_kbps));
	gateway_state(d, path, &st, properties);
}

// -- BGP

static void describe_bgp_router(
	const struct describe *d, const struct model_path *path, json_t *properties)
{
	struct model_path low = *path;
	struct plan_tenant_status st;
	char buf[IP_TEXT_SIZE];

	lower_ids(&low);
	set(properties, "isGenerated", json_false());
	if (plan_tenant_status(d->plan, low.id[0], &st))
		return;
	if (st.router_ip.family)
		set(properties, "routerIP", json_pack("[s]", ip_format(&st.router_ip, buf)));
	state_of_objects(d, path, properties);
}

void describe_peer_state(const json_t *value, json_t *properties)
{
	const char *state = json_string_value(json_object_get(value, "state"));
	json_t *extension = json_object_get(properties, "isthmus");
	const json_t *reported = json_object_get(value, "isthmus");

	set(properties, "connectionState", json_string(state ? state : "Disconnected"));
	copy_member(value, "statistics", properties, "statistics");
	if (!reported)
		return;
	if (!json_is_object(extension)) {
		extension = json_object();
		set(properties, "isthmus", extension);
	}
	json_object_update(extension, (json_t *)(uintptr_t)reported);
}

static void describe_bgp_peer(
	const struct describe *d, const struct model_path *path, json_t *properties)
{
	const char *gateway;
	const json_t *value = NULL;
	char key[DESCRIBE_PEER_KEY];

	set(properties, "isGenerated", json_false());
	if (describe_peer_place(d, path, &gateway, key) < 0)
		return;
	if (gateway)
		value = fleet_state(d->fleet, gateway, "bgpPeer", key);
	describe_peer_state(value, properties);
	state_of_objects(d, path, properties);
	add_warning(value, properties);
}

static const struct kind {
	const struct model_type *type;
	void (*describe)(
		const struct describe *d, const struct model_path *path, json_t *properties);
} kinds[] = {
	{&model_type_connection, describe_connection},
	{&model_type_virtual_gateway, describe_virtual_gateway},
	{&model_type_gateway, describe_gateway},
	{&model_type_bgp_router, describe_bgp_router},
	{&model_type_bgp_peer, describe_bgp_peer},
};

void describe_resource(void *arg, const struct model_path *path, json_t *properties)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (kinds[i].type == path->type)
			kinds[i].describe(arg, path, properties);
	}
}

// -- lists

// What the plan says of hosts; *known takes (VRF, prefix) of what has a route.
static void add_planned(const struct view *view, json_t *items, json_t *known)
{
	const struct view_entry *e;
	char id[PREFIX_TEXT_SIZE + 16];

	TAILQ_FOREACH (e, &view->entries, link) {
		json_t *item;

		if (e->gone)
			continue;
		item = json_loads(e->object->text, 0, NULL);
		set(item, "kind", json_string(plan_kind_name(e->object->kind)));
		if (e->object->kind == PLAN_KIND_HOST_ROUTE) {
			set(item, "protocol", json_string("Static"));
			snprintf(id, sizeof(id), "%lld %s",
				json_integer_value(json_object_get(item, "vrf")),
				json_string_value(json_object_get(item, "prefix")));
			set(known, id, json_true());
		}
		json_array_append_new(items, item);
	}
}

static void add_ips(json_t *item, const char *name, const struct ip_addr addr[2]);

struct learnt_rows {
	json_t *items, *known;
	const struct plan_way *way;
};

// A static route of the same prefix stands.
static void add_host_route(void *arg, const char *prefix, const char *via)
{
	const struct learnt_rows *rows = arg;
	char id[PREFIX_TEXT_SIZE + 16], addr[IP_TEXT_SIZE], mac[MAC_TEXT_SIZE];
	json_t *item;

	snprintf(id, sizeof(id), "%u %s", rows->way->vrf, prefix);
	if (json_object_get(rows->known, id))
		return;
	set(rows->known, id, json_true());
	item = json_pack("{s:I,s:s,s:s,s:i,s:s}", "vrf", (json_int_t)rows->way->vrf, "prefix",
		prefix, "via", ip_format(&rows->way->via, addr), "slot", (int)rows->way->slot,
		"mac", mac_format(&rows->way->mac, mac));
	add_ips(item, "pa", rows->way->pa);
	set(item, "kind", json_string(plan_kind_name(PLAN_KIND_HOST_ROUTE)));
	set(item, "protocol", json_string("BGP"));
	json_array_append_new(rows->items, item);
}

// A gateway with a reflector that has not reported since this controller started.
static bool is_listening(const struct describe *d)
{
	const char *holder;
	struct plan_way way;
	size_t at = 0;

	if (d->now_ms(NULL) - d->started_ms > LISTEN_MS)
		return false;
	while (plan_way_next(d->plan, &at, &way)) {
		holder = plan_reflector_holder(d->plan, way.vrf);
		if (holder && plan_speaks_bgp(d->plan, way.vrf) &&
			!fleet_has_reported(d->fleet, holder))
			return true;
	}
	return false;
}

json_t *describe_host_routes(void *arg, uint64_t *ret_revision)
{
	const struct describe *d = arg;
	json_t *items, *known;
	struct plan_way way;
	size_t at = 0;

	*ret_revision = describe_host_routes_revision(arg);
	if (is_listening(d))
		return NULL;
	items = json_array();
	known = json_object();
	add_planned(fleet_view(d->fleet, PLAN_HOSTS), items, known);
	while (plan_way_next(d->plan, &at, &way)) {
		struct learnt_rows rows = {items, known, &way};

		learnt_each(d->learnt, way.vrf, way.conn, d->now_ms(NULL), add_host_route, &rows);
	}
	json_decref(known);
	return items;
}

uint64_t describe_host_routes_revision(void *arg)
{
	const struct describe *d = arg;

	return fleet_view(d->fleet, PLAN_HOSTS)->revision + learnt_changes(d->learnt);
}

static void add_ips(json_t *item, const char *name, const struct ip_addr addr[2])
{
	json_t *list = json_array();
	char buf[IP_TEXT_SIZE];

	for (int i = 0; i < 2; i++) {
		if (addr[i].family)
			json_array_append_new(list, json_string(ip_format(&addr[i], buf)));
	}
	set(item, name, list);
}

json_t *describe_slots(void *arg, uint64_t *ret_revision)
{
	const struct describe *d = arg;
	json_t *items = json_array();
	struct plan_slot_status st;
	uint16_t slot = 0;

	*ret_revision = fleet_revision(d->fleet);
	while (plan_slot_next(d->plan, &slot, &st)) {
		json_t *item = json_pack("{s:i,s:s,s:s?,s:I,s:i,s:I}", "slot", (int)st.slot, "pool",
			st.pool, "gateway", st.holder, "epoch", (json_int_t)st.epoch, "connections",
			(int)st.connections, "kbps", (json_int_t)st.kbps);

		add_ips(item, "pa", st.pa);
		add_ips(item, "greVip", st.gre_vip);
		json_array_append_new(items, item);
	}
	return items;
}

const char *describe_keeps(void *arg, const struct model_path *path)
{
	const struct describe *d = arg;
	struct model_path low = *path;
	struct plan_gateway_status st;

	lower_ids(&low);
	if (path->type != &model_type_gateway || plan_gateway_status(d->plan, low.id[0], &st) ||
		!st.connections || st.health != PLAN_HEALTH_UP)
		return NULL;
	return "the gateway works and holds connections; drain it first (isthmus drain).";
}

struct moves {
	json_t *items;
	const char *pool;
};

static void add_move(void *arg, uint16_t slot, const char *from, const char *to, uint64_t kbps)
{
	struct moves *m = arg;

	json_array_append_new(
		m->items, json_pack("{s:i,s:s,s:s,s:s,s:I}", "slot", (int)slot, "pool", m->pool,
				  "from", from, "to", to, "kbps", (json_int_t)kbps));
}

static int add_moves_of(void *arg, const struct resource *res)
{
	const struct describe *d = ((void **)arg)[0];
	struct model_path low = res->path;
	struct moves m = {((void **)arg)[1], low.id[0]};

	lower_ids(&low);
	plan_rebalance_proposal(d->plan, m.pool, add_move, &m);
	return 0;
}

json_t *describe_rebalance(void *arg, uint64_t *ret_revision)
{
	const struct describe *d = arg;
	json_t *items = json_array();
	void *both[] = {arg, items};
	struct model_path pools;

	*ret_revision = fleet_revision(d->fleet);
	if (!model_path_parse("/gatewayPools", &pools))
		resource_each(d->resources, &pools, add_moves_of, both);
	return items;
}
