// SPDX-License-Identifier: Apache-2.0
#pragma once

// A port: where frames come from and go to. Six operations, two kinds (af_packet.c, ethdev.c).

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipaddr.h"

#define PORT_MAX 16

struct port;

enum {
	PORT_F_SETS_META = 1 << 0, // rx resets the packet's meta and sets meta.port itself
	PORT_F_CSUM = 1 << 1,      // tx completes a checksum of the outermost transport header
	PORT_F_GSO = 1 << 2,       // tx takes TCP and UDP GSO packets that are not tunnelled
};

struct port_ops {
	const char *kind; // "af_packet", "ethdev"
	// Opens what `arg` names; queues = number of workers. 0 or -errno.
	int (*open)(struct port *p, const char *arg, uint16_t queues, struct rte_mempool *pool);
	void (*close)(struct port *p);
	// Worker context. Up to n frames; GSO and partial checksums stay described in ol_flags.
	uint16_t (*rx)(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
	// Takes the packets it could send, returns how many; the caller drops the rest.
	uint16_t (*tx)(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
	// Descriptor that becomes readable when rx has something; -1: must be polled.
	int (*wait_fd)(struct port *p, uint16_t queue);
	// Control thread, now and then: brings mtu, mac, up and the counters up to date.
	void (*refresh)(struct port *p);
};

struct port {
	const struct port_ops *ops;
	uint16_t index;
	uint16_t mtu; // of the link, without the Ethernet header
	struct mac_addr mac;
	bool up;
	uint8_t flags; // PORT_F_*
	char name[32];
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped; // by refresh
	void *priv;
};

extern struct port *port_table[PORT_MAX]; // by index; NULL: none
extern const struct port_ops af_packet_ops, ethdev_ops, replay_ops;

// Control thread, before the workers start. `spec` is "NAME=KIND:ARG", KIND af_packet or dpdk.
// 0 or -errno; takes the next free index.
int port_open(const char *spec, uint16_t queues, struct rte_mempool *pool);
void ports_close(void);
