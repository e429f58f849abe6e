// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// PUT: read all, check all, store all or nothing.
//
// A resource may bring its children inline, and they theirs. A list of children that is given is
// the whole list: who is not in it goes. One that is absent (or null) leaves the children as they
// are. Everything is stored in one transaction at one revision; what equals what is stored is left
// alone, so that a PUT that changes nothing touches nothing.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>

#include "xmalloc.h"

struct item {
	struct resource resource; // what will be stored
	json_t *old;              // document, or NULL
	bool changed;
};

struct job {
	struct rest_request *req;
	struct item *items; // parents before children
	size_t len, cap;
	struct model_path *gone; // children to delete
	size_t gone_len, gone_cap;
	struct model_errors errors;
};

static void job_fini(struct job *job)
{
	for (size_t i = 0; i < job->len; i++) {
		resource_fini(&job->items[i].resource);
		json_decref(job->items[i].old);
	}
	free(job->items);
	free(job->gone);
}

// -- reading

static json_t *read_body(struct rest_request *req)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req->http);
	size_t size = evbuffer_get_length(in);
	const char *bytes = (const char *)evbuffer_pullup(in, -1);
	json_error_t error;
	json_t *body;

	if (size > req->rest->config.max_body_size) {
		rest_fail(req, 413, "InvalidRequestFormat", "request",
			"The request body has %zu bytes; this controller takes %u.", size,
			req->rest->config.max_body_size);
		return NULL;
	}
	body = json_loadb(bytes ? bytes : "", size, JSON_REJECT_DUPLICATES, &error);
	if (!body) {
		rest_fail(req, 400, "InvalidRequestFormat", "body",
			"The request body is not JSON: %s, at line %d, column %d.", error.text,
			error.line, error.column);
		req->fault.detail = "InvalidJson";
	}
	return body;
}

// Errors within a child are told with the way to it.
static void merge_errors(
	struct model_errors *all, const struct model_errors *more, const char *where)
{
	size_t n = more->len < MODEL_ERRORS ? more->len : MODEL_ERRORS;

	for (size_t i = 0; i < n; i++) {
		const struct model_error *e = &more->errors[i];
		char target[sizeof(e->target) + 96];

		snprintf(target, sizeof(target), "%s%s%s", where, *where ? "." : "", e->target);
		model_error_add(all, e->code,
			strncmp(e->target, "properties", 10) ? e->target : target, "%s",
			e->message);
	}
}

static void take_tenant(struct resource *r, const struct model_path *path, struct job *job)
{
	const json_t *metadata = json_object_get(r->doc, "resourceMetadata");
	const char *id = json_string_value(model_member(metadata, "tenantId"));
	struct resource parent;

	if (id) {
		snprintf(r->tenant, sizeof(r->tenant), "%s", id);
		return;
	}
	for (size_t i = job->len; i-- > 0 && path->type->parent;) {
		if (job->items[i].resource.path.type != path->type->parent)
			continue;
		memcpy(r->tenant, job->items[i].resource.tenant, sizeof(r->tenant));
		return;
	}
	if (path->type->parent) {
		struct model_path up = model_path_parent(path);

		if (resource_get(job->req->rest->resources, &up, &parent) == 0) {
			memcpy(r->tenant, parent.tenant, sizeof(r->tenant));
			resource_fini(&parent);
		}
	}
}

static void read_resource(
	struct job *job, const struct model_path *path, json_t *body, const char *where);

static int note_gone(void *arg, const struct resource *resource)
{
	struct job *job = arg;
	char key[MODEL_PATH_SIZE], kept[MODEL_PATH_SIZE];

	model_path_key(&resource->path, key);
	for (size_t i = 0; i < job->len; i++) {
		if (!strcmp(model_path_key(&job->items[i].resource.path, kept), key))
			return 0;
	}
	job->gone = xgrow(job->gone, &job->gone_cap, job->gone_len + 1, sizeof(*job->gone));
	job->gone[job->gone_len++] = resource->path;
	return 0;
}

struct gone {
	struct job *job;
	const struct model_type *type;
};

static int note_gone_child(void *arg, const struct resource *resource)
{
	struct gone *gone = arg;

	return resource->path.type == gone->type ? note_gone(gone->job, resource) : 0;
}

static void read_child(struct job *job, const struct model_path *parent,
	const struct model_field *field, json_t *body, const char *where)
{
	const char *id = json_string_value(model_member(body, "resourceId"));
	struct model_path path;

	if (!json_is_object(body)) {
		model_error_add(&job->errors, "InvalidJson", where,
			"An element of '%s' must be a resource, an object.", field->name);
		return;
	}
	if (!id || !*id || strlen(id) >= MODEL_ID_SIZE || strpbrk(id, "/?#")) {
		model_error_add(&job->errors, "InvalidResourceName", where,
			"An element of '%s' needs a 'resourceId' of at most %d bytes, without '/', "
			"'?' and '#'.",
			field->name, MODEL_ID_SIZE - 1);
		return;
	}
	path = model_path_child(parent, field->child, id);
	for (size_t i = 0; i < job->len; i++) {
		char a[MODEL_PATH_SIZE], b[MODEL_PATH_SIZE];

		if (!strcmp(model_path_key(&job->items[i].resource.path, a),
			    model_path_key(&path, b))) {
			model_error_add(&job->errors, "InvalidResourceName", where,
				"The resourceId '%s' is in '%s' twice.", id, field->name);
			return;
		}
	}
	read_resource(job, &path, body, where);
}

static void read_children(
	struct job *job, const struct model_path *path, json_t *body, const char *where)
{
	const struct model_table *table = path->type->properties;

	for (size_t f = 0; f < table->len; f++) {
		const struct model_field *field = &table->fields[f];
		struct gone gone = {job, field->child};
		struct model_path below;
		json_t *list, *child;
		char here[96];
		size_t i;

		if (field->kind != MODEL_CHILDREN || !(list = model_children(field, body)))
			continue;
		json_array_foreach (list, i, child) {
			if (json_is_null(child) ||
				(field->is_reflected && field->is_reflected(child)))
				continue;
			snprintf(here, sizeof(here), "%.40s%sproperties.%s[%zu]", where,
				*where ? "." : "", field->name, i);
			read_child(job, path, field, child, here);
		}
		below = model_path_child(path, field->child, NULL);
		resource_each(job->req->rest->resources, &below, note_gone_child, &gone);
	}
}

static void read_resource(
	struct job *job, const struct model_path *path, json_t *body, const char *where)
{
	const struct resource_store *rs = job->req->rest->resources;
	struct model_errors errors = {0};
	struct item item = {.resource.path = *path};
	struct resource old;

	if (resource_get(rs, path, &old) == 0) {
		item.resource = old;
		item.old = old.doc;
		item.resource.doc = NULL;
	} else {
		resource_guid(item.resource.instance_id);
	}
	if (model_normalise(path->type, body, item.old, &item.resource.doc, &errors) < 0) {
		merge_errors(&job->errors, &errors, where);
		json_decref(item.old);
		return;
	}
	take_tenant(&item.resource, path, job);
	job->items = xgrow(job->items, &job->cap, job->len + 1, sizeof(*job->items));
	job->items[job->len++] = item;
	// Children follow the stored spelling of their parent's id.
	read_children(job, &item.resource.path, body, where);
}

// -- storing

static int store_failed(struct rest_request *req, int rc)
{
	return rest_fail(req, rc == -ENOSPC || rc == -EBUSY ? 503 : 500,
		rc == -ENOSPC || rc == -EBUSY ? "ServiceUnavailable" : "InternalServerError",
		"store", "The store refused the change: %s.", strerror(-rc));
}

static int write_items(struct job *job)
{
	struct rest_request *req = job->req;
	const struct resource_store *rs = req->rest->resources;
	int rc;

	for (size_t i = 0; i < job->len; i++) {
		struct item *item = &job->items[i];

		rc = rest_allocate(req, &item->resource, item->old);
		if (rc < 0)
			return rc;
		item->changed = !item->old || !json_equal(item->old, item->resource.doc);
		if (!item->changed)
			continue;
		rc = resource_put(rs, &item->resource);
		if (rc < 0)
			return store_failed(req, rc);
	}
	// Checked when all is as it will be: what is put may refer to each other, and may have
	// ceased to refer to what goes.
	for (size_t i = 0; i < job->gone_len; i++) {
		rc = rest_check_delete(req, &job->gone[i]);
		if (rc < 0)
			return rc;
		rc = rest_delete_tree(rs, &job->gone[i]);
		if (rc < 0)
			return store_failed(req, rc);
	}
	for (size_t i = 0; i < job->len; i++) {
		struct item *item = &job->items[i];

		if (!item->changed)
			continue;
		rc = rest_check_put(req, &item->resource, item->old);
		if (rc < 0)
			return rc;
		rc = resource_put(rs, &item->resource); // references as their targets spell them
		if (rc < 0)
			return store_failed(req, rc);
	}
	return 0;
}

static int touch(void *arg, const struct resource *resource)
{
	return resource_touch(arg, &resource->path);
}

// A change has new ETags, of what was put and all below it and of all above it, and an operation.
static int note_change(struct job *job)
{
	struct resource_store *rs = (struct resource_store *)job->req->rest->resources;
	const struct model_path *top = &job->items[0].resource.path;
	bool changed = job->gone_len > 0;

	for (size_t i = 0; i < job->len; i++)
		changed |= job->items[i].changed;
	if (!changed)
		return 0;
	if (rest_touch_above(rs, top) || resource_each(rs, top, touch, rs))
		return -EIO;
	return operations_store(job->req->rest->operations, rs->store, job->req->id, top, false);
}

static int store_all(struct job *job)
{
	struct store *store = job->req->rest->resources->store;
	int rc = store_begin(store);

	if (rc < 0)
		return store_failed(job->req, rc);
	rc = write_items(job);
	if (!rc) {
		rc = note_change(job);
		if (rc < 0)
			rc = store_failed(job->req, rc);
	}
	if (rc < 0) {
		store_rollback(store);
		return rc;
	}
	rc = store_commit(store, NULL);
	return rc < 0 ? store_failed(job->req, rc) : 0;
}

// -- the request

static int check_request(struct rest_request *req, json_t *body)
{
	const struct model_path *t = &req->target;
	const char *id = json_string_value(model_member(body, "resourceId"));
	struct model_path parent;

	if (t->is_collection || !(t->type->flags & MODEL_CAN_PUT))
		return rest_fail(req, 405, "OperationNotSupported", "method",
			"PUT needs a resource: %s/{resourceId}.", t->type->collection);
	if (t->type->singleton && strcasecmp(t->type->singleton, t->id[0]))
		return rest_fail(req, 404, "NotFound", "resourceId", "The only %s is '%s'.",
			t->type->noun, t->type->singleton);
	if (strpbrk(t->id[t->depth - 1], "/?#"))
		return rest_fail(req, 400, "InvalidResourceName", "resourceId",
			"A resourceId cannot contain '/', '?' or '#'.");
	if (id && strcasecmp(id, t->id[t->depth - 1]))
		return rest_fail(req, 400, "InvalidResourceName", "resourceId",
			"The body's resourceId '%.64s' is not the '%.64s' of the URI.", id,
			t->id[t->depth - 1]);
	if (t->type->parent) {
		parent = model_path_parent(t);
		if (!resource_exists(req->rest->resources, &parent))
			return rest_fail(req, 404, "NotFound", parent.type->noun,
				"The %s '%s' does not exist.", parent.type->noun,
				parent.id[parent.depth - 1]);
	}
	return 0;
}

static int check_etag(struct rest_request *req)
{
	struct resource old;
	int rc;

	if (resource_get(req->rest->resources, &req->target, &old) < 0)
		return rest_precondition(req, NULL);
	rc = rest_precondition(req, old.etag);
	resource_fini(&old);
	return rc;
}

static int put_body(struct rest_request *req, json_t *body)
{
	struct job job = {.req = req};
	struct resource now;
	bool created;
	int rc = check_request(req, body);

	if (!rc)
		rc = check_etag(req);
	if (rc < 0)
		return rc;
	read_resource(&job, &req->target, body, "");
	if (job.errors.len)
		rc = rest_fail_errors(req, &job.errors);
	else
		rc = store_all(&job);
	created = job.len && !job.items[0].old;
	job_fini(&job);
	if (rc < 0)
		return rc;
	rc = resource_get(req->rest->resources, &req->target, &now);
	if (rc < 0)
		return store_failed(req, rc);
	rest_header(req, "ETag", "W/\"%s\"", now.etag);
	rest_accepted(req, &now.path, false, created ? 201 : 200, rest_show(req->rest, &now));
	resource_fini(&now);
	return 0;
}

int rest_put(struct rest_request *req)
{
	json_t *body;
	int rc;

	if (rest_repeat(req))
		return 0;
	body = read_body(req);
	if (!body)
		return -EINVAL;
	rc = put_body(req, body);
	json_decref(body);
	return rc;
}
