// SPDX-License-Identifier: Apache-2.0
#pragma once

// A gateway of two tenants with equal addresses, for packet tests and the fuzzer: the real tables,
// handlers and graph on the test bed, without sockets.
//
//   host (VXLAN) --- port 0, router --- GRE sites      tenants t = 0, 1
//                                   port 1, VLAN 100+t --- L3 sites

#include <stdbool.h>
#include <stdint.h>

#include "drop.h"
#include "ip/wire.h"
#include "objects.h"
#include "testbed.h"

#define KIT_TENANTS 2

enum kit_addresses {                   // host order
	KIT_SLOT_PA = 0x0a00000a,      // 10.0.0.10, VTEP and GRE VIP
	KIT_OWN = 0x0a000002,          // 10.0.0.2/24
	KIT_ROUTER = 0x0a000001,       // 10.0.0.1
	KIT_LINK_HOST_PA = 0x0a000055, // a host on the gateway's own link
	KIT_HOST_PA = 0x0a010001,      // + tenant, behind the router
	KIT_GRE_REMOTE = 0x0a020001,   // + tenant
	KIT_VM = 0xc0a80105,           // 192.168.1.5, of both tenants
	KIT_GATEWAY_CA = 0xc0a80101,
	KIT_SITE = 0x0b010203,    // 11.1.2.3, by GRE
	KIT_L3_SITE = 0x0c010203, // 12.1.2.3, by VLAN
	KIT_L3_OWN = 0x0f000005,  // 15.0.0.5/29
	KIT_L3_PEER = 0x0f000001,
};

struct kit {
	struct testbed *tb;
	uint16_t slot;
	struct api_conn gre[KIT_TENANTS];
};

extern const uint8_t kit_router_mac[6];

static inline uint32_t kit_vni(unsigned tenant)
{
	return 5000 + tenant;
}

static inline uint32_t kit_gre_key(unsigned tenant)
{
	return 7000 + tenant;
}

static inline uint16_t kit_vlan(unsigned tenant)
{
	return (uint16_t)(100 + tenant);
}

// Setup and teardown for cmocka: *state is a struct kit.
int kit_setup(void **state);
int kit_teardown(void **state);
#define kit_test(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

// Wanted state: the handler's answer. kit_set_all sends everything, returns how many changed.
int kit_set(uint16_t type, const void *object, size_t size);
int kit_del(uint16_t type, const void *key);
struct api_handler;
const struct api_handler *kit_handler(uint16_t type); // NULL: none of the kit's
unsigned kit_set_all(struct kit *k);
int kit_try_slot(struct kit *k, uint64_t epoch, bool active);
void kit_set_slot(struct kit *k, uint64_t epoch, bool active);
void kit_set_gre(struct kit *k, unsigned tenant, uint32_t key, uint32_t flags);
void kit_set_rate(struct kit *k, unsigned tenant, uint64_t out_kbps);
void kit_set_host(struct kit *k, unsigned tenant, uint32_t ca, uint32_t pa);

// A frame from a tenant's host; change what should be wrong.
struct kit_frame {
	uint32_t outer_src, outer_dst, vni, inner_src, inner_dst;
	uint8_t inner_dst_mac, ttl, vxlan_flags, tos, outer_tos;
	bool break_outer_checksum, break_inner_checksum, dont_fragment;
	bool partial_outer_udp; // as the kernel leaves it to the device
};

struct kit_frame kit_host_frame(unsigned tenant, uint32_t src, uint32_t dst);
void kit_send_frame(struct kit *k, const struct kit_frame *f, uint16_t inner_size);
void kit_from_host(struct kit *k, unsigned tenant, uint32_t src, uint32_t dst, uint16_t inner_size);
void kit_from_gre(struct kit *k, unsigned tenant, uint32_t key, uint32_t src, uint32_t dst,
	uint16_t inner_size);
void kit_from_gre_at(struct kit *k, uint32_t outer_src, uint32_t key, uint32_t src, uint32_t dst,
	uint16_t inner_size);
void kit_from_vlan(struct kit *k, uint16_t vlan, uint32_t src, uint32_t dst, uint16_t inner_size);
void kit_arp(struct kit *k, uint16_t port, uint16_t vlan, uint32_t sender, uint32_t target);
void kit_arp_reply(struct kit *k, uint16_t port, uint16_t vlan, uint32_t sender);
void kit_tenant_arp(struct kit *k, unsigned tenant, uint32_t sender, uint32_t target);
void kit_ping(struct kit *k, unsigned tenant, uint32_t src, uint32_t dst);

void kit_stats(uint32_t conn, struct api_conn_stats *ret_stats);
void kit_run(struct kit *k);     // worker
void kit_control(struct kit *k); // control thread's packets, then the worker again
bool kit_take(struct kit *k, struct testbed_result *ret_result);
bool kit_take_tx(struct kit *k, struct testbed_result *ret_result); // skips the rest
void kit_expect_drop(struct kit *k, enum drop_reason reason);       // exactly one packet, so
void kit_expect_arp_reply(struct kit *k, uint16_t port, uint16_t vlan, uint32_t addr);
