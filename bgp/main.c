// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdio.h>

#include "daemon.h"
#include "log.h"

static void usage(FILE *f)
{
	fputs("usage: isthmus-bgp --socket PATH [--forwarder PATH] [--user NAME] [--debug]\n"
	      "  --socket     where the agent and the commands reach this process\n"
	      "  --forwarder  the forwarder's socket, which routes go to\n"
	      "  --user       account to run as after the start\n",
		f);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"forwarder", required_argument, NULL, 'f'},
		{"user", required_argument, NULL, 'u'},
		{"debug", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *socket = NULL, *forwarder = NULL, *user = NULL;
	enum log_level level = LOG_LEVEL_INFO;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return 0;
		}
		if (c == 's')
			socket = optarg;
		else if (c == 'f')
			forwarder = optarg;
		else if (c == 'u')
			user = optarg;
		else if (c == 'd')
			level = LOG_LEVEL_DEBUG;
		else
			break;
	}
	if (!socket || c != -1 || optind != argc) {
		usage(stderr);
		return 2;
	}
	log_init("isthmus-bgp", level);
	return daemon_run(socket, forwarder, user);
}
