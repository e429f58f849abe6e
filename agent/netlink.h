// SPDX-License-Identifier: Apache-2.0
#pragma once

// The little of rtnetlink that a VRF's namespace needs. A handle speaks for the namespace it was
// opened in, wherever the thread is later. Synchronous: the kernel answers at once.

#include <stdint.h>

#include "ipaddr.h"

struct netlink;

struct netlink *netlink_open(void); // NULL + errno
void netlink_close(struct netlink *nl);
// index of the interface, or -errno.
int netlink_link_find(struct netlink *nl, const char *name);
// mtu 0: left alone. IPv6 makes no address of its own on it.
int netlink_link_up(struct netlink *nl, int index, uint32_t mtu);
// A host address; present already, or absent already, is no error. 0 or -errno.
int netlink_address_add(struct netlink *nl, int index, const struct ip_addr *addr);
int netlink_address_del(struct netlink *nl, int index, const struct ip_addr *addr);
int netlink_address_each(struct netlink *nl, int index,
	void (*each)(void *ctx, const struct ip_addr *addr), void *ctx);
// Everything of this family leaves by the interface.
int netlink_route_default(struct netlink *nl, int index, enum ip_family family);
