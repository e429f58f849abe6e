// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rte_mbuf.h>
#include <stdint.h>

#include "ipaddr.h"

// Control thread.
void arp_announce(uint16_t port, uint16_t vlan, const struct ip_addr *addr);
void arp_learn(const struct rte_mbuf *m); // data starts at the ARP header
