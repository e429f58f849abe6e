// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

static const char usage[] =
	"Usage: isthmus-forwarder [OPTION]...\n"
	"The data plane of an Isthmus gateway: forwards, and does what the local socket says.\n"
	"\n"
	"  --port NAME=af_packet:IFNAME   a Linux interface; repeat for more ports\n"
	"  --port NAME=dpdk:DEVICE[,ARG]  a DPDK device: net_memif0,role=client,... or a PCI "
	"address\n"
	"  --socket PATH       local socket (default /run/isthmus/forwarder.sock)\n"
	"  --workers N         worker threads, 1..16 (default 1)\n"
	"  --first-core N      the first worker's place among the cores allowed (default 0)\n"
	"  --connections N     connections counted, 1..1000000 (default 16384)\n"
	"  --buffers N         packet buffers (default 32768)\n"
	"  --no-huge           ordinary pages (default when no hugepage is free)\n"
	"  --pci               look for PCI devices\n"
	"  --debug             log more\n"
	"  --help, --version\n";

static int parse_number(const char *text, unsigned long max, unsigned long *ret_value)
{
	char *end;

	errno = 0;
	*ret_value = strtoul(text, &end, 10);
	return errno || *end || end == text || *ret_value > max ? -EINVAL : 0;
}

static int add_port(struct options *o, const char *spec)
{
	if (o->port_len == PORT_MAX)
		return -EINVAL;
	o->ports[o->port_len++] = spec;
	return 0;
}

static const struct option words[] = {
	{"port", required_argument, NULL, 'p'},
	{"socket", required_argument, NULL, 's'},
	{"workers", required_argument, NULL, 'w'},
	{"first-core", required_argument, NULL, 'c'},
	{"connections", required_argument, NULL, 'n'},
	{"buffers", required_argument, NULL, 'b'},
	{"no-huge", no_argument, NULL, 'H'},
	{"pci", no_argument, NULL, 'P'},
	{"debug", no_argument, NULL, 'd'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static int apply(struct options *o, int c)
{
	unsigned long n = 0;
	int r = 0;

	switch (c) {
	case 'p': return add_port(o, optarg);
	case 's': o->socket = optarg; break;
	case 'w':
		r = parse_number(optarg, WORKER_MAX, &n);
		o->workers = (uint16_t)n;
		return r < 0 || !n ? -EINVAL : 0;
	case 'c':
		r = parse_number(optarg, 1023, &n);
		o->first_core = (uint16_t)n;
		break;
	case 'n':
		r = parse_number(optarg, 1000000, &n);
		o->connections = (uint32_t)n;
		return r < 0 || !n ? -EINVAL : 0;
	case 'b':
		r = parse_number(optarg, 1 << 22, &n);
		o->buffers = (uint32_t)n;
		return r < 0 || n < 2048 ? -EINVAL : 0;
	case 'H': o->no_huge = true; break;
	case 'P': o->pci = true; break;
	case 'd': o->debug = true; break;
	case 'h': fputs(usage, stdout); return 1;
	case 'V': puts("isthmus-forwarder " ISTHMUS_VERSION); return 1;
	default: return -EINVAL;
	}
	return r;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options o = {
		.socket = "/run/isthmus/forwarder.sock",
		.workers = 1,
		.connections = 16384,
		.buffers = 32768,
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", words, NULL)) != -1)
		r = apply(&o, c);
	if (r == 0 && optind != argc)
		r = -EINVAL;
	if (r == 0 && !o.port_len)
		fputs("isthmus-forwarder: no --port: nothing will be forwarded\n", stderr);
	if (r < 0)
		fputs("isthmus-forwarder: wrong option or value; --help lists them\n", stderr);
	else
		*ret_options = o;
	return r;
}
