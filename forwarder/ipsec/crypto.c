// SPDX-License-Identifier: Apache-2.0
#include "crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

// In order of preference.
static const struct esp_crypto *const backends[] = {
	&esp_crypto_ipsecmb,
	&esp_crypto_openssl,
};

const struct esp_crypto *esp_crypto_find(const char *name)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strcmp(name, "auto") == 0 || strcmp(name, backends[i]->name) == 0)
			if (backends[i]->usable())
				return backends[i];
	return NULL;
}

bool esp_crypto_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
	volatile uint8_t differ = 0;

	for (size_t i = 0; i < size; i++)
		differ |= a[i] ^ b[i];
	return differ == 0;
}

void esp_digest(const void *bytes, size_t size, uint8_t ret_digest[32])
{
	EVP_Digest(bytes, size, ret_digest, NULL, EVP_sha256(), NULL);
}

void esp_wipe(void *bytes, size_t size)
{
	OPENSSL_cleanse(bytes, size);
}

unsigned esp_op_aad(const struct esp_op *op, uint8_t aad[12])
{
	if (!op->key->esn) {
		memcpy(aad, op->esp, 8);
		return 8;
	}
	memcpy(aad, op->esp, 4);
	aad[4] = (uint8_t)(op->seq_hi >> 24);
	aad[5] = (uint8_t)(op->seq_hi >> 16);
	aad[6] = (uint8_t)(op->seq_hi >> 8);
	aad[7] = (uint8_t)op->seq_hi;
	memcpy(aad + 8, op->esp + 4, 4);
	return 12;
}

void esp_op_nonce(const struct esp_op *op, uint8_t nonce[12])
{
	memcpy(nonce, op->key->salt, 4);
	memcpy(nonce + 4, op->esp + ESP_HEADER_SIZE, 8);
}
