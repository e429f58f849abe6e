// SPDX-License-Identifier: Apache-2.0
#include "seal.h"

#include <openssl/evp.h>
#include <string.h>

#define ICV_SIZE  16
#define NEXT_IPV4 4
#define PLAIN_MAX 9100

static uint32_t plain_size(uint32_t inner_size)
{
	return (inner_size + 2 + 3) / 4 * 4;
}

uint32_t seal_size(uint32_t inner_size)
{
	return SEAL_FRONT + plain_size(inner_size) + ICV_SIZE;
}

static void encrypt(const uint8_t *esp, const uint8_t key[36], const uint8_t *plain, uint32_t size,
	uint8_t *ret_sealed, uint8_t *ret_icv)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nonce[12], aad[12] = {0};
	int n;

	memcpy(nonce, key + 32, 4);
	memcpy(nonce + 4, esp + 8, 8);
	memcpy(aad, esp, 4); // then the sequence number's 64 bits, all 0
	EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce);
	EVP_EncryptUpdate(c, NULL, &n, aad, sizeof(aad));
	EVP_EncryptUpdate(c, ret_sealed, &n, plain, (int)size);
	EVP_EncryptFinal_ex(c, ret_sealed + n, &n);
	EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, ICV_SIZE, ret_icv);
	EVP_CIPHER_CTX_free(c);
}

void seal(uint8_t *esp, uint32_t inner_size, uint32_t head, const uint8_t key[36], uint8_t fill)
{
	static const uint8_t zeros[PLAIN_MAX];
	uint8_t plain[PLAIN_MAX], stream[PLAIN_MAX], icv[ICV_SIZE];
	uint32_t size = plain_size(inner_size), pad = size - inner_size - 2;

	encrypt(esp, key, zeros, size, stream, icv);
	for (uint32_t i = 0; i < size; i++)
		plain[i] = stream[i] ^ fill;
	memcpy(plain, esp + SEAL_FRONT, head);
	for (uint32_t i = 0; i < pad; i++)
		plain[inner_size + i] = (uint8_t)(i + 1);
	plain[size - 2] = (uint8_t)pad;
	plain[size - 1] = NEXT_IPV4;
	encrypt(esp, key, plain, size, esp + SEAL_FRONT, icv);
	memcpy(esp + SEAL_FRONT + size, icv, sizeof(icv));
}

// a := a * b in GCM's field, bit 0 being the highest of byte 0.
static void multiply(uint8_t a[16], const uint8_t b[16])
{
	uint8_t sum[16] = {0}, v[16];

	memcpy(v, b, sizeof(v));
	for (int i = 0; i < 128; i++) {
		uint8_t out = v[15] & 1;

		for (int k = 0; k < 16 && a[i / 8] >> (7 - i % 8) & 1; k++)
			sum[k] ^= v[k];
		for (int k = 15; k > 0; k--)
			v[k] = (uint8_t)(v[k] >> 1 | v[k - 1] << 7);
		v[0] = (uint8_t)(v[0] >> 1 ^ (out ? 0xe1 : 0));
	}
	memcpy(a, sum, sizeof(sum));
}

void seal_power(const uint8_t key[36], uint32_t inner_size, uint8_t ret_power[16])
{
	static const uint8_t zeros[16];
	uint32_t blocks = (plain_size(inner_size) + 15) / 16 + 2; // the AAD's own and the lengths'
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t hash_key[32];
	int n;

	EVP_EncryptInit_ex(c, EVP_aes_256_ecb(), NULL, key, NULL);
	EVP_EncryptUpdate(c, hash_key, &n, zeros, sizeof(zeros));
	EVP_CIPHER_CTX_free(c);
	memcpy(ret_power, hash_key, 16);
	for (uint32_t i = 1; i < blocks; i++)
		multiply(ret_power, hash_key);
}
