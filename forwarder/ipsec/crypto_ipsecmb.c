// SPDX-License-Identifier: Apache-2.0

// ESP's cryptography on libipsec-mb. Combined-mode ciphers go one packet at a time through the
// direct calls, which beat the job interface on small packets; while one is worked on, the key of a
// later one is fetched, because with thousands of SAs the expanded keys (about 1 KB each) do not
// stay in the caches. CBC with HMAC goes through the burst interface, whose lanes need many packets
// at once.

#include "crypto.h"

#include <endian.h>
#include <errno.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PREFETCH_AHEAD 3 // packets
#define LINE           64
#define ROUND_KEYS     240 // bytes, at the start of struct gcm_key_data
#define POWERS         48

struct esp_crypto_thread {
	IMB_MGR *mgr;
	// Ciphertext of a counter under a key of this thread alone.
	uint8_t iv_keys[15 * 16] __attribute__((aligned(16)));
	uint64_t iv_counter;
	uint8_t tags[ESP_OPS_MAX][IMB_SHA512_DIGEST_SIZE_IN_BYTES];
	uint8_t icvs[ESP_OPS_MAX][ESP_ICV_MAX];
};

struct hmac_key {
	uint8_t ipad[64] __attribute__((aligned(16)));
	uint8_t opad[64] __attribute__((aligned(16)));
};

struct cbc_key {
	uint8_t enc[15 * 16] __attribute__((aligned(16)));
	uint8_t dec[15 * 16] __attribute__((aligned(16)));
	struct hmac_key hmac;
};

struct des3_key {
	uint64_t schedule[3][IMB_DES_KEY_SCHED_SIZE / sizeof(uint64_t)];
	const void *ptrs[3];
	struct hmac_key hmac;
};

struct gcm_key {
	struct gcm_key_data data;
	aes_gcm_enc_dec_t run; // sealing or opening, for this key size
	aes_gmac_init_t gmac_init;
	aes_gmac_update_t gmac_update;
	aes_gmac_finalize_t gmac_finalize;
};

union mb_key {
	struct gcm_key gcm;
	struct cbc_key cbc;
	struct des3_key des3;
	uint8_t chacha[32];
};

_Static_assert(sizeof(union mb_key) <= ESP_KEY_SIZE, "ESP_KEY_SIZE is too small");

static union mb_key *mb_key(const struct esp_key *k)
{
	return (union mb_key *)(uintptr_t)k->priv;
}

static IMB_MGR *mgr_new(void)
{
	IMB_MGR *mgr = alloc_mb_mgr(0);

	if (mgr == NULL)
		return NULL;
	init_mb_mgr_auto(mgr, NULL);
	if (imb_get_errno(mgr) == 0)
		return mgr;
	free_mb_mgr(mgr);
	return NULL;
}

// For expanding keys: the control thread's own, made once, because making one runs the library's
// self-test.
static IMB_MGR *mgr_for_keys(void)
{
	static IMB_MGR *mgr;

	if (mgr == NULL)
		mgr = mgr_new();
	return mgr;
}

static bool mb_usable(void)
{
	static const uint64_t need = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
	const IMB_MGR *mgr = mgr_for_keys();

	return mgr != NULL && (mgr->features & need) == need;
}

static struct esp_crypto_thread *mb_thread_new(void)
{
	struct esp_crypto_thread *t = aligned_alloc(LINE, (sizeof(*t) + LINE - 1) / LINE * LINE);
	uint8_t key[16], unused[15 * 16] __attribute__((aligned(16)));

	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->mgr = mgr_new();
	if (t->mgr == NULL || getrandom(key, sizeof(key), 0) != sizeof(key)) {
		if (t->mgr != NULL)
			free_mb_mgr(t->mgr);
		free(t);
		return NULL;
	}
	IMB_AES_KEYEXP_128(t->mgr, key, t->iv_keys, unused);
	imb_clear_mem(key, sizeof(key));
	imb_clear_mem(unused, sizeof(unused));
	return t;
}

static void mb_thread_free(struct esp_crypto_thread *t)
{
	if (t == NULL)
		return;
	free_mb_mgr(t->mgr);
	imb_clear_mem(t, sizeof(*t));
	free(t);
}

static void mb_random_iv(struct esp_crypto_thread *t, uint8_t iv[16])
{
	static const uint8_t zeros[16];
	uint64_t counter[2] = {++t->iv_counter, 0};

	// One block of CFB over zeros is the plain block cipher.
	IMB_AES128_CFB_ONE(t->mgr, iv, zeros, counter, t->iv_keys, 16);
}

// -- keys

static void one_block(IMB_MGR *mgr, uint8_t hmac, const uint8_t *block, uint8_t *digest)
{
	switch (hmac) {
	case ESP_HMAC_SHA1: IMB_SHA1_ONE_BLOCK(mgr, block, digest); break;
	case ESP_HMAC_SHA256: IMB_SHA256_ONE_BLOCK(mgr, block, digest); break;
	case ESP_HMAC_SHA384: IMB_SHA384_ONE_BLOCK(mgr, block, digest); break;
	}
}

static void hmac_init(
	IMB_MGR *mgr, struct hmac_key *h, const struct esp_suite *s, const uint8_t *key)
{
	size_t size = s->hmac == ESP_HMAC_SHA384 ? 128 : 64;
	uint8_t block[128];

	memset(block, 0x36, sizeof(block));
	for (size_t i = 0; i < s->auth_key_size; i++)
		block[i] ^= key[i];
	one_block(mgr, s->hmac, block, h->ipad);
	for (size_t i = 0; i < size; i++)
		block[i] ^= 0x36 ^ 0x5c;
	one_block(mgr, s->hmac, block, h->opad);
	imb_clear_mem(block, sizeof(block));
}

static void aes_init(IMB_MGR *mgr, struct cbc_key *k, unsigned size, const uint8_t *key)
{
	switch (size) {
	case 16: IMB_AES_KEYEXP_128(mgr, key, k->enc, k->dec); break;
	case 24: IMB_AES_KEYEXP_192(mgr, key, k->enc, k->dec); break;
	case 32: IMB_AES_KEYEXP_256(mgr, key, k->enc, k->dec); break;
	}
}

static void des3_init(IMB_MGR *mgr, struct des3_key *k, const uint8_t *key)
{
	for (int i = 0; i < 3; i++) {
		IMB_DES_KEYSCHED(mgr, k->schedule[i], key + 8 * i);
		k->ptrs[i] = k->schedule[i];
	}
}

static void gcm_init(IMB_MGR *mgr, struct gcm_key *k, unsigned size, const uint8_t *key, bool seal)
{
	switch (size) {
	case 16:
		IMB_AES128_GCM_PRE(mgr, key, &k->data);
		k->run = seal ? mgr->gcm128_enc : mgr->gcm128_dec;
		k->gmac_init = mgr->gmac128_init;
		k->gmac_update = mgr->gmac128_update;
		k->gmac_finalize = mgr->gmac128_finalize;
		break;
	case 24:
		IMB_AES192_GCM_PRE(mgr, key, &k->data);
		k->run = seal ? mgr->gcm192_enc : mgr->gcm192_dec;
		k->gmac_init = mgr->gmac192_init;
		k->gmac_update = mgr->gmac192_update;
		k->gmac_finalize = mgr->gmac192_finalize;
		break;
	case 32:
		IMB_AES256_GCM_PRE(mgr, key, &k->data);
		k->run = seal ? mgr->gcm256_enc : mgr->gcm256_dec;
		k->gmac_init = mgr->gmac256_init;
		k->gmac_update = mgr->gmac256_update;
		k->gmac_finalize = mgr->gmac256_finalize;
		break;
	}
}

static int mb_key_init(struct esp_key *k, const uint8_t *key, const uint8_t *auth, bool seal)
{
	const struct esp_suite *s = k->suite;
	union mb_key *m = mb_key(k);
	IMB_MGR *mgr = mgr_for_keys();

	if (mgr == NULL)
		return -ENOMEM;
	switch ((enum esp_kind)s->kind) {
	case ESP_KIND_GCM:
	case ESP_KIND_GMAC: gcm_init(mgr, &m->gcm, s->key_size, key, seal); break;
	case ESP_KIND_CHACHA: memcpy(m->chacha, key, sizeof(m->chacha)); break;
	case ESP_KIND_CBC:
		aes_init(mgr, &m->cbc, s->key_size, key);
		hmac_init(mgr, &m->cbc.hmac, s, auth);
		break;
	case ESP_KIND_3DES:
		des3_init(mgr, &m->des3, key);
		hmac_init(mgr, &m->des3.hmac, s, auth);
		break;
	}
	return 0;
}

static void mb_key_fini(struct esp_key *k)
{
	imb_clear_mem(k, sizeof(*k));
}

// -- combined modes

static void run_gcm(struct esp_crypto_thread *t, struct esp_op *op, uint8_t *tag)
{
	const struct gcm_key *k = &mb_key(op->key)->gcm;
	uint8_t *data = op->esp + ESP_HEADER_SIZE + 8;
	struct gcm_context_data ctx;
	uint64_t nonce[2], aad[2];

	esp_op_nonce(op, nonce);
	k->run(&k->data, &ctx, data, data, op->size, (uint8_t *)nonce, (uint8_t *)aad,
		esp_op_aad(op, aad), tag, 16);
}

// RFC 4543 section 3.3: all of the packet but the ICV is only authenticated.
static void run_gmac(struct esp_crypto_thread *t, struct esp_op *op, uint8_t *tag)
{
	const struct gcm_key *k = &mb_key(op->key)->gcm;
	struct gcm_context_data ctx;
	uint64_t nonce[2], aad[2];

	esp_op_nonce(op, nonce);
	k->gmac_init(&k->data, &ctx, (uint8_t *)nonce, 12);
	k->gmac_update(&k->data, &ctx, (uint8_t *)aad, esp_op_aad(op, aad));
	k->gmac_update(&k->data, &ctx, op->esp + ESP_HEADER_SIZE, 8 + (uint64_t)op->size);
	k->gmac_finalize(&k->data, &ctx, tag, 16);
}

static void run_chacha(struct esp_crypto_thread *t, struct esp_op *op, uint8_t *tag, bool seal)
{
	uint8_t *data = op->esp + ESP_HEADER_SIZE + 8;
	const uint8_t *key = mb_key(op->key)->chacha;
	struct chacha20_poly1305_context_data ctx;
	uint64_t nonce[2], aad[2];

	esp_op_nonce(op, nonce);
	IMB_CHACHA20_POLY1305_INIT(
		t->mgr, key, &ctx, (uint8_t *)nonce, (uint8_t *)aad, esp_op_aad(op, aad));
	if (seal)
		IMB_CHACHA20_POLY1305_ENC_UPDATE(t->mgr, key, &ctx, data, data, op->size);
	else
		IMB_CHACHA20_POLY1305_DEC_UPDATE(t->mgr, key, &ctx, data, data, op->size);
	IMB_CHACHA20_POLY1305_ENC_FINALIZE(t->mgr, &ctx, tag, 16);
}

static void run_combined(struct esp_crypto_thread *t, struct esp_op *op, uint8_t *tag, bool seal)
{
	switch (op->key->suite->kind) {
	case ESP_KIND_GCM: run_gcm(t, op, tag); break;
	case ESP_KIND_GMAC: run_gmac(t, op, tag); break;
	default: run_chacha(t, op, tag, seal); break;
	}
}

// What this packet will need of its key: round keys, and of the powers of the hash key, whose
// lowest stands last, as many as there are blocks. Of other ciphers' keys everything.
static void key_prefetch(const struct esp_op *op)
{
	const uint8_t *k = (const uint8_t *)mb_key(op->key), *end = k + sizeof(struct gcm_key);
	size_t blocks = op->size / 16 + 2, from = ROUND_KEYS;

	if (op->key->suite->hmac == ESP_HMAC_NONE && blocks < POWERS)
		from += (POWERS - blocks) * 16;
	for (size_t at = 0; at < ROUND_KEYS; at += LINE)
		__builtin_prefetch(k + at);
	for (const uint8_t *p = k + from / LINE * LINE; p < end; p += LINE)
		__builtin_prefetch(p);
}

// -- CBC with HMAC

static void job_fill(IMB_JOB *job, const struct esp_op *op, uint8_t *tag, bool seal)
{
	static const IMB_HASH_ALG hashes[] = {
		[ESP_HMAC_SHA1] = IMB_AUTH_HMAC_SHA_1,
		[ESP_HMAC_SHA256] = IMB_AUTH_HMAC_SHA_256,
		[ESP_HMAC_SHA384] = IMB_AUTH_HMAC_SHA_384,
	};
	const struct esp_suite *s = op->key->suite;
	const union mb_key *k = mb_key(op->key);
	const struct hmac_key *h = s->kind == ESP_KIND_CBC ? &k->cbc.hmac : &k->des3.hmac;

	job->enc_keys = s->kind == ESP_KIND_CBC ? (const void *)k->cbc.enc : k->des3.ptrs;
	job->dec_keys = s->kind == ESP_KIND_CBC ? (const void *)k->cbc.dec : k->des3.ptrs;
	job->key_len_in_bytes = s->key_size;
	job->cipher_mode = s->kind == ESP_KIND_CBC ? IMB_CIPHER_CBC : IMB_CIPHER_DES3;
	job->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	job->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->src = op->esp;
	job->dst = op->esp + ESP_HEADER_SIZE + s->iv_size;
	job->cipher_start_src_offset_in_bytes = ESP_HEADER_SIZE + s->iv_size;
	job->msg_len_to_cipher_in_bytes = op->size;
	job->iv = op->esp + ESP_HEADER_SIZE;
	job->iv_len_in_bytes = s->iv_size;
	job->hash_alg = hashes[s->hmac];
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes =
		ESP_HEADER_SIZE + s->iv_size + op->size + (op->key->esn ? 4 : 0);
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = s->icv_size;
	job->u.HMAC._hashed_auth_key_xor_ipad = h->ipad;
	job->u.HMAC._hashed_auth_key_xor_opad = h->opad;
	job->user_data = (void *)(uintptr_t)op;
}

static void jobs_done(IMB_JOB **jobs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		((struct esp_op *)jobs[i]->user_data)->ok = jobs[i]->status == IMB_STATUS_COMPLETED;
}

// op[at[i]] for all i; each is marked ok when its tag has been computed.
static void run_jobs(
	struct esp_crypto_thread *t, struct esp_op *ops, const uint8_t *at, unsigned n, bool seal)
{
	IMB_JOB *jobs[ESP_OPS_MAX];
	uint32_t done;

	if (n == 0 || IMB_GET_NEXT_BURST(t->mgr, n, jobs) < n)
		return;
	for (unsigned i = 0; i < n; i++)
		job_fill(jobs[i], &ops[at[i]], t->tags[at[i]], seal);
	done = IMB_SUBMIT_BURST(t->mgr, n, jobs);
	jobs_done(jobs, done);
	while (done < n) {
		uint32_t more = IMB_FLUSH_BURST(t->mgr, n - done, jobs);

		if (more == 0)
			return; // refused: these stay not ok
		jobs_done(jobs, more);
		done += more;
	}
}

// RFC 4303 2.2.1: the high bits stand behind the payload while the HMAC runs over it.
static void put_seq_hi(const struct esp_op *op, uint8_t *icv)
{
	uint32_t hi = htobe32(op->seq_hi);

	if (op->key->esn)
		memcpy(icv, &hi, sizeof(hi));
}

static uint8_t *op_icv(const struct esp_op *op)
{
	return op->esp + ESP_HEADER_SIZE + op->key->suite->iv_size + op->size;
}

static void mb_seal(struct esp_crypto_thread *t, struct esp_op *ops, unsigned n)
{
	uint8_t at[ESP_OPS_MAX] = {0};
	unsigned jobs = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			key_prefetch(&ops[i + PREFETCH_AHEAD]);
		if (ops[i].key->suite->hmac == ESP_HMAC_NONE) {
			run_combined(t, &ops[i], op_icv(&ops[i]), true);
			ops[i].ok = true;
			continue;
		}
		ops[i].ok = false;
		put_seq_hi(&ops[i], op_icv(&ops[i]));
		at[jobs++] = (uint8_t)i;
	}
	run_jobs(t, ops, at, jobs, true);
	for (unsigned i = 0; i < jobs; i++)
		memcpy(op_icv(&ops[at[i]]), t->tags[at[i]], ops[at[i]].key->suite->icv_size);
}

static void mb_open(struct esp_crypto_thread *t, struct esp_op *ops, unsigned n)
{
	uint8_t at[ESP_OPS_MAX] = {0}, tag[16];
	unsigned jobs = 0;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *icv = op_icv(&ops[i]);

		if (i + PREFETCH_AHEAD < n)
			key_prefetch(&ops[i + PREFETCH_AHEAD]);
		if (ops[i].key->suite->hmac == ESP_HMAC_NONE) {
			run_combined(t, &ops[i], tag, false);
			ops[i].ok = esp_crypto_equal(tag, icv, sizeof(tag));
			continue;
		}
		ops[i].ok = false;
		memcpy(t->icvs[i], icv, ops[i].key->suite->icv_size);
		put_seq_hi(&ops[i], icv);
		at[jobs++] = (uint8_t)i;
	}
	run_jobs(t, ops, at, jobs, false);
	for (unsigned i = 0; i < jobs; i++) {
		struct esp_op *op = &ops[at[i]];

		op->ok = op->ok &&
			 esp_crypto_equal(t->tags[at[i]], t->icvs[at[i]], op->key->suite->icv_size);
	}
}

const struct esp_crypto esp_crypto_ipsecmb = {
	.name = "ipsec-mb",
	.usable = mb_usable,
	.thread_new = mb_thread_new,
	.thread_free = mb_thread_free,
	.key_init = mb_key_init,
	.key_fini = mb_key_fini,
	.seal = mb_seal,
	.open = mb_open,
	.random_iv = mb_random_iv,
};
