// SPDX-License-Identifier: Apache-2.0
#include "esp_replay.h"

#include <string.h>

unsigned esp_replay_words(unsigned window)
{
	unsigned words = 2;

	while (words * 64 < window + 64)
		words *= 2;
	return words;
}

void esp_replay_init(struct esp_replay *r, uint64_t *ring, unsigned window, bool esn, uint64_t top)
{
	*r = (struct esp_replay){
		.top = top,
		.closed = top,
		.window = window,
		.mask = esp_replay_words(window) - 1,
		.esn = esn,
		.ring = ring,
	};
	memset(ring, 0, esp_replay_words(window) * sizeof(*ring));
}

static bool bit_get(const struct esp_replay *r, uint64_t seq)
{
	return r->ring[seq / 64 & r->mask] >> (seq % 64) & 1;
}

static void bit_set(struct esp_replay *r, uint64_t seq)
{
	r->ring[seq / 64 & r->mask] |= 1ULL << (seq % 64);
}

// RFC 4303 A2.2. A window of 0 infers as one of 32 would.
uint64_t esp_replay_infer(const struct esp_replay *r, uint32_t seq)
{
	uint32_t window = r->window ? r->window : 32;
	uint32_t top = (uint32_t)r->top, bottom = top - (window - 1);
	uint64_t hi = r->top >> 32;

	if (!r->esn)
		return seq;
	if (top >= window - 1) { // case A: the window lies in one subspace
		if (seq < bottom)
			hi++;
	} else if (seq >= bottom) { // case B: it began in the subspace before
		hi--;
	}
	return hi << 32 | seq;
}

bool esp_replay_check(const struct esp_replay *r, uint64_t seq)
{
	if (seq > r->top && (!r->esn || seq >> 32 <= (r->top >> 32) + 1))
		return true;
	if (r->window == 0)
		return seq != 0 && seq > r->closed;
	if (seq == 0 || seq > r->top || seq <= r->closed || r->top - seq >= r->window)
		return false;
	return !bit_get(r, seq);
}

static void advance(struct esp_replay *r, uint64_t seq)
{
	uint64_t from = r->top / 64, to = seq / 64;

	if (to - from > r->mask)
		from = to - r->mask - 1;
	while (from < to)
		r->ring[++from & r->mask] = 0;
	r->top = seq;
}

bool esp_replay_accept(struct esp_replay *r, uint64_t seq)
{
	if (!esp_replay_check(r, seq))
		return false;
	if (seq > r->top)
		advance(r, seq);
	if (r->window != 0)
		bit_set(r, seq);
	return true;
}

void esp_replay_export(const struct esp_replay *r, uint64_t *words, size_t len)
{
	for (size_t m = 0; m < len; m++) {
		words[m] = 0;
		for (unsigned n = 0; n < 64; n++) {
			uint64_t back = 64 * m + n;

			if (back >= r->top || !esp_replay_check(r, r->top - back))
				words[m] |= 1ULL << n;
		}
	}
}

void esp_replay_import(struct esp_replay *r, uint64_t top, const uint64_t *words, size_t len)
{
	size_t reach = 64 * len < r->window ? 64 * len : r->window;

	esp_replay_init(r, r->ring, r->window, r->esn, top);
	// What the record does not reach was not vouched for.
	r->closed = top > reach ? top - reach : 0;
	for (uint64_t back = 0; back < reach && back < top; back++)
		if (words[back / 64] >> (back % 64) & 1)
			bit_set(r, top - back);
}
