// SPDX-License-Identifier: Apache-2.0
#include "fence.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct fence fence;

static int raised_fd = -1;
static fence_filter_fn *passes;

int fence_init(fence_filter_fn *filter)
{
	fence = (struct fence){0};
	passes = filter;
	raised_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return raised_fd < 0 ? -errno : 0;
}

void fence_fini(void)
{
	fence = (struct fence){0};
	if (raised_fd >= 0)
		close(raised_fd);
	raised_fd = -1;
	passes = NULL;
}

int fence_fd(void)
{
	return raised_fd;
}

void fence_arm(uint32_t limit_us, uint64_t now_ns)
{
	__atomic_store_n(&fence.control_ns, now_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&fence.armed_ns, now_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&fence.limit_ns, (uint64_t)limit_us * 1000, __ATOMIC_RELEASE);
}

void fence_control_ran(uint64_t now_ns)
{
	if (fence.limit_ns && now_ns - fence.control_ns > fence.limit_ns)
		fence_raise(); // before anybody could see that it runs again
	__atomic_store_n(&fence.control_ns, now_ns, __ATOMIC_RELEASE);
}

void fence_raise(void)
{
	__atomic_fetch_add(&fence.raised, 1, __ATOMIC_ACQ_REL);
	if (raised_fd >= 0)
		eventfd_write(raised_fd, 1);
}

bool fence_lift(uint64_t number)
{
	if (!fence_is_up() || number != fence_number())
		return false;
	__atomic_store_n(&fence.lifted, number, __ATOMIC_RELEASE);
	return true;
}

bool fence_passes(const struct rte_mbuf *m)
{
	return passes && passes(m);
}

static bool is_gap(uint64_t now_ns, uint64_t then_ns, uint64_t limit_ns)
{
	return now_ns > then_ns && now_ns - then_ns > limit_ns;
}

void fence_look_slow(uint64_t now_ns, uint64_t ran_ns, uint64_t limit_ns)
{
	uint64_t armed_ns = __atomic_load_n(&fence.armed_ns, __ATOMIC_RELAXED);
	uint64_t control_ns = __atomic_load_n(&fence.control_ns, __ATOMIC_ACQUIRE);

	// With the control thread running meanwhile BFD went on for a while, and so may this.
	if (control_ns > ran_ns && is_gap(control_ns, ran_ns, limit_ns / 4))
		ran_ns += limit_ns / 2;
	if (is_gap(now_ns, ran_ns > armed_ns ? ran_ns : armed_ns, limit_ns))
		fence_raise();
	else if (is_gap(now_ns, control_ns, limit_ns) && !fence_is_up())
		fence_raise();
}
