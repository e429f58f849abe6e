// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the REST server asks the rest of the controller. All members may be NULL.

#include <stdint.h>

#include <jansson.h>

#include "model.h"

enum rest_progress {
	REST_SUCCEEDED, // every gateway concerned reports this revision or a newer one
	REST_UPDATING,
	REST_FAILED,
};

struct rest_hooks {
	void *arg;

	// How far the resource, stored at `revision`, has come; for provisioningState and
	// operations. Asked at each GET: cheap.
	enum rest_progress (*progress)(void *arg, const struct model_path *path, uint64_t revision);

	// Adds reported and derived members (configurationState, connectionState, statistics,
	// gateway, learnt routes ...) to `properties`, a copy that will be shown.
	void (*describe)(void *arg, const struct model_path *path, json_t *properties);

	// Resources of this collection that nobody stored, shown after those that somebody did: a
	// new array, or NULL.
	json_t *(*generated)(void *arg, const struct model_path *collection);

	// What only a gateway knows of a resource: why a connection is not up, the routes of a
	// peer (view: which of them, "" the usual). done is called once, at once (then 0 is
	// returned) or later, unless the returned id is forgotten before. It takes body, which is
	// an error's where the HTTP status is one.
	uint64_t (*ask)(void *arg, const struct model_path *path, const char *view,
		void (*done)(void *done_arg, int status, json_t *body), void *done_arg);
	void (*ask_forget)(void *arg, uint64_t id);

	// Why the resource must not be deleted now, in words; NULL: it may.
	const char *(*keeps)(void *arg, const struct model_path *path);
};

// A GET-only list beside the resources, at /networking/{version}/{name}.
struct rest_list {
	const char *name; // "hostRoutes"
	void *arg;
	// A new array of items; NULL: not now. *ret_revision grows whenever the list changes: the
	// ETag, and what `?since=R&wait=S` (at most 60 s) waits to pass.
	json_t *(*items)(void *arg, uint64_t *ret_revision);
	uint64_t (*revision)(void *arg); // the same without the work of the list; NULL: by items
};

struct rest;

// lists[] and hooks are borrowed for the life of the server.
void rest_set_hooks(struct rest *rest, const struct rest_hooks *hooks);
void rest_add_list(struct rest *rest, const struct rest_list *list);
// Something that hooks or lists answer from has changed: waiting requests are looked at again.
void rest_wake(struct rest *rest);
