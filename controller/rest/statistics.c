// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// monitoring/networkControllerStatistics: how many resources there are and how they fare, and how
// full the pools are.

#include <string.h>

#include "nouns.h"

struct tally {
	const struct rest *rest;
	const struct model_type *type;
	unsigned total, healthy, failed, warning, unknown;
};

static int add_health(void *arg, const struct resource *resource)
{
	struct tally *t = arg;
	const struct rest_hooks *hooks = &t->rest->hooks;
	json_t *properties = json_object();
	const char *status = NULL;

	if (resource->path.type == t->type) {
		if (hooks->describe)
			hooks->describe(hooks->arg, &resource->path, properties);
		status = json_string_value(json_object_get(
			json_object_get(properties, "configurationState"), "status"));
		t->total++;
		if (status && !strcmp(status, "Success"))
			t->healthy++;
		else if (status && !strcmp(status, "Failure"))
			t->failed++;
		else if (status && !strcmp(status, "Warning"))
			t->warning++;
		else
			t->unknown++;
	}
	json_decref(properties);
	return 0;
}

static void add_type(struct rest *rest, const char *name, const struct model_type *type, json_t *to)
{
	struct tally t = {.rest = rest, .type = type};
	struct model_path path = {.type = type, .is_collection = true};

	resource_each(rest->resources, &path, add_health, &t);
	json_array_append_new(
		to, json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "resourceType", name,
			    "totalResourceCount", t.total, "healthyResourceCount", t.healthy,
			    "errorResourceCount", t.failed, "warningResourceCount", t.warning,
			    "healthUnknownCount", t.unknown));
}

struct usage {
	const struct rest *rest;
	json_int_t total[2], used[2]; // of IP pools, of MAC pools
};

static int add_usage(void *arg, const struct resource *resource)
{
	struct usage *u = arg;
	json_t *usage = rest_usage(u->rest->resources, resource);
	bool mac = resource->path.type == &model_type_mac_pool;

	u->total[mac] += json_integer_value(
		json_object_get(usage, mac ? "numberOfMacAddresses" : "numberOfIPAddresses"));
	u->used[mac] += json_integer_value(json_object_get(
		usage, mac ? "numberofMacAddressesAllocated" : "numberofIPAddressesAllocated"));
	json_decref(usage);
	return 0;
}

static json_t *usage_row(const char *name, json_int_t total, json_int_t used)
{
	return json_pack("{s:s, s:I, s:I}", "resourceType", name, "totalResourceCount", total,
		"inUseResourceCount", used);
}

int rest_get_statistics(struct rest_request *req, const char *rest)
{
	json_t *health = json_array(), *use = json_array();
	struct model_path nets = {.type = &model_type_logical_network, .is_collection = true};
	struct model_path macs = {.type = &model_type_mac_pool, .is_collection = true};
	struct usage u = {.rest = req->rest};

	add_type(req->rest, "VirtualNetwork", &model_type_virtual_network, health);
	add_type(req->rest, "Gateway", &model_type_gateway, health);
	add_type(req->rest, "LoadBalancerMux", &model_type_mux, health);
	resource_each(req->rest->resources, &nets, add_usage, &u);
	resource_each(req->rest->resources, &macs, add_usage, &u);
	json_array_append_new(use, usage_row("BackendIPUtilization", u.total[0], u.used[0]));
	json_array_append_new(use, usage_row("MacPoolUtilization", u.total[1], u.used[1]));
	rest_reply(req, 200,
		json_pack("{s:s, s:s, s:{s:s, s:o, s:o}}", "resourceRef",
			"/monitoring/networkControllerStatistics/", "instanceId",
			"00000000-0000-0000-0000-000000000000", "properties", "provisioningState",
			"Succeeded", "healthStatistics", health, "usageStatistics", use));
	return 0;
}
