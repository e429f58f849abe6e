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
	volatile uint64_t differ;
	uint64_t sum = 0, x, y;
	size_t i = 0;

	for (; i + sizeof(x) <= size; i += sizeof(x)) {
		memcpy(&x, a + i, sizeof(x));
		memcpy(&y, b + i, sizeof(y));
		sum |= x ^ y;
	}
	for (; i < size; i++)
		sum |= a[i] ^ b[i];
	differ = sum; // nothing is decided before
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
