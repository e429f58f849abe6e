// SPDX-License-Identifier: Apache-2.0
#pragma once

// The forwarder's graph: every node, in the order in which they are called. A packet that follows
// its path down this list crosses the graph in one round; an edge that points up costs another.
// X(id, name): the node is `const struct node node_<name>`, in a file of that name.

#include "worker.h"

// clang-format off
#define GRAPH_NODES(X) \
	X(PLAIN, plain)             /* tunnelled IPv4, if nothing is odd: all of its way */ \
	X(ETH, eth)                 /* frames from ports */                            \
	X(ARP, arp)                 /* on links */                                     \
	X(UNDERLAY_IP, underlay_ip) /* outer header: ours? which tunnel? */            \
	X(REASSEMBLY, reassembly)   /* fragments of outer packets; up from there */    \
	X(RELAY_IN, relay_in)       /* IP-in-IP from a slot's former holder; up */     \
	X(RELAY_OUT, relay_out)     /* to a slot's new holder */                       \
	X(VXLAN_IN, vxlan_in)       /* VXLAN and its tenant */                         \
	X(ESP_IN, esp_in)           /* ESP, plain or in UDP */                         \
	X(GRE_IN, gre_in)           /* GRE connections, NVGRE */                       \
	X(IKE_PUNT, ike_punt)       /* IKE for its daemon */                           \
	X(VIP_RELAY, vip_relay)     /* IKE, ESP of a slot whose address is ours, held elsewhere */ \
	X(L3_IN, l3_in)             /* L3 connections */                               \
	X(ND, nd)                   /* IPv6 neighbours on links */                     \
	X(ARP_TENANT, arp_tenant)   /* ARP on tenant subnets */                        \
	X(ND_TENANT, nd_tenant)     /* IPv6 neighbours, routers on tenant subnets */   \
	X(PLAIN_SITE, plain_site)   /* from esp_in, if nothing is odd: the rest of its way */ \
	X(IP_FORWARD, ip_forward)   /* inner header, route; up here from local, errors */ \
	X(ICMP_ERROR, icmp_error)   /* makes errors inside the tenant */               \
	X(LOCAL, local)             /* for the gateway itself: ping, punt */           \
	X(BFD_IN, bfd_in)           /* BFD, of the underlay and of tenants */          \
	X(OVERLAY_OUT, overlay_out) /* to hosts: VXLAN, NVGRE */                       \
	X(GRE_OUT, gre_out)         /* to sites by GRE */                              \
	X(ESP_OUT, esp_out)         /* to sites by IPsec; GRE it protects */           \
	X(L3_OUT, l3_out)           /* to sites by VLAN */                             \
	X(HOP_OUT, hop_out)         /* IP packet whose hop is known: link header */    \
	X(PORT_OUT, port_out)       /* whole frames to meta.port */
// clang-format on

enum graph_node {
#define X(id, name) NODE_##id,
	GRAPH_NODES(X)
#undef X
		NODE_COUNT,
};

extern const struct graph forwarder_graph;
