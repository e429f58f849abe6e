// SPDX-License-Identifier: Apache-2.0
#include "rest.h"

// Listening, TLS, who is asking, and the way of a request to its method. Every request ends in one
// line of log: who, what, how it ended, how long it took; never a body.

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "guard.h"
#include "ipaddr.h"
#include "log.h"
#include "request.h"
#include "tls.h"
#include "xmalloc.h"

#define HEADERS_MAX_SIZE 65536
#define EVHTTP_TIMEOUT_S 300 // the guard is stricter; this is for clients that do not read

static const char *const versions[] = {
	"v1", "v2", "v3", "v3.1", "v3.2", "v4", "v4.2", "v5", "v6", "v6.1", "v7", "v7.1", NULL};

static SSL *request_ssl(struct evhttp_request *http)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(http);

	return bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(conn));
}

// -- who is asking

static const struct rest_client *find_client(const struct rest_config *config, X509 *cert)
{
	char thumbprint[TLS_THUMBPRINT_SIZE];

	if (!cert || tls_thumbprint(cert, thumbprint) < 0)
		return NULL;
	for (size_t i = 0; i < config->client_len; i++) {
		if (!strcasecmp(config->clients[i].thumbprint, thumbprint))
			return &config->clients[i];
	}
	return NULL;
}

static void identify(struct rest_request *req)
{
	const struct rest_config *config = &req->rest->config;
	const struct rest_client *client;
	X509 *cert;

	req->client = "-";
	if (!config->authenticate) {
		req->role = REST_ROLE_ADMIN;
		return;
	}
	cert = SSL_get_peer_certificate(request_ssl(req->http));
	client = find_client(config, cert);
	X509_free(cert);
	if (client) {
		req->client = client->name;
		req->role = client->role;
	}
}

static int authorise(struct rest_request *req)
{
	if (req->role == REST_ROLE_ADMIN ||
		(req->role == REST_ROLE_READER && req->method == EVHTTP_REQ_GET))
		return 0;
	return rest_fail(req, req->role == REST_ROLE_NONE ? 401 : 403, "OperationNotSupported",
		"authentication", "%s",
		req->role == REST_ROLE_NONE
			? "The client certificate is not one of those this controller knows."
			: "This client may read and not change.");
}

// -- the way of a request

// "/networking/v1/x" -> "/x"; NULL if it is not under /networking or of an unknown version.
static const char *api_path(const char *path, bool *ret_versioned)
{
	static const char root[] = "/networking";
	size_t n;

	if (strncasecmp(path, root, strlen(root)))
		return NULL;
	path += strlen(root);
	*ret_versioned = false;
	if (*path != '/')
		return *path ? NULL : path;
	n = strcspn(path + 1, "/");
	for (const char *const *v = versions; *v; v++) {
		if (strlen(*v) == n && !strncasecmp(path + 1, *v, n)) {
			*ret_versioned = true;
			return path + 1 + n;
		}
	}
	return tolower((unsigned char)path[1]) == 'v' && isdigit((unsigned char)path[2]) ? NULL
											 : path;
}

static const struct {
	enum evhttp_cmd_type type;
	const char *name;
	int (*run)(struct rest_request *req);
} methods[] = {
	{EVHTTP_REQ_GET, "GET", rest_get}, {EVHTTP_REQ_PUT, "PUT", rest_put},
	{EVHTTP_REQ_DELETE, "DELETE", rest_delete},
	{EVHTTP_REQ_POST, "POST", NULL}, // goes to rest_diagnose()
};

static const char *method_name(enum evhttp_cmd_type type)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (methods[i].type == type)
			return methods[i].name;
	}
	return "other";
}

static int run(struct rest_request *req)
{
	bool versioned = false;
	const char *path = api_path(req->path, &versioned);
	int rc = authorise(req);

	if (rc < 0)
		return rc;
	if (!path)
		return rest_fail(req, 404, "NotFound", "uri",
			"There is no such interface or version here: %.100s.", req->path);
	rc = rest_builtin(req, path);
	if (rc != -ENOENT)
		return rc;
	rc = versioned ? rest_diagnose(req, path) : -ENOENT;
	if (rc != -ENOENT)
		return rc;
	if (!versioned || model_path_parse(path, &req->target) < 0)
		return rest_fail(req, 404, "NotFound", "uri",
			"There is no such resource type: %.100s.", req->path);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (methods[i].type == req->method && methods[i].run)
			return methods[i].run(req);
	}
	return rest_fail(
		req, 405, "OperationNotSupported", "method", "Resources know GET, PUT and DELETE.");
}

static void on_request(struct evhttp_request *http, void *arg)
{
	struct rest_request req = {.rest = arg, .http = http};
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(http);

	guard_request_begins(request_ssl(http));
	req.method = evhttp_request_get_command(http);
	req.path = uri ? evhttp_uri_get_path(uri) : NULL;
	req.path = req.path ? req.path : "/";
	req.query = uri ? evhttp_uri_get_query(uri) : NULL;
	req.host = rest_input_header(&req, "Host");
	req.host = req.host ? req.host : "localhost";
	resource_guid(req.id);
	identify(&req);
	if (run(&req) < 0)
		rest_reply_fault(&req);
}

// -- answers

int rest_fail(struct rest_request *req, int status, const char *code, const char *target,
	const char *fmt, ...)
{
	va_list ap;

	req->fault.status = status;
	req->fault.code = code;
	snprintf(req->fault.target, sizeof(req->fault.target), "%s", target);
	va_start(ap, fmt);
	vsnprintf(req->fault.message, sizeof(req->fault.message), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int rest_fail_errors(struct rest_request *req, const struct model_errors *errors)
{
	static const char *const parse_codes[] = {
		"InvalidJson", "InvalidJsonReferenceWrongType", "InvalidJsonReferenceFormat"};
	const struct model_error *first = &errors->errors[0];
	const char *code = first->code;

	// What could not be read at all is one code, with the kinds in the details.
	for (size_t i = 0; i < sizeof(parse_codes) / sizeof(parse_codes[0]); i++) {
		if (!strcmp(parse_codes[i], code))
			code = "InvalidRequestFormat";
	}
	rest_fail(req, 400, code, first->target, "%s", first->message);
	req->fault.errors = *errors;
	return -EINVAL;
}

const char *rest_input_header(const struct rest_request *req, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(req->http), name);
}

void rest_header(struct rest_request *req, const char *name, const char *fmt, ...)
{
	char text[MODEL_PATH_SIZE + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	// evhttp refuses what would break the header into two.
	evhttp_add_header(evhttp_request_get_output_headers(req->http), name, text);
}

static void log_answer(const struct rest_request *req, int status)
{
	log_info("%s %s %.200s: %d%s%s", req->client, method_name(req->method), req->path, status,
		status >= 400 ? " " : "", status >= 400 && req->fault.code ? req->fault.code : "");
}

void rest_reply(struct rest_request *req, int status, json_t *body)
{
	const char *client_id = rest_input_header(req, "x-ms-client-request-id");
	struct evbuffer *out = evbuffer_new();
	char *text;

	if (body) {
		text = json_dumps(body, JSON_COMPACT);
		evbuffer_add(out, text, strlen(text));
		free(text);
		json_decref(body);
		rest_header(req, "Content-Type", "application/json; charset=utf-8");
	}
	rest_header(req, "Server", "Isthmus");
	rest_header(req, "x-ms-request-id", "%s", req->id);
	if (client_id)
		rest_header(req, "x-ms-client-request-id", "%.200s", client_id);
	log_answer(req, status);
	guard_request_ends(request_ssl(req->http));
	evhttp_send_reply(req->http, status, NULL, out);
	evbuffer_free(out);
}

void rest_reply_fault(struct rest_request *req)
{
	const struct rest_fault *f = &req->fault;
	json_t *error = json_pack(
		"{s:s, s:s, s:s}", "code", f->code, "message", f->message, "target", f->target);
	size_t n = f->errors.len < MODEL_ERRORS ? f->errors.len : MODEL_ERRORS;
	json_t *details = json_array();

	if (f->detail)
		json_array_append_new(
			details, json_pack("{s:s, s:s}", "code", f->detail, "message", f->message));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(details,
			json_pack("{s:s, s:s, s:s}", "code", f->errors.errors[i].code, "message",
				f->errors.errors[i].message, "target", f->errors.errors[i].target));
	if (json_array_size(details))
		json_object_set(error, "details", details);
	json_decref(details);
	rest_reply(req, f->status, json_pack("{s:o}", "error", error));
}

// -- listening

static int any_certificate(int ok, X509_STORE_CTX *ctx)
{
	return 1; // the list of thumbprints decides, when the request is here
}

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
	struct rest *rest = arg;
	SSL *ssl = SSL_new(rest->tls);
	struct bufferevent *bev;

	if (!ssl)
		return NULL;
	bev = bufferevent_openssl_socket_new(
		base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (!bev) {
		SSL_free(ssl);
		return NULL;
	}
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	guard_add(rest->guards, bev, ssl);
	return bev;
}

static void on_full(void *arg, bool is_full)
{
	struct rest *rest = arg;
	struct evconnlistener *listener = evhttp_bound_socket_get_listener(rest->bound);

	if (is_full)
		evconnlistener_disable(listener);
	else
		evconnlistener_enable(listener);
}

static int make_address(
	const struct rest_config *config, struct sockaddr_storage *ret_addr, socklen_t *ret_size)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_addr;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_addr;
	struct ip_addr addr;

	if (ip_parse(config->address, &addr) < 0)
		return -EINVAL;
	memset(ret_addr, 0, sizeof(*ret_addr));
	if (addr.family == IP_V6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(config->port);
		memcpy(&v6->sin6_addr, addr.bytes, sizeof(v6->sin6_addr));
		*ret_size = sizeof(*v6);
		return 0;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(config->port);
	memcpy(&v4->sin_addr, addr.bytes, sizeof(v4->sin_addr));
	*ret_size = sizeof(*v4);
	return 0;
}

static int listen_on(struct rest *rest)
{
	struct sockaddr_storage addr;
	struct evconnlistener *listener;
	socklen_t size, len = sizeof(addr);
	int one = 1, rc;

	rc = make_address(&rest->config, &addr, &size);
	if (rc < 0)
		return rc;
	listener = evconnlistener_new_bind(rest->base, NULL, NULL,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 1024,
		(struct sockaddr *)&addr, (int)size);
	if (!listener)
		return errno ? -errno : -EINVAL;
	// Accepted sockets inherit it; without it an answer of two TLS records waits 40 ms.
	setsockopt(evconnlistener_get_fd(listener), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&addr, &len) == 0)
		rest->port =
			ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
							 : ((struct sockaddr_in *)&addr)->sin_port);
	rest->bound = evhttp_bind_listener(rest->http, listener);
	return rest->bound ? 0 : -ENOMEM;
}

static void set_up_http(struct rest *rest)
{
	rest->http = evhttp_new(rest->base);
	evhttp_set_bevcb(rest->http, on_accept, rest);
	evhttp_set_gencb(rest->http, on_request, rest);
	evhttp_set_timeout(rest->http, EVHTTP_TIMEOUT_S);
	evhttp_set_max_headers_size(rest->http, HEADERS_MAX_SIZE);
	evhttp_set_allowed_methods(rest->http, EVHTTP_REQ_GET | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
						       EVHTTP_REQ_POST | EVHTTP_REQ_PATCH |
						       EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS);
}

int rest_new(struct event_base *base, const struct rest_config *config,
	const struct resource_store *resources, struct rest **ret_rest)
{
	struct rest *rest = xcalloc(1, sizeof(*rest));
	const struct guard_limits limits = {config->request_timeout_ms, config->idle_timeout_ms,
		config->max_body_size + HEADERS_MAX_SIZE, config->max_connections};
	int rc;

	rest->base = base;
	rest->config = *config;
	rest->resources = resources;
	rest->operations = operations_new(resources->store);
	rest->guards = guard_set_new(base, &limits, on_full, rest);
	set_up_http(rest);
	rc = tls_server_new(config->certificate_file, config->key_file, &rest->tls);
	if (!rc && config->authenticate)
		SSL_CTX_set_verify(rest->tls, SSL_VERIFY_PEER, any_certificate);
	if (!rc)
		rc = listen_on(rest);
	if (rc < 0) {
		rest_free(rest);
		return rc;
	}
	*ret_rest = rest;
	return 0;
}

void rest_free(struct rest *rest)
{
	if (!rest)
		return;
	rest_waiting_drop(rest);
	rest_diagnoses_drop(rest);
	evhttp_free(rest->http);
	guard_set_free(rest->guards);
	operations_free(rest->operations);
	SSL_CTX_free(rest->tls);
	free(rest);
}

uint16_t rest_port(const struct rest *rest)
{
	return rest->port;
}

void rest_set_hooks(struct rest *rest, const struct rest_hooks *hooks)
{
	rest->hooks = *hooks;
}

void rest_add_list(struct rest *rest, const struct rest_list *list)
{
	if (rest->list_len == sizeof(rest->lists) / sizeof(rest->lists[0]))
		abort(); // a fixed, small set: a programming error
	rest->lists[rest->list_len++] = *list;
}

void rest_wake(struct rest *rest)
{
	rest_waiting_look(rest);
}
