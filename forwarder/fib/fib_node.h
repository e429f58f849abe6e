// SPDX-License-Identifier: Apache-2.0
#pragma once

// The trie's node and its bit arithmetic, shared by writer and readers.
//
// A node looks at six bits of the address. It holds the prefixes that end in it (in-node length
// 0..5, one bit each in `prefixes`) and the children for each value of the six bits; both kinds lie
// in contiguous arrays and are found by counting bits. Runs of bits without a choice are skipped
// and compared. Three zero bits stand before every address, so that depths are multiples of six
// and /32 and /128 are in-node length 5: a host route costs no level of its own.

#include <stdbool.h>
#include <stdint.h>

#define FIB_STRIDE   6
#define FIB_SHIFT    3  // zero bits before the address
#define FIB_MAX_SKIP 54 // bits; what the skip word holds beside its count

struct fib_node {
	uint64_t children; // bit i: a child for the six bits i
	uint64_t prefixes; // bit (1 << len) - 1 + value of the len bits
	uint64_t skip;     // the skipped bits from the top; their count in the low 8 bits
	uint32_t child;    // first child in the node pool
	uint32_t leaf;     // first next hop in the leaf pool
};

struct fib_key {
	uint64_t hi, lo;
};

extern const uint64_t fib_path_mask[64]; // all prefixes that contain these six bits

// 64 bits of the key from depth, a multiple of six; zeros past its end.
static inline uint64_t fib_window4(uint64_t hi, unsigned depth)
{
	return depth ? hi << (depth - FIB_SHIFT) : hi >> FIB_SHIFT;
}

static inline uint64_t fib_window6(struct fib_key k, unsigned depth)
{
	unsigned real = depth - FIB_SHIFT;

	if (depth == 0)
		return k.hi >> FIB_SHIFT;
	if (real >= 64)
		return real >= 128 ? 0 : k.lo << (real - 64);
	return k.hi << real | k.lo >> (64 - real);
}

static inline unsigned fib_skip_bits(const struct fib_node *n)
{
	return n->skip & 0xff;
}

// True if the key's window begins with the bits the node skips.
static inline bool fib_skip_matches(const struct fib_node *n, uint64_t window)
{
	return ((window ^ n->skip) & ~(~UINT64_C(0) >> fib_skip_bits(n))) == 0;
}

static inline uint32_t fib_child_at(const struct fib_node *n, unsigned six)
{
	return n->child + (uint32_t)__builtin_popcountll(n->children & ((UINT64_C(1) << six) - 1));
}

// Leaf of the longest prefix in `match`, a non-zero subset of n->prefixes.
static inline uint32_t fib_leaf_at(const struct fib_node *n, uint64_t match)
{
	unsigned top = 63 - (unsigned)__builtin_clzll(match);

	return n->leaf + (uint32_t)__builtin_popcountll(n->prefixes & ((UINT64_C(1) << top) - 1));
}
