// SPDX-License-Identifier: Apache-2.0
//
// Sends the frames of a file over memif (copy mode) and checks what comes back:
//
//   generator MEMIF_SOCKET CORE
//
// and for each line "FILE WARM_SECONDS SECONDS [echo]" that it reads prints one JSON object. It
// stays connected in between: DPDK's memif driver frees its rings under the feet of a peer that
// still polls when the other side goes, so the forwarder ends first.
//
// Closed loop: never more than WINDOW packets are under way, so that nothing is lost for want of
// room and the rate is what the other side can do. With `echo` the other side returns frames as
// they are (testpmd in io mode). ARP requests are answered.
#include <errno.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "replay.h"

#define WINDOW      960 // the rings hold 1024
#define BURST       64
#define CHECK_EVERY 1024
#define AHEAD       16
#define POOL        16384
#define START_TRIES 150 // of 100 ms
#define DRAIN_MS    200
#define STUCK_MS    50 // nothing comes back: what is under way is lost

struct generator {
	struct replay replay;
	struct rte_mempool *tx_pool, *rx_pool;
	uint16_t port;
	bool echo;
	uint32_t next;
	uint32_t kept_len; // made, not taken by the port yet
	struct rte_mbuf *kept[BURST];
	uint64_t sent, received, checked, wrong, other;
	uint64_t written_off;                     // given up as lost, for the window's sake
	uint64_t last_received_tsc, longest_wait; // ticks without a packet
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	interrupted = 1;
}

static void fill(struct rte_mempool *mp, void *arg, void *obj, unsigned i)
{
	replay_fill_buffer(obj);
}

static struct rte_mempool *pool(const char *name)
{
	return rte_pktmbuf_pool_create(
		name, POOL, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
}

static int open_memif(struct generator *g, const char *socket)
{
	struct rte_eth_conf conf = {0};
	char args[256];
	int r;

	snprintf(args, sizeof(args), "role=client,socket=%s,socket-abstract=no", socket);
	r = rte_eal_hotplug_add("vdev", "net_memif0", args);
	if (r == 0)
		r = rte_eth_dev_get_port_by_name("net_memif0", &g->port);
	if (r == 0)
		r = rte_eth_dev_configure(g->port, 1, 1, &conf);
	if (r == 0)
		r = rte_eth_rx_queue_setup(g->port, 0, 1024, SOCKET_ID_ANY, NULL, g->rx_pool);
	if (r == 0)
		r = rte_eth_tx_queue_setup(g->port, 0, 1024, SOCKET_ID_ANY, NULL);
	if (r == 0)
		r = rte_eth_dev_start(g->port);
	return r;
}

static bool wait_for_link(const struct generator *g)
{
	struct rte_eth_link link;

	for (int i = 0; i < 1000 && !interrupted; i++) {
		if (rte_eth_link_get_nowait(g->port, &link) == 0 && link.link_status)
			return true;
		rte_delay_us_sleep(10000);
	}
	return false;
}

static void make_frames(struct generator *g)
{
	const struct replay_header *h = g->replay.header;

	if (rte_pktmbuf_alloc_bulk(g->tx_pool, g->kept, BURST) < 0)
		return;
	for (uint32_t i = 0; i < BURST; i++) {
		replay_prefetch(&g->replay, g->next + AHEAD);
		replay_write(&g->replay, g->next, g->kept[i]);
		g->next = g->next + 1 == h->count ? 0 : g->next + 1;
	}
	g->kept_len = BURST;
}

static void transmit(struct generator *g)
{
	uint16_t n;

	if (g->sent - g->received - g->written_off + BURST > WINDOW)
		return;
	if (!g->kept_len)
		make_frames(g);
	n = rte_eth_tx_burst(g->port, 0, g->kept, (uint16_t)g->kept_len);
	g->sent += n;
	g->kept_len -= n;
	memmove(g->kept, g->kept + n, g->kept_len * sizeof(g->kept[0]));
}

static bool check(const struct generator *g, const struct rte_mbuf *m)
{
	const struct replay_header *h = g->replay.header;
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t i;

	if (!g->echo)
		return replay_check(&g->replay, m);
	memcpy(&i, p + h->in_tag_at, sizeof(i));
	return i < h->count && !memcmp(p, g->replay.in + (size_t)i * g->replay.in_stride,
				       RTE_MIN(h->in_stored, h->in_size));
}

static void receive(struct generator *g)
{
	const struct replay_header *h = g->replay.header;
	uint32_t size = g->echo ? h->in_size : h->out_size;
	struct rte_mbuf *pkts[BURST];
	uint16_t n = rte_eth_rx_burst(g->port, 0, pkts, BURST);

	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(pkts[i]->pkt_len != size)) {
			g->other++;
			if (replay_answer_arp(&g->replay, pkts[i]) &&
				rte_eth_tx_burst(g->port, 0, &pkts[i], 1) == 1)
				pkts[i] = NULL;
			continue;
		}
		if (++g->received % CHECK_EVERY == 0) {
			g->checked++;
			g->wrong += !check(g, pkts[i]);
		}
	}
	if (n) {
		uint64_t now = rte_rdtsc();

		rte_pktmbuf_free_bulk(pkts, n);
		g->longest_wait = RTE_MAX(g->longest_wait, now - g->last_received_tsc);
		g->last_received_tsc = now;
	}
}

static uint64_t after_ms(uint64_t ms)
{
	return rte_rdtsc() + rte_get_tsc_hz() / 1000 * ms;
}

static void run_until(struct generator *g, uint64_t end_tsc)
{
	uint64_t stuck = rte_get_tsc_hz() / 1000 * STUCK_MS;

	g->last_received_tsc = rte_rdtsc();
	while (rte_rdtsc() < end_tsc && !interrupted) {
		transmit(g);
		receive(g);
		if (rte_rdtsc() - g->last_received_tsc > stuck) {
			g->longest_wait = RTE_MAX(g->longest_wait, stuck);
			g->written_off = g->sent - g->received;
			g->last_received_tsc = rte_rdtsc();
		}
	}
}

static void drain(struct generator *g)
{
	uint64_t end = after_ms(DRAIN_MS);

	while (rte_rdtsc() < end)
		receive(g);
}

static void forget(struct generator *g)
{
	g->sent = g->received = g->checked = g->wrong = g->other = g->written_off = 0;
	g->longest_wait = 0;
}

static void measure(struct generator *g, double warm_s, double run_s)
{
	uint64_t start, ticks, received, longest;
	double seconds;

	// The other side may have to notice the link and to resolve its next hops first.
	for (int i = 0; i < START_TRIES && g->received < WINDOW; i++)
		run_until(g, after_ms(100));
	run_until(g, after_ms((uint64_t)(warm_s * 1000)));
	drain(g);
	forget(g);
	start = rte_rdtsc();
	run_until(g, after_ms((uint64_t)(run_s * 1000)));
	ticks = rte_rdtsc() - start;
	received = g->received;
	longest = g->longest_wait;
	drain(g);
	seconds = (double)ticks / (double)rte_get_tsc_hz();
	printf("{\"mpps\": %.4f, \"sent\": %lu, \"received\": %lu, \"checked\": %lu, "
	       "\"wrong\": %lu, \"other\": %lu, \"longest_wait_ms\": %.1f}\n",
		(double)received / seconds / 1e6, g->sent, g->received, g->checked, g->wrong,
		g->other, (double)longest * 1e3 / (double)rte_get_tsc_hz());
}

static void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int run_line(struct generator *g, char *line)
{
	char path[256], echo[8] = "";
	double warm_s, run_s;
	int r;

	if (sscanf(line, "%255s %lf %lf %7s", path, &warm_s, &run_s, echo) < 3)
		return -EINVAL;
	if (g->kept_len)
		rte_pktmbuf_free_bulk(g->kept, g->kept_len);
	g->kept_len = g->next = 0;
	replay_unload(&g->replay);
	r = replay_load(&g->replay, path);
	if (r < 0)
		return r;
	rte_mempool_obj_iter(g->tx_pool, fill, NULL); // shorter frames left their tails
	g->echo = echo[0];
	forget(g);
	measure(g, warm_s, run_s);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static struct generator g;
	const struct env_config config = {
		.name = "bench-generator", .hugepages = env_hugepages_present(), .memory_mib = 512};
	char line[512];
	int r;

	if (argc != 3)
		return 2;
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (env_init(&config) < 0)
		return 1;
	g.tx_pool = pool("tx");
	g.rx_pool = pool("rx");
	if (!g.tx_pool || !g.rx_pool)
		return 1;
	pin((int)strtol(argv[2], NULL, 10));
	if (open_memif(&g, argv[1]) < 0 || !wait_for_link(&g)) {
		fprintf(stderr, "generator: no link over %s\n", argv[1]);
		return 1;
	}
	while (!interrupted && fgets(line, sizeof(line), stdin)) {
		r = run_line(&g, line);
		if (r < 0) {
			fprintf(stderr, "generator: %s: %s\n", line, strerror(-r));
			return 1;
		}
	}
	env_fini();
	return 0;
}
