// SPDX-License-Identifier: Apache-2.0
#pragma once

// Neighbour discovery (RFC 4861), the control thread's half: asking, announcing, learning.

#include <rte_mbuf.h>
#include <stdint.h>

#include "ipaddr.h"

void nd_announce(uint16_t port, uint16_t vlan, const struct ip_addr *addr);
void nd_learn(const struct rte_mbuf *m); // data starts at the IPv6 header of an NA or NS
