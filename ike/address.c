// SPDX-License-Identifier: GPL-3.0-or-later
#include "address.h"

struct ip_addr address_of(host_t *host)
{
	chunk_t bytes = host->get_address(host);

	if (host->is_anyaddr(host))
		return (struct ip_addr){0};
	return ip_from_bytes(bytes.len == 4 ? IP_V4 : IP_V6, bytes.ptr);
}

host_t *address_host(const struct ip_addr *addr, uint16_t port)
{
	int family = addr->family == IP_V6 ? AF_INET6 : AF_INET;
	size_t size = family == AF_INET6 ? 16 : 4;

	return host_create_from_chunk(family, chunk_create((u_char *)addr->bytes, size), port);
}
