// SPDX-License-Identifier: Apache-2.0
#include "underlay/addr_count.h"

#include "ip/wire.h"
#include "underlay/underlay.h"

static struct table_key key_of(const uint8_t *addr, bool is_v6)
{
	struct ip_addr_words w;

	if (!is_v6)
		return underlay_key4(load32(addr));
	w = ip6_words(addr);
	return (struct table_key){w.hi, w.lo};
}

void addr_count(struct table *counts, const struct ip_addr *addr, int by)
{
	struct table_key key;

	if (addr->family == IP_NONE)
		return;
	key = key_of(addr->bytes, addr->family == IP_V6);
	table_set(counts, key, table_find(counts, key) + (uint64_t)(int64_t)by);
}

bool addr_is_counted(const struct table *counts, const uint8_t *addr, bool is_v6)
{
	return table_find(counts, key_of(addr, is_v6)) != 0;
}
