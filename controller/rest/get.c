// SPDX-License-Identifier: Apache-2.0
#include "request.h"

#include <errno.h>
#include <string.h>

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

static int get_list(struct rest_request *req)
{
	struct listing l = {req->rest, req->target.type, NULL};
	struct model_path parent;
	int rc;

	if (req->target.type->parent) {
		parent = model_path_parent(&req->target);
		if (!resource_exists(req->rest->resources, &parent))
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
	rest_reply(req, 200, json_pack("{s:o, s:s}", "value", l.items, "nextLink", ""));
	return 0;
}

int rest_get(struct rest_request *req)
{
	struct resource r;
	int rc;

	if (req->target.is_collection && !req->target.type->singleton)
		return get_list(req);
	rc = resource_get(req->rest->resources, &req->target, &r);
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
