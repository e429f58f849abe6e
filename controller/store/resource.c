// SPDX-License-Identifier: Apache-2.0
#include "resource.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "xmalloc.h"

void resource_fini(struct resource *resource)
{
	json_decref(resource->doc);
	resource->doc = NULL;
}

// RFC 4122 version 4
void resource_guid(char *buf)
{
	uint8_t b[16];

	if (RAND_bytes(b, sizeof(b)) != 1)
		abort();
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(buf, RESOURCE_ETAG_SIZE,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
}

struct sealing {
	const struct seal *seal;
	const char *key;
	int rc;
};

static void seal_one(void *arg, json_t *holder, const char *member)
{
	struct sealing *s = arg;
	const char *plain = json_string_value(json_object_get(holder, member));
	char *sealed;
	int rc = seal_text(s->seal, s->key, plain, &sealed);

	if (rc < 0) {
		s->rc = rc;
		return;
	}
	json_object_set_new(holder, member, json_string(sealed));
	free(sealed);
}

static void unseal_one(void *arg, json_t *holder, const char *member)
{
	struct sealing *s = arg;
	const char *sealed = json_string_value(json_object_get(holder, member));
	char *plain;
	int rc = seal_unseal(s->seal, s->key, sealed, &plain);

	if (rc < 0) {
		s->rc = rc;
		return;
	}
	json_object_set_new(holder, member, json_string(plain));
	free(plain);
}

static void copy_text(char *to, size_t size, const json_t *value, const char *member)
{
	const char *text = json_string_value(json_object_get(value, member));

	snprintf(to, size, "%s", text ? text : "");
}

static char *etag_key(const char *key)
{
	return xasprintf("etag%s", key);
}

static void read_etag(const struct resource_store *rs, const char *key, struct resource *r)
{
	char *name = etag_key(key);
	struct store_row row;

	if (store_get(rs->store, name, &row) == 0) {
		const char *text = json_string_value(row.value);

		snprintf(r->etag, sizeof(r->etag), "%s", text ? text : "");
		r->touched = row.revision;
		store_row_fini(&row);
	}
	free(name);
}

static int from_row(
	const struct resource_store *rs, const struct store_row *row, struct resource *ret_resource)
{
	const char *ref = json_string_value(json_object_get(row->value, "ref"));
	struct sealing s = {rs->seal, row->key, 0};
	struct resource r = {.revision = row->revision};

	if (!ref || model_path_parse(ref, &r.path) < 0)
		return -EBADMSG;
	copy_text(r.instance_id, sizeof(r.instance_id), row->value, "instanceId");
	copy_text(r.tenant, sizeof(r.tenant), row->value, "tenant");
	r.doc = json_incref(json_object_get(row->value, "doc"));
	model_each_secret(r.path.type, r.doc, unseal_one, &s);
	if (s.rc < 0) {
		json_decref(r.doc);
		return s.rc;
	}
	read_etag(rs, row->key, &r);
	*ret_resource = r;
	return 0;
}

int resource_get(const struct resource_store *rs, const struct model_path *path,
	struct resource *ret_resource)
{
	char key[MODEL_PATH_SIZE];
	struct store_row row;
	int rc = store_get(rs->store, model_path_key(path, key), &row);

	if (rc < 0)
		return rc;
	rc = from_row(rs, &row, ret_resource);
	store_row_fini(&row);
	return rc;
}

bool resource_exists(const struct resource_store *rs, const struct model_path *path)
{
	char key[MODEL_PATH_SIZE];
	struct store_row row;

	if (store_get(rs->store, model_path_key(path, key), &row) < 0)
		return false;
	store_row_fini(&row);
	return true;
}

struct refs {
	char **to;
	size_t len, cap;
};

static void collect_ref(
	void *arg, const struct model_field *field, const char *where, const char *ref)
{
	struct refs *refs = arg;
	char key[MODEL_PATH_SIZE];

	if (!(field->flags & MODEL_TRACKED) || !model_ref_key(ref, key))
		return;
	refs->to = xgrow(refs->to, &refs->cap, refs->len + 1, sizeof(*refs->to));
	refs->to[refs->len++] = xstrdup(key);
}

static int put_refs(
	const struct resource_store *rs, const char *key, const struct resource *resource)
{
	struct refs refs = {0};
	int rc;

	model_each_ref(resource->path.type, resource->doc, collect_ref, &refs);
	rc = store_refs_set(rs->store, key, (const char *const *)refs.to, refs.len);
	for (size_t i = 0; i < refs.len; i++)
		free(refs.to[i]);
	free(refs.to);
	return rc;
}

static bool unchanged(const struct resource_store *rs, const struct resource *resource)
{
	struct resource old;
	bool same;

	if (resource_get(rs, &resource->path, &old) < 0)
		return false;
	same = !strcmp(old.instance_id, resource->instance_id) &&
	       !strcmp(old.tenant, resource->tenant) && json_equal(old.doc, resource->doc);
	resource_fini(&old);
	return same;
}

int resource_put(const struct resource_store *rs, const struct resource *resource)
{
	char key[MODEL_PATH_SIZE], ref[MODEL_PATH_SIZE];
	struct sealing s = {rs->seal, model_path_key(&resource->path, key), 0};
	json_t *doc, *value;
	int rc;

	if (unchanged(rs, resource))
		return 0;
	doc = json_deep_copy(resource->doc);
	model_each_secret(resource->path.type, doc, seal_one, &s);
	value = json_pack("{s:s, s:s, s:s, s:o}", "ref", model_path_format(&resource->path, ref),
		"instanceId", resource->instance_id, "tenant", resource->tenant, "doc", doc);
	rc = s.rc ? s.rc : store_put(rs->store, key, value);
	json_decref(value);
	return rc ? rc : put_refs(rs, key, resource);
}

int resource_touch(const struct resource_store *rs, const struct model_path *path)
{
	char key[MODEL_PATH_SIZE], guid[RESOURCE_ETAG_SIZE], *name;
	json_t *value;
	int rc;

	resource_guid(guid);
	name = etag_key(model_path_key(path, key));
	value = json_string(guid);
	rc = store_put(rs->store, name, value);
	json_decref(value);
	free(name);
	return rc;
}

int resource_delete(const struct resource_store *rs, const struct model_path *path)
{
	char key[MODEL_PATH_SIZE], *name;
	int rc = store_delete(rs->store, model_path_key(path, key));

	if (rc)
		return rc;
	name = etag_key(key);
	rc = store_delete(rs->store, name);
	free(name);
	return rc == -ENOENT ? 0 : rc;
}

int resource_path(const struct resource_store *rs, const char *key, struct model_path *ret_path)
{
	struct store_row row;
	const char *ref;
	int rc = store_get(rs->store, key, &row);

	if (rc < 0)
		return rc;
	ref = json_string_value(json_object_get(row.value, "ref"));
	rc = ref ? model_path_parse(ref, ret_path) : -EBADMSG;
	store_row_fini(&row);
	return rc;
}

struct each {
	const struct resource_store *rs;
	int (*each)(void *arg, const struct resource *resource);
	void *arg;
	size_t exact; // length of a resource's own key: what follows must be '/' or nothing
};

static int call_each(void *arg, const struct store_row *row)
{
	struct each *e = arg;
	struct resource r;
	int rc;

	if (e->exact && row->key[e->exact] != '\0' && row->key[e->exact] != '/')
		return 0;
	rc = from_row(e->rs, row, &r);
	if (rc < 0)
		return rc;
	rc = e->each(e->arg, &r);
	resource_fini(&r);
	return rc;
}

int resource_each(const struct resource_store *rs, const struct model_path *path,
	int (*each)(void *arg, const struct resource *resource), void *arg)
{
	struct each e = {rs, each, arg, 0};
	char prefix[MODEL_PATH_SIZE + 1] = "/";

	if (path) {
		model_path_key(path, prefix);
		if (path->is_collection)
			strncat(prefix, "/", sizeof(prefix) - strlen(prefix) - 1);
		else
			e.exact = strlen(prefix);
	}
	return store_each(rs->store, prefix, call_each, &e);
}
