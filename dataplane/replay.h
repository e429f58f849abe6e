// SPDX-License-Identifier: Apache-2.0
#pragma once

// Frames to send and what must come of them: what benches replay. A file of this header, then
// `count` records of in_stored bytes, then `count` of out_stored bytes, made by bench/frames.c.
//
// A frame of in_size bytes is its record followed by REPLAY_FILL bytes; likewise the frame that
// comes out. Each carries the number of its record at tag_at, so that a sink that sees any of them
// knows what it must be.
//
// ESP (AES-256-GCM, ESN): what goes in gets the next sequence number of its SA when it is sent, and
// the ICV that belongs to it, so that a file may be sent over and over through replay windows. What
// comes out is opened before it is compared. SA n seals with replay_esp_key(n) in each direction.

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define REPLAY_MAGIC  "isthmus1"
#define REPLAY_STORED 160 // at most
#define REPLAY_FILL   0x5a
#define REPLAY_CHUNK  32 // in_stored is a multiple, filled up; may be a little more than in_size
#define REPLAY_IP4    3
#define REPLAY_TAIL   28 // at most

// Between the header and the records, with esp_in_at: one of `sas`.
struct replay_power {
	uint8_t bytes[16]; // of its hash key: what a changed AAD is multiplied by
};

// Behind in_stored bytes, with in_tail: the frame's last bytes.
struct replay_tail {
	uint8_t bytes[REPLAY_TAIL];
	uint32_t sa;
};

struct replay_header {
	char magic[8];
	uint32_t count;
	uint32_t in_size, in_stored, in_tag_at;
	uint32_t out_size, out_stored, out_tag_at;
	uint32_t in_tail;   // bytes of a struct replay_tail in use, 0: none
	uint32_t esp_in_at; // offset of the SPI, 0: no ESP
	uint32_t esp_out_at;
	uint32_t sas;                // with esp_in_at
	uint32_t ip4_at[REPLAY_IP4]; // IPv4 headers of what comes out: checksums must hold; 0: none
	uint8_t out_mask[REPLAY_STORED]; // bits that must be equal
	uint8_t peer_mac[6];             // answers every ARP request
	uint8_t pad[2];
};

struct replay {
	const struct replay_header *header;
	const uint8_t *in, *out; // the records
	uint32_t in_stride;
	struct replay_sa *sas; // [header->sas]
	size_t size;           // of the mapping
};

// 0 or -errno. The file is read into memory of large pages if the system has them to give.
int replay_load(struct replay *r, const char *path);
void replay_unload(struct replay *r);

// Key and salt of SA n, towards the gateway or from it.
static inline void replay_esp_key(uint32_t sa, bool in, uint8_t key[36])
{
	for (uint32_t i = 0; i < 36; i++)
		key[i] = (uint8_t)((sa * 2 + in) * 0x9e3779b1u >> (i % 4 * 8)) ^ (uint8_t)(i * 29);
}

static inline uint32_t replay_spi_out(uint32_t sa)
{
	return 0x70000000u + sa;
}

// Fetches what replay_write() of frame `i` will read; each is used once in a million packets and
// shall not drive others' tables out of the cache.
static inline void replay_prefetch(const struct replay *r, uint32_t i)
{
	const uint8_t *p = r->in + (size_t)i * r->in_stride;

	for (uint32_t at = 0; at < r->in_stride; at += 64)
		__builtin_prefetch(p + at, 0, 0);
}

// A record's bytes; size is a multiple of REPLAY_CHUNK.
static inline __attribute__((always_inline)) void replay_copy(
	uint8_t *to, const uint8_t *from, uint32_t size)
{
	for (uint32_t at = 0; at < size; at += REPLAY_CHUNK)
		__builtin_memcpy(to + at, from + at, REPLAY_CHUNK);
}

// Appends frame `i` to an empty packet whose buffer was filled with replay_fill_buffer().
void replay_write(const struct replay *r, uint32_t i, struct rte_mbuf *m);
void replay_fill_buffer(struct rte_mbuf *m);

// Is this what must come out? False also for a frame that carries no record's number.
bool replay_check(const struct replay *r, const struct rte_mbuf *m);

// Turns an ARP request into the peer's reply in place; false: it is none.
bool replay_answer_arp(const struct replay *r, struct rte_mbuf *m);
