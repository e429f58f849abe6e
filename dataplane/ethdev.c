// SPDX-License-Identifier: Apache-2.0
//
// Ports of DPDK's own drivers: NICs, and memif, null or tap for benches. The argument is what EAL
// calls a device with its arguments: "net_memif0,role=client,socket=/run/x" or "0000:00:05.0".
// No offloads are asked for: what nodes make is complete before it gets here.
#include <errno.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port.h"
#include "xmalloc.h"

#define DESCRIPTORS 1024

struct ethdev {
	uint16_t id;
	char device[64];
};

static struct ethdev *ethdev_of(const struct port *p)
{
	return p->priv;
}

// "bus device" is vdev for names, pci for addresses.
static int plug(const char *arg, char *device, size_t size)
{
	const char *comma = strchr(arg, ',');
	size_t n = comma ? (size_t)(comma - arg) : strlen(arg);
	const char *bus = strchr(arg, ':') && strchr(arg, ':') < arg + n ? "pci" : "vdev";

	if (!n || n >= size)
		return -EINVAL;
	memcpy(device, arg, n);
	device[n] = '\0';
	return rte_eal_hotplug_add(bus, device, comma ? comma + 1 : "");
}

static int setup_queues(uint16_t id, uint16_t queues, struct rte_mempool *pool)
{
	uint16_t rx_len = DESCRIPTORS, tx_len = DESCRIPTORS;
	int r = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx_len, &tx_len);

	for (uint16_t q = 0; q < queues && r == 0; q++) {
		r = rte_eth_rx_queue_setup(id, q, rx_len, SOCKET_ID_ANY, NULL, pool);
		if (r == 0)
			r = rte_eth_tx_queue_setup(id, q, tx_len, SOCKET_ID_ANY, NULL);
	}
	return r;
}

static int configure(uint16_t id, uint16_t queues, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	int r = rte_eth_dev_info_get(id, &info);

	if (r < 0)
		return r;
	if (queues > info.max_rx_queues || queues > info.max_tx_queues)
		return -EDOM; // fewer queues than workers
	if (queues > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
	}
	r = rte_eth_dev_configure(id, queues, queues, &conf);
	if (r == 0)
		r = setup_queues(id, queues, pool);
	if (r == 0)
		r = rte_eth_dev_start(id);
	return r;
}

static void ethdev_refresh(struct port *p)
{
	struct rte_eth_stats stats;
	struct rte_ether_addr mac;
	struct rte_eth_link link;
	uint16_t id = ethdev_of(p)->id;

	if (rte_eth_link_get_nowait(id, &link) == 0)
		p->up = link.link_status == RTE_ETH_LINK_UP;
	if (rte_eth_macaddr_get(id, &mac) == 0)
		memcpy(&p->mac, &mac, sizeof(p->mac));
	rte_eth_dev_get_mtu(id, &p->mtu);
	if (rte_eth_stats_get(id, &stats) < 0)
		return;
	p->rx_packets = stats.ipackets;
	p->rx_bytes = stats.ibytes;
	p->tx_packets = stats.opackets;
	p->tx_bytes = stats.obytes;
	p->rx_dropped = stats.imissed + stats.rx_nombuf;
	p->tx_dropped = stats.oerrors;
}

static int ethdev_open(struct port *p, const char *arg, uint16_t queues, struct rte_mempool *pool)
{
	struct ethdev *dev = xcalloc(1, sizeof(*dev));
	int r = plug(arg, dev->device, sizeof(dev->device));

	if (r == 0)
		r = rte_eth_dev_get_port_by_name(dev->device, &dev->id);
	if (r == 0)
		r = configure(dev->id, queues, pool);
	if (r < 0) {
		free(dev);
		return r;
	}
	p->priv = dev;
	ethdev_refresh(p);
	return 0;
}

static void ethdev_close(struct port *p)
{
	struct ethdev *dev = ethdev_of(p);

	rte_eth_dev_stop(dev->id);
	rte_eth_dev_close(dev->id);
	free(dev);
}

static uint16_t ethdev_rx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_rx_burst(ethdev_of(p)->id, queue, pkts, n);
}

static uint16_t ethdev_tx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_tx_burst(ethdev_of(p)->id, queue, pkts, n);
}

static int ethdev_wait_fd(struct port *p, uint16_t queue)
{
	return -1;
}

const struct port_ops ethdev_ops = {
	.kind = "ethdev",
	.open = ethdev_open,
	.close = ethdev_close,
	.rx = ethdev_rx,
	.tx = ethdev_tx,
	.wait_fd = ethdev_wait_fd,
	.refresh = ethdev_refresh,
};
