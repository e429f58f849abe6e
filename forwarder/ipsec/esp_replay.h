// SPDX-License-Identifier: Apache-2.0
#pragma once

// Replay protection of one inbound SA (RFC 4303 3.4.3): a window of the last `window` sequence
// numbers as a ring of bits, and the inference of the high 32 bits with ESN (appendix A).
//
// A packet is checked twice: before its ICV is verified, which is cheap and protects the cipher,
// and after, which decides, because packets of one vector are verified together.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The ring is a power of two of words and at least one word larger than the window, so that moving
// the top clears whole words only.
#define REPLAY_WORDS_MAX 128

struct esp_replay {
	uint64_t top;    // highest number accepted
	uint64_t closed; // nothing at or below it is accepted
	uint32_t window; // 0: no replay check
	uint32_t mask;   // words of the ring - 1
	bool esn;
	uint64_t *ring;
};

// Words of ring a window needs.
unsigned esp_replay_words(unsigned window);
// Ring of esp_replay_words(window) words is the caller's. Nothing at or below `top` is accepted.
void esp_replay_init(struct esp_replay *r, uint64_t *ring, unsigned window, bool esn, uint64_t top);

// The full number of a packet that carries the low 32 bits `seq`.
uint64_t esp_replay_infer(const struct esp_replay *r, uint32_t seq);
// Whether `seq` may still be accepted.
bool esp_replay_check(const struct esp_replay *r, uint64_t seq);
// The packet is genuine: checks again and marks it. false: seen meanwhile.
bool esp_replay_accept(struct esp_replay *r, uint64_t seq);

// Bit n of word m: top - (64 m + n) has been seen (or is not acceptable); for moving an SA.
void esp_replay_export(const struct esp_replay *r, uint64_t *words, size_t len);
void esp_replay_import(struct esp_replay *r, uint64_t top, const uint64_t *words, size_t len);
