// SPDX-License-Identifier: Apache-2.0
#pragma once

// How addresses are claimed in the store: the spaces, and values that sort as numbers. Whoever
// gives out an address of a subnet claims it here, so that two never give out the same.

#include "ipaddr.h"

#define SPACE_SIZE       700
#define SPACE_VALUE_SIZE 36

#define SPACE_MAC  "mac"
#define SPACE_VSID "vsid"

// The addresses of a subnet; subnet_key as model_ref_key() makes it. Returns buf of SPACE_SIZE.
const char *space_of_subnet(const char *subnet_key, char *buf);
const char *space_ip(const struct ip_addr *addr, char *buf); // buf of SPACE_VALUE_SIZE
const char *space_mac(const struct mac_addr *mac, char *buf);
const char *space_number(uint64_t number, char *buf);
