// SPDX-License-Identifier: Apache-2.0
#pragma once

// The worker threads.
//
// A loop: read the clock, take up to NODE_VECTOR packets from each port and from the inbox, run the
// graph, flush. After some empty loops a worker sleeps until a port or the inbox has something,
// unless a port of its can only be polled. Pinned to a core each; worker i serves queue i.

#include <stdint.h>

#include "worker.h"

struct worker_loop_config {
	const struct graph *graph;
	struct rte_mempool *pool;
	uint16_t count; // 1..WORKER_MAX
	uint16_t
		first_core; // worker i runs on core first_core + i, modulo what the process may use
	uint32_t conns_size;
};

// Control thread; ports are open. 0 or -errno.
int workers_start(const struct worker_loop_config *config);
void workers_stop(void); // waits for the threads; ports may be closed then

struct worker_report {
	uint16_t core;
	uint64_t loops, busy_loops, sleeps;
	uint64_t beat_us; // age of the last completed loop; 0 while asleep by choice, for good
};

// Any thread. False: no such worker.
bool worker_report(uint16_t index, struct worker_report *ret_report);

uint64_t clock_ns(void); // monotonic, from the TSC; the workers' clock
