// SPDX-License-Identifier: Apache-2.0
#include "describe.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nouns.h"

// BGP routers and peers that the controller makes itself: one router in each further slot of a
// tenant, a client of the tenant's configured router, which is its reflector; and the two ends of
// the session between them. They are named "<router>_<slot>" after the client's slot, are computed
// whenever they are shown, and vanish with what they follow from.

static const char *last_of(const char *ref)
{
	const char *slash = strrchr(ref, '/');

	return slash ? slash + 1 : ref;
}

static void client_name(const struct plan_router_status *r, char *name, size_t size)
{
	snprintf(name, size, "%s_%u", last_of(r->ref), r->slot);
}

// Stable for the same resource; nothing else has it.
static void add_identity(json_t *item, const struct model_path *path, const json_t *properties)
{
	char *text = json_dumps(properties, JSON_COMPACT | JSON_SORT_KEYS);
	char key[MODEL_PATH_SIZE], ref[MODEL_PATH_SIZE], id[40];
	uint64_t hi, lo;

	model_path_key(path, key);
	hi = hash_bytes(key, strlen(key), 1);
	lo = hash_bytes(key, strlen(key), 2);
	snprintf(id, sizeof(id), "%08x-%04x-8%03x-8%03x-%012" PRIx64, (uint32_t)(hi >> 32),
		(uint32_t)(hi >> 16 & 0xffff), (uint32_t)(hi & 0xfff), (uint32_t)(lo >> 48 & 0xfff),
		lo & 0xffffffffffff);
	json_object_set_new(item, "resourceRef", json_string(model_path_format(path, ref)));
	json_object_set_new(item, "resourceId", json_string(path->id[path->depth - 1]));
	json_object_set_new(item, "instanceId", json_string(id));
	json_object_set_new(item, "etag",
		json_sprintf("W/\"%016" PRIx64 "\"", hash_bytes(text, strlen(text), 3)));
	free(text);
}

static json_t *make_item(const struct model_path *path, json_t *properties)
{
	json_t *item = json_object();

	json_object_set_new(properties, "isGenerated", json_true());
	json_object_set_new(properties, "provisioningState", json_string("Succeeded"));
	json_object_set_new(
		properties, "configurationState", json_pack("{s:s}", "status", "Success"));
	add_identity(item, path, properties);
	json_object_set_new(item, "properties", properties);
	return item;
}

// The end of the session that is at `at`, towards `to`.
static json_t *make_peer(const struct describe *d, const struct model_path *router,
	const char *name, uint32_t vrf, const struct plan_router_status *at,
	const struct plan_router_status *to)
{
	struct model_path path = model_path_child(router, &model_type_bgp_peer, name);
	const json_t *value = NULL;
	char key[IP_TEXT_SIZE + 32], buf[IP_TEXT_SIZE];
	json_t *properties;

	ip_format(&to->address, buf);
	snprintf(key, sizeof(key), "%u/%u/%s", vrf, at->slot, buf);
	if (at->gateway)
		value = fleet_state(d->fleet, at->gateway, "bgpPeer", key);
	properties = json_pack("{s:s,s:o,s:o,s:n,s:n}", "peerIpAddress", buf, "asNumber",
		json_sprintf("%u", to->asn), "extAsNumber",
		json_sprintf("%u.%u", to->asn >> 16, to->asn & 0xffff), "policyMapIn",
		"policyMapOut");
	describe_peer_state(value, properties);
	return make_item(&path, properties);
}

// The peers generated at a router: at the reflector one a client, at a client the reflector.
static json_t *peers_of(
	const struct describe *d, const struct model_path *router, const char *tenant, uint32_t vrf)
{
	struct plan_router_status at = {0}, reflector = {0}, mine = {0};
	const char *want = router->id[router->depth - 1];
	char name[2 * MODEL_ID_SIZE];
	json_t *peers = json_array();

	while (plan_router_next(d->plan, tenant, &at)) {
		client_name(&at, name, sizeof(name));
		if (at.is_reflector)
			reflector = at;
		else if (!strcasecmp(name, want))
			mine = at;
	}
	if (mine.slot)
		json_array_append_new(
			peers, make_peer(d, router, last_of(mine.ref), vrf, &mine, &reflector));
	if (!reflector.slot || strcasecmp(last_of(reflector.ref), want))
		return peers;
	for (at.slot = 0; plan_router_next(d->plan, tenant, &at);) {
		client_name(&at, name, sizeof(name));
		if (!at.is_reflector)
			json_array_append_new(
				peers, make_peer(d, router, name, vrf, &reflector, &at));
	}
	return peers;
}

static void lower(char *text, size_t size, const char *from)
{
	snprintf(text, size, "%s", from);
	for (char *c = text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
}

static void place_key(
	char key[DESCRIBE_PEER_KEY], uint32_t vrf, uint16_t slot, const struct ip_addr *peer)
{
	char buf[IP_TEXT_SIZE];

	snprintf(key, DESCRIBE_PEER_KEY, "%u/%u/%s", vrf, slot, ip_format(peer, buf));
}

// Configured peers are at the reflector.
static int configured_place(const struct describe *d, const struct model_path *path,
	struct plan_router_status *ret_at, struct ip_addr *ret_peer)
{
	const char *text;
	struct resource r;
	int rc;

	if (resource_get(d->resources, path, &r) < 0)
		return -ENOENT;
	text = json_string_value(
		json_object_get(json_object_get(r.doc, "properties"), "peerIpAddress"));
	rc = text && !ip_parse(text, ret_peer) && ret_at->slot ? 0 : -ENOENT;
	resource_fini(&r);
	return rc;
}

int describe_peer_place(const struct describe *d, const struct model_path *path,
	const char **ret_gateway, char key[DESCRIBE_PEER_KEY])
{
	const char *router = path->id[path->depth - 2], *peer = path->id[path->depth - 1];
	struct plan_router_status at = {0}, reflector = {0}, client = {0};
	char tenant[MODEL_ID_SIZE], name[2 * MODEL_ID_SIZE];
	struct plan_tenant_status st;
	struct ip_addr address;

	lower(tenant, sizeof(tenant), path->id[0]);
	if (plan_tenant_status(d->plan, tenant, &st))
		return -ENOENT;
	while (plan_router_next(d->plan, tenant, &at)) {
		client_name(&at, name, sizeof(name));
		if (at.is_reflector)
			reflector = at;
		else if (!strcasecmp(name, peer) || !strcasecmp(name, router))
			client = at;
	}
	if (client.slot && !strcasecmp(router, last_of(client.ref))) {
		*ret_gateway = reflector.gateway; // the reflector's end
		place_key(key, st.vrf, reflector.slot, &client.address);
	} else if (client.slot) {
		*ret_gateway = client.gateway;
		place_key(key, st.vrf, client.slot, &reflector.address);
	} else if (!configured_place(d, path, &reflector, &address)) {
		*ret_gateway = reflector.gateway;
		place_key(key, st.vrf, reflector.slot, &address);
	} else {
		return -ENOENT;
	}
	return 0;
}

static json_t *routers_of(const struct describe *d, const struct model_path *collection,
	const char *tenant, uint32_t vrf)
{
	struct model_path above = model_path_parent(collection);
	struct plan_router_status at = {0};
	json_t *routers = json_array();
	char name[2 * MODEL_ID_SIZE], buf[IP_TEXT_SIZE];

	while (plan_router_next(d->plan, tenant, &at)) {
		struct model_path path;

		if (at.is_reflector)
			continue;
		client_name(&at, name, sizeof(name));
		path = model_path_child(&above, &model_type_bgp_router, name);
		ip_format(&at.address, buf);
		json_array_append_new(routers,
			make_item(
				&path, json_pack("{s:b,s:b,s:o,s:s,s:[s],s:o}", "isEnabled", 1,
					       "requireIgpSync", 1, "extAsNumber",
					       json_sprintf("%u.%u", at.asn >> 16, at.asn & 0xffff),
					       "routerId", buf, "routerIP", buf, "bgpPeers",
					       peers_of(d, &path, tenant, vrf))));
	}
	return routers;
}

json_t *describe_generated(void *arg, const struct model_path *collection)
{
	const struct describe *d = arg;
	struct plan_tenant_status st;
	char tenant[MODEL_ID_SIZE];
	struct model_path router;

	if (collection->type != &model_type_bgp_router && collection->type != &model_type_bgp_peer)
		return NULL;
	lower(tenant, sizeof(tenant), collection->id[0]);
	if (plan_tenant_status(d->plan, tenant, &st))
		return NULL;
	if (collection->type == &model_type_bgp_router)
		return routers_of(d, collection, tenant, st.vrf);
	router = model_path_parent(collection);
	return peers_of(d, &router, tenant, st.vrf);
}
