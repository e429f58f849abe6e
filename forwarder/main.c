// SPDX-License-Identifier: Apache-2.0
//
// isthmus-forwarder: the data-plane process of a gateway.
//
// Threads: the control thread (this one) runs libevent: the local socket, timers, packets that
// workers hand up; it is the only writer of every table. Worker threads run the graph. Start: DPDK,
// ports, modules (modules.c), workers, socket, readiness to the supervisor. SIGTERM and SIGINT end
// the process in the reverse order; nothing is saved, whoever configured it does so again.
#include <errno.h>
#include <event2/event.h>
#include <rte_mbuf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "control.h"
#include "env.h"
#include "graph.h"
#include "log.h"
#include "modules.h"
#include "notify.h"
#include "options.h"
#include "worker_loop.h"

#define BUFFER_CACHE   256 // of each thread
#define MEMORY_BASE_MB 128 // without hugepages: beside the buffers

struct forwarder {
	struct options options;
	struct module_env env;
	struct event *sigterm, *sigint, *control;
	size_t modules_started;
	bool rcu; // environment is up
};

static int env_start(const struct options *o)
{
	struct env_config config = {
		.name = "isthmus-forwarder",
		.hugepages = !o->no_huge && env_hugepages_present(),
		.pci = o->pci,
		.memory_mib = MEMORY_BASE_MB + o->buffers / 1024 * 3,
	};
	int r = env_init(&config);

	if (r < 0)
		log_error("cannot start DPDK: %s", strerror(-r));
	else if (!config.hugepages)
		log_info("no hugepages: ordinary pages are used, at some cost in speed");
	return r;
}

static int open_ports(const struct forwarder *f)
{
	for (uint16_t i = 0; i < f->options.port_len; i++) {
		int r = port_open(f->options.ports[i], f->options.workers, f->env.pool);

		if (r < 0) {
			log_error("cannot open port '%s': %s", f->options.ports[i], strerror(-r));
			return r;
		}
	}
	return 0;
}

static int start_modules(struct forwarder *f)
{
	for (size_t i = 0; i < modules_len; i++) {
		const struct module *m = modules[i];
		int r = m->init ? m->init(&f->env) : 0;

		if (r < 0) {
			log_error("cannot start '%s': %s", m->name, strerror(-r));
			return r;
		}
		f->modules_started = i + 1;
		if (m->handlers_len)
			r = api_server_add(f->env.server, m->handlers, m->handlers_len, NULL);
		if (r < 0) {
			log_error("messages of '%s' are taken: %s", m->name, strerror(-r));
			return r;
		}
	}
	return 0;
}

static int start_workers(const struct forwarder *f)
{
	struct worker_loop_config config = {
		.graph = &forwarder_graph,
		.pool = f->env.pool,
		.count = f->options.workers,
		.first_core = f->options.first_core,
		.conns_size = f->options.connections,
	};
	int r = workers_start(&config);

	if (r < 0)
		log_error("cannot start workers: %s", strerror(-r));
	return r;
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopexit(arg, NULL);
}

static void on_control(evutil_socket_t fd, short what, void *arg)
{
	control_drain();
}

static int start_events(struct forwarder *f)
{
	struct event_base *base = event_base_new();
	int r = control_init();

	if (r < 0)
		return r;
	f->env.base = base;
	f->sigterm = evsignal_new(base, SIGTERM, on_signal, base);
	f->sigint = evsignal_new(base, SIGINT, on_signal, base);
	f->control = event_new(base, control_fd(), EV_READ | EV_PERSIST, on_control, NULL);
	event_add(f->sigterm, NULL);
	event_add(f->sigint, NULL);
	event_add(f->control, NULL);
	while (getrandom(&f->env.instance, sizeof(f->env.instance), 0) < 0 || !f->env.instance)
		;
	f->env.server = api_server_new(base, "isthmus-forwarder", f->env.instance);
	return 0;
}

static int start(struct forwarder *f)
{
	int r = env_start(&f->options);

	if (r < 0)
		return r;
	f->rcu = true;
	f->env.workers = f->options.workers;
	f->env.conns_size = f->options.connections;
	f->env.pool = rte_pktmbuf_pool_create("packets", f->options.buffers, BUFFER_CACHE, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!f->env.pool) {
		log_error("no memory for %u packet buffers", f->options.buffers);
		return -ENOMEM;
	}
	r = start_events(f);
	if (r == 0)
		r = open_ports(f);
	if (r == 0)
		r = start_modules(f);
	if (r == 0)
		r = start_workers(f);
	if (r < 0)
		return r;
	r = api_server_listen(f->env.server, f->options.socket);
	if (r < 0)
		log_error("cannot listen on '%s': %s", f->options.socket, strerror(-r));
	return r;
}

static void stop(struct forwarder *f)
{
	if (f->env.server)
		api_server_free(f->env.server);
	workers_stop();
	while (f->modules_started) {
		const struct module *m = modules[--f->modules_started];

		if (m->fini)
			m->fini();
	}
	ports_close();
	if (f->env.base) {
		event_free(f->control);
		event_free(f->sigint);
		event_free(f->sigterm);
		control_fini();
		event_base_free(f->env.base);
	}
	if (f->rcu)
		env_fini();
}

int main(int argc, char **argv)
{
	static struct forwarder f;
	int r = options_parse(argc, argv, &f.options);

	if (r != 0)
		return r < 0 ? 2 : 0;
	log_init("isthmus-forwarder", f.options.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	r = start(&f);
	if (r == 0) {
		log_info("%u port(s), %u worker(s), socket %s", f.options.port_len,
			f.options.workers, f.options.socket);
		notify_supervisor("READY=1");
		r = event_base_dispatch(f.env.base) < 0 ? -EIO : 0;
		notify_supervisor("STOPPING=1");
	}
	stop(&f);
	return r < 0 ? 1 : 0;
}
