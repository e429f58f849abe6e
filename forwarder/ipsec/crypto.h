// SPDX-License-Identifier: Apache-2.0
#pragma once

// The cryptography of ESP behind one const ops table: seal and open vectors of packets whose ESP
// header, IV and payload already stand where they belong. Two back-ends, byte for byte equal.
//
// A key belongs to one SA, so to one direction and, at any instant, to one worker.

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "suite.h"

#define ESP_KEY_SIZE    1344 // room of a key, all back-ends
#define ESP_HEADER_SIZE 8    // SPI and sequence number
#define ESP_OPS_MAX     64   // in one call

struct esp_key {
	const struct esp_suite *suite;
	bool esn;
	uint8_t salt[4];
	// What else stands here is the back-end's; 64-byte aligned.
	uint8_t priv[ESP_KEY_SIZE] __attribute__((aligned(64)));
};

// One packet. From `esp`: SPI, sequence number, IV, `size` bytes of payload with its trailer, ICV;
// contiguous and with 4 writable bytes where the ICV begins.
struct esp_op {
	const struct esp_key *key;
	uint8_t *esp;
	uint32_t size;
	uint32_t seq_hi; // ESN
	bool ok;         // open: the ICV matches; seal: done
};

// What one thread needs of a back-end.
struct esp_crypto_thread;

struct esp_crypto {
	const char *name;                              // "ipsec-mb", "openssl"
	bool (*usable)(void);                          // by this processor and library
	struct esp_crypto_thread *(*thread_new)(void); // NULL: no memory
	void (*thread_free)(struct esp_crypto_thread *t);
	// k->suite, k->esn and k->salt are set. `auth` NULL with combined-mode ciphers.
	int (*key_init)(struct esp_key *k, const uint8_t *key, const uint8_t *auth, bool seal);
	void (*key_fini)(struct esp_key *k); // wipes it
	void (*seal)(struct esp_crypto_thread *t, struct esp_op *ops, unsigned n);
	void (*open)(struct esp_crypto_thread *t, struct esp_op *ops, unsigned n);
	// 16 bytes nobody can predict and that do not repeat while the thread lives.
	void (*random_iv)(struct esp_crypto_thread *t, uint8_t iv[16]);
};

extern const struct esp_crypto esp_crypto_ipsecmb;
extern const struct esp_crypto esp_crypto_openssl;

// By name; "auto" is the first usable one. NULL: unknown or not usable here.
const struct esp_crypto *esp_crypto_find(const char *name);

// Equal or not, in a time that does not tell where they differ.
bool esp_crypto_equal(const uint8_t *a, const uint8_t *b, size_t size);

// SHA-256, for telling keys apart without keeping them.
void esp_digest(const void *bytes, size_t size, uint8_t ret_digest[32]);
// Zeroes, and the compiler may not think it useless.
void esp_wipe(void *bytes, size_t size);

// AAD and nonce of the combined modes are made of words, because ciphers read them as words: bytes
// put together in memory would have to reach it first.

// AAD (RFC 4106 section 5, RFC 7634 section 2.1): SPI, high sequence bits with ESN, sequence
// number. Returns its size.
static inline unsigned esp_op_aad(const struct esp_op *op, uint64_t aad[2])
{
	uint64_t header;

	memcpy(&header, op->esp, sizeof(header));
	if (!op->key->esn) {
		aad[0] = header;
		return 8;
	}
	header = be64toh(header);
	aad[0] = htobe64((header & ~(uint64_t)UINT32_MAX) | op->seq_hi);
	aad[1] = htobe64(header << 32);
	return 12;
}

// Salt and IV, 12 bytes.
static inline void esp_op_nonce(const struct esp_op *op, uint64_t nonce[2])
{
	uint32_t salt;
	uint64_t iv;

	memcpy(&salt, op->key->salt, sizeof(salt));
	memcpy(&iv, op->esp + ESP_HEADER_SIZE, sizeof(iv));
	iv = be64toh(iv);
	nonce[0] = htobe64((uint64_t)be32toh(salt) << 32 | iv >> 32);
	nonce[1] = htobe64(iv << 32);
}
