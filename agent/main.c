// SPDX-License-Identifier: Apache-2.0
//
// isthmus-agent: makes what the controller wants real on a gateway, and reports.
//
// It pulls small keyed objects (south.c), remembers them (wanted.c in memory, disk.c), translates
// each into local objects (kinds_*.c), keeps for every daemon of the host what it should hold
// (desired.c) and sends each the difference (target.c). Back up go the revision reached, errors,
// and states (report.c, stats.c). It is also the small privileged part of a gateway: namespaces,
// TUN devices and sockets in them are made here and passed on by descriptor.
//
// One thread, one libevent loop. It forwards nothing and restarts nobody; when it is dead, or the
// controller is, everything goes on as it was.
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent.h"
#include "log.h"
#include "notify.h"

static const char usage[] = "usage: isthmus-agent [-c FILE] [-v]\n"
			    "\n"
			    "  -c, --config FILE  configuration (default /etc/isthmus/agent.conf)\n"
			    "  -v, --verbose      more log lines\n"
			    "  -h, --help         this text\n";

static void on_signal(evutil_socket_t signal, short what, void *arg)
{
	event_base_loopbreak(arg);
}

// Descriptors of thousands of devices may be on their way to the forwarder at once.
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(struct agent *a)
{
	struct event_base *base = event_base_new();
	struct event *term, *interrupt;
	int ret;

	if (!base)
		return -ENOMEM;
	term = evsignal_new(base, SIGTERM, on_signal, base);
	interrupt = evsignal_new(base, SIGINT, on_signal, base);
	event_add(term, NULL);
	event_add(interrupt, NULL);
	ret = agent_init(a, base);
	if (!ret) {
		agent_start_targets(a);
		agent_start_south(a);
		notify_supervisor("READY=1");
		event_base_dispatch(base);
		notify_supervisor("STOPPING=1");
	}
	agent_fini(a);
	event_free(term);
	event_free(interrupt);
	event_base_free(base);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
		{"verbose", no_argument, NULL, 'v'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct agent agent;
	const char *path = "/etc/isthmus/agent.conf";
	enum log_level level = LOG_LEVEL_INFO;
	char *text;
	int c;

	while ((c = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		if (c == 'c') {
			path = optarg;
		} else if (c == 'v') {
			level = LOG_LEVEL_DEBUG;
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	log_init("isthmus-agent", level);
	signal(SIGPIPE, SIG_IGN);
	raise_limit();
	if (config_read(path, &agent.config, &text) < 0) {
		log_error("%s", text);
		free(text);
		return 2;
	}
	return run(&agent) < 0 ? 1 : 0;
}
