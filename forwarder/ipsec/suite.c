// SPDX-License-Identifier: Apache-2.0
#include "suite.h"

#include <stddef.h>

#include "sa.h"

#define COMBINED(text, number, how, key)                                                      \
	{                                                                                     \
		.name = text, .cipher = number, .kind = how, .key_size = key, .salt_size = 4, \
		.iv_size = 8, .align = 4, .icv_size = 16,                                     \
	}
#define WITH_HMAC(text, number, how, key, block, id, mac, mac_key, icv)                      \
	{                                                                                    \
		.name = text, .cipher = number, .integrity = id, .kind = how, .hmac = mac,   \
		.key_size = key, .auth_key_size = mac_key, .iv_size = block, .align = block, \
		.icv_size = icv,                                                             \
	}
#define WITH_HMACS(text, number, how, key, block)                                            \
	WITH_HMAC(text "-hmac-sha1-96", number, how, key, block, API_INTEGRITY_HMAC_SHA1_96, \
		ESP_HMAC_SHA1, 20, 12),                                                      \
		WITH_HMAC(text "-hmac-sha2-256-128", number, how, key, block,                \
			API_INTEGRITY_HMAC_SHA2_256_128, ESP_HMAC_SHA256, 32, 16),           \
		WITH_HMAC(text "-hmac-sha2-384-192", number, how, key, block,                \
			API_INTEGRITY_HMAC_SHA2_384_192, ESP_HMAC_SHA384, 48, 24)

static const struct esp_suite suites[] = {
	COMBINED("aes-128-gcm-16", API_CIPHER_AES_GCM_16, ESP_KIND_GCM, 16),
	COMBINED("aes-192-gcm-16", API_CIPHER_AES_GCM_16, ESP_KIND_GCM, 24),
	COMBINED("aes-256-gcm-16", API_CIPHER_AES_GCM_16, ESP_KIND_GCM, 32),
	COMBINED("aes-128-gmac", API_CIPHER_AES_GMAC, ESP_KIND_GMAC, 16),
	COMBINED("aes-192-gmac", API_CIPHER_AES_GMAC, ESP_KIND_GMAC, 24),
	COMBINED("aes-256-gmac", API_CIPHER_AES_GMAC, ESP_KIND_GMAC, 32),
	COMBINED("chacha20-poly1305", API_CIPHER_CHACHA20_POLY1305, ESP_KIND_CHACHA, 32),
	WITH_HMACS("aes-128-cbc", API_CIPHER_AES_CBC, ESP_KIND_CBC, 16, 16),
	WITH_HMACS("aes-192-cbc", API_CIPHER_AES_CBC, ESP_KIND_CBC, 24, 16),
	WITH_HMACS("aes-256-cbc", API_CIPHER_AES_CBC, ESP_KIND_CBC, 32, 16),
	WITH_HMACS("3des-cbc", API_CIPHER_3DES, ESP_KIND_3DES, 24, 8),
};

#define SUITES (sizeof(suites) / sizeof(suites[0]))

static const struct {
	uint16_t cipher;
	const char *words;
} refused_ciphers[] = {
	{API_CIPHER_DES, "cipher: DES has 56-bit keys that anyone can search; use AES-GCM"},
	{API_CIPHER_DES_IV64, "cipher: DES has 56-bit keys that anyone can search; use AES-GCM"},
	{API_CIPHER_NULL,
		"cipher: NULL encrypts nothing; where only integrity is wanted use AES-GMAC"},
};

static const char *words_for(uint16_t cipher, uint16_t integrity)
{
	for (size_t i = 0; i < sizeof(refused_ciphers) / sizeof(refused_ciphers[0]); i++)
		if (refused_ciphers[i].cipher == cipher)
			return refused_ciphers[i].words;
	if (integrity == API_INTEGRITY_HMAC_MD5_96)
		return "integrity: HMAC-MD5 rests on a broken hash; use HMAC-SHA2-256-128 or "
		       "AES-GCM";
	for (size_t i = 0; i < SUITES; i++)
		if (suites[i].cipher == cipher && suites[i].integrity == integrity)
			return "key_size, auth_key_size: not a length of this cipher and integrity "
			       "(combined-mode keys include their 4-byte salt)";
	return "cipher, integrity: no such pair here; use AES-GCM, AES-GMAC or ChaCha20-Poly1305 "
	       "alone, or AES-CBC or 3DES with HMAC-SHA1-96, SHA2-256-128 or SHA2-384-192";
}

const struct esp_suite *esp_suite_find(uint16_t cipher, uint16_t integrity, unsigned key_size,
	unsigned auth_key_size, const char **ret_words)
{
	for (size_t i = 0; i < SUITES; i++) {
		const struct esp_suite *s = &suites[i];

		if (s->cipher == cipher && s->integrity == integrity &&
			(unsigned)s->key_size + s->salt_size == key_size &&
			s->auth_key_size == auth_key_size)
			return s;
	}
	*ret_words = words_for(cipher, integrity);
	return NULL;
}

const struct esp_suite *esp_suite_at(unsigned i)
{
	return i < SUITES ? &suites[i] : NULL;
}
