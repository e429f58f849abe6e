// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// What a client sees of a resource: its document without secrets, what the store keeps beside it,
// its children inline, who refers to it, and what the fleet reports.

#include <stdlib.h>
#include <string.h>

#include "nouns.h"

static const char *const progress_words[] = {
	[REST_SUCCEEDED] = "Succeeded",
	[REST_UPDATING] = "Updating",
	[REST_FAILED] = "Failed",
};

// -- who refers to it

struct back_ref {
	const struct model_type *type;     // the resource shown
	const char *member;                // of its properties
	const struct model_type *referrer; // whose references are shown there
	const char *field;                 // only by this field of the referrer; NULL: by any
	bool is_list;
};

static const struct back_ref back_refs[] = {
	{&model_type_gateway_pool, "gateways", &model_type_gateway, NULL, true},
	{&model_type_gateway_pool, "virtualGateways", &model_type_virtual_gateway, NULL, true},
	{&model_type_virtual_server, "gateway", &model_type_gateway, NULL, false},
	{&model_type_virtual_server, "loadBalancerMuxes", &model_type_mux, NULL, true},
	{&model_type_logical_network, "virtualNetworks", &model_type_virtual_network, NULL, true},
	{&model_type_lsubnet, "ipConfigurations", &model_type_ip_configuration, NULL, true},
	{&model_type_lsubnet, "networkInterfaces", &model_type_server_nic, NULL, true},
	{&model_type_lsubnet, "gatewayPools", &model_type_gateway_pool, NULL, true},
	{&model_type_lsubnet, "networkConnections", &model_type_connection, NULL, true},
	{&model_type_vsubnet, "ipConfigurations", &model_type_ip_configuration, NULL, true},
	{&model_type_public_ip, "ipConfiguration", &model_type_ip_configuration, NULL, false},
	{&model_type_policy_map, "bgpPeersWithPolicyMapIn", &model_type_bgp_peer, "policyMapIn",
		true},
	{&model_type_policy_map, "bgpPeersWithPolicyMapOut", &model_type_bgp_peer, "policyMapOut",
		true},
};

struct seen {
	const struct rest *rest;
	const struct back_ref *back;
	const char *key; // of the resource shown
	json_t *list;
	bool by_field;
};

static void look_for_field(
	void *arg, const struct model_field *field, const char *where, const char *ref)
{
	struct seen *seen = arg;
	char key[MODEL_PATH_SIZE];

	if (!strcmp(field->name, seen->back->field) && model_ref_key(ref, key) &&
		!strcmp(key, seen->key))
		seen->by_field = true;
}

static bool refers_by_field(struct seen *seen, const struct model_path *path)
{
	struct resource r;

	seen->by_field = false;
	if (resource_get(seen->rest->resources, path, &r) == 0) {
		model_each_ref(r.path.type, r.doc, look_for_field, seen);
		resource_fini(&r);
	}
	return seen->by_field;
}

static int add_referrer(void *arg, const char *from, const char *to)
{
	struct seen *seen = arg;
	char ref[MODEL_PATH_SIZE];
	struct model_path path;

	// The key says the type; only a hit is looked up for its spelling.
	if (model_path_parse(from, &path) < 0 || path.type != seen->back->referrer)
		return 0;
	if (seen->back->field && !refers_by_field(seen, &path))
		return 0;
	if (resource_path(seen->rest->resources, from, &path) < 0)
		return 0;
	json_array_append_new(
		seen->list, json_pack("{s:s}", "resourceRef", model_path_format(&path, ref)));
	return 0;
}

static void show_back_refs(
	const struct rest *rest, const struct resource *resource, json_t *properties)
{
	char key[MODEL_PATH_SIZE];

	model_path_key(&resource->path, key);
	for (size_t i = 0; i < sizeof(back_refs) / sizeof(back_refs[0]); i++) {
		const struct back_ref *back = &back_refs[i];
		struct seen seen = {rest, back, key, NULL, false};

		if (back->type != resource->path.type)
			continue;
		seen.list = json_array();
		store_referrers(rest->resources->store, key, false, add_referrer, &seen);
		if (back->is_list)
			json_object_set(properties, back->member, seen.list);
		else if (json_array_size(seen.list))
			json_object_set(properties, back->member, json_array_get(seen.list, 0));
		json_decref(seen.list);
	}
}

// -- children

struct family {
	const struct rest *rest;
	const struct model_path *parent;
	const struct model_type *child;
	json_t *list;
};

static int add_child(void *arg, const struct resource *resource)
{
	struct family *f = arg;

	if (resource->path.type == f->child)
		json_array_append_new(f->list, rest_show(f->rest, resource));
	return 0;
}

void rest_show_generated(
	const struct rest *rest, const struct model_path *collection, json_t *items)
{
	const struct rest_hooks *hooks = &rest->hooks;
	json_t *more = hooks->generated ? hooks->generated(hooks->arg, collection) : NULL;

	if (more)
		json_array_extend(items, more);
	json_decref(more);
}

static void show_children(
	const struct rest *rest, const struct resource *resource, json_t *properties)
{
	const struct model_table *table = resource->path.type->properties;

	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *field = &table->fields[i];
		struct family f = {rest, &resource->path, field->child, NULL};
		struct model_path below;

		if (field->kind != MODEL_CHILDREN)
			continue;
		f.list = json_array();
		below = model_path_child(&resource->path, field->child, NULL);
		resource_each(rest->resources, &below, add_child, &f);
		rest_show_generated(rest, &below, f.list);
		json_object_set_new(properties, field->name, f.list);
	}
}

// The extension of an interface says its host; clients of the published API look for `server`.
static void show_derived(const struct resource *resource, json_t *properties)
{
	json_t *server = json_object_get(json_object_get(properties, "isthmus"), "server");

	if (resource->path.type == &model_type_nic && server)
		json_object_set(properties, "server", server);
	if (resource->path.type == &model_type_public_ip)
		json_object_set_new(properties, "counters", json_array());
}

json_t *rest_show(const struct rest *rest, const struct resource *resource)
{
	const struct rest_hooks *hooks = &rest->hooks;
	uint64_t revision =
		resource->touched > resource->revision ? resource->touched : resource->revision;
	enum rest_progress progress =
		hooks->progress ? hooks->progress(hooks->arg, &resource->path, revision)
				: REST_SUCCEEDED;
	const struct model_path *path = &resource->path;
	json_t *out, *shown = model_show(path->type, resource->doc), *properties, *usage;
	char ref[MODEL_PATH_SIZE];

	properties = json_object_get(shown, "properties");
	out = json_pack("{s:s, s:s, s:o, s:s}", "resourceRef", model_path_format(path, ref),
		"resourceId", path->id[path->depth - 1], "etag",
		json_sprintf("W/\"%s\"", resource->etag), "instanceId", resource->instance_id);
	json_object_set_new(properties, "provisioningState", json_string(progress_words[progress]));
	show_children(rest, resource, properties);
	show_back_refs(rest, resource, properties);
	show_derived(resource, properties);
	usage = rest_usage(rest->resources, resource);
	if (usage)
		json_object_set_new(properties, "usage", usage);
	if (hooks->describe)
		hooks->describe(hooks->arg, path, properties);
	json_object_update(out, shown);
	json_decref(shown);
	return out;
}
