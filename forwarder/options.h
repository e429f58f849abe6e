// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "port.h"

// The command line of isthmus-forwarder. All text is borrowed from argv.
struct options {
	const char *socket;
	const char *ports[PORT_MAX]; // "NAME=KIND:ARG"
	uint16_t port_len;
	uint16_t workers;
	uint16_t first_core;
	uint32_t connections;
	uint32_t buffers; // packet buffers
	bool no_huge;
	bool pci;
	bool debug;
};

// 0: run; 1: said all it had to say (--help, --version); -EINVAL after a line to stderr.
int options_parse(int argc, char **argv, struct options *ret_options);
