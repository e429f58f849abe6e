// SPDX-License-Identifier: Apache-2.0

// Text of addresses, prefixes and MACs: what is read is written in a form that reads the same.

#include "ipaddr.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX + 1], again[PREFIX_TEXT_SIZE];
	struct ip_prefix prefix, prefix2;
	struct mac_addr mac, mac2;
	struct ip_addr addr, addr2;

	if (size > TEXT_MAX)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (ip_parse(text, &addr) == 0 &&
		(ip_parse(ip_format(&addr, again), &addr2) || !ip_equal(&addr, &addr2)))
		abort();
	if (prefix_parse(text, &prefix) == 0 &&
		(prefix_parse(prefix_format(&prefix, again), &prefix2) ||
			!prefix_equal(&prefix, &prefix2)))
		abort();
	if (mac_parse(text, &mac) == 0 && (mac_parse(mac_format(&mac, again), &mac2) ||
						  memcmp(&mac, &mac2, sizeof(mac)) != 0))
		abort();
	return 0;
}
