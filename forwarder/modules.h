// SPDX-License-Identifier: Apache-2.0
#pragma once

// Features of the forwarder. Each folder has one `const struct module module_<name>`; modules.c
// lists them. Delete the folder and its line and it is gone.

#include <stddef.h>
#include <stdint.h>

#include "server.h"

struct event_base;

struct module_env {
	struct event_base *base;   // of the control thread
	struct api_server *server; // for events; NULL in tests
	struct rte_mempool *pool;  // packet buffers for the control thread
	uint32_t conns_size;       // connections that workers count
	uint16_t workers;
	uint64_t instance; // of this start
};

struct module {
	const char *name;
	// Control thread; ports are open, workers do not run yet. 0 or -errno.
	int (*init)(const struct module_env *env);
	// Control thread; workers have ended.
	void (*fini)(void);
	const struct api_handler *handlers; // NULL: none
	size_t handlers_len;
};

extern const struct module *const modules[];
extern const size_t modules_len;
