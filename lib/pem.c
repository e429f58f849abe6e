// SPDX-License-Identifier: Apache-2.0
#include "pem.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

// A key with a passphrase is none here: nobody could be asked.
static int no_passphrase(char *buf, int size, int writing, void *ctx)
{
	return -1;
}

static int encode(
	int (*i2d)(const void *, unsigned char **), const void *object, pem_fn *each, void *ctx)
{
	unsigned char *der = NULL;
	int size = i2d(object, &der);

	if (size > 0 && each)
		each(ctx, der, (size_t)size);
	if (size > 0)
		OPENSSL_clear_free(der, (size_t)size);
	return size > 0 ? 0 : -EINVAL;
}

static int i2d_certificate(const void *object, unsigned char **der)
{
	return i2d_X509(object, der);
}

static int i2d_crl(const void *object, unsigned char **der)
{
	return i2d_X509_CRL(object, der);
}

static int i2d_key(const void *object, unsigned char **der)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(object);
	int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, der) : -1;

	PKCS8_PRIV_KEY_INFO_free(info);
	return size;
}

static void *read_certificate(BIO *bio)
{
	return PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
}

static void *read_key(BIO *bio)
{
	return PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
}

static void *read_crl(BIO *bio)
{
	return PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL);
}

static void free_certificate(void *object)
{
	X509_free(object);
}

static void free_key(void *object)
{
	EVP_PKEY_free(object);
}

static void free_crl(void *object)
{
	X509_CRL_free(object);
}

static const struct {
	const char *label, *words;
	void *(*read)(BIO *bio);
	int (*i2d)(const void *object, unsigned char **der);
	void (*release)(void *object);
} kinds[] = {
	[PEM_CERTIFICATE] = {"CERTIFICATE-----", "a certificate", read_certificate, i2d_certificate,
		free_certificate},
	[PEM_PRIVATE_KEY] = {"PRIVATE KEY-----", "a private key without a passphrase", read_key,
		i2d_key, free_key},
	[PEM_CRL] = {"X509 CRL-----", "a certificate revocation list", read_crl, i2d_crl, free_crl},
};

// OpenSSL passes over blocks of other kinds in silence: each block's label is looked at first.
static int block_of_another_kind(const char *text, enum pem_kind kind)
{
	int number = 0;

	while ((text = strstr(text, "-----BEGIN "))) {
		const char *end = strstr(text + 11, "-----");

		number++;
		if (!end || (size_t)(end + 5 - text) < strlen(kinds[kind].label) ||
			strncmp(end + 5 - strlen(kinds[kind].label), kinds[kind].label,
				strlen(kinds[kind].label)) != 0)
			return number;
		text = end;
	}
	return 0;
}

static int count_blocks(const char *text)
{
	int count = 0;

	for (; (text = strstr(text, "-----BEGIN ")); text++)
		count++;
	return count;
}

int pem_each(
	const char *text, enum pem_kind kind, pem_fn *each, void *ctx, char *err, size_t err_size)
{
	int blocks = count_blocks(text), wrong = block_of_another_kind(text, kind), done = 0;
	BIO *bio = BIO_new_mem_buf(text, -1);

	if (!blocks)
		snprintf(err, err_size, "no PEM block (-----BEGIN ...) is in it");
	else if (wrong)
		snprintf(err, err_size, "PEM block %d is not %s", wrong, kinds[kind].words);
	while (bio && blocks && !wrong && done < blocks) {
		void *object = kinds[kind].read(bio);

		if (!object || encode(kinds[kind].i2d, object, each, ctx) < 0) {
			wrong = done + 1;
			snprintf(err, err_size, "PEM block %d cannot be read as %s", wrong,
				kinds[kind].words);
		}
		if (object)
			kinds[kind].release(object);
		done++;
	}
	BIO_free(bio);
	ERR_clear_error();
	return wrong || !blocks ? -EINVAL : done;
}

bool pem_key_fits(const char *keys, const char *certificates)
{
	BIO *key_bio = BIO_new_mem_buf(keys, -1), *cert_bio = BIO_new_mem_buf(certificates, -1);
	EVP_PKEY *key = key_bio ? read_key(key_bio) : NULL;
	X509 *cert = cert_bio ? read_certificate(cert_bio) : NULL;
	bool fits = key && cert && X509_check_private_key(cert, key) == 1;

	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(key_bio);
	BIO_free(cert_bio);
	ERR_clear_error();
	return fits;
}
