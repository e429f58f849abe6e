// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the two directions share. Internal to this folder.

#include "esp.h"

#define ESP_BOUNCE_SIZE  (65536 + 256) // the longest IP packet and its overhead
#define ESP_BOUNCE_SPARE 32            // ciphers may touch bytes behind the ICV's start
#define ESP_TRAILER_SIZE 2             // pad length, next header

enum {
	ESP_NEXT_IPV4 = 4,
	ESP_NEXT_IPV6 = 41,
	ESP_NEXT_GRE = 47,
	ESP_NEXT_NONE = 59, // dummy packet (RFC 4303 2.6)
	ESP_PROTOCOL = 50,
	ESP_PROTOCOL_UDP = 17,
};

static inline uint16_t esp_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void esp_put_be16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline uint32_t esp_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void esp_put_be32(uint8_t *p, uint32_t v)
{
	esp_put_be16(p, v >> 16);
	esp_put_be16(p + 2, v);
}

// One's complement sum, folded and inverted.
static inline uint16_t esp_sum_done(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// Replaces a 16-bit field of an IPv4 header and keeps the checksum right (RFC 1624).
static inline void esp_ip4_set16(uint8_t *ip, unsigned offset, uint16_t v)
{
	uint32_t sum = (uint16_t)~esp_be16(ip + 10);

	sum += (uint16_t)~esp_be16(ip + offset);
	sum += v;
	esp_put_be16(ip + offset, v);
	esp_put_be16(ip + 10, esp_sum_done(sum));
}

static inline bool esp_chained(const struct rte_mbuf *m)
{
	return m->nb_segs != 1;
}

// Everything from offset on, contiguous, in ctx->bounce; NULL: too long.
uint8_t *esp_bounce_in(struct esp_ctx *ctx, const struct rte_mbuf *m, uint32_t offset);
// And back into the chain.
void esp_bounce_out(struct esp_ctx *ctx, struct rte_mbuf *m, uint32_t offset);
// Keeps the first size (at least 1) bytes of a packet, whatever its segments.
void esp_cut(struct rte_mbuf *m, uint32_t size);

// SAs are cold with thousands of tunnels: what a vector needs of them is asked for at once, and
// their keys a little ahead of the cipher.
static inline void esp_sa_prefetch(const struct esp_sa *sa)
{
	__builtin_prefetch(sa);
	__builtin_prefetch(&sa->sequence, 1);
	__builtin_prefetch(&sa->outer[0]);
	__builtin_prefetch(&sa->key);
}

static inline void esp_sa_prefetch_in(const struct esp_sa *sa)
{
	esp_sa_prefetch(sa);
	__builtin_prefetch(&sa->policy);
	__builtin_prefetch(&sa->replay);
}
