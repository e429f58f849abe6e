// SPDX-License-Identifier: Apache-2.0
#include "space.h"

#include <inttypes.h>
#include <stdio.h>

const char *space_of_subnet(const char *subnet_key, char *buf)
{
	snprintf(buf, SPACE_SIZE, "ip%s", subnet_key);
	return buf;
}

static const char *hex(const uint8_t *bytes, size_t size, char *buf)
{
	for (size_t i = 0; i < size; i++)
		snprintf(buf + 2 * i, 3, "%02x", bytes[i]);
	return buf;
}

const char *space_ip(const struct ip_addr *addr, char *buf)
{
	return hex(addr->bytes, ip_bits(addr) / 8, buf);
}

const char *space_mac(const struct mac_addr *mac, char *buf)
{
	return hex(mac->bytes, sizeof(mac->bytes), buf);
}

const char *space_number(uint64_t number, char *buf)
{
	snprintf(buf, SPACE_VALUE_SIZE, "%016" PRIx64, number);
	return buf;
}
