// SPDX-License-Identifier: Apache-2.0
#include "sockaddr.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

socklen_t sockaddr_from_ip(
	const struct ip_addr *addr, uint16_t port, struct sockaddr_storage *ret_sockaddr)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(ret_sockaddr, 0, sizeof(*ret_sockaddr));
	if (addr->family == IP_V4) {
		memcpy(&in.sin_addr, addr->bytes, 4);
		memcpy(ret_sockaddr, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, addr->bytes, 16);
	memcpy(ret_sockaddr, &in6, sizeof(in6));
	return sizeof(in6);
}

struct ip_addr sockaddr_to_ip(const struct sockaddr_storage *sockaddr)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (sockaddr->ss_family == AF_INET) {
		memcpy(&in, sockaddr, sizeof(in));
		return ip_from_bytes(IP_V4, (const uint8_t *)&in.sin_addr);
	}
	memcpy(&in6, sockaddr, sizeof(in6));
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return ip_from_bytes(IP_V4, in6.sin6_addr.s6_addr + 12);
	return ip_from_bytes(IP_V6, in6.sin6_addr.s6_addr);
}

int sock_set_md5(int fd, const struct ip_addr *peer, const char *key)
{
	struct tcp_md5sig sig = {.tcpm_keylen = (uint16_t)strnlen(key, TCP_MD5SIG_MAXKEYLEN)};
	struct sockaddr_storage addr;

	sockaddr_from_ip(peer, 0, &addr);
	memcpy(&sig.tcpm_addr, &addr, sizeof(addr));
	memcpy(sig.tcpm_key, key, sig.tcpm_keylen);
	if (!setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &sig, sizeof(sig)))
		return 0;
	return !sig.tcpm_keylen && errno == ENOENT ? 0 : -errno; // there was none to remove
}

int sock_set_gtsm(int fd, int family, uint8_t hops)
{
	int ttl = 255, least = 256 - hops;
	bool v6 = family == IP_V6;

	if (!hops)
		return 0;
	if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_UNICAST_HOPS : IP_TTL, &ttl,
		    sizeof(ttl)) ||
		setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MINHOPCOUNT : IP_MINTTL,
			&least, sizeof(least)))
		return -errno;
	return 0;
}
