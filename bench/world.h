// SPDX-License-Identifier: Apache-2.0
#pragma once

// The world that benches run in: tenants with hosts on one side and sites on the other, every
// address computed from its number, so that who configures, who sends and who checks agree.
//
// Every tenant has the same 10.0.0.0/24 with 100 virtual machines on 64 hosts; its connections are
// spread over the tenants round robin, each with routes to prefixes drawn by a fixed seed.

#include <stdint.h>

#define WORLD_VMS   100 // of a tenant
#define WORLD_HOSTS 64

#define WORLD_VTEP    0x0a630002u // 10.99.0.2
#define WORLD_GRE_VIP 0x0a630003u
#define WORLD_VIP     0x0a630004u
#define WORLD_SELF    0x0a63000au
#define WORLD_ROUTER  0x0a630001u

struct world {
	uint32_t tenants;
	uint32_t conns;
	uint32_t routes; // of a connection
};

static inline uint32_t world_hash(uint64_t n)
{
	n = (n ^ (n >> 31)) * 0x9e3779b97f4a7c15u;
	n = (n ^ (n >> 29)) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(n ^ (n >> 32));
}

// Addresses in host byte order. conn from 0; the API's ids are one more.
static inline uint32_t world_tenant(const struct world *w, uint32_t conn)
{
	return conn % w->tenants;
}

static inline uint32_t world_vni(uint32_t tenant)
{
	return 5001 + tenant;
}

static inline uint32_t world_gre_key(uint32_t conn)
{
	return 0x10000 + conn * 7;
}

static inline uint32_t world_remote(uint32_t conn)
{
	return 0x0ac80000 + conn / 200 * 256 + conn % 200 + 1; // 10.200.0.0/16
}

// ESP: slot 1, and the index of its table.
static inline uint32_t world_spi_in(uint32_t conn)
{
	return 1u << 20 | (conn + 1);
}

static inline uint32_t world_vm(uint32_t vm)
{
	return 0x0a00000a + vm; // 10.0.0.10..
}

static inline uint32_t world_host(uint32_t vm)
{
	return 0x0ac60001 + vm % WORLD_HOSTS; // 10.198.0.1..
}

// A /24 between 20.0.0.0 and 99.255.255.0; connections of one tenant (at most ten) share none.
static inline uint32_t world_route(const struct world *w, uint32_t conn, uint32_t route)
{
	uint32_t h = world_hash((uint64_t)conn << 20 | route);

	return (20 + conn / w->tenants % 10 * 8 + (h >> 16) % 8) << 24 | (h & 0xffff) << 8;
}

static inline void world_gateway_mac(uint32_t tenant, uint8_t *mac)
{
	mac[0] = 2;
	mac[1] = 1;
	mac[2] = 0;
	mac[3] = (uint8_t)(tenant >> 16);
	mac[4] = (uint8_t)(tenant >> 8);
	mac[5] = (uint8_t)tenant;
}

static inline void world_vm_mac(uint32_t tenant, uint32_t vm, uint8_t *mac)
{
	world_gateway_mac(tenant, mac);
	mac[1] = 2;
	mac[2] = (uint8_t)vm;
}

// L3 connections: one VLAN each, ours .1 and theirs .2 of a /24.
#define WORLD_L3_VLAN_FIRST 100
static inline uint32_t world_l3_addr(uint32_t conn)
{
	return 0x0af00001 + conn * 256; // 10.240.0.0 on
}
