// SPDX-License-Identifier: Apache-2.0

// Inbound ESP, whole: hostile packets, and hostile contents that a peer with the right key sealed.
// Input: suite, options, where to cut the packet into segments, then the packet or the contents.

#include <stdint.h>
#include <stdlib.h>

#include "esp_testkit.h"

enum { SEALED = 1, ESN = 2, UDP = 4, TRANSPORT = 8, OUTER6 = 16, SELECTORS = 32 };

#define HEAD     4
#define CONTENTS 1500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct esp_ctx ctx;

static struct esp_policy *narrow_policy(void)
{
	static struct esp_policy p = {.want = {.local_count = 1, .remote_count = 1}};

	for (int i = 0; i < 2; i++) {
		struct api_selector *s = i ? p.want.local : p.want.remote;

		*s = (struct api_selector){.protocol = 17, .port_last = 1000};
		s->first = ip_from_v4(0x0a000000);
		s->last = ip_from_v4(0x0affffff);
	}
	return &p;
}

static struct esp_sa *sa_of(const struct esp_suite *s, uint8_t dir, uint8_t options)
{
	struct api_sa want = kit_want(s, dir, 1);
	struct esp_sa *sa;

	want.flags = (options & ESN ? API_SA_F_ESN : 0) | (options & UDP ? API_SA_F_UDP : 0);
	want.mode = options & TRANSPORT ? API_SA_TRANSPORT : API_SA_TUNNEL;
	want.replay_window = 64;
	kit_addresses(&want, options & OUTER6 ? 6 : 4);
	sa = kit_sa_new(&esp_crypto_openssl, &want, 1);
	if (sa != NULL && (options & SELECTORS))
		sa->policy = narrow_policy();
	return sa;
}

// The contents in a packet of the peer's, trailer included.
static size_t sealed_by_peer(struct esp_sa *out, struct kit_packet *k, const uint8_t *contents,
	size_t size, uint8_t *ret_packet)
{
	uint8_t plain[CONTENTS], verdict;
	struct rte_mbuf *m;
	uint8_t *at;

	size = size / out->align * out->align;
	if (size < 64 || size > CONTENTS - 64)
		return 0;
	kit_inner(plain, size - 2, 4, 0);
	plain[9] = 47; // transport mode lets nothing else out
	m = kit_packet_set(k, plain, size - 2 + (out->mode == API_SA_TRANSPORT ? 20 : 0));
	esp_encap_prepare(&ctx, &m, &out, &verdict, 1);
	if (verdict != DROP_NONE)
		return 0;
	at = rte_pktmbuf_mtod_offset(m, uint8_t *, ctx.offset[0] + ESP_HEADER_SIZE + out->iv_size);
	memcpy(at, contents, size);
	esp_encap_seal(&ctx, &m, &out, &verdict, 1);
	memcpy(ret_packet, rte_pktmbuf_mtod(m, uint8_t *), m->pkt_len);
	return m->pkt_len;
}

static void receive(struct esp_sa *in, const uint8_t *packet, size_t size, size_t cut)
{
	static struct kit_packet head, tail;
	struct rte_mbuf *m;
	struct esp_at at;
	uint8_t verdict;

	if (cut == 0 || cut >= size)
		cut = size;
	m = kit_packet_set(&head, packet, cut);
	if (cut < size) {
		m->next = kit_packet_set(&tail, packet + cut, size - cut);
		m->nb_segs = 2;
		m->pkt_len = (uint32_t)size;
	}
	if (esp_find(m, &at) != DROP_NONE)
		return;
	esp_decap(&ctx, &m, &in, &at, &verdict, 1);
	if (verdict == DROP_NONE && m->data_len > m->pkt_len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t packet[2 * CONTENTS];
	struct kit_packet k;
	const struct esp_suite *s;
	struct esp_sa *in, *out;
	size_t cut;

	if (size < HEAD + 20 || size > CONTENTS)
		return 0;
	if (ctx.crypto == NULL && esp_ctx_init(&ctx, &esp_crypto_openssl) < 0)
		abort();
	s = esp_suite_at(data[0] % 19);
	cut = (size_t)data[2] << 8 | data[3];
	in = sa_of(s, API_SA_IN, data[1]);
	out = sa_of(s, API_SA_OUT, data[1]);
	if (data[1] & SEALED) {
		size = sealed_by_peer(out, &k, data + HEAD, size - HEAD, packet);
		if (size != 0)
			receive(in, packet, size, cut);
	} else {
		receive(in, data + HEAD, size - HEAD, cut);
	}
	kit_sa_free(&esp_crypto_openssl, in);
	kit_sa_free(&esp_crypto_openssl, out);
	return 0;
}
