// SPDX-License-Identifier: Apache-2.0
#pragma once

// Longest-prefix match for thousands of routing domains in one compact trie pool, IPv4 and IPv6.
//
// A result is a 32-bit next-hop index; 0 means "no route". One writer (the control thread); any
// number of readers, which never block and never miss a route that stays: each change builds its
// new arrays aside and shows them by one aligned 32-bit store. Arrays taken out of use are given
// back when every reader (rcu.h) has completed a loop since.

#include <stdbool.h>
#include <stdint.h>

#include "ipaddr.h"

#define FIB_NO_ROUTE 0u
#define FIB_BATCH    64 // addresses looked up together, at most

struct fib_size {
	uint32_t max_vrfs;  // VRF indices are 0..max_vrfs-1
	uint32_t max_nodes; // address space of the pools is reserved, memory follows use
	uint32_t max_leaves;
};

struct fib_stats {
	uint64_t routes;
	uint64_t node_bytes, leaf_bytes; // high-water of each pool
	uint64_t bytes;                  // all of it, roots included
};

struct fib;

// Not concurrent: no reader runs beside the writer, arrays are reused at once. NULL + errno on
// failure.
struct fib *fib_new(const struct fib_size *size, bool concurrent);
void fib_free(struct fib *f); // no reader may be left

// Adds the route or replaces its next hop (not 0). 0, -EINVAL, or -ENOSPC when a pool is full.
int fib_set(struct fib *f, uint32_t vrf, const struct ip_prefix *prefix, uint32_t nh);
// 0, or -ENOENT.
int fib_del(struct fib *f, uint32_t vrf, const struct ip_prefix *prefix);
// The next hop of exactly this prefix, or 0. Writer's thread.
uint32_t fib_get(const struct fib *f, uint32_t vrf, const struct ip_prefix *prefix);
// Starts the wait for what the changes so far took out of use; without it that starts every few
// hundred changes.
void fib_flush(struct fib *f);
void fib_stats(const struct fib *f, struct fib_stats *ret_stats);

// Readers. n <= FIB_BATCH; results in the order of the questions.
struct fib_addr6 {
	uint64_t hi, lo; // host order
};
void fib_lookup4_n(const struct fib *f, const uint32_t *vrf, const uint32_t *dst_host_order,
	uint32_t *ret_nh, unsigned n);
void fib_lookup6_n(const struct fib *f, const uint32_t *vrf, const struct fib_addr6 *dst,
	uint32_t *ret_nh, unsigned n);
uint32_t fib_lookup(const struct fib *f, uint32_t vrf, const struct ip_addr *dst);
