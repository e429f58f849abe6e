// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests, benches and fuzzers of the ESP core: packets without a pool, SAs without a table.

#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>

#include "esp.h"

#define KIT_ROOM     (128 + 2048 + 128)
#define KIT_HEADROOM 128

struct kit_packet {
	struct rte_mbuf m;
	uint8_t room[KIT_ROOM];
};

static inline struct rte_mbuf *kit_packet_set(
	struct kit_packet *p, const uint8_t *bytes, size_t size)
{
	memset(&p->m, 0, sizeof(p->m));
	p->m.buf_addr = p->room;
	p->m.buf_len = KIT_ROOM;
	p->m.data_off = KIT_HEADROOM;
	p->m.nb_segs = 1;
	p->m.refcnt = 2; // a segment cut off goes back to no pool
	p->m.data_len = (uint16_t)size;
	p->m.pkt_len = (uint32_t)size;
	memcpy(p->room + KIT_HEADROOM, bytes, size);
	return &p->m;
}

// An inner packet of `size` bytes with a right header and random content.
static inline void kit_inner(uint8_t *ip, size_t size, int version, uint8_t tos)
{
	for (size_t i = 0; i < size; i++)
		ip[i] = (uint8_t)random();
	if (version == 4) {
		uint32_t sum = 0;

		memset(ip, 0, 12);
		ip[0] = 0x45;
		ip[1] = tos;
		ip[2] = (uint8_t)(size >> 8);
		ip[3] = (uint8_t)size;
		ip[8] = 64;
		ip[9] = 17;
		memcpy(ip + 12, "\x0a\x01\x00\x01\x0a\x02\x00\x02", 8);
		for (int i = 0; i < 20; i += 2)
			sum += (uint32_t)ip[i] << 8 | ip[i + 1];
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		ip[10] = (uint8_t)(~sum >> 8);
		ip[11] = (uint8_t)~sum;
		return;
	}
	ip[0] = (uint8_t)(0x60 | tos >> 4);
	ip[1] = (uint8_t)(tos << 4);
	ip[2] = ip[3] = 0;
	ip[4] = (uint8_t)((size - 40) >> 8);
	ip[5] = (uint8_t)(size - 40);
	ip[6] = 17;
	ip[7] = 64;
}

#define KIT_SPI 0x00710001u // slot 7

// An SA as the API would say it, keys derived from `seed`; the two directions of a pair are equal.
static inline struct api_sa kit_want(const struct esp_suite *s, uint8_t dir, unsigned seed)
{
	struct api_sa want = {
		.conn = 1,
		.spi = KIT_SPI,
		.dir = dir,
		.child = 1,
		.slot = API_SPI_SLOT(KIT_SPI),
		.mode = API_SA_TUNNEL,
		.cipher = s->cipher,
		.integrity = s->integrity,
		.replay_window = 1024,
		.key_size = (uint8_t)(s->key_size + s->salt_size),
		.auth_key_size = s->auth_key_size,
	};

	for (unsigned i = 0; i < want.key_size; i++)
		want.key[i] = (uint8_t)(seed * 131 + i * 7 + 1);
	for (unsigned i = 0; i < want.auth_key_size; i++)
		want.auth_key[i] = (uint8_t)(seed * 113 + i * 5 + 2);
	return want;
}

// local and remote of the sender; the receiver's are the other way round.
static inline void kit_addresses(struct api_sa *want, int version)
{
	struct ip_addr a = ip_from_v4(0xc0000201), b = ip_from_v4(0xc6336402);

	if (version == 6) {
		ip_parse("2001:db8:1::1", &a);
		ip_parse("2001:db8:2::2", &b);
	}
	want->local = want->dir == API_SA_OUT ? a : b;
	want->remote = want->dir == API_SA_OUT ? b : a;
	if (!(want->flags & API_SA_F_UDP))
		return;
	want->local_port = want->dir == API_SA_OUT ? 4500 : 40500;
	want->remote_port = want->dir == API_SA_OUT ? 40500 : 4500;
}

// A policy that lets everything pass.
static inline struct esp_policy *kit_any_policy(void)
{
	static struct esp_policy any;

	return &any;
}

// Active, in IV epoch `epoch`; NULL when refused.
static inline struct esp_sa *kit_sa_new(
	const struct esp_crypto *crypto, const struct api_sa *want, uint64_t epoch)
{
	struct esp_sa *sa = aligned_alloc(64, sizeof(*sa));
	const char *words;

	memset(sa, 0, sizeof(*sa));
	if (esp_sa_init(sa, want, crypto, 0, &words) < 0) {
		free(sa);
		return NULL;
	}
	sa->policy = kit_any_policy();
	esp_sa_activate(sa, true, epoch);
	return sa;
}

static inline void kit_sa_free(const struct esp_crypto *crypto, struct esp_sa *sa)
{
	esp_sa_fini(sa, crypto);
	free(sa);
}
