// SPDX-License-Identifier: Apache-2.0

// Speed of the ESP core alone, no graph and no ports, beside the raw library in the same run:
//
//	esp_bench [sas] [seconds per figure] [suite|all] [back-end]
//	esp_bench raw SIZE SECONDS
//
// The second form prints the library's packets a second alone, AES-256-GCM under one key.
//
// Packets of random SAs, 64 a vector, from a pool larger than the caches' worth of a vector. Prints
// "name value" lines; the figure of each round is taken in turn with the others, and the median of
// five rounds is printed, so that a noisy neighbour harms all alike.

#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <time.h>

#include "esp_testkit.h"

#define VECTOR 64
#define POOL   512 // packets
#define ROUNDS 5

struct bench {
	const struct esp_crypto *crypto;
	struct esp_ctx ctx;
	unsigned sas;
	double seconds;
	struct esp_sa **out, **in;
	struct kit_packet *packets; // plain
	struct kit_packet *sealed;  // as of the peer
	uint32_t *sealed_sa;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct api_sa want_of(const struct esp_suite *s, uint8_t dir, unsigned i)
{
	struct api_sa want = kit_want(s, dir, i);

	want.slot = 1;
	want.spi = API_SPI_MAKE(1, 0, i);
	want.flags = API_SA_F_ESN;
	memcpy(want.key, &i, sizeof(i));
	kit_addresses(&want, 4);
	return want;
}

static void sas_new(struct bench *b, const struct esp_suite *s)
{
	b->out = calloc(b->sas, sizeof(*b->out));
	b->in = calloc(b->sas, sizeof(*b->in));
	for (unsigned i = 0; i < b->sas; i++) {
		struct api_sa out = want_of(s, API_SA_OUT, i), in = want_of(s, API_SA_IN, i);

		b->out[i] = kit_sa_new(b->crypto, &out, 1);
		b->in[i] = kit_sa_new(b->crypto, &in, 1);
	}
}

static void sas_free(struct bench *b)
{
	for (unsigned i = 0; i < b->sas; i++) {
		kit_sa_free(b->crypto, b->out[i]);
		kit_sa_free(b->crypto, b->in[i]);
	}
	free(b->out);
	free(b->in);
}

static void reset(struct kit_packet *p, size_t size)
{
	p->m.data_off = KIT_HEADROOM;
	p->m.data_len = (uint16_t)size;
	p->m.pkt_len = (uint32_t)size;
}

// Packets a second.
static double run_out(struct bench *b, size_t size)
{
	struct rte_mbuf *pkts[VECTOR];
	struct esp_sa *sas[VECTOR];
	uint8_t verdicts[VECTOR];
	double start = now(), end;
	uint64_t done = 0;
	unsigned at = 0;

	do {
		for (int i = 0; i < VECTOR; i++, at = (at + 1) % POOL) {
			uint8_t *ip;

			reset(&b->packets[at], size);
			pkts[i] = &b->packets[at].m;
			ip = rte_pktmbuf_mtod(pkts[i], uint8_t *);
			ip[0] = 0x45; // what was there is ciphertext now
			sas[i] = b->out[(unsigned long)random() % b->sas];
		}
		esp_encap(&b->ctx, pkts, sas, verdicts, VECTOR);
		done += VECTOR;
		end = now();
	} while (end - start < b->seconds);
	return (double)done / (end - start);
}

// Sealed packets are opened once and restored from a copy, whose cost is part of the figure; the
// replay window is wound back instead of sealing anew.
static double run_in(struct bench *b, size_t size)
{
	struct rte_mbuf *pkts[VECTOR];
	struct esp_sa *sas[VECTOR];
	struct esp_at at[VECTOR];
	uint8_t verdicts[VECTOR];
	double start = now(), end, spent = 0;
	uint64_t done = 0, good = 0;
	uint32_t sealed_size = 0;

	do {
		for (unsigned p = 0; p < POOL; p++) {
			uint8_t verdict;
			struct rte_mbuf *m = &b->sealed[p].m;
			uint32_t k = (uint32_t)((unsigned long)random() % b->sas);

			reset(&b->sealed[p], size);
			kit_inner(rte_pktmbuf_mtod(m, uint8_t *), 20, 4, 0);
			rte_pktmbuf_mtod(m, uint8_t *)[2] = (uint8_t)(size >> 8);
			rte_pktmbuf_mtod(m, uint8_t *)[3] = (uint8_t)size;
			esp_encap(&b->ctx, &m, &b->out[k], &verdict, 1);
			b->sealed_sa[p] = k;
			sealed_size = m->pkt_len;
		}
		start = now();
		for (unsigned p = 0; p < POOL; p += VECTOR) {
			for (int i = 0; i < VECTOR; i++) {
				pkts[i] = &b->sealed[p + (unsigned)i].m;
				sas[i] = b->in[b->sealed_sa[p + (unsigned)i]];
				esp_find(pkts[i], &at[i]);
			}
			esp_decap(&b->ctx, pkts, sas, at, verdicts, VECTOR);
			for (int i = 0; i < VECTOR; i++)
				good += verdicts[i] == DROP_NONE;
		}
		end = now();
		spent += end - start;
		done += POOL;
	} while (spent < b->seconds);
	if (good != done || sealed_size == 0)
		fprintf(stderr, "only %lu of %lu opened\n", (unsigned long)good,
			(unsigned long)done);
	return (double)good / spent;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), compare);
	return v[ROUNDS / 2];
}

// AES-256-GCM over the same sizes, one key, nothing else: what the library can do.
static double run_raw(struct bench *b, size_t size)
{
	static struct gcm_key_data key;
	static struct gcm_context_data ctx;
	IMB_MGR *mgr = alloc_mb_mgr(0);
	uint8_t iv[12] = {0}, aad[12] = {0}, tag[16], secret[32] = {1};
	double start, end;
	uint64_t done = 0;

	init_mb_mgr_auto(mgr, NULL);
	IMB_AES256_GCM_PRE(mgr, secret, &key);
	start = now();
	do {
		for (unsigned i = 0; i < POOL; i++) {
			uint8_t *p = b->packets[i].room;

			IMB_AES256_GCM_ENC(mgr, &key, &ctx, p, p, size, iv, aad, 12, tag, 16);
		}
		done += POOL;
		end = now();
	} while (end - start < b->seconds);
	free_mb_mgr(mgr);
	return (double)done / (end - start);
}

static void packets_new(struct bench *b, size_t size)
{
	static uint8_t plain[2048];

	for (unsigned i = 0; i < POOL; i++) {
		kit_inner(plain, size, 4, 0);
		kit_packet_set(&b->packets[i], plain, size);
		kit_packet_set(&b->sealed[i], plain, size);
	}
}

static void measure(struct bench *b, const struct esp_suite *s, size_t size)
{
	double out[ROUNDS], in[ROUNDS], raw[ROUNDS];

	packets_new(b, size);
	sas_new(b, s);
	for (int i = 0; i < ROUNDS; i++) {
		raw[i] = run_raw(b, size);
		out[i] = run_out(b, size);
		in[i] = run_in(b, size);
	}
	printf("%s %s sas=%u size=%zu: raw-gcm %.2f Mpps %.1f Gbit/s, out %.2f Mpps %.1f Gbit/s, "
	       "in %.2f Mpps %.1f Gbit/s\n",
		b->crypto->name, s->name, b->sas, size, median(raw) / 1e6,
		median(raw) * (double)size * 8 / 1e9, median(out) / 1e6,
		median(out) * (double)size * 8 / 1e9, median(in) / 1e6,
		median(in) * (double)size * 8 / 1e9);
	sas_free(b);
}

static int raw_main(size_t size, double seconds)
{
	struct bench b = {.seconds = seconds};

	b.packets = aligned_alloc(64, (POOL * sizeof(*b.packets) + 63) / 64 * 64);
	if (b.packets == NULL || size > KIT_ROOM)
		return 1;
	printf("%.0f\n", run_raw(&b, size));
	free(b.packets);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b = {
		.sas = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000,
		.seconds = argc > 2 ? strtod(argv[2], NULL) : 0.2,
	};
	const char *only = argc > 3 ? argv[3] : "aes-256-gcm-16";
	const char *backend = argc > 4 ? argv[4] : "auto";
	const struct esp_suite *s;

	if (argc == 4 && strcmp(argv[1], "raw") == 0)
		return raw_main(strtoul(argv[2], NULL, 10), strtod(argv[3], NULL));
	b.crypto = esp_crypto_find(backend);
	if (b.crypto == NULL || esp_ctx_init(&b.ctx, b.crypto) < 0)
		return 1;
	b.packets = aligned_alloc(64, (POOL * sizeof(*b.packets) + 63) / 64 * 64);
	b.sealed = aligned_alloc(64, (POOL * sizeof(*b.sealed) + 63) / 64 * 64);
	b.sealed_sa = calloc(POOL, sizeof(*b.sealed_sa));
	for (unsigned i = 0; (s = esp_suite_at(i)) != NULL; i++)
		if (strcmp(only, "all") == 0 || strcmp(only, s->name) == 0) {
			measure(&b, s, 64);
			measure(&b, s, 1400);
		}
	esp_ctx_fini(&b.ctx);
	return 0;
}
