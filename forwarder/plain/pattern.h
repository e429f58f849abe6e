// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the first bytes of a frame must be, compared at once.

#include <rte_common.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define PATTERN_SIZE 64

struct pattern {
	uint8_t want[PATTERN_SIZE] __attribute__((aligned(64)));
	uint8_t care[PATTERN_SIZE]; // bits that count
};

static inline void pattern_put(struct pattern *t, unsigned at, const void *want, unsigned size)
{
	memcpy(t->want + at, want, size);
	memset(t->care + at, 0xff, size);
}

// p: PATTERN_SIZE readable bytes.
static __rte_always_inline bool pattern_matches(const struct pattern *t, const uint8_t *p)
{
#if defined(__AVX512F__)
	__m512i differs = _mm512_xor_si512(_mm512_loadu_si512(p), _mm512_load_si512(t->want));

	return _mm512_test_epi64_mask(differs, _mm512_load_si512(t->care)) == 0;
#elif defined(__AVX2__)
	const __m256i *want = (const __m256i *)t->want, *care = (const __m256i *)t->care;
	const __m256i *is = (const __m256i *)p;
	__m256i a = _mm256_xor_si256(_mm256_loadu_si256(is), want[0]);
	__m256i b = _mm256_xor_si256(_mm256_loadu_si256(is + 1), want[1]);

	a = _mm256_or_si256(_mm256_and_si256(a, care[0]), _mm256_and_si256(b, care[1]));
	return _mm256_testz_si256(a, a);
#else
	uint64_t is[8], want[8], care[8], differs = 0;

	memcpy(is, p, sizeof(is));
	memcpy(want, t->want, sizeof(want));
	memcpy(care, t->care, sizeof(care));
	for (unsigned i = 0; i < 8; i++)
		differs |= (is[i] ^ want[i]) & care[i];
	return differs == 0;
#endif
}
