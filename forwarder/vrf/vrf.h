// SPDX-License-Identifier: Apache-2.0
#pragma once

// Routing domains. Index 0 is the underlay; a tenant's domain gets a dense index, which is what
// packets and tables carry. Ids are the controller's.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipaddr.h"

struct api_server;
struct fib;

#define VRF_MAX          8192
#define VRF_PREFIXES_MAX 16 // of each IP version that workers see; more: the FIB is asked

struct vrf_prefix4 {
	uint32_t addr, mask; // network order
};

struct vrf_prefix6 {
	uint64_t hi, lo, mask_hi, mask_lo; // host order
};

// What workers see of a VRF.
struct vrf_fwd {
	uint32_t id;
	uint8_t prefix4_count, prefix6_count;
	bool prefixes_complete; // all subnets' prefixes are listed here
	bool has_tun;
	uint32_t error_src4; // source of ICMP errors, network order; 0: none
	bool has_error_src6;
	uint8_t error_src6[16];
	struct vrf_prefix4 prefix4[VRF_PREFIXES_MAX]; // of the tenant's own subnets
	struct vrf_prefix6 prefix6[VRF_PREFIXES_MAX];
};

extern const struct vrf_fwd *vrf_fwd_table[VRF_MAX]; // by index; ctl: rw, worker: ro
extern struct fib *vrf_fib;

struct subnet;
struct tenant_slot;
struct local_addr;
LIST_HEAD(subnet_list, subnet);
LIST_HEAD(tenant_slot_list, tenant_slot);
LIST_HEAD(local_addr_list, local_addr);

// Control thread's side.
struct vrf {
	uint32_t id;
	uint32_t index;
	uint32_t users; // objects that name it
	char name[64];
	int tun_fd; // -1: none
	char tun_name[16];
	void *tun_event;
	struct subnet_list subnets;
	struct tenant_slot_list tenant_slots;
	struct local_addr_list local_addrs;
};

int vrf_init(void);
void vrf_fini(void);
struct vrf *vrf_find(uint32_t id);        // not 0
struct vrf *vrf_by_index(uint32_t index); // not 0
void vrf_refresh(struct vrf *v);          // rebuilds what workers see
int vrf_serve(struct api_server *s);
