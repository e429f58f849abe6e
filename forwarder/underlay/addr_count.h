// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many name an address, of either IP version. The control thread counts, workers ask.

#include <stdbool.h>
#include <stdint.h>

#include "ipaddr.h"
#include "table/table.h"

// One more (1) or one fewer (-1); IP_NONE: nothing.
void addr_count(struct table *counts, const struct ip_addr *addr, int by);
// addr: 4 or 16 bytes, as in a header.
bool addr_is_counted(const struct table *counts, const uint8_t *addr, bool is_v6);
