// SPDX-License-Identifier: Apache-2.0
#pragma once

// Between our addresses and the kernel's, and the socket options BGP needs.

#include <sys/socket.h>

#include "ipaddr.h"

socklen_t sockaddr_from_ip(
	const struct ip_addr *addr, uint16_t port, struct sockaddr_storage *ret_sockaddr);
struct ip_addr sockaddr_to_ip(const struct sockaddr_storage *sockaddr); // v4-mapped becomes v4
// RFC 2385. key "": none. 0 or -errno.
int sock_set_md5(int fd, const struct ip_addr *peer, const char *key);
// RFC 5082: hops 0 leaves the defaults, n accepts only peers at most n hops away.
int sock_set_gtsm(int fd, int family, uint8_t hops);
