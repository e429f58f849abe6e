// SPDX-License-Identifier: Apache-2.0
#pragma once

// Adjacencies: what to do with a packet once its route is known. A FIB result is an index into
// adj_table; what the index means can be changed by one pointer store, however many routes use it.
//
// An adjacency is immutable; the control thread replaces it whole (RCU).

#include <stdint.h>

#include "ipaddr.h"
#include "table/table.h"

struct meter;

enum adj_type {
	ADJ_DROP = 0, // with a reason
	ADJ_LOCAL,    // an address of the gateway in this VRF
	ADJ_OVERLAY,  // VXLAN or NVGRE to a host or to the holder of another slot
	ADJ_GRE,
	ADJ_L3,      // rewritten towards a neighbour on a VLAN
	ADJ_L3_LINK, // the destination itself is the neighbour: resolved on demand
	ADJ_ESP,
	ADJ_GROUP, // one of several by flow hash
};

enum {
	ADJ_F_OUTER6 = 1 << 0,  // the template is IPv6
	ADJ_F_IPSEC = 1 << 2,   // GRE: protected by the connection's SAs
	ADJ_F_UDP = 1 << 1,     // VXLAN: source port from the flow hash
	ADJ_F_GATEWAY = 1 << 3, // overlay: to another of the tenant's gateways
};

// Whose packets the short way (plain/) may send here.
enum {
	ADJ_PLAIN_HOST = 1 << 0,
	ADJ_PLAIN_SITE = 1 << 1,
};

#define ADJ_TEMPLATE_SIZE 72 // IPv6, UDP, VXLAN, inner Ethernet: 70
#define ADJ_GROUP_BUCKETS 1024
#define ADJ_GROUP_MAX     16

struct adj_group {
	uint32_t member[ADJ_GROUP_MAX]; // indices of its own, 0 past the end
	uint8_t bucket[ADJ_GROUP_BUCKETS];
};

struct adj {
	uint8_t type; // enum adj_type
	uint8_t flags;
	uint8_t size;   // bytes of the template
	uint8_t reason; // ADJ_DROP: enum drop_reason
	uint16_t mtu;   // of the IP packet before encapsulation
	uint16_t slot;
	uint32_t conn; // connection index, 0: none
	uint32_t vrf;  // VRF index whose packets may take it
	uint32_t hop;  // index into hop_table
	uint16_t sum;  // ones' complement sum of the outer IPv4 header without length, id, TOS
	uint16_t subnet_mtu;
	uint8_t plain;                    // ADJ_PLAIN_, set by adj_publish()
	struct meter *meter;              // outbound rate, or NULL
	const struct adj_group *group;    // ADJ_GROUP
	uint8_t bytes[ADJ_TEMPLATE_SIZE]; // the template ends at the end, see adj_align()
} __attribute__((aligned(64)));

#define ADJ_MAX (1u << 20)

// [ADJ_MAX]; entry 0 drops with DROP_NO_ROUTE. ctl: rw, worker: ro
extern const struct adj **adj_table;

int adj_init(void);
void adj_fini(void);
// An index whose entry drops with NO_ROUTE until set. 0 when none is left.
uint32_t adj_index_new(void);
void adj_index_free(uint32_t index); // after nothing refers to it; reused when readers are through
// Shows adj (taken) at the index; the old one is freed when readers are through.
void adj_publish(uint32_t index, struct adj *adj);
struct adj *adj_new(enum adj_type type, uint32_t vrf);
void adj_align(struct adj *adj); // after the template was written from the start of bytes[]
struct adj *adj_new_drop(uint32_t reason);
void adj_free_later(const struct adj *adj); // with its group and the group's members
