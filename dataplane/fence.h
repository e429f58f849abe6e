// SPDX-License-Identifier: Apache-2.0
#pragma once

// The fence: whether this process may still send from addresses that could have passed to another.
//
// A thread that finds that it has not run for longer than the limit, or that the control thread has
// not, raises the fence; from then on a port sends only what the filter lets pass. Only the control
// thread lifts it, by the number of the raise that somebody has looked into: one raised again
// meanwhile stays up. Not armed (limit 0), nobody raises it but the control thread.

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define FENCE_SLEEP_MS 50 // a worker sleeps no longer while armed, so that its gaps mean something

// Whether m, an Ethernet frame, may leave while the fence is up. Worker threads.
typedef bool fence_filter_fn(const struct rte_mbuf *m);

struct fence {
	uint64_t limit_ns;   // ctl: rw, worker: ro; 0: not armed
	uint64_t armed_ns;   // ctl: rw, worker: ro; gaps before do not count
	uint64_t control_ns; // ctl: rw, worker: ro; when the control thread last ran
	uint64_t lifted;     // ctl: rw, worker: ro; the last raise that is over
	uint64_t raised;     // all: rw; how often it was raised
};

extern struct fence fence;

// Control thread.
int fence_init(fence_filter_fn *filter); // 0 or -errno
void fence_fini(void);
int fence_fd(void); // readable after a raise, until read
void fence_arm(uint32_t limit_us, uint64_t now_ns);
void fence_control_ran(uint64_t now_ns); // at least every limit / 3
bool fence_lift(uint64_t number);        // false: it was raised again, or is not up
// Any thread.
void fence_raise(void);
bool fence_passes(const struct rte_mbuf *m);

static inline uint64_t fence_number(void)
{
	return __atomic_load_n(&fence.raised, __ATOMIC_ACQUIRE);
}

static inline bool fence_is_up(void)
{
	return fence_number() != __atomic_load_n(&fence.lifted, __ATOMIC_ACQUIRE);
}

void fence_look_slow(uint64_t now_ns, uint64_t ran_ns, uint64_t limit_ns);

// A worker that last ran at ran_ns and runs now.
static inline void fence_look(uint64_t now_ns, uint64_t ran_ns)
{
	uint64_t limit = __atomic_load_n(&fence.limit_ns, __ATOMIC_ACQUIRE);

	if (unlikely(limit))
		fence_look_slow(now_ns, ran_ns, limit);
}
