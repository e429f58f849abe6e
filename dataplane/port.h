// SPDX-License-Identifier: Apache-2.0
#pragma once

// A port: where frames come from and go to. Five operations, two kinds (af_packet.c, ethdev.c).

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipaddr.h"

#define PORT_MAX 16

struct port;

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
};

struct port {
	const struct port_ops *ops;
	uint16_t index;
	uint16_t mtu; // of the link, without the Ethernet header
	struct mac_addr mac;
	bool up;
	char name[32];
	void *priv;
};

extern struct port *port_table[PORT_MAX]; // by index; NULL: none
