// SPDX-License-Identifier: Apache-2.0
#pragma once

// The common packet's whole way at once: IPv4 by VXLAN or GRE into a tenant's network, and out by
// GRE, VXLAN or VLAN, or to esp_out; from esp_in on, what is left of it. What is anything else, or
// odd in any way, goes on to eth as it came, and with it all that came after it: packets of one
// flow stay in order.
//
// Nothing is decided here but one thing: that the nodes of the long way would send this packet on,
// and how. So there are no drops (but by the outbound rate, when all else is settled), no errors,
// and nothing that is wrong is looked into. Nothing is written before the last step.
//
// Who traces gets the long way.

#include "worker.h"

// How many packets from the first one on went; the rest is as it was. The same source, built for
// each level of cpu.h.
uint16_t plain_vector_any(struct worker *w, struct rte_mbuf **pkts, uint16_t n);
uint16_t plain_vector_v3(struct worker *w, struct rte_mbuf **pkts, uint16_t n);
uint16_t plain_vector_v4(struct worker *w, struct rte_mbuf **pkts, uint16_t n);
// The same for inner packets that came by a connection: policed and counted, with their meta.
uint16_t plain_site_vector_any(struct worker *w, struct rte_mbuf **pkts, uint16_t n);
uint16_t plain_site_vector_v3(struct worker *w, struct rte_mbuf **pkts, uint16_t n);
uint16_t plain_site_vector_v4(struct worker *w, struct rte_mbuf **pkts, uint16_t n);
