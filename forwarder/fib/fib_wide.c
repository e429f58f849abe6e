// SPDX-License-Identifier: Apache-2.0

// A batch is up to eight groups of eight addresses; all groups go down the trie together, one level
// a round, so that the cache misses of a batch overlap. What a lane still has to match stands at
// the top of `rest`; each level shifts away what it has looked at.

#include "fib_wide.h"

#include "cpu.h"
#include "fib_impl.h"

#ifdef CPU_TARGET_V4

#include <immintrin.h>

#define LANES  8
#define GROUPS (FIB_BATCH / LANES)
#define INLINE static inline __attribute__((always_inline)) CPU_TARGET_V4

struct group {
	__m512i node, best;
	__m512i rest[3]; // one in use for IPv4
};

extern const uint64_t fib_path_mask[64];

// fib_path_mask: the last of the six bits makes no difference, so 32 words hold all.
struct paths {
	__m512i word[4];
};

INLINE struct paths paths_load(void)
{
	const __m512i even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
	struct paths p;

	for (int i = 0; i < 4; i++)
		p.word[i] = _mm512_permutex2var_epi64(_mm512_loadu_si512(fib_path_mask + 16 * i),
			even, _mm512_loadu_si512(fib_path_mask + 16 * i + 8));
	return p;
}

INLINE __m512i paths_of(const struct paths *p, __m512i six)
{
	__m512i five = _mm512_srli_epi64(six, 1);
	__mmask8 high = _mm512_test_epi64_mask(six, _mm512_set1_epi64(32));
	__m512i low = _mm512_permutex2var_epi64(p->word[0], five, p->word[1]);

	return _mm512_mask_mov_epi64(
		low, high, _mm512_permutex2var_epi64(p->word[2], five, p->word[3]));
}

// Bits of `word` below bit `at`, counted.
INLINE __m512i count_below(__m512i word, __m512i at)
{
	return _mm512_popcnt_epi64(
		_mm512_sllv_epi64(word, _mm512_sub_epi64(_mm512_set1_epi64(64), at)));
}

// Eight words of a node each, `word` 0..3.
INLINE __m512i gather(const struct fib *f, __mmask8 lanes, __m512i node, int word)
{
	__m512i at = _mm512_slli_epi64(node, 2);

	return _mm512_mask_i64gather_epi64(
		_mm512_setzero_si512(), lanes, at, f->nodes.base + word * 8, 8);
}

INLINE void shift(struct group *g, __m512i bits, bool is_long)
{
	if (is_long) {
		g->rest[0] = _mm512_shldv_epi64(g->rest[0], g->rest[1], bits);
		g->rest[1] = _mm512_shldv_epi64(g->rest[1], g->rest[2], bits);
		g->rest[2] = _mm512_sllv_epi64(g->rest[2], bits);
	} else {
		g->rest[0] = _mm512_sllv_epi64(g->rest[0], bits);
	}
}

// Looks at the lanes' nodes; which lanes go on.
INLINE __mmask8 step(const struct fib *f, const struct paths *paths, struct group *g,
	__mmask8 lanes, bool is_long)
{
	const __m512i c64 = _mm512_set1_epi64(64), one = _mm512_set1_epi64(1);
	__m512i skip = gather(f, lanes, g->node, 2);
	__m512i children = gather(f, lanes, g->node, 0);
	__m512i prefixes = gather(f, lanes, g->node, 1);
	__m512i arrays = gather(f, lanes, g->node, 3); // child, leaf
	__m512i skipped = _mm512_and_si512(skip, _mm512_set1_epi64(0xff));
	__m512i differs = _mm512_srlv_epi64(
		_mm512_xor_si512(g->rest[0], skip), _mm512_sub_epi64(c64, skipped));
	__m512i six, match, top;

	lanes &= _mm512_testn_epi64_mask(differs, differs);
	six = _mm512_srli_epi64(_mm512_sllv_epi64(g->rest[0], skipped), 58);
	match = _mm512_and_si512(prefixes, paths_of(paths, six));
	top = _mm512_sub_epi64(_mm512_set1_epi64(63), _mm512_lzcnt_epi64(match));
	g->best = _mm512_mask_add_epi64(g->best, lanes & _mm512_test_epi64_mask(match, match),
		_mm512_srli_epi64(arrays, 32), count_below(prefixes, top));
	lanes &= _mm512_test_epi64_mask(_mm512_srlv_epi64(children, six), one);
	g->node = _mm512_add_epi64(_mm512_and_si512(arrays, _mm512_set1_epi64(UINT32_MAX)),
		count_below(children, six));
	shift(g, _mm512_add_epi64(skipped, _mm512_set1_epi64(FIB_STRIDE)), is_long);
	return lanes;
}

// The lanes that have a root.
INLINE __mmask8 start(const struct fib *f, const uint32_t *roots, const uint32_t *vrf,
	struct group *g, __mmask8 lanes)
{
	__m512i index = _mm512_cvtepu32_epi64(_mm256_maskz_loadu_epi32(lanes, vrf));

	lanes = _mm512_mask_cmplt_epu64_mask(lanes, index, _mm512_set1_epi64(f->max_vrfs));
	g->best = _mm512_setzero_si512();
	g->node = _mm512_cvtepu32_epi64(_mm512_mask_i64gather_epi32(
		_mm256_setzero_si256(), lanes, index, roots, sizeof(*roots)));
	return _mm512_mask_test_epi64_mask(lanes, g->node, g->node);
}

INLINE void walk(
	const struct fib *f, struct group *g, __mmask8 *lanes, unsigned groups, bool is_long)
{
	const struct paths paths = paths_load();
	unsigned any;

	do {
		any = 0;
		for (unsigned i = 0; i < groups; i++) {
			if (!lanes[i])
				continue;
			lanes[i] = step(f, &paths, &g[i], lanes[i], is_long);
			any |= lanes[i];
		}
	} while (any);
}

INLINE __mmask8 lanes_of(unsigned n, unsigned group)
{
	unsigned left = n - group * LANES;

	return (__mmask8)(left >= LANES ? 0xff : (1u << left) - 1);
}

// leaves[0] is always 0: no route.
INLINE void finish(const struct fib *f, const struct group *g, uint32_t *ret_nh, __mmask8 lanes)
{
	__m256i nh = _mm512_mask_i64gather_epi32(
		_mm256_setzero_si256(), lanes, g->best, f->leaves.base, sizeof(uint32_t));

	_mm256_mask_storeu_epi32(ret_nh, lanes, nh);
}

CPU_TARGET_V4 void fib_wide_lookup4(const struct fib *f, const uint32_t *vrf,
	const uint32_t *dst_host_order, uint32_t *ret_nh, unsigned n)
{
	unsigned groups = (n + LANES - 1) / LANES;
	struct group g[GROUPS];
	__mmask8 lanes[GROUPS];

	for (unsigned i = 0; i < groups; i++) {
		__mmask8 all = lanes_of(n, i);
		__m256i dst = _mm256_maskz_loadu_epi32(all, dst_host_order + i * LANES);

		lanes[i] = start(f, f->root4, vrf + i * LANES, &g[i], all);
		g[i].rest[0] = _mm512_slli_epi64(_mm512_cvtepu32_epi64(dst), 32 - FIB_SHIFT);
	}
	walk(f, g, lanes, groups, false);
	for (unsigned i = 0; i < groups; i++)
		finish(f, &g[i], ret_nh + i * LANES, lanes_of(n, i));
}

CPU_TARGET_V4 void fib_wide_lookup6(const struct fib *f, const uint32_t *vrf,
	const struct fib_addr6 *dst, uint32_t *ret_nh, unsigned n)
{
	const __m512i even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
	const __m512i odd = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
	unsigned groups = (n + LANES - 1) / LANES;
	struct group g[GROUPS];
	__mmask8 lanes[GROUPS];

	for (unsigned i = 0; i < groups; i++) {
		__mmask8 all = lanes_of(n, i);
		unsigned words = n - i * LANES < LANES ? (n - i * LANES) * 2 : LANES * 2;
		const uint64_t *from = &dst[i * LANES].hi;
		__m512i a = _mm512_maskz_loadu_epi64(
			(__mmask8)((1u << (words < 8 ? words : 8)) - 1), from);
		__m512i b =
			_mm512_maskz_loadu_epi64((__mmask8)(((1u << words) - 1) >> 8), from + 8);
		__m512i hi = _mm512_permutex2var_epi64(a, even, b);
		__m512i lo = _mm512_permutex2var_epi64(a, odd, b);

		lanes[i] = start(f, f->root6, vrf + i * LANES, &g[i], all);
		g[i].rest[0] = _mm512_srli_epi64(hi, FIB_SHIFT);
		g[i].rest[1] = _mm512_or_si512(
			_mm512_slli_epi64(hi, 64 - FIB_SHIFT), _mm512_srli_epi64(lo, FIB_SHIFT));
		g[i].rest[2] = _mm512_slli_epi64(lo, 64 - FIB_SHIFT);
	}
	walk(f, g, lanes, groups, true);
	for (unsigned i = 0; i < groups; i++)
		finish(f, &g[i], ret_nh + i * LANES, lanes_of(n, i));
}

#else

void fib_wide_lookup4(const struct fib *f, const uint32_t *vrf, const uint32_t *dst_host_order,
	uint32_t *ret_nh, unsigned n)
{
	__builtin_unreachable();
}

void fib_wide_lookup6(const struct fib *f, const uint32_t *vrf, const struct fib_addr6 *dst,
	uint32_t *ret_nh, unsigned n)
{
	__builtin_unreachable();
}

#endif
