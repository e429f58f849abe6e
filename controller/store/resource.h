// SPDX-License-Identifier: Apache-2.0
#pragma once

// Resources in the store: the model's documents under their paths, with what the store keeps beside
// them. Secrets are sealed on the way in and open on the way out.
//
// Stored under the resource's key: {"ref", "instanceId", "tenant", "doc": {...}}; under "etag" and
// the key: the ETag, which also changes with what is above or below. So who follows the resources'
// keys hears only of what concerns a resource itself.

#include <jansson.h>

#include "model.h"
#include "seal.h"
#include "store.h"

#define RESOURCE_ETAG_SIZE 40 // a GUID with its NUL, rounded up

struct resource {
	struct model_path path;
	uint64_t revision; // of the document
	uint64_t touched;  // of the ETag: a newer change to what is above or below
	char instance_id[RESOURCE_ETAG_SIZE];
	char etag[RESOURCE_ETAG_SIZE]; // a GUID; shown as W/"...". resource_put does not read it
	char tenant[MODEL_ID_SIZE];    // "" : nobody's, or the provider's
	json_t *doc;                   // with secrets open
};

struct resource_store {
	struct store *store;
	const struct seal *seal;
};

void resource_fini(struct resource *resource);

// -ENOENT. ret_resource is untouched on failure.
int resource_get(const struct resource_store *rs, const struct model_path *path,
	struct resource *ret_resource);
bool resource_exists(const struct resource_store *rs, const struct model_path *path);
// Writes within the open transaction; references are taken from the document. Nothing changes if
// all is equal.
int resource_put(const struct resource_store *rs, const struct resource *resource);
// Gives it a new ETag.
int resource_touch(const struct resource_store *rs, const struct model_path *path);
int resource_delete(const struct resource_store *rs, const struct model_path *path);

// The stored path of the resource with this key: its ids as they were first spelt. -ENOENT.
int resource_path(const struct resource_store *rs, const char *key, struct model_path *ret_path);

// Every resource at or below a path (a collection, or a resource with all it holds), in order of
// key. NULL: every one. The resource is the store's, until each() returns.
int resource_each(const struct resource_store *rs, const struct model_path *path,
	int (*each)(void *arg, const struct resource *resource), void *arg);

// A random GUID in text; buf holds RESOURCE_ETAG_SIZE.
void resource_guid(char *buf);
