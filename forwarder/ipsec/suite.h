// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ESP algorithms spoken here, one line each, and those refused with the reason why.

#include <stdint.h>

enum esp_kind {
	ESP_KIND_GCM,    // RFC 4106
	ESP_KIND_GMAC,   // RFC 4543, authentication only
	ESP_KIND_CHACHA, // RFC 7634
	ESP_KIND_CBC,    // RFC 3602 with an HMAC
	ESP_KIND_3DES,   // RFC 2451 with an HMAC
};

enum esp_hmac { ESP_HMAC_NONE, ESP_HMAC_SHA1, ESP_HMAC_SHA256, ESP_HMAC_SHA384 };

struct esp_suite {
	const char *name;   // "aes-256-gcm-16"
	uint16_t cipher;    // enum api_sa_cipher
	uint16_t integrity; // enum api_sa_integrity
	uint8_t kind;       // enum esp_kind
	uint8_t hmac;       // enum esp_hmac
	// bytes
	uint8_t key_size; // without salt
	uint8_t salt_size;
	uint8_t auth_key_size;
	uint8_t iv_size;
	uint8_t align; // of payload, padding and trailer together
	uint8_t icv_size;
};

#define ESP_ICV_MAX 24
#define ESP_IV_MAX  16

// The suite with these numbers and sizes (key_size includes the salt). NULL and *ret_words set to
// the reason, a constant text, if there is none.
const struct esp_suite *esp_suite_find(uint16_t cipher, uint16_t integrity, unsigned key_size,
	unsigned auth_key_size, const char **ret_words);
// All of them, for tests and lists; NULL past the end.
const struct esp_suite *esp_suite_at(unsigned i);

// Explicit IV is epoch and counter, and must never repeat under a key.
static inline int esp_suite_counter_nonce(const struct esp_suite *s)
{
	return s->kind <= ESP_KIND_CHACHA;
}
