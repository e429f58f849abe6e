// SPDX-License-Identifier: Apache-2.0
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NONCE_SIZE 12
#define TAG_SIZE   16

static int key_make(const char *path, struct seal_key *key)
{
	int ret = 0, fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (RAND_bytes(key->bytes, SEAL_KEY_SIZE) != 1)
		ret = -EIO;
	else if (write(fd, key->bytes, SEAL_KEY_SIZE) != SEAL_KEY_SIZE || fsync(fd) < 0)
		ret = -EIO;
	close(fd);
	if (ret < 0)
		unlink(path);
	return ret;
}

int seal_key_open(const char *path, struct seal_key *ret_key)
{
	struct seal_key key;
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		int ret = key_make(path, &key);

		if (!ret)
			*ret_key = key;
		return ret;
	}
	if (fd < 0)
		return -errno;
	n = read(fd, key.bytes, SEAL_KEY_SIZE);
	if (fstat(fd, &st) < 0 || n != SEAL_KEY_SIZE) {
		close(fd);
		return -EINVAL;
	}
	close(fd);
	if (st.st_mode & 077)
		return -EPERM;
	*ret_key = key;
	return 0;
}

int seal_close(
	const struct seal_key *key, const char *name, const void *text, size_t size, uint8_t *dst)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *out = dst + NONCE_SIZE;
	int len, ok;

	ok = ctx && RAND_bytes(dst, NONCE_SIZE) == 1 &&
	     EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, dst) == 1 &&
	     EVP_EncryptUpdate(ctx, NULL, &len, (const uint8_t *)name, (int)strlen(name)) == 1 &&
	     EVP_EncryptUpdate(ctx, out, &len, text, (int)size) == 1 &&
	     EVP_EncryptFinal_ex(ctx, out + size, &len) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, out + size) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

int seal_open(const struct seal_key *key, const char *name, const uint8_t *sealed, size_t size,
	uint8_t *dst)
{
	EVP_CIPHER_CTX *ctx;
	size_t text_size = size - SEAL_OVERHEAD;
	int len, ok;

	if (size < SEAL_OVERHEAD)
		return -EBADMSG;
	ctx = EVP_CIPHER_CTX_new();
	ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, sealed) == 1 &&
	     EVP_DecryptUpdate(ctx, NULL, &len, (const uint8_t *)name, (int)strlen(name)) == 1 &&
	     EVP_DecryptUpdate(ctx, dst, &len, sealed + NONCE_SIZE, (int)text_size) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE,
		     (void *)(sealed + NONCE_SIZE + text_size)) == 1 &&
	     EVP_DecryptFinal_ex(ctx, dst + text_size, &len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EBADMSG;
}
