// SPDX-License-Identifier: Apache-2.0

#include "gateway.h"

#include <event2/event.h>
#include <stddef.h>
#include <time.h>

#include "adj/adj.h"
#include "arp/arp.h"
#include "bfd/peers.h"
#include "conn/conn.h"
#include "control.h"
#include "gre/keepalive.h"
#include "host/host.h"
#include "ip/reassembly.h"
#include "ip/wire.h"
#include "nd/nd.h"
#include "modules.h"
#include "neighbour/neighbour.h"
#include "packet.h"
#include "punt/ike.h"
#include "punt/tun.h"
#include "rcu.h"
#include "relay/relay.h"
#include "route/route.h"
#include "slot/slot.h"
#include "subnet/subnet.h"
#include "underlay/underlay.h"
#include "vip/vip.h"
#include "vrf/vrf.h"

#define TICK_MS 100

// In order of dependence: init and serve go down the list, fini goes up.
static const struct {
	int (*init)(void);
	void (*fini)(void);
	int (*serve)(struct api_server *s);
} features[] = {
	{adj_init, adj_fini, NULL},
	{neighbour_init, neighbour_fini, neighbour_serve},
	{vrf_init, vrf_fini, vrf_serve},
	{route_init, route_fini, route_serve},
	{underlay_init, underlay_fini, underlay_serve},
	{relay_init, relay_fini, NULL},
	{vip_init, vip_fini, vip_serve},
	{slot_init, slot_fini, slot_serve},
	{subnet_init, subnet_fini, subnet_serve},
	{tenant_slot_init, tenant_slot_fini, tenant_slot_serve},
	{local_addr_init, local_addr_fini, local_addr_serve},
	{host_init, host_fini, host_serve},
	{ike_punt_init, ike_punt_fini, ike_punt_serve},
	{conn_init, conn_fini, conn_serve},
	{bfd_init, bfd_fini, bfd_serve},
};

#define FEATURES (sizeof(features) / sizeof(features[0]))

static struct ip_addr destination(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	if (p[0] >> 4 == 4)
		return ip_from_bytes(IP_V4, p + 16);
	return ip_from_bytes(IP_V6, p + 24);
}

// What workers pass on about neighbours: meta.out is 0 for something heard, HOP_MAX for a
// destination on an L3 connection's link, else the hop for which the packet waits.
static void neighbour_news(struct rte_mbuf *m)
{
	const struct packet_meta *meta = packet_meta(m);
	struct ip_addr dst;

	if (meta->out == 0) {
		if (*rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 6)
			nd_learn(m);
		else
			arp_learn(m);
		rte_pktmbuf_free(m);
	} else if (meta->out == HOP_MAX) {
		dst = destination(m);
		conn_neighbour_wait(meta->conn, &dst, m);
	} else {
		neighbour_wait_hop(meta->out, m);
	}
}

int gateway_init(struct event_base *base, uint32_t conns_size)
{
	conn_set_limit(conns_size);
	for (size_t i = 0; i < FEATURES; i++) {
		int r = features[i].init();

		if (r < 0)
			return r;
	}
	control_handle(CONTROL_NEIGHBOUR, neighbour_news);
	control_handle(CONTROL_PUNT_TUN, tun_punt);
	control_handle(CONTROL_PUNT_IKE, ike_punt);
	control_handle(CONTROL_PUNT_BFD, bfd_punt);
	tun_init(base);
	return bfd_start(base);
}

void gateway_fini(void)
{
	control_handle(CONTROL_NEIGHBOUR, NULL);
	control_handle(CONTROL_PUNT_TUN, NULL);
	control_handle(CONTROL_PUNT_BFD, NULL);
	tun_fini();
	reassembly_fini();
	for (size_t i = FEATURES; i-- > 0;)
		features[i].fini();
	rcu_synchronize();
}

int gateway_serve(struct api_server *s)
{
	for (size_t i = 0; i < FEATURES; i++) {
		int r = features[i].serve ? features[i].serve(s) : 0;

		if (r < 0)
			return r;
	}
	return tun_serve(s);
}

void gateway_tick(uint64_t now_ms)
{
	neighbour_tick(now_ms);
	conn_tick(now_ms);
	keepalive_tick(now_ms);
	host_tick(now_ms);
	bfd_tick();
	rcu_reclaim();
}

// -- as a module of the process

static struct event *ticker;

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	gateway_tick((uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000);
}

static int module_init(const struct module_env *env)
{
	const struct timeval period = {.tv_usec = TICK_MS * 1000};
	int r = gateway_init(env->base, env->conns_size);

	if (r == 0 && env->server)
		r = gateway_serve(env->server);
	if (r < 0)
		return r;
	ticker = event_new(env->base, -1, EV_PERSIST, on_tick, NULL);
	event_add(ticker, &period);
	on_tick(-1, 0, NULL);
	return 0;
}

static void module_fini(void)
{
	event_free(ticker);
	gateway_fini();
}

const struct module module_gateway = {.name = "gateway", .init = module_init, .fini = module_fini};
