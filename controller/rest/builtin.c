// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// What is no resource of the store: discovery, operations, and lists that other parts answer.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include <event2/keyvalq_struct.h>

#include "xmalloc.h"

#define WAIT_MAX_S  60
#define WAITING_MAX 256 // requests at a time; more are answered at once
#define SOFTWARE    "0.1.0"

static int get_discovery(struct rest_request *req, const char *rest)
{
	rest_reply(req, 200,
		json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:[s,s,s,s,s,s,s,s,s,s,s,s], s:s}}",
			"resourceRef", "/discovery/discovery", "resourceId", "discovery",
			"instanceId", "6a6efd73-b2a5-4b83-99fd-3956cabb58ec", "properties",
			"provisioningState", "Succeeded", "networkControllerVersion", SOFTWARE,
			"supportedRestVersions", "V1", "V2", "V3", "V3.1", "V3.2", "V4", "V4.2",
			"V5", "V6", "V6.1", "V7", "V7.1", "currentRestVersion", "V7.1"));
	return 0;
}

static const struct operation *find_operation(struct rest_request *req, const char *rest)
{
	const char *id = *rest == '/' ? rest + 1 : rest;
	const struct operation *op = operations_find(req->rest->operations, id);

	if (!op)
		rest_fail(req, 404, "NotFound", "operation",
			"No operation '%.64s' is known; the newest %d are.", id, OPERATIONS_MAX);
	return op;
}

static json_t *operation_error(const char *status)
{
	if (!strcmp(status, "Canceled"))
		return json_pack("{s:s, s:s}", "code", "Canceled", "message",
			"A newer operation on this or a dependent resource took its place.");
	return json_pack("{s:s, s:s}", "code", "InternalServerError", "message",
		"A gateway could not do it; the resource's configurationState says why.");
}

static int get_operation(struct rest_request *req, const char *rest)
{
	const struct operation *op = find_operation(req, rest);
	const char *status;
	json_t *body;

	if (!op)
		return -EINVAL;
	status = operation_status(op, &req->rest->hooks);
	body = json_pack("{s:s}", "status", status);
	if (!strcmp(status, "Failed") || !strcmp(status, "Canceled"))
		json_object_set_new(body, "error", operation_error(status));
	rest_reply(req, 200, body);
	return 0;
}

// 202 while it runs; then what a synchronous server would have said.
static int get_operation_result(struct rest_request *req, const char *rest)
{
	const struct operation *op = find_operation(req, rest);
	const char *status;
	struct resource r;

	if (!op)
		return -EINVAL;
	status = operation_status(op, &req->rest->hooks);
	if (!strcmp(status, "InProgress")) {
		rest_header(req, "Retry-After", "15");
		rest_reply(req, 202, NULL);
		return 0;
	}
	if (!strcmp(status, "Canceled"))
		return rest_fail(req, 409, "Canceled", "operation",
			"A newer operation on this or a dependent resource took its place.");
	if (op->is_delete || resource_get(req->rest->resources, &op->path, &r) < 0) {
		rest_reply(req, 204, NULL);
		return 0;
	}
	rest_header(req, "ETag", "W/\"%s\"", r.etag);
	rest_reply(req, 200, rest_show(req->rest, &r));
	resource_fini(&r);
	return 0;
}

// -- internalResourceInstances

struct search {
	const char *instance;
	char ref[MODEL_PATH_SIZE];
};

static int match_instance(void *arg, const struct resource *resource)
{
	struct search *s = arg;

	if (strcasecmp(resource->instance_id, s->instance))
		return 0;
	model_path_format(&resource->path, s->ref);
	return 1;
}

static int get_instance(struct rest_request *req, const char *rest)
{
	struct search s = {.instance = *rest == '/' ? rest + 1 : rest};

	resource_each(req->rest->resources, NULL, match_instance, &s);
	if (!s.ref[0])
		return rest_fail(
			req, 404, "NotFound", "instanceId", "No resource has this instanceId.");
	rest_reply(req, 200,
		json_pack("{s:s+, s:s, s:s, s:{s:s, s:s}}", "resourceRef",
			"/internalResourceInstances/", s.instance, "resourceId", s.instance,
			"instanceId", s.instance, "properties", "provisioningState", "Succeeded",
			"resourceReference", s.ref));
	return 0;
}

// -- lists of others, with waiting

struct rest_wait {
	struct rest_wait *next;
	struct rest_request req; // its texts live in req.http
	const struct rest_list *list;
	uint64_t since;
	struct event *timer;
};

static uint64_t query_number(const struct rest_request *req, const char *name, uint64_t absent)
{
	struct evkeyvalq query;
	const char *text;
	uint64_t v = absent;

	TAILQ_INIT(&query);
	if (req->query && evhttp_parse_query_str(req->query, &query) == 0) {
		text = evhttp_find_header(&query, name);
		if (text && *text >= '0' && *text <= '9')
			v = strtoull(text, NULL, 10);
		evhttp_clear_headers(&query);
	}
	return v;
}

static void reply_list(struct rest_request *req, json_t *items, uint64_t revision)
{
	if (!items) {
		rest_header(req, "Retry-After", "1");
		rest_fail(req, 503, "ServerBusy", "uri",
			"The controller has just started and has not yet heard from all gateways.");
		rest_reply_fault(req);
		return;
	}
	rest_header(req, "ETag", "W/\"%llu\"", (unsigned long long)revision);
	rest_reply(req, 200,
		json_pack("{s:o, s:s, s:I}", "value", items, "nextLink", "", "revision",
			(json_int_t)revision));
}

static void wait_remove(struct rest *rest, struct rest_wait *w)
{
	struct rest_wait **at = &rest->waiting;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	event_free(w->timer);
	evhttp_connection_set_closecb(evhttp_request_get_connection(w->req.http), NULL, NULL);
	free(w);
}

static void wait_answer(struct rest_wait *w, json_t *items, uint64_t revision)
{
	struct rest_request req = w->req;

	wait_remove(req.rest, w);
	reply_list(&req, items, revision);
}

static void on_wait_over(evutil_socket_t fd, short what, void *arg)
{
	struct rest_wait *w = arg;
	uint64_t revision;
	json_t *items = w->list->items(w->list->arg, &revision);

	wait_answer(w, items, revision);
}

static void on_wait_closed(struct evhttp_connection *conn, void *arg)
{
	struct rest_wait *w = arg;

	wait_remove(w->req.rest, w); // evhttp frees the request itself
}

void rest_waiting_look(struct rest *rest)
{
	struct rest_wait *next;

	for (struct rest_wait *w = rest->waiting; w; w = next) {
		uint64_t revision =
			w->list->revision ? w->list->revision(w->list->arg) : UINT64_MAX;
		json_t *items;

		next = w->next;
		if (revision <= w->since)
			continue;
		items = w->list->items(w->list->arg, &revision);
		if (revision > w->since)
			wait_answer(w, items, revision);
		else
			json_decref(items);
	}
}

void rest_waiting_drop(struct rest *rest)
{
	while (rest->waiting)
		wait_remove(rest, rest->waiting);
}

static size_t waiting_len(const struct rest *rest)
{
	size_t n = 0;

	for (const struct rest_wait *w = rest->waiting; w; w = w->next)
		n++;
	return n;
}

static int get_other_list(struct rest_request *req, const struct rest_list *list)
{
	uint64_t since = query_number(req, "since", 0), wait_s = query_number(req, "wait", 0);
	uint64_t revision;
	json_t *items = list->items(list->arg, &revision);
	struct timeval tv = {(time_t)(wait_s < WAIT_MAX_S ? wait_s : WAIT_MAX_S), 0};
	struct rest_wait *w;

	if (!wait_s || revision > since || waiting_len(req->rest) >= WAITING_MAX) {
		reply_list(req, items, revision);
		return 0;
	}
	json_decref(items);
	w = xcalloc(1, sizeof(*w));
	*w = (struct rest_wait){req->rest->waiting, *req, list, since, NULL};
	req->rest->waiting = w;
	w->timer = evtimer_new(req->rest->base, on_wait_over, w);
	evtimer_add(w->timer, &tv);
	evhttp_connection_set_closecb(evhttp_request_get_connection(req->http), on_wait_closed, w);
	return 0;
}

// -- by name

static const struct {
	const char *name;
	int (*get)(struct rest_request *req, const char *rest);
} builtins[] = {
	{"/discovery", get_discovery},
	{"/operations", get_operation},
	{"/operationResults", get_operation_result},
	{"/internalResourceInstances", get_instance},
	{"/monitoring/networkControllerStatistics", rest_get_statistics},
};

static bool is_named(const char *path, const char *name, const char **ret_rest)
{
	size_t n = strlen(name);

	if (strncasecmp(path, name, n) || (path[n] && path[n] != '/'))
		return false;
	*ret_rest = path + n;
	return true;
}

int rest_builtin(struct rest_request *req, const char *path)
{
	const char *rest;

	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
		if (!is_named(path, builtins[i].name, &rest))
			continue;
		if (req->method != EVHTTP_REQ_GET)
			return rest_fail(req, 405, "OperationNotSupported", "method",
				"This can only be read.");
		return builtins[i].get(req, rest);
	}
	for (size_t i = 0; i < req->rest->list_len; i++) {
		const struct rest_list *list = &req->rest->lists[i];

		if (*path != '/' || !is_named(path + 1, list->name, &rest))
			continue;
		if (req->method != EVHTTP_REQ_GET)
			return rest_fail(req, 405, "OperationNotSupported", "method",
				"This can only be read.");
		return get_other_list(req, list);
	}
	return -ENOENT;
}
