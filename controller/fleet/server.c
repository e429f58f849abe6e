// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <jansson.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "log.h"
#include "text.h"
#include "xmalloc.h"

#define IDLE_TIMEOUT_S 90 // longer than a poll waits
#define RENEW_CHECK_S  3600
#define VERSION        "1.0"

struct poll {
	TAILQ_ENTRY(poll) link;
	struct server *server;
	struct evhttp_request *req;
	struct event *timer;
	uint64_t since;
	char gateway[FLEET_NAME_SIZE];
};

struct server {
	struct event_base *base;
	struct pki *pki;
	struct fleet *fleet;
	struct server_ops ops;
	int64_t cert_life_s;
	SSL_CTX *ctx;
	struct evhttp *http;
	struct event *tick, *renew;
	uint16_t port;
	TAILQ_HEAD(, poll) polls;
	struct asks *asks;
};

// -- who asks

struct asker {
	char gateway[FLEET_NAME_SIZE];
	char serial[PKI_SERIAL_SIZE];
};

static X509 *peer_certificate(struct evhttp_request *req)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(req);
	SSL *ssl =
		conn ? bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(conn)) : NULL;

	return ssl && SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get1_peer_certificate(ssl)
							      : NULL;
}

// Gateways are known by their resourceId in lower case.
static void lower(char *s)
{
	for (; *s; s++)
		*s = (char)tolower((unsigned char)*s);
}

// The gateway that the client's certificate names, if it is still one.
static bool authenticate(struct server *s, struct evhttp_request *req, struct asker *ret_asker)
{
	X509 *cert = peer_certificate(req);
	BIGNUM *n;
	char *serial;

	if (!cert)
		return false;
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, ret_asker->gateway,
		sizeof(ret_asker->gateway));
	lower(ret_asker->gateway);
	n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	serial = BN_bn2hex(n);
	snprintf(ret_asker->serial, sizeof(ret_asker->serial), "%s", serial);
	OPENSSL_free(serial);
	BN_free(n);
	X509_free(cert);
	return fleet_knows(s->fleet, ret_asker->gateway) &&
	       s->ops.is_good(s->ops.arg, ret_asker->gateway, ret_asker->serial);
}

// -- answers

static void answer_text(struct evhttp_request *req, int status, const char *text)
{
	struct evbuffer *out = evbuffer_new();

	evbuffer_add(out, text, strlen(text));
	evhttp_add_header(
		evhttp_request_get_output_headers(req), "Content-Type", "application/json");
	evhttp_send_reply(req, status, NULL, out);
	evbuffer_free(out);
}

static void refuse(struct evhttp_request *req, int status, const char *code, const char *words)
{
	struct text t = {0};

	text_open(&t, NULL, '{');
	text_open(&t, "error", '{');
	text_str(&t, "code", code);
	text_str(&t, "message", words);
	text_close(&t, '}');
	text_close(&t, '}');
	answer_text(req, status, t.s);
	text_fini(&t);
}

static void add_text(struct evbuffer *out, const char *s)
{
	evbuffer_add(out, s, strlen(s));
}

// Values are JSON already: the answer is put together as text.
static void write_entry(struct evbuffer *out, const struct view_entry *e, bool first)
{
	struct text head = {0};

	text_open(&head, NULL, '{');
	text_str(&head, "kind", plan_kind_name(e->object->kind));
	text_str(&head, "key", e->object->key);
	text_u64(&head, "revision", e->revision);
	if (e->gone)
		text_bool(&head, "deleted", true);
	else
		text_raw(&head, "value", e->object->text);
	text_close(&head, '}');
	if (!first)
		add_text(out, ",");
	evbuffer_add(out, head.s, head.len);
	text_fini(&head);
}

static void answer_objects(
	struct server *s, struct evhttp_request *req, const struct view *view, uint64_t since)
{
	struct evbuffer *out = evbuffer_new();
	bool full, first = true;
	const struct view_entry *e = view_newer(view, since, &full);

	evbuffer_add_printf(out,
		"{\"version\":\"" VERSION "\",\"term\":%llu,\"revision\":%llu,\"full\":%s,"
		"\"objects\":[",
		(unsigned long long)fleet_term(s->fleet), (unsigned long long)view->revision,
		full ? "true" : "false");
	for (; e; e = TAILQ_NEXT(e, link)) {
		if (full && e->gone)
			continue;
		write_entry(out, e, first);
		first = false;
	}
	add_text(out, "]}");
	evhttp_add_header(
		evhttp_request_get_output_headers(req), "Content-Type", "application/json");
	evhttp_send_reply(req, HTTP_OK, NULL, out);
	evbuffer_free(out);
}

// -- polls

static void poll_free(struct poll *p)
{
	TAILQ_REMOVE(&p->server->polls, p, link);
	evhttp_request_set_on_complete_cb(p->req, NULL, NULL);
	evhttp_connection_set_closecb(evhttp_request_get_connection(p->req), NULL, NULL);
	event_free(p->timer);
	free(p);
}

static bool has_news(const struct view *view, uint64_t since)
{
	return since < view->first || since != view->revision;
}

static void poll_answer(struct poll *p)
{
	struct server *s = p->server;
	struct evhttp_request *req = p->req;
	const struct view *view = fleet_view(s->fleet, p->gateway);
	uint64_t since = p->since;

	poll_free(p);
	if (view)
		answer_objects(s, req, view, since);
	else
		refuse(req, 403, "CertificateNotAuthorized", "this gateway was removed");
}

static void poll_timeout(evutil_socket_t fd, short what, void *arg)
{
	poll_answer(arg);
}

static void poll_closed(struct evhttp_connection *conn, void *arg)
{
	poll_free(arg);
}

static void poll_wait(struct server *s, struct evhttp_request *req, const char *gateway,
	uint64_t since, unsigned wait_s)
{
	struct poll *p = xcalloc(1, sizeof(*p));
	struct timeval wait = {.tv_sec = wait_s};

	p->server = s;
	p->req = req;
	p->since = since;
	snprintf(p->gateway, sizeof(p->gateway), "%s", gateway);
	p->timer = evtimer_new(s->base, poll_timeout, p);
	evtimer_add(p->timer, &wait);
	evhttp_connection_set_closecb(evhttp_request_get_connection(req), poll_closed, p);
	TAILQ_INSERT_TAIL(&s->polls, p, link);
}

void server_wake(struct server *s)
{
	struct poll *p, *next;

	for (p = TAILQ_FIRST(&s->polls); p; p = next) {
		const struct view *view = fleet_view(s->fleet, p->gateway);

		next = TAILQ_NEXT(p, link);
		if (!view || has_news(view, p->since))
			poll_answer(p);
	}
}

// -- requests

static uint64_t query_number(const struct evkeyvalq *query, const char *name)
{
	const char *text = evhttp_find_header(query, name);

	return text ? strtoull(text, NULL, 10) : 0;
}

static void on_objects(
	struct server *s, struct evhttp_request *req, const struct asker *asker, const json_t *body)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req));
	const struct view *view = fleet_view(s->fleet, asker->gateway);
	struct evkeyvalq fields = {0};
	uint64_t since, wait_s;

	evhttp_parse_query_str(query ? query : "", &fields);
	since = query_number(&fields, "since");
	wait_s = query_number(&fields, "wait");
	evhttp_clear_headers(&fields);
	fleet_polled(s->fleet, asker->gateway, s->ops.now_ms(s->ops.arg));
	if (has_news(view, since) || !wait_s)
		answer_objects(s, req, view, since);
	else
		poll_wait(s, req, asker->gateway, since,
			wait_s < SERVER_WAIT_MAX ? (unsigned)wait_s : SERVER_WAIT_MAX);
}

static void on_report(
	struct server *s, struct evhttp_request *req, const struct asker *asker, const json_t *body)
{
	if (fleet_report(s->fleet, asker->gateway, body, s->ops.now_ms(s->ops.arg)))
		refuse(req, HTTP_BADREQUEST, "InvalidRequestFormat",
			"a report says instance and revision");
	else
		answer_text(req, HTTP_OK, "{}");
}

static void add_epoch(void *arg, uint16_t slot, uint64_t epoch)
{
	char number[8];

	snprintf(number, sizeof(number), "%u", slot);
	text_u64(arg, number, epoch);
}

static void on_heartbeat(
	struct server *s, struct evhttp_request *req, const struct asker *asker, const json_t *body)
{
	struct text t = {0};

	fleet_beat(s->fleet, asker->gateway, body, s->ops.now_ms(s->ops.arg));
	text_open(&t, NULL, '{');
	text_u64(&t, "term", fleet_term(s->fleet));
	text_open(&t, "epochs", '{');
	s->ops.epochs(s->ops.arg, asker->gateway, add_epoch, &t);
	text_close(&t, '}');
	asks_write(s->asks, asker->gateway, s->ops.now_ms(s->ops.arg), &t);
	text_close(&t, '}');
	answer_text(req, HTTP_OK, t.s);
	text_fini(&t);
}

static void on_answers(
	struct server *s, struct evhttp_request *req, const struct asker *asker, const json_t *body)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(body, "answers"), i, one)
		asks_answer(s->asks, asker->gateway, one);
	answer_text(req, HTTP_OK, "{}");
}

static void hand_out(
	struct server *s, struct evhttp_request *req, const char *gateway, const char *csr)
{
	char serial[PKI_SERIAL_SIZE], *pem;
	struct text t = {0};

	if (!csr || pki_sign(s->pki, csr, gateway, time(NULL), s->cert_life_s, &pem, serial)) {
		refuse(req, HTTP_BADREQUEST, "InvalidParameterValue",
			"csr is not a certificate request that proves its key");
		return;
	}
	if (s->ops.issued(s->ops.arg, gateway, serial)) {
		refuse(req, HTTP_INTERNAL, "InternalServerError",
			"the certificate could not be recorded");
		free(pem);
		return;
	}
	log_info("gateway %s got a certificate, serial %s", gateway, serial);
	text_open(&t, NULL, '{');
	text_str(&t, "certificate", pem);
	text_str(&t, "ca", pki_ca_pem(s->pki));
	text_close(&t, '}');
	answer_text(req, HTTP_OK, t.s);
	text_fini(&t);
	free(pem);
}

static void on_renew(
	struct server *s, struct evhttp_request *req, const struct asker *asker, const json_t *body)
{
	hand_out(s, req, asker->gateway, json_string_value(json_object_get(body, "csr")));
}

// The only request without a client certificate: the token stands for it.
static void on_enrol(
	struct server *s, struct evhttp_request *req, const struct asker *asker, const json_t *body)
{
	const char *name = json_string_value(json_object_get(body, "gateway"));
	const char *token = json_string_value(json_object_get(body, "token"));
	char gateway[FLEET_NAME_SIZE];

	snprintf(gateway, sizeof(gateway), "%s", name ? name : "");
	lower(gateway);
	if (!name || !token) {
		refuse(req, HTTP_BADREQUEST, "RequiredParamMissing", "token, gateway and csr");
		return;
	}
	// First the name, so that a mistake in it does not cost the token.
	if (!fleet_knows(s->fleet, gateway)) {
		refuse(req, HTTP_NOTFOUND, "NotFound", "no gateway resource has this name");
		return;
	}
	if (pki_token_spend(s->pki, token, time(NULL))) {
		log_warning(
			"enrolment of %s refused: the token is unknown, spent or too old", gateway);
		refuse(req, 403, "CertificateNotAuthorized",
			"the token is unknown, spent or too old");
		return;
	}
	fleet_enrolled(s->fleet, gateway);
	hand_out(s, req, gateway, json_string_value(json_object_get(body, "csr")));
}

static const struct route {
	const char *path;
	enum evhttp_cmd_type method;
	bool anonymous;
	void (*handle)(struct server *s, struct evhttp_request *req, const struct asker *asker,
		const json_t *body);
} routes[] = {
	{"/southbound/v1/objects", EVHTTP_REQ_GET, false, on_objects},
	{"/southbound/v1/report", EVHTTP_REQ_POST, false, on_report},
	{"/southbound/v1/heartbeat", EVHTTP_REQ_POST, false, on_heartbeat},
	{"/southbound/v1/answers", EVHTTP_REQ_POST, false, on_answers},
	{"/southbound/v1/enrol", EVHTTP_REQ_POST, true, on_enrol},
	{"/southbound/v1/renew", EVHTTP_REQ_POST, false, on_renew},
};

static const struct route *route_find(struct evhttp_request *req)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));

	for (size_t i = 0; path && i < sizeof(routes) / sizeof(*routes); i++) {
		if (!strcmp(path, routes[i].path) &&
			evhttp_request_get_command(req) == routes[i].method)
			return &routes[i];
	}
	return NULL;
}

static json_t *read_body(struct evhttp_request *req)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t size = evbuffer_get_length(in);

	return json_loadb((char *)evbuffer_pullup(in, -1), size, 0, NULL);
}

static void on_request(struct evhttp_request *req, void *arg)
{
	struct server *s = arg;
	const struct route *r = route_find(req);
	struct asker asker = {0};
	json_t *body = NULL;

	if (!r) {
		refuse(req, HTTP_NOTFOUND, "NotFound", "not a southbound request");
		return;
	}
	if (!r->anonymous && !authenticate(s, req, &asker)) {
		refuse(req, 403, "CertificateNotAuthorized",
			"the client's certificate is no gateway's");
		return;
	}
	if (r->method == EVHTTP_REQ_POST)
		body = read_body(req);
	if (r->method == EVHTTP_REQ_POST && !json_is_object(body))
		refuse(req, HTTP_BADREQUEST, "InvalidJson", "the body is not a JSON object");
	else
		r->handle(s, req, &asker, body);
	json_decref(body);
}

// -- start and end

// Enrolment comes without a certificate; any other is checked against our CA in the handshake, and
// against what was issued at each request.
static int make_context(struct server *s)
{
	static const unsigned char id[] = "isthmus-southbound";
	char cert[1024], key[1024], ca[1024];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	pki_path(s->pki, "server.pem", cert, sizeof(cert));
	pki_path(s->pki, "server-key.pem", key, sizeof(key));
	pki_path(s->pki, "ca.pem", ca, sizeof(ca));
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_check_private_key(ctx) != 1 ||
		SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1) {
		SSL_CTX_free(ctx);
		return -EBADMSG;
	}
	SSL_CTX_free(s->ctx);
	s->ctx = ctx;
	return 0;
}

static struct bufferevent *new_connection(struct event_base *base, void *arg)
{
	struct server *s = arg;
	struct bufferevent *bev = bufferevent_openssl_socket_new(
		base, -1, SSL_new(s->ctx), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);

	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	fleet_tick(s->fleet, s->ops.now_ms(s->ops.arg));
}

// Connections go on with the old certificate; new ones get the new.
static void on_renew_check(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	if (!pki_renew_server(s->pki, time(NULL)))
		return;
	if (make_context(s))
		log_error("the renewed server certificate cannot be used");
	else
		log_info("the server certificate was renewed");
}

static int listen_on(struct server *s, const struct server_config *config)
{
	struct evhttp_bound_socket *bound =
		evhttp_bind_socket_with_handle(s->http, config->address, config->port);
	struct sockaddr_storage addr;
	socklen_t size = sizeof(addr);
	int fd, on = 1;

	if (!bound)
		return errno ? -errno : -EADDRINUSE;
	fd = evhttp_bound_socket_get_fd(bound);
	// Inherited by accepted sockets; without it answers wait for delayed ACKs.
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (getsockname(fd, (struct sockaddr *)&addr, &size) < 0)
		return -errno;
	s->port = ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
						   : ((struct sockaddr_in *)&addr)->sin_port);
	return 0;
}

static struct event *every(struct server *s, event_callback_fn fn, int ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	struct event *e = event_new(s->base, -1, EV_PERSIST, fn, s);

	event_add(e, &tv);
	return e;
}

int server_new(struct event_base *base, const struct server_config *config, struct pki *pki,
	struct fleet *fleet, const struct server_ops *ops, struct server **ret_server)
{
	struct server *s = xcalloc(1, sizeof(*s));
	int err;

	s->base = base;
	s->pki = pki;
	s->fleet = fleet;
	s->ops = *ops;
	s->cert_life_s =
		config->certificate_life_s ? config->certificate_life_s : SERVER_CERT_LIFE_S;
	TAILQ_INIT(&s->polls);
	s->asks = asks_new(base);
	s->http = evhttp_new(base);
	err = make_context(s);
	if (!err) {
		evhttp_set_bevcb(s->http, new_connection, s);
		evhttp_set_gencb(s->http, on_request, s);
		evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
		evhttp_set_max_body_size(s->http, SERVER_BODY_MAX);
		evhttp_set_timeout(s->http, IDLE_TIMEOUT_S);
		err = listen_on(s, config);
	}
	if (err) {
		server_free(s);
		return err;
	}
	s->tick = every(s, on_tick, TAKEOVER_TICK_MS);
	s->renew = every(s, on_renew_check, RENEW_CHECK_S * 1000);
	*ret_server = s;
	return 0;
}

void server_free(struct server *s)
{
	struct poll *p;

	if (!s)
		return;
	while ((p = TAILQ_FIRST(&s->polls)))
		poll_answer(p);
	if (s->tick)
		event_free(s->tick);
	if (s->renew)
		event_free(s->renew);
	asks_free(s->asks);
	evhttp_free(s->http);
	SSL_CTX_free(s->ctx);
	free(s);
}

uint64_t server_ask(struct server *s, const char *gateway, const char *ask, const char *key,
	ask_done_fn *done, void *arg)
{
	return asks_put(s->asks, gateway, ask, key, done, arg);
}

void *server_ask_forget(struct server *s, uint64_t id)
{
	return s ? asks_forget(s->asks, id) : NULL;
}

uint16_t server_port(const struct server *s)
{
	return s->port;
}
