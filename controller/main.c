// SPDX-License-Identifier: Apache-2.0
// isthmus-controller: stores what is wanted, serves the API, plans, and tells the gateways.
//
// One process, one event loop. What is wanted is in the store and nowhere else; a restart reads it
// again. The parts: store/ (durable), rest/ (northbound), plan/ (pure), fleet/ (southbound).

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "bootstrap.h"
#include "config.h"
#include "log.h"
#include "notify.h"
#include "resource.h"
#include "rest.h"
#include "wire.h"

static const char usage[] =
	"Usage: isthmus-controller [OPTION]...\n"
	"       isthmus-controller bootstrap|token [OPTION]...   (see their --help)\n"
	"Serve the REST API and tell gateways what to be.\n"
	"\n"
	"  -c, --config FILE   configuration (default /etc/isthmus/controller.json)\n"
	"  -d, --debug         log more\n"
	"  -h, --help          show this and exit\n";

struct controller {
	struct event_base *base;
	struct config config;
	struct seal *seal;
	struct resource_store resources;
	struct rest *rest;
	struct wire *wire;
};

static int open_store(struct controller *c)
{
	int rc = seal_open(c->config.store_key, &c->seal);

	if (rc < 0) {
		log_error("the store's key %s: %s", c->config.store_key, strerror(-rc));
		return rc;
	}
	rc = store_open(c->config.store, &c->resources.store);
	if (rc < 0)
		log_error("the store %s: %s", c->config.store,
			rc == -EPROTO ? "made by a release that this one does not understand"
				      : strerror(-rc));
	c->resources.seal = c->seal;
	return rc;
}

static int start_rest(struct controller *c)
{
	const struct config *config = &c->config;
	const struct rest_config rest = {
		.address = config->listen,
		.port = config->port,
		.certificate_file = config->certificate,
		.key_file = config->key,
		.authenticate = config->authenticate,
		.clients = config->clients,
		.client_len = config->client_len,
		.max_connections = config->max_connections,
		.request_timeout_ms = config->request_timeout_ms,
		.idle_timeout_ms = config->idle_timeout_ms,
		.max_body_size = config->max_body_size,
	};
	int rc = rest_new(c->base, &rest, &c->resources, &c->rest);

	if (rc < 0)
		log_error("the API on %s port %u, with %s and %s: %s", config->listen, config->port,
			config->certificate, config->key, strerror(-rc));
	else
		log_info("serving the API on %s port %u%s", config->listen, rest_port(c->rest),
			config->authenticate ? "" : ", to everyone (authentication is none)");
	return rc;
}

static int start_wire(struct controller *c)
{
	char dir[sizeof(c->config.ca)];
	const struct wire_config wire = {c->config.listen, c->config.southbound_port, dir};
	char *slash;

	snprintf(dir, sizeof(dir), "%s", c->config.ca);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	else
		snprintf(dir, sizeof(dir), ".");
	return wire_new(c->base, &wire, &c->resources, c->rest, &c->wire);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(arg);
}

static int run(struct controller *c)
{
	struct event *term = evsignal_new(c->base, SIGTERM, on_signal, c->base);
	struct event *intr = evsignal_new(c->base, SIGINT, on_signal, c->base);

	signal(SIGPIPE, SIG_IGN);
	event_add(term, NULL);
	event_add(intr, NULL);
	notify_supervisor("READY=1");
	event_base_dispatch(c->base);
	notify_supervisor("STOPPING=1");
	log_info("ending");
	event_free(term);
	event_free(intr);
	return 0;
}

static int serve(const char *config_file)
{
	struct controller c = {0};
	char error[256];
	int rc = config_read(config_file, &c.config, error);

	if (rc < 0) {
		log_error("the configuration %s: %s", config_file, error);
		return rc;
	}
	c.base = event_base_new();
	rc = open_store(&c);
	if (!rc)
		rc = start_rest(&c);
	if (!rc)
		rc = start_wire(&c);
	if (!rc)
		rc = run(&c);
	rest_free(c.rest);
	wire_free(c.wire);
	store_close(c.resources.store);
	seal_close(c.seal);
	event_base_free(c.base);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"debug", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *config = "/etc/isthmus/controller.json";
	enum log_level level = LOG_LEVEL_INFO;
	int opt;

	if (argc > 1 && !strcmp(argv[1], "bootstrap"))
		return bootstrap_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "token"))
		return token_main(argc - 1, argv + 1);
	while ((opt = getopt_long(argc, argv, "c:dh", options, NULL)) != -1) {
		switch (opt) {
		case 'c': config = optarg; break;
		case 'd': level = LOG_LEVEL_DEBUG; break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	umask(077);
	log_init("isthmus-controller", level);
	return serve(config) < 0 ? 1 : 0;
}
