// SPDX-License-Identifier: Apache-2.0
#include "pki.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "xmalloc.h"

// Takes bio; NULL when it is NULL.
static char *bio_text(BIO *bio)
{
	char *bytes, *text;
	long size = bio ? BIO_get_mem_data(bio, &bytes) : 0;

	if (!bio)
		return NULL;
	text = xcalloc(1, (size_t)size + 1);
	memcpy(text, bytes, (size_t)size);
	BIO_free(bio);
	return text;
}

static X509_REQ *request_sign(EVP_PKEY *key, const char *name)
{
	X509_REQ *req = X509_REQ_new();
	X509_NAME *subject = req ? X509_REQ_get_subject_name(req) : NULL;

	if (subject &&
		X509_NAME_add_entry_by_txt(
			subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1, 0) == 1 &&
		X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0)
		return req;
	X509_REQ_free(req);
	return NULL;
}

int pki_request_make(const char *name, struct pki_request *ret_request)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_REQ *req = key ? request_sign(key, name) : NULL;
	BIO *key_bio = BIO_new(BIO_s_mem()), *csr_bio = BIO_new(BIO_s_mem());
	int ret = 0;

	if (!req || !key_bio || !csr_bio ||
		PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1 ||
		PEM_write_bio_X509_REQ(csr_bio, req) != 1)
		ret = -EIO;
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	if (ret < 0) {
		BIO_free(key_bio);
		BIO_free(csr_bio);
		return ret;
	}
	*ret_request = (struct pki_request){.key = bio_text(key_bio), .csr = bio_text(csr_bio)};
	return 0;
}

void pki_request_fini(struct pki_request *r)
{
	if (r->key)
		explicit_bzero(r->key, strlen(r->key));
	free(r->key);
	free(r->csr);
	*r = (struct pki_request){0};
}

int pki_fits(const struct pki_request *r, const char *certificate)
{
	BIO *cert_bio = BIO_new_mem_buf(certificate, -1), *key_bio = BIO_new_mem_buf(r->key, -1);
	X509 *cert = cert_bio ? PEM_read_bio_X509(cert_bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL) : NULL;
	int ret = cert && key && X509_check_private_key(cert, key) == 1 ? 0 : -EINVAL;

	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(key_bio);
	BIO_free(cert_bio);
	return ret;
}

static int64_t asn1_seconds(const ASN1_TIME *t)
{
	struct tm tm = {0};

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int pki_times(const char *path, int64_t *ret_begin, int64_t *ret_end)
{
	FILE *f = fopen(path, "re");
	X509 *cert;

	if (!f)
		return -errno;
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	if (!cert)
		return -EINVAL;
	*ret_begin = asn1_seconds(X509_get0_notBefore(cert));
	*ret_end = asn1_seconds(X509_get0_notAfter(cert));
	X509_free(cert);
	return 0;
}

static int write_all(int fd, const char *text)
{
	size_t size = text ? strlen(text) : 0;

	return size && write(fd, text, size) != (ssize_t)size ? -EIO : 0;
}

int pki_write(const char *path, const char *a, const char *b)
{
	char *temporary = xasprintf("%s.new", path);
	int fd, ret;

	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ret = fd < 0 ? -errno : write_all(fd, a);
	if (!ret)
		ret = write_all(fd, b);
	if (!ret && fsync(fd) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	if (!ret && rename(temporary, path) < 0)
		ret = -errno;
	free(temporary);
	return ret;
}
