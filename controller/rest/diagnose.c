// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// Questions that a gateway answers, so the request waits; nothing is changed:
//   POST .../networkConnections/{c}/diagnose           why the connection is not up
//   GET  .../bgpPeers/{p}/bgpRoutes?view=VIEW          what it told, is told, and what became of it

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include <event2/keyvalq_struct.h>

#include "nouns.h"
#include "xmalloc.h"

#define VIEW_SIZE 16

static const struct question {
	const char *suffix;
	enum evhttp_cmd_type method;
	const struct model_type *type;
	const char *refusal;
} questions[] = {
	{"/diagnose", EVHTTP_REQ_POST, &model_type_connection,
		"Only a network connection can be asked to diagnose itself."},
	{"/bgpRoutes", EVHTTP_REQ_GET, &model_type_bgp_peer, "Only a BGP peer has BGP routes."},
};

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

static void on_answer(void *arg, int status, json_t *body)
{
	struct rest_diagnosis *d = arg;

	unlink_it(d);
	rest_reply(&d->req, status, body);
	d->answered = true;
	if (d->id)
		free(d);
}

static void drop(struct rest_diagnosis *d)
{
	const struct rest_hooks *hooks = &d->req.rest->hooks;

	unlink_it(d);
	hooks->ask_forget(hooks->arg, d->id);
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

static const struct question *find_question(const struct rest_request *req, const char *path)
{
	size_t size = strlen(path);

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		size_t n = strlen(questions[i].suffix);

		if (req->method == questions[i].method && size > n &&
			!strcasecmp(path + size - n, questions[i].suffix))
			return &questions[i];
	}
	return NULL;
}

static int find_asked(struct rest_request *req, const struct question *q, const char *path)
{
	size_t above_size = strlen(path) - strlen(q->suffix);
	char *above = xasprintf("%.*s", (int)above_size, path);
	int rc = model_path_parse(above, &req->target);

	free(above);
	if (rc < 0 || req->target.type != q->type || req->target.is_collection)
		return rest_fail(req, 405, "OperationNotSupported", "method", "%s", q->refusal);
	return 0;
}

static void read_view(const struct rest_request *req, char view[VIEW_SIZE])
{
	struct evkeyvalq query;
	const char *text;

	view[0] = '\0';
	TAILQ_INIT(&query);
	if (!req->query || evhttp_parse_query_str(req->query, &query) < 0)
		return;
	text = evhttp_find_header(&query, "view");
	snprintf(view, VIEW_SIZE, "%s", text ? text : "");
	evhttp_clear_headers(&query);
}

int rest_diagnose(struct rest_request *req, const char *path)
{
	const struct rest_hooks *hooks = &req->rest->hooks;
	const struct question *q = find_question(req, path);
	struct rest_diagnosis *d;
	char view[VIEW_SIZE];
	uint64_t id;

	if (!q)
		return -ENOENT;
	if (find_asked(req, q, path) < 0)
		return -EINVAL;
	if (!hooks->ask)
		return rest_fail(req, 503, "HostUnreachable", "gateway",
			"No gateways are served by this controller.");
	read_view(req, view);
	d = xcalloc(1, sizeof(*d));
	d->req = *req;
	d->next = req->rest->diagnoses;
	req->rest->diagnoses = d;
	evhttp_connection_set_closecb(evhttp_request_get_connection(req->http), on_closed, d);
	id = hooks->ask(hooks->arg, &req->target, view, on_answer, d);
	if (d->answered)
		free(d);
	else
		d->id = id;
	return 0;
}
