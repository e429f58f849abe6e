// SPDX-License-Identifier: Apache-2.0
//
// A worker that finds nothing to do for IDLE_LOOPS loops sleeps in epoll on the descriptors of its
// queues and its eventfd; who fills its inbox then wakes it. While asleep it is offline for RCU, so
// that the control thread need not wake it to free memory. One report a worker is read by the
// control thread without locks: each field is written by the worker alone.
#include "worker_loop.h"

#include <errno.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "fence.h"
#include "rcu.h"

#define IDLE_LOOPS 64 // empty loops before sleep
#define TIMED_MASK 15 // every 16th loop reads the clock around each node

struct worker_thread {
	struct worker *worker;
	pthread_t thread;
	int epoll_fd;
	bool started;
	bool must_poll;
	uint16_t core;
	uint16_t port_len;
	struct port *ports[PORT_MAX];
	// worker: rw, ctl: ro
	uint64_t loops, busy_loops, sleeps;
	uint64_t last_loop_ns;
};

static struct worker_thread threads[WORKER_MAX];
static bool stopping;     // ctl: rw, worker: ro
static uint64_t tsc_mult; // ns = tsc * mult >> 32

uint64_t clock_ns(void)
{
	if (unlikely(!tsc_mult))
		tsc_mult = (uint64_t)((1000000000.0 * 4294967296.0) / (double)rte_get_tsc_hz());
	return (uint64_t)(((__uint128_t)rte_rdtsc() * tsc_mult) >> 32);
}

static void arrive(struct rte_mbuf **pkts, uint16_t n, uint16_t port)
{
	for (uint16_t i = 0; i < n && i < 4; i++)
		rte_prefetch0(packet_meta(pkts[i]));
	for (uint16_t i = 0; i < n; i++) {
		if (i + 4 < n)
			rte_prefetch0(packet_meta(pkts[i + 4]));
		packet_meta_reset(pkts[i]);
		packet_meta(pkts[i])->port = port;
	}
}

static uint16_t take_from_port(struct worker *w, struct port *p)
{
	const uint16_t input = w->graph->input;
	uint64_t start = w->timed ? rte_rdtsc() : 0;
	uint16_t n = p->ops->rx(p, w->index, w->pkts[input], NODE_VECTOR);

	if (!n)
		return 0;
	w->len[input] = n;
	if (!(p->flags & PORT_F_SETS_META))
		arrive(w->pkts[input], n, p->index);
	w->rx_stats.calls++;
	w->rx_stats.packets += n;
	if (w->timed) {
		w->rx_stats.timed_cycles += rte_rdtsc() - start;
		w->rx_stats.timed_packets += n;
	}
	graph_run(w);
	return n;
}

static uint16_t take_from_inbox(struct worker *w)
{
	struct rte_mbuf *pkts[NODE_VECTOR];
	uint16_t n;

	if (rte_ring_empty(w->inbox))
		return 0;
	n = (uint16_t)rte_ring_dequeue_burst(w->inbox, (void **)pkts, NODE_VECTOR, NULL);
	for (uint16_t i = 0; i < n; i++)
		node_push(w, packet_meta(pkts[i])->node, pkts[i]);
	graph_run(w);
	return n;
}

static void flush(struct worker *w)
{
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		if (w->tx[i].len)
			port_flush(w, i);
	}
	if (unlikely(w->control_pending)) {
		w->control_pending = false;
		control_kick();
	}
}

static bool loop_once(struct worker_thread *t)
{
	struct worker *w = t->worker;
	uint32_t n = 0;

	w->now_ns = clock_ns();
	fence_look(w->now_ns, w->ran_ns);
	w->ran_ns = w->now_ns;
	w->timed = !(t->loops & TIMED_MASK);
	for (uint16_t i = 0; i < t->port_len; i++)
		n += take_from_port(w, t->ports[i]);
	n += take_from_inbox(w);
	if (n)
		flush(w);
	rcu_reader_quiescent(w->index);
	__atomic_store_n(&t->last_loop_ns, w->now_ns, __ATOMIC_RELAXED);
	t->loops++;
	t->busy_loops += n != 0;
	return n != 0;
}

// An interface that went down leaves an error on its sockets, which would wake us for ever.
static void take_errors(const struct epoll_event *events, int n)
{
	for (int i = 0; i < n; i++) {
		int error;
		socklen_t size = sizeof(error);

		if (events[i].events & EPOLLERR)
			(void)getsockopt(events[i].data.fd, SOL_SOCKET, SO_ERROR, &error, &size);
	}
}

static void sleep_until_work(struct worker_thread *t)
{
	struct worker *w = t->worker;
	struct epoll_event events[PORT_MAX + 1];
	eventfd_t wakes;

	__atomic_store_n(&w->asleep, true, __ATOMIC_RELAXED);
	// Pairs with the fence in wake(): either we see the packet or its sender sees us asleep.
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (rte_ring_empty(w->inbox) && !__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
		rcu_reader_offline(w->index);
		t->sleeps++;
		take_errors(events, epoll_wait(t->epoll_fd, events, PORT_MAX + 1,
					    fence.limit_ns ? FENCE_SLEEP_MS : -1));
		rcu_reader_online(w->index);
	}
	__atomic_store_n(&t->last_loop_ns, clock_ns(), __ATOMIC_RELAXED);
	__atomic_store_n(&w->asleep, false, __ATOMIC_RELEASE);
	eventfd_read(w->wake_fd, &wakes);
}

static void pin(struct worker_thread *t)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(t->core, &set);
	// A core that is not ours to use: the scheduler's choice is as good.
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *thread_main(void *arg)
{
	struct worker_thread *t = arg;
	unsigned idle = 0;

	pin(t);
	// Gives the thread its own cache of packet buffers; without it only speed is lost.
	rte_thread_register();
	rcu_reader_online(t->worker->index);
	while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
		if (loop_once(t))
			idle = 0;
		else if (++idle > IDLE_LOOPS && !t->must_poll)
			sleep_until_work(t);
	}
	rcu_reader_offline(t->worker->index);
	rte_thread_unregister();
	return NULL;
}

static int watch(struct worker_thread *t, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int add_ports(struct worker_thread *t)
{
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		struct port *p = port_table[i];
		int fd, r;

		if (!p)
			continue;
		t->ports[t->port_len++] = p;
		fd = p->ops->wait_fd(p, t->worker->index);
		if (fd < 0) {
			t->must_poll = true;
			continue;
		}
		r = watch(t, fd);
		if (r < 0)
			return r;
	}
	return watch(t, t->worker->wake_fd);
}

// The n-th core of those the process may use.
static uint16_t nth_core(unsigned n)
{
	cpu_set_t set;
	int count;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	count = CPU_COUNT(&set);
	n %= count > 0 ? (unsigned)count : 1;
	for (uint16_t core = 0; core < CPU_SETSIZE; core++) {
		if (CPU_ISSET(core, &set) && n-- == 0)
			return core;
	}
	return 0;
}

static int thread_start(struct worker_thread *t, const struct worker_loop_config *config)
{
	int r;

	*t = (struct worker_thread){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	if (t->epoll_fd < 0)
		return -errno;
	t->worker = aligned_alloc(
		RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(sizeof(struct worker), RTE_CACHE_LINE_SIZE));
	if (!t->worker)
		return -ENOMEM;
	r = worker_init(t->worker, config->graph, config->pool, config->conns_size);
	if (r < 0) {
		free(t->worker);
		t->worker = NULL;
		return r;
	}
	t->core = nth_core(config->first_core + t->worker->index);
	t->last_loop_ns = clock_ns();
	r = add_ports(t);
	if (r == 0)
		r = -pthread_create(&t->thread, NULL, thread_main, t);
	t->started = r == 0;
	return r;
}

int workers_start(const struct worker_loop_config *config)
{
	int r = 0;

	if (config->count < 1 || config->count > WORKER_MAX)
		return -EINVAL;
	stopping = false;
	clock_ns();
	for (uint16_t i = 0; i < config->count && r == 0; i++)
		r = thread_start(&threads[i], config);
	if (r < 0)
		workers_stop();
	return r;
}

void workers_stop(void)
{
	__atomic_store_n(&stopping, true, __ATOMIC_SEQ_CST);
	for (int i = 0; i < WORKER_MAX; i++) {
		if (!threads[i].started)
			continue;
		eventfd_write(threads[i].worker->wake_fd, 1);
		pthread_join(threads[i].thread, NULL);
	}
	for (int i = WORKER_MAX - 1; i >= 0; i--) {
		struct worker_thread *t = &threads[i];

		if (t->worker) {
			worker_fini(t->worker);
			free(t->worker);
			close(t->epoll_fd);
		}
		*t = (struct worker_thread){0};
	}
}

bool worker_report(uint16_t index, struct worker_report *ret_report)
{
	const struct worker_thread *t;
	uint64_t last, now = clock_ns();

	if (index >= WORKER_MAX || !threads[index].started)
		return false;
	t = &threads[index];
	last = __atomic_load_n(&t->last_loop_ns, __ATOMIC_RELAXED);
	*ret_report = (struct worker_report){
		.core = t->core,
		.loops = t->loops,
		.busy_loops = t->busy_loops,
		.sleeps = t->sleeps,
		.beat_us = now > last ? (now - last) / 1000 : 0,
	};
	// While the fence is armed one that sleeps looks at the clock now and then all the same.
	if (__atomic_load_n(&t->worker->asleep, __ATOMIC_ACQUIRE) && !fence.limit_ns)
		ret_report->beat_us = 0;
	return true;
}
