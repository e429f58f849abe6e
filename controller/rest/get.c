// SPDX-License-Identifier: Apache-2.0
#include "request.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

struct listing {
	const struct rest *rest;
	const struct model_type *type;
	json_t *items;
};

static int add_item(void *arg, const struct resource *resource)
{
	struct listing *l = arg;

	if (resource->path.type == l->type)
		json_array_append_new(l->items, rest_show(l->rest, resource));
	return 0;
}

static json_t *generated_of(const struct rest *rest, const struct model_path *collection)
{
	json_t *items = json_array();

	rest_show_generated(rest, collection, items);
	return items;
}

// A parent that is generated itself has what is generated below it.
static bool has_parent(const struct rest *rest, const struct model_path *collection)
{
	struct model_path parent;
	json_t *below;
	bool found;

	if (!collection->type->parent)
		return true;
	parent = model_path_parent(collection);
	below = generated_of(rest, collection);
	found = resource_exists(rest->resources, &parent) || json_array_size(below);
	json_decref(below);
	return found;
}

static int get_list(struct rest_request *req)
{
	struct listing l = {req->rest, req->target.type, NULL};
	struct model_path parent;
	int rc;

	if (!has_parent(req->rest, &req->target)) {
		parent = model_path_parent(&req->target);
		return rest_fail(req, 404, "NotFound", parent.type->noun,
			"The %s '%s' does not exist.", parent.type->noun,
			parent.id[parent.depth - 1]);
	}
	l.items = json_array();
	rc = resource_each(req->rest->resources, &req->target, add_item, &l);
	if (rc < 0) {
		json_decref(l.items);
		return rest_fail(req, 500, "InternalServerError", "store",
			"The store cannot be read: %s.", strerror(-rc));
	}
	rest_show_generated(req->rest, &req->target, l.items);
	rest_reply(req, 200, json_pack("{s:o, s:s}", "value", l.items, "nextLink", ""));
	return 0;
}

// True: it is one of those that nobody stored, and was shown.
static bool get_generated(struct rest_request *req)
{
	struct model_path above = req->target;
	json_t *items, *item;
	size_t i;

	above.is_collection = true;
	above.depth--;
	items = generated_of(req->rest, &above);
	json_array_foreach (items, i, item) {
		const char *id = json_string_value(json_object_get(item, "resourceId"));

		if (!id || strcasecmp(id, req->target.id[above.depth]))
			continue;
		rest_header(req, "ETag", "%s", json_string_value(json_object_get(item, "etag")));
		rest_reply(req, 200, json_incref(item));
		json_decref(items);
		return true;
	}
	json_decref(items);
	return false;
}

int rest_get(struct rest_request *req)
{
	struct resource r;
	int rc;

	if (req->target.is_collection && !req->target.type->singleton)
		return get_list(req);
	rc = resource_get(req->rest->resources, &req->target, &r);
	if (rc == -ENOENT && req->target.depth && get_generated(req))
		return 0;
	if (rc == -ENOENT)
		return rest_fail(req, 404, "NotFound", req->target.type->noun,
			"The %s '%s' does not exist.", req->target.type->noun,
			req->target.id[req->target.depth ? req->target.depth - 1 : 0]);
	if (rc < 0)
		return rest_fail(req, 500, "InternalServerError", "store",
			"The store cannot be read: %s.", strerror(-rc));
	rest_header(req, "ETag", "W/\"%s\"", r.etag);
	rest_reply(req, 200, rest_show(req->rest, &r));
	resource_fini(&r);
	return 0;
}
