// SPDX-License-Identifier: Apache-2.0
#pragma once

// A tenant's overlay: virtual subnets, the tenant's presence in slots, the gateway's own addresses,
// and what workers look at when a frame comes out of a tunnel.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "objects.h"
#include "slot/slot.h"
#include "table/table.h"

struct adj;
struct api_server;
struct vrf;

#define VNI_MAX         (1u << 24)
#define SUBNET_PREFIXES 4
#define SUBNET_GATEWAYS 4 // tenant slots beside the frame's VNI; more are found in a table

// What workers see of a subnet. Immutable, replaced whole.
struct subnet_fwd {
	uint32_t vrf; // index
	uint32_t vni;
	uint16_t mtu;
	uint8_t encap; // enum api_encap
	uint8_t gateway_count;
	// MAC in the low 48 bits, slot above, of the VRF's tenant slots
	uint64_t gateway[SUBNET_GATEWAYS];
	uint64_t gateway_raw[SUBNET_GATEWAYS]; // the same, the MAC as it stands in frames; ~0: none
	uint32_t prefix4, mask4; // first IPv4 prefix, network order; mask ~0 with 0: none
	uint64_t router;         // MAC and slot of the IPv6 default gateway held here, or 0
	uint8_t prefix6_count;
	struct ip_prefix prefix6[SUBNET_PREFIXES];
};

extern const struct subnet_fwd **subnet_by_vni; // [VNI_MAX], memory follows use; NULL: none
extern struct table gateway_table; // (VRF index, MAC) to slot held here, or to one elsewhere
extern struct table local_table;   // (VNI, IPv4 or interned IPv6 address) to its slot and MAC

static inline const struct subnet_fwd *subnet_of_vni(uint32_t vni)
{
	return __atomic_load_n(&subnet_by_vni[vni], __ATOMIC_ACQUIRE);
}

static inline struct table_key gateway_key(uint32_t vrf, uint64_t mac)
{
	return (struct table_key){vrf, mac};
}

static inline struct table_key gateway_key_elsewhere(uint32_t vrf, uint64_t mac)
{
	return (struct table_key){(uint64_t)1 << 32 | vrf, mac};
}

static inline uint64_t mac_word(const uint8_t *mac)
{
	return (uint64_t)mac[0] << 40 | (uint64_t)mac[1] << 32 | (uint64_t)mac[2] << 24 |
	       (uint64_t)mac[3] << 16 | (uint64_t)mac[4] << 8 | mac[5];
}

struct subnet {
	LIST_ENTRY(subnet) link; // of its VRF
	struct vrf *vrf;
	uint32_t users;
	struct api_subnet api;
};

struct tenant_slot {
	LIST_ENTRY(tenant_slot) link; // of its VRF
	struct vrf *vrf;
	struct slot_user slot_user;
	struct underlay_dest *dest; // when held elsewhere
	struct api_tenant_slot api;
};

struct local_addr {
	LIST_ENTRY(local_addr) link; // of its VRF
	struct vrf *vrf;
	struct slot_user slot_user;
	bool shown;                // answered now: its slot is active
	uint32_t number;           // of an IPv6 address, underlay_intern()
	struct nexthop *elsewhere; // to the slot's holder while it is not held here
	struct api_local_addr api;
};

struct subnet *subnet_find(uint32_t vni);
struct tenant_slot *tenant_slot_find(uint32_t vrf_id, uint16_t slot);

// Adjacencies for paths; NULL or a drop when not usable.
struct adj *subnet_adj_new(uint32_t vni, uint32_t vrf);
struct adj *tenant_slot_adj_new(uint32_t vrf, uint16_t slot);
// Towards a MAC behind a PA of that subnet. pa: pairs as in api_host. NULL: no usable IP version.
struct adj *overlay_adj_new(const struct subnet *s, const struct mac_addr *mac,
	const struct ip_addr *pa, uint32_t hop, uint16_t link_mtu);
// The slot whose PA is the source towards hosts of this VRF, of that IP version; NULL: none.
const struct ip_addr *overlay_source(const struct vrf *v, uint8_t family);
const struct ip_addr *overlay_choose_pa(const struct vrf *v, const struct ip_addr *pa);
const struct mac_addr *overlay_source_mac(const struct vrf *v);

// Former hosts of its machines are accepted no longer: the VRF goes.
void host_forget_vrf(struct vrf *v);
// Builds the hosts of a VRF again: the source towards them changed.
void host_refresh_vrf(struct vrf *v);

int subnet_init(void);
void subnet_fini(void);
int subnet_serve(struct api_server *s);
void subnet_refresh_vrf(struct vrf *v); // what workers see of its subnets
int tenant_slot_init(void);
void tenant_slot_fini(void);
int tenant_slot_serve(struct api_server *s);
uint32_t local_addr_adj(void); // the adjacency index of all local addresses
int local_addr_init(void);
void local_addr_fini(void);
int local_addr_serve(struct api_server *s);
