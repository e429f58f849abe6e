// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a VRF needs of the kernel when the gateway itself serves its tenant (BGP): a network
// namespace and in it one TUN device, both named "ist-<gateway>-<vrf>", which outlive this process
// and the forwarder; the gateway's addresses on the device; sockets. Nothing here remembers
// anything: the kernel is asked.

#include <stdbool.h>
#include <stdint.h>

#include "bgp.h"
#include "desired.h"

#define SERVICE_NAME_SIZE 16 // IFNAMSIZ

struct services {
	const char *directory; // where namespaces are named
	uint64_t number;       // of the gateway on this host
	int home;              // our own namespace, -1: none are made here
};

// Keys of the local objects that the kernel holds (enum desired_target DESIRED_KERNEL).
struct service_vrf {
	uint32_t vrf;
};

struct service_address {
	uint32_t vrf;
	struct ip_addr addr;
};

enum { SERVICE_TYPE_VRF = 256, SERVICE_TYPE_ADDRESS }; // beyond enum api_type

// 0 or -errno.
int service_init(struct services *s, const char *directory, uint64_t number);
void service_fini(struct services *s);
const char *service_name(const struct services *s, uint32_t vrf, char name[SERVICE_NAME_SIZE]);
// Makes what is missing of a VRF's namespace and device. 1: the namespace is new; 0; -errno.
int service_make(const struct services *s, uint32_t vrf);
int service_remove(const struct services *s, uint32_t vrf);
int service_address_add(const struct services *s, const struct service_address *a);
int service_address_del(const struct services *s, const struct service_address *a);
// A descriptor of the device. -EBUSY: somebody else still has one.
int service_tun_open(const struct services *s, uint32_t vrf);
// A socket as api/bgp.h describes it; -EADDRINUSE: somebody listens there already.
int service_socket_open(const struct services *s, const struct api_bgp_socket *want);

// Everything there is of this gateway's, to be adopted.
struct service_found {
	void (*vrf)(void *ctx, const struct service_vrf *v);
	void (*address)(void *ctx, const struct service_address *a);
};
void service_scan(const struct services *s, const struct service_found *found, void *ctx);
