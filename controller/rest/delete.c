// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// DELETE takes a resource with all below it, unless somebody outside needs any of it.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "xmalloc.h"

// How long a freed address is kept from new owners: caches and half-open sessions of the old one.
#define HOLD_OFF_S 60

struct doomed {
	struct model_path *paths;
	size_t len, cap;
};

static int note(void *arg, const struct resource *resource)
{
	struct doomed *d = arg;

	d->paths = xgrow(d->paths, &d->cap, d->len + 1, sizeof(*d->paths));
	d->paths[d->len++] = resource->path;
	return 0;
}

int rest_delete_tree(const struct resource_store *rs, const struct model_path *path)
{
	struct doomed d = {0};
	int rc = resource_each(rs, path, note, &d);

	for (size_t i = 0; i < d.len && !rc; i++) {
		char key[MODEL_PATH_SIZE];

		model_path_key(&d.paths[i], key);
		rc = store_claim_release_owner(rs->store, key, time(NULL) + HOLD_OFF_S);
		if (!rc)
			rc = resource_delete(rs, &d.paths[i]);
	}
	free(d.paths);
	return rc;
}

int rest_touch_above(const struct resource_store *rs, const struct model_path *path)
{
	struct model_path up = *path;

	while (up.type->parent) {
		int rc;

		up = model_path_parent(&up);
		rc = resource_touch(rs, &up);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_unused(struct rest_request *req)
{
	const struct rest_hooks *hooks = &req->rest->hooks;
	const char *words = hooks->keeps ? hooks->keeps(hooks->arg, &req->target) : NULL;

	if (!words)
		return 0;
	return rest_fail(req, 409, "ResourceInUse", req->target.type->noun,
		"It cannot be deleted: %s", words);
}

static int remove_stored(struct rest_request *req)
{
	const struct resource_store *rs = req->rest->resources;
	int rc = store_begin(rs->store);

	if (!rc) {
		rc = rest_check_delete(req, &req->target);
		if (rc < 0) {
			store_rollback(rs->store);
			return rc;
		}
		rc = rest_delete_tree(rs, &req->target);
	}
	if (!rc)
		rc = rest_touch_above(rs, &req->target);
	if (!rc)
		rc = operations_store(
			req->rest->operations, rs->store, req->id, &req->target, true);
	if (!rc)
		rc = store_commit(rs->store, NULL);
	else
		store_rollback(rs->store);
	if (rc < 0)
		return rest_fail(req, 500, "InternalServerError", "store",
			"The store refused the change: %s.", strerror(-rc));
	return 0;
}

int rest_delete(struct rest_request *req)
{
	struct resource old;
	int rc;

	if (rest_repeat(req))
		return 0;
	if (req->target.is_collection || !(req->target.type->flags & MODEL_CAN_DELETE))
		return rest_fail(req, 405, "OperationNotSupported", "method",
			"A %s cannot be deleted.", req->target.type->noun);
	if (resource_get(req->rest->resources, &req->target, &old) < 0) {
		rc = rest_precondition(req, NULL);
		if (!rc)
			rest_reply(req, 204, NULL);
		return rc;
	}
	rc = rest_precondition(req, old.etag);
	resource_fini(&old);
	if (!rc)
		rc = check_unused(req);
	if (!rc)
		rc = remove_stored(req);
	if (rc < 0)
		return rc;
	rest_accepted(req, &req->target, true, 202, NULL);
	return 0;
}
