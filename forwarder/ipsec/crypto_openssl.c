// SPDX-License-Identifier: Apache-2.0

// ESP's cryptography on OpenSSL's EVP interface: for processors without AES instructions and
// libraries that fail their own tests. One context a key, the key set once; a packet sets the IV.

#include "crypto.h"

#include <endian.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

struct esp_crypto_thread {
	EVP_CIPHER_CTX *iv_ctx; // AES-128-ECB of a counter under a key of this thread alone
	uint64_t iv_counter;
};

struct ssl_key {
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac; // with an HMAC
	bool seal;
};

_Static_assert(sizeof(struct ssl_key) <= ESP_KEY_SIZE, "ESP_KEY_SIZE is too small");

static struct ssl_key *ssl_key(const struct esp_key *k)
{
	return (struct ssl_key *)(uintptr_t)k->priv;
}

static bool ssl_usable(void)
{
	return true;
}

static void ssl_thread_free(struct esp_crypto_thread *t)
{
	if (t == NULL)
		return;
	EVP_CIPHER_CTX_free(t->iv_ctx);
	OPENSSL_free(t);
}

static struct esp_crypto_thread *ssl_thread_new(void)
{
	struct esp_crypto_thread *t = OPENSSL_zalloc(sizeof(*t));
	uint8_t key[16];
	int good;

	if (t == NULL)
		return NULL;
	t->iv_ctx = EVP_CIPHER_CTX_new();
	good = t->iv_ctx != NULL && RAND_bytes(key, sizeof(key)) == 1 &&
	       EVP_EncryptInit_ex(t->iv_ctx, EVP_aes_128_ecb(), NULL, key, NULL) == 1;
	OPENSSL_cleanse(key, sizeof(key));
	if (good)
		return t;
	ssl_thread_free(t);
	return NULL;
}

static void ssl_random_iv(struct esp_crypto_thread *t, uint8_t iv[16])
{
	uint64_t counter[2] = {++t->iv_counter, 0};
	int size;

	EVP_EncryptUpdate(t->iv_ctx, iv, &size, (const uint8_t *)counter, sizeof(counter));
}

// -- keys

static const EVP_CIPHER *evp_cipher(const struct esp_suite *s)
{
	static const struct {
		uint8_t kind, key_size;
		const EVP_CIPHER *(*cipher)(void);
	} list[] = {
		{ESP_KIND_GCM, 16, EVP_aes_128_gcm},
		{ESP_KIND_GCM, 24, EVP_aes_192_gcm},
		{ESP_KIND_GCM, 32, EVP_aes_256_gcm},
		{ESP_KIND_GMAC, 16, EVP_aes_128_gcm},
		{ESP_KIND_GMAC, 24, EVP_aes_192_gcm},
		{ESP_KIND_GMAC, 32, EVP_aes_256_gcm},
		{ESP_KIND_CHACHA, 32, EVP_chacha20_poly1305},
		{ESP_KIND_CBC, 16, EVP_aes_128_cbc},
		{ESP_KIND_CBC, 24, EVP_aes_192_cbc},
		{ESP_KIND_CBC, 32, EVP_aes_256_cbc},
		{ESP_KIND_3DES, 24, EVP_des_ede3_cbc},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i].kind == s->kind && list[i].key_size == s->key_size)
			return list[i].cipher();
	return NULL;
}

static EVP_MAC_CTX *mac_new(const struct esp_suite *s, const uint8_t *key)
{
	static char digests[][8] = {
		[ESP_HMAC_SHA1] = "SHA1",
		[ESP_HMAC_SHA256] = "SHA256",
		[ESP_HMAC_SHA384] = "SHA384",
	};
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digests[s->hmac], 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac); // the context keeps its own reference
	if (ctx != NULL && EVP_MAC_init(ctx, key, s->auth_key_size, params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

static void ssl_key_fini(struct esp_key *k)
{
	EVP_CIPHER_CTX_free(ssl_key(k)->cipher);
	EVP_MAC_CTX_free(ssl_key(k)->mac);
	OPENSSL_cleanse(k, sizeof(*k));
}

static int ssl_key_init(struct esp_key *k, const uint8_t *key, const uint8_t *auth, bool seal)
{
	const struct esp_suite *s = k->suite;
	struct ssl_key *m = ssl_key(k);

	*m = (struct ssl_key){.seal = seal, .cipher = EVP_CIPHER_CTX_new()};
	if (m->cipher == NULL ||
		EVP_CipherInit_ex(m->cipher, evp_cipher(s), NULL, key, NULL, seal) != 1)
		goto fail;
	if (s->hmac == ESP_HMAC_NONE)
		return 0;
	EVP_CIPHER_CTX_set_padding(m->cipher, 0);
	m->mac = mac_new(s, auth);
	if (m->mac != NULL)
		return 0;
fail:
	ssl_key_fini(k);
	return -ENOMEM;
}

// -- packets

static uint8_t *op_icv(const struct esp_op *op)
{
	return op->esp + ESP_HEADER_SIZE + op->key->suite->iv_size + op->size;
}

static bool run_combined(const struct esp_op *op)
{
	const struct ssl_key *m = ssl_key(op->key);
	bool gmac = op->key->suite->kind == ESP_KIND_GMAC;
	uint8_t *iv = op->esp + ESP_HEADER_SIZE, *data = iv + 8, *icv = op_icv(op);
	uint64_t nonce[2], aad[2];
	unsigned aad_size = esp_op_aad(op, aad);
	int size;

	esp_op_nonce(op, nonce);
	if (EVP_CipherInit_ex(m->cipher, NULL, NULL, NULL, (uint8_t *)nonce, -1) != 1)
		return false;
	if (!m->seal && EVP_CIPHER_CTX_ctrl(m->cipher, EVP_CTRL_AEAD_SET_TAG, 16, icv) != 1)
		return false;
	if (EVP_CipherUpdate(m->cipher, NULL, &size, (uint8_t *)aad, (int)aad_size) != 1)
		return false;
	if (gmac) {
		if (EVP_CipherUpdate(m->cipher, NULL, &size, iv, 8 + (int)op->size) != 1)
			return false;
	} else if (EVP_CipherUpdate(m->cipher, data, &size, data, (int)op->size) != 1) {
		return false;
	}
	if (EVP_CipherFinal_ex(m->cipher, data, &size) != 1)
		return false; // opening: the ICV does not match
	return !m->seal || EVP_CIPHER_CTX_ctrl(m->cipher, EVP_CTRL_AEAD_GET_TAG, 16, icv) == 1;
}

static bool run_cipher(const struct esp_op *op)
{
	const struct ssl_key *m = ssl_key(op->key);
	uint8_t *iv = op->esp + ESP_HEADER_SIZE, *data = iv + op->key->suite->iv_size;
	int size;

	return EVP_CipherInit_ex(m->cipher, NULL, NULL, NULL, iv, -1) == 1 &&
	       EVP_CipherUpdate(m->cipher, data, &size, data, (int)op->size) == 1;
}

static bool run_mac(const struct esp_op *op, uint8_t tag[EVP_MAX_MD_SIZE])
{
	const struct ssl_key *m = ssl_key(op->key);
	uint32_t hi = htobe32(op->seq_hi);
	size_t size = (size_t)(op_icv(op) - op->esp);

	return EVP_MAC_init(m->mac, NULL, 0, NULL) == 1 &&
	       EVP_MAC_update(m->mac, op->esp, size) == 1 &&
	       (!op->key->esn || EVP_MAC_update(m->mac, (uint8_t *)&hi, sizeof(hi)) == 1) &&
	       EVP_MAC_final(m->mac, tag, &size, EVP_MAX_MD_SIZE) == 1;
}

static void ssl_seal(struct esp_crypto_thread *t, struct esp_op *ops, unsigned n)
{
	uint8_t tag[EVP_MAX_MD_SIZE];

	for (unsigned i = 0; i < n; i++) {
		struct esp_op *op = &ops[i];

		if (op->key->suite->hmac == ESP_HMAC_NONE) {
			op->ok = run_combined(op);
			continue;
		}
		op->ok = run_cipher(op) && run_mac(op, tag);
		if (op->ok)
			memcpy(op_icv(op), tag, op->key->suite->icv_size);
	}
}

static void ssl_open(struct esp_crypto_thread *t, struct esp_op *ops, unsigned n)
{
	uint8_t tag[EVP_MAX_MD_SIZE];

	for (unsigned i = 0; i < n; i++) {
		struct esp_op *op = &ops[i];

		if (op->key->suite->hmac == ESP_HMAC_NONE)
			op->ok = run_combined(op);
		else
			op->ok = run_mac(op, tag) &&
				 esp_crypto_equal(tag, op_icv(op), op->key->suite->icv_size) &&
				 run_cipher(op);
	}
}

const struct esp_crypto esp_crypto_openssl = {
	.name = "openssl",
	.usable = ssl_usable,
	.thread_new = ssl_thread_new,
	.thread_free = ssl_thread_free,
	.key_init = ssl_key_init,
	.key_fini = ssl_key_fini,
	.seal = ssl_seal,
	.open = ssl_open,
	.random_iv = ssl_random_iv,
};
