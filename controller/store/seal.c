// SPDX-License-Identifier: Apache-2.0
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "xmalloc.h"

#define KEY_SIZE   32
#define NONCE_SIZE 12 // random: 2^32 sealings under one key are safe
#define TAG_SIZE   16
#define PREFIX     "sealed:1:"
#define PLAIN_MAX  65536 // bytes

struct seal {
	uint8_t key[KEY_SIZE];
};

static int make_key(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	uint8_t key[KEY_SIZE];
	int rc = 0;

	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	if (RAND_bytes(key, sizeof(key)) != 1 ||
		write(fd, key, sizeof(key)) != (ssize_t)sizeof(key) || fsync(fd) < 0)
		rc = -EIO;
	OPENSSL_cleanse(key, sizeof(key));
	close(fd);
	if (rc)
		unlink(name);
	return rc;
}

int seal_open(const char *key_file, struct seal **ret_seal)
{
	int rc = make_key(key_file), fd;
	struct seal *seal;
	struct stat st;

	if (rc < 0)
		return rc;
	fd = open(key_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	seal = xcalloc(1, sizeof(*seal));
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else if (st.st_mode & 077)
		rc = -EACCES;
	else if (st.st_size != KEY_SIZE || read(fd, seal->key, KEY_SIZE) != KEY_SIZE)
		rc = -EINVAL;
	close(fd);
	if (rc < 0) {
		seal_close(seal);
		return rc;
	}
	*ret_seal = seal;
	return 0;
}

void seal_close(struct seal *seal)
{
	if (!seal)
		return;
	OPENSSL_cleanse(seal->key, sizeof(seal->key));
	free(seal);
}

static char *to_hex(const uint8_t *bytes, size_t size)
{
	char *text = xmalloc(sizeof(PREFIX) + 2 * size), *p = text + strlen(PREFIX);

	memcpy(text, PREFIX, sizeof(PREFIX));
	for (size_t i = 0; i < size; i++)
		p += snprintf(p, 3, "%02x", bytes[i]);
	return text;
}

static int nibble(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

// Bytes of "sealed:1:<hex>", NULL if it is none.
static uint8_t *from_hex(const char *text, size_t *ret_size)
{
	size_t n = strncmp(text, PREFIX, strlen(PREFIX)) ? 1 : strlen(text + strlen(PREFIX));
	const char *p = text + strlen(PREFIX);
	uint8_t *bytes;

	if (n % 2 || n / 2 < NONCE_SIZE + TAG_SIZE || n / 2 > PLAIN_MAX + NONCE_SIZE + TAG_SIZE)
		return NULL;
	bytes = xmalloc(n / 2);
	for (size_t i = 0; i < n / 2; i++) {
		int hi = nibble(p[2 * i]), lo = nibble(p[2 * i + 1]);

		if (hi < 0 || lo < 0) {
			free(bytes);
			return NULL;
		}
		bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret_size = n / 2;
	return bytes;
}

// nonce, ciphertext, tag
int seal_text(const struct seal *seal, const char *owner, const char *plain, char **ret_sealed)
{
	size_t size = strlen(plain), total = NONCE_SIZE + size + TAG_SIZE;
	EVP_CIPHER_CTX *ctx;
	uint8_t *out;
	int n, ok;

	if (size > PLAIN_MAX)
		return -E2BIG;
	out = xmalloc(total);
	ctx = EVP_CIPHER_CTX_new();
	ok = ctx && RAND_bytes(out, NONCE_SIZE) == 1 &&
	     EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal->key, out) == 1 &&
	     EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)owner, (int)strlen(owner)) == 1 &&
	     EVP_EncryptUpdate(ctx, out + NONCE_SIZE, &n, (const uint8_t *)plain, (int)size) == 1 &&
	     EVP_EncryptFinal_ex(ctx, out + NONCE_SIZE + size, &n) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, out + NONCE_SIZE + size) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (ok)
		*ret_sealed = to_hex(out, total);
	free(out);
	return ok ? 0 : -EIO;
}

int seal_unseal(const struct seal *seal, const char *owner, const char *sealed, char **ret_plain)
{
	size_t total, size;
	uint8_t *in = from_hex(sealed, &total);
	EVP_CIPHER_CTX *ctx;
	char *plain;
	int n, ok;

	if (!in)
		return -EBADMSG;
	size = total - NONCE_SIZE - TAG_SIZE;
	plain = xcalloc(1, size + 1);
	ctx = EVP_CIPHER_CTX_new();
	ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal->key, in) == 1 &&
	     EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)owner, (int)strlen(owner)) == 1 &&
	     EVP_DecryptUpdate(ctx, (uint8_t *)plain, &n, in + NONCE_SIZE, (int)size) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, in + NONCE_SIZE + size) ==
		     1 &&
	     EVP_DecryptFinal_ex(ctx, (uint8_t *)plain + size, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	free(in);
	if (!ok) {
		OPENSSL_cleanse(plain, size);
		free(plain);
		return -EBADMSG;
	}
	*ret_plain = plain;
	return 0;
}
