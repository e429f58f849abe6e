// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// POST .../networkConnections/{c}/diagnose: why the connection is not up. The gateway that holds it
// is asked, so the request waits for the answer; nothing is changed.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nouns.h"
#include "xmalloc.h"

#define SUFFIX "/diagnose"

struct rest_diagnosis {
	struct rest_diagnosis *next;
	struct rest_request req; // its texts live in req.http
	uint64_t id;             // of the question; 0: answered before the hook returned
	bool answered;
};

static void unlink_it(struct rest_diagnosis *d)
{
	struct rest_diagnosis **at = &d->req.rest->diagnoses;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	evhttp_connection_set_closecb(evhttp_request_get_connection(d->req.http), NULL, NULL);
}

static void on_answer(void *arg, json_t *body)
{
	struct rest_diagnosis *d = arg;

	unlink_it(d);
	rest_reply(&d->req, 200, body);
	d->answered = true;
	if (d->id)
		free(d);
}

static void drop(struct rest_diagnosis *d)
{
	const struct rest_hooks *hooks = &d->req.rest->hooks;

	unlink_it(d);
	hooks->diagnose_forget(hooks->arg, d->id);
	free(d);
}

static void on_closed(struct evhttp_connection *conn, void *arg)
{
	drop(arg); // evhttp frees the request itself
}

void rest_diagnoses_drop(struct rest *rest)
{
	while (rest->diagnoses)
		drop(rest->diagnoses);
}

static int find_connection(struct rest_request *req, const char *path)
{
	size_t above_size = strlen(path) - strlen(SUFFIX);
	char *above = xasprintf("%.*s", (int)above_size, path);
	int rc = model_path_parse(above, &req->target);
	struct resource r;

	free(above);
	if (rc < 0 || req->target.type != &model_type_connection || req->target.is_collection)
		return rest_fail(req, 405, "OperationNotSupported", "method",
			"Only a network connection can be asked to diagnose itself.");
	rc = resource_get(req->rest->resources, &req->target, &r);
	if (rc < 0)
		return rest_fail(req, 404, "NotFound", "uri", "There is no such connection.");
	resource_fini(&r);
	return 0;
}

int rest_diagnose(struct rest_request *req, const char *path)
{
	const struct rest_hooks *hooks = &req->rest->hooks;
	size_t size = strlen(path);
	struct rest_diagnosis *d;
	uint64_t id;

	if (size < strlen(SUFFIX) || strcasecmp(path + size - strlen(SUFFIX), SUFFIX) != 0)
		return -ENOENT;
	if (find_connection(req, path) < 0)
		return -EINVAL;
	if (!hooks->diagnose)
		return rest_fail(req, 503, "HostUnreachable", "gateway",
			"No gateways are served by this controller.");
	d = xcalloc(1, sizeof(*d));
	d->req = *req;
	d->next = req->rest->diagnoses;
	req->rest->diagnoses = d;
	evhttp_connection_set_closecb(evhttp_request_get_connection(req->http), on_closed, d);
	id = hooks->diagnose(hooks->arg, &req->target, on_answer, d);
	if (d->answered)
		free(d);
	else
		d->id = id;
	return 0;
}
