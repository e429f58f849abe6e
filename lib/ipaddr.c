// SPDX-License-Identifier: Apache-2.0
#include "ipaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ip_parse(const char *text, struct ip_addr *ret_addr)
{
	struct ip_addr a = {0};

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = IP_V4;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = IP_V6;
	else
		return -EINVAL;
	*ret_addr = a;
	return 0;
}

int prefix_parse(const char *text, struct ip_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char host[IP_TEXT_SIZE];
	struct ip_prefix p;
	struct ip_addr a;
	unsigned len;

	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (ip_parse(host, &a) < 0)
		return -EINVAL;
	len = ip_bits(&a);
	if (slash) {
		char *end;
		unsigned long v;

		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		v = strtoul(slash + 1, &end, 10);
		if (*end || v > len || end - slash > 4)
			return -EINVAL;
		len = (unsigned)v;
	}
	p = prefix_make(&a, len);
	if (!ip_equal(&p.addr, &a))
		return -EDOM;
	*ret_prefix = p;
	return 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, struct mac_addr *ret_mac)
{
	struct mac_addr m;
	char sep = (text[0] && text[1]) ? text[2] : '\0';
	bool separated = sep == ':' || sep == '-';

	for (size_t i = 0; i < sizeof(m.bytes); i++) {
		int hi, lo;

		if (i && separated && *text++ != sep)
			return -EINVAL;
		hi = hex_value(text[0]);
		lo = hi < 0 ? -1 : hex_value(text[1]);
		if (lo < 0)
			return -EINVAL;
		m.bytes[i] = (uint8_t)(hi << 4 | lo);
		text += 2;
	}
	if (*text)
		return -EINVAL;
	*ret_mac = m;
	return 0;
}

const char *ip_format(const struct ip_addr *addr, char *buf)
{
	int af = addr->family == IP_V6 ? AF_INET6 : AF_INET;

	if (addr->family == IP_NONE)
		snprintf(buf, IP_TEXT_SIZE, "-");
	else
		inet_ntop(af, addr->bytes, buf, IP_TEXT_SIZE);
	return buf;
}

const char *prefix_format(const struct ip_prefix *prefix, char *buf)
{
	char host[IP_TEXT_SIZE];

	snprintf(buf, PREFIX_TEXT_SIZE, "%s/%u", ip_format(&prefix->addr, host), prefix->len);
	return buf;
}

const char *mac_format(const struct mac_addr *mac, char *buf)
{
	const uint8_t *b = mac->bytes;

	snprintf(buf, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		b[5]);
	return buf;
}

struct ip_addr ip_from_v4(uint32_t host_order)
{
	struct ip_addr a = {.family = IP_V4};
	uint32_t net = htonl(host_order);

	memcpy(a.bytes, &net, sizeof(net));
	return a;
}

struct ip_addr ip_from_bytes(enum ip_family family, const uint8_t *bytes)
{
	struct ip_addr a = {.family = (uint8_t)family};

	memcpy(a.bytes, bytes, ip_bits(&a) / 8);
	return a;
}

uint32_t ip_to_v4(const struct ip_addr *addr)
{
	uint32_t net;

	if (addr->family != IP_V4)
		return 0;
	memcpy(&net, addr->bytes, sizeof(net));
	return ntohl(net);
}

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

int ip_compare(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool ip_is_zero(const struct ip_addr *addr)
{
	static const uint8_t zero[16];

	return !memcmp(addr->bytes, zero, sizeof(zero));
}

unsigned ip_bits(const struct ip_addr *addr)
{
	switch (addr->family) {
	case IP_V4: return 32;
	case IP_V6: return 128;
	default: return 0;
	}
}

int ip_add(const struct ip_addr *addr, uint64_t n, struct ip_addr *ret_addr)
{
	struct ip_addr a = *addr;
	size_t i = ip_bits(addr) / 8;

	while (i-- > 0 && n) {
		n += a.bytes[i];
		a.bytes[i] = (uint8_t)n;
		n >>= 8;
	}
	if (n)
		return -ERANGE;
	*ret_addr = a;
	return 0;
}

struct ip_prefix prefix_make(const struct ip_addr *addr, unsigned len)
{
	struct ip_prefix p = {.addr = *addr};
	unsigned bits = ip_bits(addr);

	if (len > bits)
		len = bits;
	p.len = (uint8_t)len;
	for (unsigned i = 0; i < bits / 8; i++) {
		if (len >= 8) {
			len -= 8;
			continue;
		}
		p.addr.bytes[i] &= (uint8_t)(0xff00 >> len);
		len = 0;
	}
	return p;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned len)
{
	if (memcmp(a, b, len / 8))
		return false;
	return len % 8 == 0 || !((a[len / 8] ^ b[len / 8]) & (0xff00 >> (len % 8)) & 0xff);
}

bool prefix_contains(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
	return prefix->addr.family == addr->family &&
	       bits_equal(prefix->addr.bytes, addr->bytes, prefix->len);
}

bool prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
	return outer->len <= inner->len && prefix_contains(outer, &inner->addr);
}

bool prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return prefix_covers(a, b) || prefix_covers(b, a);
}

bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len == b->len && ip_equal(&a->addr, &b->addr);
}
