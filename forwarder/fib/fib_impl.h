// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the writer's and the readers' half of the FIB share.

#include "fib_node.h"
#include "fib_pool.h"
#include "ipaddr.h"

struct fib {
	struct fib_pool nodes;  // struct fib_node; ctl: rw, worker: ro
	struct fib_pool leaves; // uint32_t next hops
	uint32_t *root4;        // [max_vrfs] node index, 0: no routes
	uint32_t *root6;
	uint32_t max_vrfs;
	uint64_t routes;
};

// An address left-aligned in 128 bits.
struct fib_key fib_key_of(const struct ip_addr *addr);
