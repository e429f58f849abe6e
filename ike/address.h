// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// Between libstrongswan's hosts and the project's addresses.

#include <networking/host.h>

#include "ipaddr.h"

// IP_NONE for %any.
struct ip_addr address_of(host_t *host);
// A new host; IP_NONE gives %any of IPv4.
host_t *address_host(const struct ip_addr *addr, uint16_t port);
