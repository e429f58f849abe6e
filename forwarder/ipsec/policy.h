// SPDX-License-Identifier: Apache-2.0
#pragma once

// Traffic selectors (RFC 4301 4.4.1, RFC 7296 2.9): which SA pair of its connection a packet takes,
// and what an SA may bring in.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sa.h"

struct esp_sa;

// What selectors look at. For ICMP the ports hold type << 8 | code, both alike.
struct esp_flow {
	struct ip_addr src, dst;
	uint16_t src_port, dst_port;
	uint8_t protocol;
	bool has_ports; // false: not a protocol with ports, or not its first fragment
};

struct esp_policy {
	// ctl: w before publishing, worker: ro
	uint32_t conn, child;
	struct api_sa_policy want;
	// ctl: rw, worker: ro
	struct esp_sa *out; // NULL: none now
};

// Lets everything pass.
extern struct esp_policy esp_policy_open;

// A connection's policies, lowest child first. Replaced whole.
struct esp_policy_set {
	uint32_t len;
	struct esp_policy *list[];
};

// Reads an IP packet's headers, `size` bytes at hand. false: malformed.
bool esp_flow_read(const uint8_t *ip, size_t size, struct esp_flow *ret_flow);
// Does the policy let the inner packet out, or in?
bool esp_policy_out(const struct esp_policy *p, const struct esp_flow *flow);
bool esp_policy_in(const struct esp_policy *p, const struct esp_flow *flow);
// The policy that takes the packet: the first that matches. NULL: none.
struct esp_policy *esp_policy_choose(
	const struct esp_policy_set *set, const uint8_t *ip, size_t size);

// Everything passes: no need to read the packet.
static inline bool esp_policy_any(const struct esp_policy *p)
{
	return p->want.local_count == 0 && p->want.remote_count == 0;
}

// 0, or -EINVAL with *ret_words set.
int esp_policy_check(const struct api_sa_policy *want, const char **ret_words);
