// SPDX-License-Identifier: Apache-2.0

// Packets through the core, both back-ends: what goes in at one end comes out at the other, and
// what should not come out does not.

#include "esp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "esp_testkit.h"
#include "tos.h"

#define EPOCH 0x123456

static const struct esp_crypto *const backends[] = {&esp_crypto_ipsecmb, &esp_crypto_openssl};

struct pair {
	const struct esp_crypto *crypto;
	struct esp_ctx *ctx;
	struct esp_sa *out, *in;
};

static void pair_init(struct pair *p, const struct esp_crypto *crypto, struct api_sa out,
	struct api_sa in, int version)
{
	static struct esp_ctx ctxs[2]; // making one runs the library's self-test
	bool second = crypto == backends[1];

	*p = (struct pair){.crypto = crypto, .ctx = &ctxs[second]};
	kit_addresses(&out, version);
	kit_addresses(&in, version);
	if (p->ctx->crypto == NULL)
		assert_int_equal(esp_ctx_init(p->ctx, crypto), 0);
	p->out = kit_sa_new(crypto, &out, EPOCH);
	p->in = kit_sa_new(crypto, &in, EPOCH);
	assert_non_null(p->out);
	assert_non_null(p->in);
}

static void pair_simple(struct pair *p, const struct esp_suite *s, uint32_t flags)
{
	struct api_sa out = kit_want(s, API_SA_OUT, 1), in = kit_want(s, API_SA_IN, 1);

	out.flags = in.flags = flags;
	pair_init(p, &esp_crypto_ipsecmb, out, in, 4);
}

static void pair_fini(struct pair *p)
{
	kit_sa_free(p->crypto, p->out);
	kit_sa_free(p->crypto, p->in);
}

static enum drop_reason encap_one(struct pair *p, struct rte_mbuf *m)
{
	uint8_t verdict;

	esp_encap(p->ctx, &m, &p->out, &verdict, 1);
	return verdict;
}

static enum drop_reason decap_one(struct pair *p, struct rte_mbuf *m)
{
	struct esp_at at;
	uint8_t verdict = (uint8_t)esp_find(m, &at);

	if (verdict == DROP_NONE)
		esp_decap(p->ctx, &m, &p->in, &at, &verdict, 1);
	return verdict;
}

static uint16_t ip4_sum(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static const struct esp_suite *gcm(void)
{
	return esp_suite_at(2);
}

static void round_trip(const struct esp_crypto *crypto, const struct esp_suite *s, int outer,
	int inner, uint32_t flags)
{
	static struct kit_packet packets[64];
	static uint8_t plain[64][1600];
	struct api_sa out = kit_want(s, API_SA_OUT, 1), in = kit_want(s, API_SA_IN, 1);
	struct rte_mbuf *pkts[64];
	struct esp_sa *outs[64], *ins[64];
	struct esp_at at[64];
	uint8_t verdicts[64];
	size_t sizes[64];
	struct pair p;

	out.flags = in.flags = flags;
	pair_init(&p, crypto, out, in, outer);
	for (int i = 0; i < 64; i++) {
		sizes[i] = 60 + (size_t)random() % 1400;
		kit_inner(plain[i], sizes[i], inner, (uint8_t)(random() & 0xfc));
		pkts[i] = kit_packet_set(&packets[i], plain[i], sizes[i]);
		outs[i] = p.out;
		ins[i] = p.in;
	}
	esp_encap(p.ctx, pkts, outs, verdicts, 64);
	for (int i = 0; i < 64; i++) {
		const uint8_t *ip = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		assert_int_equal(verdicts[i], DROP_NONE);
		assert_int_equal(ip[0] >> 4, outer);
		if (outer == 4)
			assert_int_equal(ip4_sum(ip), 0xffff);
		assert_true(pkts[i]->pkt_len - 1 < sizes[i] + 48 + 8 + 16 + 16 + 2 + 24);
		assert_int_equal(esp_find(pkts[i], &at[i]), DROP_NONE);
		assert_int_equal(at[i].spi, KIT_SPI);
		assert_int_equal(at[i].udp, !!(flags & API_SA_F_UDP));
	}
	esp_decap(p.ctx, pkts, ins, at, verdicts, 64);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(verdicts[i], DROP_NONE);
		assert_int_equal(pkts[i]->pkt_len, sizes[i]);
		assert_memory_equal(rte_pktmbuf_mtod(pkts[i], uint8_t *), plain[i], sizes[i]);
	}
	assert_int_equal(p.in->packets, 64);
	assert_int_equal(p.in->bytes, p.out->bytes);
	pair_fini(&p);
}

static void every_suite_goes_through_in_all_four_combinations(void **state)
{
	const struct esp_suite *s;

	srandom(7);
	for (unsigned i = 0; (s = esp_suite_at(i)) != NULL; i++)
		for (int b = 0; b < 2; b++)
			for (int outer = 4; outer <= 6; outer += 2)
				for (int inner = 4; inner <= 6; inner += 2) {
					round_trip(backends[b], s, outer, inner,
						inner == 4 ? 0 : API_SA_F_ESN | API_SA_F_UDP);
				}
}

static void replayed_packet_is_dropped_and_counted(void **state)
{
	struct kit_packet a, b;
	uint8_t plain[100], copy[300];
	struct pair p;
	size_t size;

	pair_simple(&p, gcm(), 0);
	kit_inner(plain, sizeof(plain), 4, 0);
	struct rte_mbuf *m = kit_packet_set(&a, plain, sizeof(plain));
	assert_int_equal(encap_one(&p, m), DROP_NONE);
	size = m->pkt_len;
	memcpy(copy, rte_pktmbuf_mtod(m, void *), size);
	assert_int_equal(decap_one(&p, m), DROP_NONE);
	m = kit_packet_set(&b, copy, size);
	assert_int_equal(decap_one(&p, m), DROP_ESP_REPLAY);
	assert_int_equal(p.in->faults.replay, 1);
	pair_fini(&p);
}

// Both pass the first look, which stands before the cipher.
static void duplicate_within_one_vector_is_dropped(void **state)
{
	struct kit_packet a, b;
	struct rte_mbuf *pkts[2];
	struct esp_at at[2];
	uint8_t plain[100], verdicts[2];
	struct pair p;

	pair_simple(&p, gcm(), 0);
	kit_inner(plain, sizeof(plain), 4, 0);
	pkts[0] = kit_packet_set(&a, plain, sizeof(plain));
	assert_int_equal(encap_one(&p, pkts[0]), DROP_NONE);
	pkts[1] = kit_packet_set(&b, rte_pktmbuf_mtod(pkts[0], const uint8_t *), pkts[0]->pkt_len);
	esp_find(pkts[0], &at[0]);
	esp_find(pkts[1], &at[1]);
	esp_decap(p.ctx, pkts, (struct esp_sa *[]){p.in, p.in}, at, verdicts, 2);
	assert_int_equal(verdicts[0], DROP_NONE);
	assert_int_equal(verdicts[1], DROP_ESP_REPLAY);
	pair_fini(&p);
}

static void forged_packet_moves_no_window(void **state)
{
	struct kit_packet a;
	uint8_t plain[100];
	struct pair p;

	pair_simple(&p, gcm(), 0);
	kit_inner(plain, sizeof(plain), 4, 0);
	struct rte_mbuf *m = kit_packet_set(&a, plain, sizeof(plain));
	p.out->sequence = 500;
	assert_int_equal(encap_one(&p, m), DROP_NONE);
	rte_pktmbuf_mtod(m, uint8_t *)[m->pkt_len - 1] ^= 1;
	assert_int_equal(decap_one(&p, m), DROP_ESP_INTEGRITY);
	assert_int_equal(p.in->replay.top, 0);
	assert_int_equal(p.in->faults.integrity, 1);
	assert_int_equal(p.in->packets, 0);
	pair_fini(&p);
}

static void wrong_addresses_and_encapsulation_are_refused(void **state)
{
	struct kit_packet a;
	uint8_t plain[100];
	struct pair p;
	uint8_t *ip;

	pair_simple(&p, gcm(), 0);
	kit_inner(plain, sizeof(plain), 4, 0);
	for (int offset = 15; offset <= 19; offset += 4) { // last byte of source, of destination
		struct rte_mbuf *m = kit_packet_set(&a, plain, sizeof(plain));

		assert_int_equal(encap_one(&p, m), DROP_NONE);
		ip = rte_pktmbuf_mtod(m, uint8_t *);
		ip[offset] ^= 1;
		assert_int_equal(decap_one(&p, m), DROP_ESP_WRONG_ADDRESS);
	}
	p.in->flags |= API_SA_F_UDP;
	struct rte_mbuf *m = kit_packet_set(&a, plain, sizeof(plain));
	assert_int_equal(encap_one(&p, m), DROP_NONE);
	assert_int_equal(decap_one(&p, m), DROP_ESP_WRONG_ADDRESS);
	pair_fini(&p);
}

static void moved_nat_mapping_is_reported_once_verified(void **state)
{
	struct kit_packet a;
	uint8_t plain[100];
	struct pair p;
	uint8_t *ip;

	pair_simple(&p, gcm(), API_SA_F_UDP);
	kit_inner(plain, sizeof(plain), 4, 0);
	struct rte_mbuf *m = kit_packet_set(&a, plain, sizeof(plain));
	assert_int_equal(encap_one(&p, m), DROP_NONE);
	ip = rte_pktmbuf_mtod(m, uint8_t *);
	ip[15] ^= 1; // another source address
	ip[m->pkt_len - 1] ^= 1;
	assert_int_equal(decap_one(&p, m), DROP_ESP_INTEGRITY);
	assert_int_equal(p.in->events, 0);
	m = kit_packet_set(&a, plain, sizeof(plain));
	assert_int_equal(encap_one(&p, m), DROP_NONE);
	rte_pktmbuf_mtod(m, uint8_t *)[15] ^= 1;
	assert_int_equal(decap_one(&p, m), DROP_NONE);
	assert_int_equal(p.in->events, 1u << API_SA_EVENT_MAPPING);
	assert_int_equal(p.in->seen_port, 4500);
	pair_fini(&p);
}

static void counter_nonce_is_epoch_then_counter(void **state)
{
	struct kit_packet a;
	uint8_t plain[100];
	struct pair p;

	pair_simple(&p, gcm(), 0);
	kit_inner(plain, sizeof(plain), 4, 0);
	for (uint8_t i = 1; i <= 3; i++) {
		struct rte_mbuf *m = kit_packet_set(&a, plain, sizeof(plain));
		const uint8_t want[8] = {0x12, 0x34, 0x56, 0, 0, 0, 0, i};

		assert_int_equal(encap_one(&p, m), DROP_NONE);
		assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 28), want, 8);
	}
	// A new epoch shows at once.
	esp_sa_activate(p.out, true, EPOCH + 1);
	struct rte_mbuf *m = kit_packet_set(&a, plain, sizeof(plain));
	assert_int_equal(encap_one(&p, m), DROP_NONE);
	assert_int_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 28)[2], 0x57);
	pair_fini(&p);
}

static void chained_packet_equals_a_flat_one(void **state)
{
	static const unsigned suites[] = {2, 5, 6, 14, 17};

	srandom(9);
	for (size_t k = 0; k < 5; k++) {
		static struct kit_packet flat, head, mid, tail;
		uint8_t plain[1500];
		struct pair p;

		pair_simple(&p, esp_suite_at(suites[k]), API_SA_F_ESN);
		kit_inner(plain, sizeof(plain), 4, 0);
		struct rte_mbuf *m = kit_packet_set(&head, plain, 700);
		m->next = kit_packet_set(&mid, plain + 700, 333);
		m->next->next = kit_packet_set(&tail, plain + 1033, 467);
		m->nb_segs = 3;
		m->pkt_len = 1500;
		assert_int_equal(encap_one(&p, m), DROP_NONE);
		// Flat at the receiver.
		uint8_t all[2000];
		uint32_t size = m->pkt_len;
		const void *got = rte_pktmbuf_read(m, 0, size, all);
		struct rte_mbuf *f = kit_packet_set(&flat, got, size);
		assert_int_equal(decap_one(&p, f), DROP_NONE);
		assert_memory_equal(rte_pktmbuf_mtod(f, void *), plain, sizeof(plain));
		// Chained at the receiver.
		f = kit_packet_set(&flat, plain, sizeof(plain));
		assert_int_equal(encap_one(&p, f), DROP_NONE);
		size = f->pkt_len;
		memcpy(all, rte_pktmbuf_mtod(f, void *), size);
		m = kit_packet_set(&head, all, 600);
		m->next = kit_packet_set(&mid, all + 600, 500);
		m->next->next = kit_packet_set(&tail, all + 1100, size - 1100);
		m->nb_segs = 3;
		m->pkt_len = size;
		assert_int_equal(decap_one(&p, m), DROP_NONE);
		assert_int_equal(m->pkt_len, sizeof(plain));
		got = rte_pktmbuf_read(m, 0, m->pkt_len, all);
		assert_memory_equal(got, plain, sizeof(plain));
		pair_fini(&p);
	}
}

// -- what a peer may put behind or instead of the packet

// Seals `payload` (already with its trailer) as the peer's packet.
static enum drop_reason peer_sends(
	struct pair *p, struct kit_packet *k, const uint8_t *payload, size_t size)
{
	uint8_t plain[1600];
	struct rte_mbuf *m;
	uint8_t verdict;
	uint8_t *at;

	kit_inner(plain, size - 2, 4, 0);
	m = kit_packet_set(k, plain, size - 2);
	esp_encap_prepare(p->ctx, &m, &p->out, &verdict, 1);
	at = rte_pktmbuf_mtod_offset(m, uint8_t *, 20 + 8 + 8);
	memcpy(at, payload, size);
	esp_encap_seal(p->ctx, &m, &p->out, &verdict, 1);
	return decap_one(p, m);
}

static void tfc_padding_is_cut_off(void **state)
{
	struct kit_packet k;
	uint8_t payload[1002] = {0};
	struct pair p;

	pair_simple(&p, gcm(), 0);
	kit_inner(payload, 60, 4, 0); // then 940 bytes of nothing
	payload[1001] = 4;
	assert_int_equal(sizeof(payload) % 4, 2);
	uint8_t aligned[1004] = {0};
	memcpy(aligned, payload, 60);
	aligned[1003] = 4;
	assert_int_equal(peer_sends(&p, &k, aligned, 1004), DROP_NONE);
	assert_int_equal(k.m.pkt_len, 60);
	assert_memory_equal(rte_pktmbuf_mtod(&k.m, void *), aligned, 60);
	pair_fini(&p);
}

static void malformed_contents_are_refused_after_decryption(void **state)
{
	struct kit_packet k;
	struct pair p;
	uint8_t good[64] = {0}, bad[64];

	pair_simple(&p, gcm(), 0);
	kit_inner(good, 60, 4, 0);
	good[60] = 1;
	good[61] = 2;
	good[62] = 2;
	good[63] = 4;
	assert_int_equal(peer_sends(&p, &k, good, 64), DROP_NONE);
	memcpy(bad, good, 64);
	bad[63] = 59; // dummy packet
	assert_int_equal(peer_sends(&p, &k, bad, 64), DROP_ESP_DUMMY);
	bad[63] = 6; // TCP, in tunnel mode
	assert_int_equal(peer_sends(&p, &k, bad, 64), DROP_ESP_MALFORMED);
	bad[63] = 41; // says IPv6, is IPv4
	assert_int_equal(peer_sends(&p, &k, bad, 64), DROP_ESP_MALFORMED);
	memcpy(bad, good, 64);
	bad[61] = 7; // padding is not 1, 2
	assert_int_equal(peer_sends(&p, &k, bad, 64), DROP_ESP_MALFORMED);
	memcpy(bad, good, 64);
	bad[62] = 255; // longer than the packet
	assert_int_equal(peer_sends(&p, &k, bad, 64), DROP_ESP_MALFORMED);
	memcpy(bad, good, 64);
	bad[3] = 61; // inner length reaches into the padding
	assert_int_equal(peer_sends(&p, &k, bad, 64), DROP_ESP_MALFORMED);
	assert_int_equal(p.in->faults.malformed, 5);
	pair_fini(&p);
}

static void keepalive_and_short_packets_are_told_apart(void **state)
{
	static const uint8_t keepalive[29] = {0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2,
		1, 198, 51, 100, 2, 0x11, 0x94, 0x11, 0x94, 0, 9, 0, 0, 0xff};
	struct kit_packet k;
	struct esp_at at;
	uint8_t padded[60] = {0};

	memcpy(padded, keepalive, sizeof(keepalive)); // as Ethernet delivers it
	struct rte_mbuf *m = kit_packet_set(&k, padded, sizeof(padded));
	assert_int_equal(esp_find(m, &at), DROP_ESP_KEEPALIVE);
	padded[25] = 12; // four bytes of payload
	padded[3] = 32;
	m = kit_packet_set(&k, padded, sizeof(padded));
	assert_int_equal(esp_find(m, &at), DROP_ESP_SHORT);
	padded[25] = 60; // more than there is
	m = kit_packet_set(&k, padded, sizeof(padded));
	assert_int_equal(esp_find(m, &at), DROP_UDP_BAD);
}

// -- DSCP, ECN, DF

static void ecn_follows_rfc6040(void **state)
{
	// RFC 6040 figure 4, rows inner, columns outer: Not-ECT, ECT(1), ECT(0), CE.
	static const unsigned figure[4][4] = {
		{0, 0, 0, TOS_INVALID},
		{1, 1, 1, 3},
		{2, 1, 2, 3},
		{3, 3, 3, 3},
	};

	for (uint8_t in = 0; in < 4; in++)
		for (uint8_t out = 0; out < 4; out++) {
			unsigned got = tos_decap((uint8_t)(0xb8 | in), out);

			assert_int_equal(got, figure[in][out] == TOS_INVALID
						      ? TOS_INVALID
						      : 0xb8 | figure[in][out]);
		}
}

static void congestion_mark_reaches_the_inner_packet(void **state)
{
	for (int inner = 4; inner <= 6; inner += 2) {
		struct kit_packet a;
		uint8_t plain[100], *ip;
		struct pair p;

		pair_simple(&p, gcm(), 0);
		kit_inner(plain, sizeof(plain), inner, 0xb8 | ECN_ECT0);
		struct rte_mbuf *m = kit_packet_set(&a, plain, sizeof(plain));
		assert_int_equal(encap_one(&p, m), DROP_NONE);
		ip = rte_pktmbuf_mtod(m, uint8_t *);
		assert_int_equal(ip[1], 0xb8 | ECN_ECT0); // copied out
		ip[1] |= ECN_CE;
		assert_int_equal(decap_one(&p, m), DROP_NONE);
		ip = rte_pktmbuf_mtod(m, uint8_t *);
		if (inner == 4) {
			assert_int_equal(ip[1], 0xb8 | ECN_CE);
			assert_int_equal(ip4_sum(ip), 0xffff);
		} else {
			assert_int_equal((uint8_t)(ip[0] << 4 | ip[1] >> 4), 0xb8 | ECN_CE);
		}
		kit_inner(plain, sizeof(plain), inner, 0);
		m = kit_packet_set(&a, plain, sizeof(plain));
		assert_int_equal(encap_one(&p, m), DROP_NONE);
		rte_pktmbuf_mtod(m, uint8_t *)[1] |= ECN_CE;
		assert_int_equal(decap_one(&p, m), DROP_ECN_INVALID);
		pair_fini(&p);
	}
}

static void outer_header_follows_its_options(void **state)
{
	static const struct {
		uint8_t df;
		int inner;
		bool inner_df, outer_df;
	} list[] = {
		{API_SA_DF_COPY, 4, false, false},
		{API_SA_DF_COPY, 4, true, true},
		{API_SA_DF_COPY, 6, true, true},
		{API_SA_DF_SET, 4, false, true},
		{API_SA_DF_CLEAR, 4, true, false},
	};
	struct kit_packet a;
	uint8_t plain[100], *ip;
	struct pair p;

	pair_simple(&p, gcm(), API_SA_F_FIXED_DSCP | API_SA_F_NO_ECN);
	p.out->dscp = 10;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		kit_inner(plain, sizeof(plain), list[i].inner, 0xb8 | ECN_ECT0);
		if (list[i].inner == 4 && list[i].inner_df)
			plain[6] |= 0x40;
		struct rte_mbuf *m = kit_packet_set(&a, plain, sizeof(plain));
		p.out->df = list[i].df;
		assert_int_equal(encap_one(&p, m), DROP_NONE);
		ip = rte_pktmbuf_mtod(m, uint8_t *);
		assert_int_equal(ip[1], 10 << 2);
		assert_int_equal(!!(ip[6] & 0x40), list[i].outer_df);
		assert_int_equal(ip4_sum(ip), 0xffff);
	}
	pair_fini(&p);
}

static void inner_mtu_is_exact(void **state)
{
	const struct esp_suite *s;
	struct kit_packet a;
	uint8_t plain[1500];

	for (unsigned i = 0; (s = esp_suite_at(i)) != NULL; i++)
		for (int outer = 4; outer <= 6; outer += 2)
			for (uint32_t flags = 0; flags <= API_SA_F_UDP; flags += API_SA_F_UDP) {
				struct api_sa out = kit_want(s, API_SA_OUT, 1);
				struct api_sa in = kit_want(s, API_SA_IN, 1);
				struct rte_mbuf *m;
				struct pair p;
				uint16_t mtu;

				out.flags = in.flags = flags;
				pair_init(&p, &esp_crypto_ipsecmb, out, in, outer);
				mtu = esp_sa_inner_mtu(p.out, 1500);
				kit_inner(plain, mtu, 4, 0);
				m = kit_packet_set(&a, plain, mtu);
				assert_int_equal(encap_one(&p, m), DROP_NONE);
				assert_true(m->pkt_len <= 1500);
				m = kit_packet_set(&a, plain, mtu + 1u);
				assert_int_equal(encap_one(&p, m), DROP_NONE);
				assert_true(m->pkt_len > 1500);
				assert_int_equal(esp_sa_inner_mtu(p.out, 40), 0);
				pair_fini(&p);
			}
}

// -- transport mode

static void transport_mode_protects_gre(void **state)
{
	for (int version = 4; version <= 6; version += 2)
		for (uint32_t flags = 0; flags <= API_SA_F_UDP; flags += API_SA_F_UDP) {
			struct api_sa out = kit_want(gcm(), API_SA_OUT, 1);
			struct api_sa in = kit_want(gcm(), API_SA_IN, 1);
			uint8_t plain[200];
			struct kit_packet a;
			struct rte_mbuf *m;
			struct pair p;

			out.flags = in.flags = flags;
			out.mode = in.mode = API_SA_TRANSPORT;
			pair_init(&p, &esp_crypto_ipsecmb, out, in, version);
			kit_inner(plain, sizeof(plain), version, 0x28);
			plain[version == 4 ? 9 : 6] = 47;
			const struct esp_outer *o = esp_sa_outer(p.out);
			memcpy(plain + (version == 4 ? 12 : 8), o->header + (version == 4 ? 12 : 8),
				version == 4 ? 8 : 32);
			m = kit_packet_set(&a, plain, sizeof(plain));
			assert_int_equal(encap_one(&p, m), DROP_NONE);
			assert_int_equal(decap_one(&p, m), DROP_NONE);
			assert_int_equal(m->pkt_len, sizeof(plain));
			uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
			assert_int_equal(ip[version == 4 ? 9 : 6], 47);
			if (version == 4)
				assert_int_equal(ip4_sum(ip), 0xffff);
			size_t header = version == 4 ? 20 : 40;
			assert_memory_equal(ip + header, plain + header, sizeof(plain) - header);
			// Anything but GRE does not leave, and does not enter.
			plain[version == 4 ? 9 : 6] = 17;
			m = kit_packet_set(&a, plain, sizeof(plain));
			assert_int_equal(encap_one(&p, m), DROP_ESP_MALFORMED);
			pair_fini(&p);
		}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_suite_goes_through_in_all_four_combinations),
		cmocka_unit_test(replayed_packet_is_dropped_and_counted),
		cmocka_unit_test(duplicate_within_one_vector_is_dropped),
		cmocka_unit_test(forged_packet_moves_no_window),
		cmocka_unit_test(wrong_addresses_and_encapsulation_are_refused),
		cmocka_unit_test(moved_nat_mapping_is_reported_once_verified),
		cmocka_unit_test(counter_nonce_is_epoch_then_counter),
		cmocka_unit_test(chained_packet_equals_a_flat_one),
		cmocka_unit_test(tfc_padding_is_cut_off),
		cmocka_unit_test(malformed_contents_are_refused_after_decryption),
		cmocka_unit_test(keepalive_and_short_packets_are_told_apart),
		cmocka_unit_test(ecn_follows_rfc6040),
		cmocka_unit_test(congestion_mark_reaches_the_inner_packet),
		cmocka_unit_test(outer_header_follows_its_options),
		cmocka_unit_test(inner_mtu_is_exact),
		cmocka_unit_test(transport_mode_protects_gre),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
