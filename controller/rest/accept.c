// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// The answer to a change: the operation it started, and what a repetition of the request gets.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

#define RETRY_AFTER_S 15 // the least that the published interface names

static const char *operation_url(const struct rest_request *req, const char *what, const char *id)
{
	static char url[512];

	snprintf(url, sizeof(url), "https://%.200s/networking/" REST_VERSION "/%s/%s", req->host,
		what, id);
	return url;
}

// Who asked what under which x-ms-client-request-id; NULL if it carries none.
static char *repeat_key(const struct rest_request *req)
{
	const char *id = rest_input_header(req, "x-ms-client-request-id");
	char key[MODEL_PATH_SIZE];

	if (!id || !*id)
		return NULL;
	return xasprintf("%s\n%d\n%s\n%.200s", req->client, (int)req->method,
		model_path_key(&req->target, key), id);
}

static void answer(struct rest_request *req, const struct operation *op, json_t *body)
{
	if (op->status == 202 || !strcmp(operation_status(op, &req->rest->hooks), "InProgress"))
		rest_header(req, "Azure-AsyncOperation", "%s",
			operation_url(req, "operations", op->id));
	if (op->is_delete) {
		rest_header(req, "Location", "%s", operation_url(req, "operationResults", op->id));
		rest_header(req, "Retry-After", "%d", RETRY_AFTER_S);
	}
	rest_reply(req, op->status, body);
}

void rest_accepted(struct rest_request *req, const struct model_path *path, bool is_delete,
	int status, json_t *body)
{
	struct rest *rest = req->rest;
	struct operation *op = operations_add(rest->operations, req->id, path, is_delete,
		store_revision(rest->resources->store), &rest->hooks);
	char *key = repeat_key(req), *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	operation_set_answer(rest->operations, op, key, status, text);
	free(key);
	free(text);
	answer(req, op, body);
}

bool rest_repeat(struct rest_request *req)
{
	char *key = repeat_key(req);
	const struct operation *op =
		key ? operations_find_repeat(req->rest->operations, key) : NULL;

	free(key);
	if (!op)
		return false;
	snprintf(req->id, sizeof(req->id), "%s", op->id);
	answer(req, op, op->body ? json_loads(op->body, 0, NULL) : NULL);
	return true;
}
