// SPDX-License-Identifier: Apache-2.0

// The readers' side. All addresses of a batch go down the trie together, one level a round, so that
// the cache misses of a batch overlap instead of adding up.

#include <rte_prefetch.h>

#include "cpu.h"
#include "fib.h"
#include "fib_impl.h"
#include "fib_wide.h"

// All prefixes of length 0..5 that contain the six bits; see fib_node.h.
const uint64_t fib_path_mask[64] = {
	0x000000008000808b,
	0x000000008000808b,
	0x000000010000808b,
	0x000000010000808b,
	0x000000020001008b,
	0x000000020001008b,
	0x000000040001008b,
	0x000000040001008b,
	0x000000080002010b,
	0x000000080002010b,
	0x000000100002010b,
	0x000000100002010b,
	0x000000200004010b,
	0x000000200004010b,
	0x000000400004010b,
	0x000000400004010b,
	0x0000008000080213,
	0x0000008000080213,
	0x0000010000080213,
	0x0000010000080213,
	0x0000020000100213,
	0x0000020000100213,
	0x0000040000100213,
	0x0000040000100213,
	0x0000080000200413,
	0x0000080000200413,
	0x0000100000200413,
	0x0000100000200413,
	0x0000200000400413,
	0x0000200000400413,
	0x0000400000400413,
	0x0000400000400413,
	0x0000800000800825,
	0x0000800000800825,
	0x0001000000800825,
	0x0001000000800825,
	0x0002000001000825,
	0x0002000001000825,
	0x0004000001000825,
	0x0004000001000825,
	0x0008000002001025,
	0x0008000002001025,
	0x0010000002001025,
	0x0010000002001025,
	0x0020000004001025,
	0x0020000004001025,
	0x0040000004001025,
	0x0040000004001025,
	0x0080000008002045,
	0x0080000008002045,
	0x0100000008002045,
	0x0100000008002045,
	0x0200000010002045,
	0x0200000010002045,
	0x0400000010002045,
	0x0400000010002045,
	0x0800000020004045,
	0x0800000020004045,
	0x1000000020004045,
	0x1000000020004045,
	0x2000000040004045,
	0x2000000040004045,
	0x4000000040004045,
	0x4000000040004045,
};

struct lane {
	uint32_t node;
	uint32_t best; // leaf index, 0 none
	uint8_t depth;
};

// Looks at the lane's node; true if there is a next one, fetched ahead.
static __rte_always_inline bool lane_step(
	const struct fib_node *nodes, const uint32_t *leaves, struct lane *l, uint64_t window)
{
	const struct fib_node *n = &nodes[l->node];
	uint64_t match;
	unsigned six;

	if (!fib_skip_matches(n, window))
		return false;
	six = window << fib_skip_bits(n) >> 58;
	match = n->prefixes & fib_path_mask[six];
	if (match) {
		l->best = fib_leaf_at(n, match);
		rte_prefetch0(&leaves[l->best]);
	}
	if (!(n->children >> six & 1))
		return false;
	l->node = fib_child_at(n, six);
	l->depth += fib_skip_bits(n) + FIB_STRIDE;
	rte_prefetch0(&nodes[l->node]);
	return true;
}

// Fills the lanes that have a root and returns how many of them there are.
static __rte_always_inline unsigned lanes_start(const struct fib *f, const uint32_t *roots,
	const uint32_t *vrf, struct lane *lanes, uint8_t *active, unsigned n)
{
	unsigned len = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t root = vrf[i] < f->max_vrfs
					? __atomic_load_n(&roots[vrf[i]], __ATOMIC_ACQUIRE)
					: 0;

		lanes[i] = (struct lane){.node = root};
		rte_prefetch0(&((const struct fib_node *)f->nodes.base)[root]);
		active[len] = i;
		len += root != 0;
	}
	return len;
}

static __rte_always_inline void lanes_finish(
	const struct fib *f, const struct lane *lanes, uint32_t *ret_nh, unsigned n)
{
	const uint32_t *leaves = (const uint32_t *)f->leaves.base;

	// leaves[0] is always 0: no route.
	for (unsigned i = 0; i < n; i++)
		ret_nh[i] = __atomic_load_n(&leaves[lanes[i].best], __ATOMIC_RELAXED);
}

static __rte_always_inline void lookup4(const struct fib *f, const uint32_t *vrf,
	const uint32_t *dst_host_order, uint32_t *ret_nh, unsigned n)
{
	const struct fib_node *nodes = (const struct fib_node *)f->nodes.base;
	const uint32_t *leaves = (const uint32_t *)f->leaves.base;
	struct lane lanes[FIB_BATCH];
	uint8_t active[FIB_BATCH + 1];
	unsigned len = lanes_start(f, f->root4, vrf, lanes, active, n);

	while (len) {
		unsigned kept = 0;

		for (unsigned i = 0; i < len; i++) {
			unsigned a = active[i];
			uint64_t hi = (uint64_t)dst_host_order[a] << 32;

			active[kept] = a;
			kept += lane_step(
				nodes, leaves, &lanes[a], fib_window4(hi, lanes[a].depth));
		}
		len = kept;
	}
	lanes_finish(f, lanes, ret_nh, n);
}

static __rte_always_inline void lookup6(const struct fib *f, const uint32_t *vrf,
	const struct fib_addr6 *dst, uint32_t *ret_nh, unsigned n)
{
	const struct fib_node *nodes = (const struct fib_node *)f->nodes.base;
	const uint32_t *leaves = (const uint32_t *)f->leaves.base;
	struct lane lanes[FIB_BATCH];
	uint8_t active[FIB_BATCH + 1];
	unsigned len = lanes_start(f, f->root6, vrf, lanes, active, n);

	while (len) {
		unsigned kept = 0;

		for (unsigned i = 0; i < len; i++) {
			unsigned a = active[i];
			struct fib_key k = {dst[a].hi, dst[a].lo};

			active[kept] = a;
			kept += lane_step(nodes, leaves, &lanes[a], fib_window6(k, lanes[a].depth));
		}
		len = kept;
	}
	lanes_finish(f, lanes, ret_nh, n);
}

static CPU_TARGET_V3 void lookup4_v3(
	const struct fib *f, const uint32_t *vrf, const uint32_t *dst, uint32_t *ret_nh, unsigned n)
{
	lookup4(f, vrf, dst, ret_nh, n);
}

static CPU_TARGET_V3 void lookup6_v3(const struct fib *f, const uint32_t *vrf,
	const struct fib_addr6 *dst, uint32_t *ret_nh, unsigned n)
{
	lookup6(f, vrf, dst, ret_nh, n);
}

void fib_lookup4_n(const struct fib *f, const uint32_t *vrf, const uint32_t *dst_host_order,
	uint32_t *ret_nh, unsigned n)
{
	switch (cpu_level) {
	case CPU_V4: fib_wide_lookup4(f, vrf, dst_host_order, ret_nh, n); break;
	case CPU_V3: lookup4_v3(f, vrf, dst_host_order, ret_nh, n); break;
	default: lookup4(f, vrf, dst_host_order, ret_nh, n); break;
	}
}

void fib_lookup6_n(const struct fib *f, const uint32_t *vrf, const struct fib_addr6 *dst,
	uint32_t *ret_nh, unsigned n)
{
	switch (cpu_level) {
	case CPU_V4: fib_wide_lookup6(f, vrf, dst, ret_nh, n); break;
	case CPU_V3: lookup6_v3(f, vrf, dst, ret_nh, n); break;
	default: lookup6(f, vrf, dst, ret_nh, n); break;
	}
}

uint32_t fib_lookup(const struct fib *f, uint32_t vrf, const struct ip_addr *dst)
{
	uint32_t nh = FIB_NO_ROUTE;

	if (dst->family == IP_V4) {
		uint32_t v4 = ip_to_v4(dst);

		fib_lookup4_n(f, &vrf, &v4, &nh, 1);
	} else if (dst->family == IP_V6) {
		struct fib_key k = fib_key_of(dst);
		struct fib_addr6 v6 = {k.hi, k.lo};

		fib_lookup6_n(f, &vrf, &v6, &nh, 1);
	}
	return nh;
}
