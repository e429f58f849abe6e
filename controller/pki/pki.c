// SPDX-License-Identifier: Apache-2.0
#include "pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "xmalloc.h"

#define CA_LIFE_S   ((int64_t)20 * 365 * 86400)
#define BACKDATE_S  300 // clocks of gateways may be behind
#define PATH_SIZE   1024
#define SECRET_SIZE 24 // bytes
#define NAMES_MAX   2048

struct pki {
	char *dir;
	X509 *ca;
	EVP_PKEY *key;
	char *ca_pem;
	char fingerprint[2 * EVP_MAX_MD_SIZE + 1];
};

// -- files

static const char *in_dir(const char *dir, const char *file, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", dir, file);
	return buf;
}

const char *pki_path(const struct pki *pki, const char *file, char *buf, size_t size)
{
	return in_dir(pki->dir, file, buf, size);
}

static bool exists(const char *dir, const char *file)
{
	char path[PATH_SIZE];

	return !access(in_dir(dir, file, path, sizeof(path)), F_OK);
}

// Whole or not at all, also over a crash.
static int write_file(
	const char *dir, const char *file, mode_t mode, const char *bytes, size_t size)
{
	char path[PATH_SIZE], fresh[PATH_SIZE];
	int fd, err = 0;

	in_dir(dir, file, path, sizeof(path) - 8);
	snprintf(fresh, sizeof(fresh), "%.*s.new", PATH_SIZE - 8, path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	if (write(fd, bytes, size) != (ssize_t)size || fsync(fd) < 0)
		err = errno ? -errno : -EIO;
	close(fd);
	if (!err && rename(fresh, path) < 0)
		err = -errno;
	return err;
}

static int write_bio(const char *dir, const char *file, mode_t mode, BIO *bio)
{
	char *bytes;
	long size = BIO_get_mem_data(bio, &bytes);

	return write_file(dir, file, mode, bytes, (size_t)size);
}

static int write_key(const char *dir, const char *file, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int err = -ENOMEM;

	if (PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
		err = write_bio(dir, file, 0600, bio);
	BIO_free(bio);
	return err;
}

static int write_certs(const char *dir, const char *file, X509 *cert, X509 *issuer)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int err = -ENOMEM;

	if (PEM_write_bio_X509(bio, cert) == 1 && (!issuer || PEM_write_bio_X509(bio, issuer) == 1))
		err = write_bio(dir, file, 0644, bio);
	BIO_free(bio);
	return err;
}

static X509 *read_cert(const char *dir, const char *file)
{
	char path[PATH_SIZE];
	FILE *f = fopen(in_dir(dir, file, path, sizeof(path)), "re");
	X509 *cert = NULL;

	if (!f)
		return NULL;
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	return cert;
}

static EVP_PKEY *read_key(const char *dir, const char *file)
{
	char path[PATH_SIZE];
	FILE *f = fopen(in_dir(dir, file, path, sizeof(path)), "re");
	EVP_PKEY *key = NULL;

	if (!f)
		return NULL;
	key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	return key;
}

static void hex(const unsigned char *bytes, size_t size, char *text)
{
	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void hash_text(const char *text, char *ret_hex)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	EVP_Digest(text, strlen(text), digest, &size, EVP_sha256(), NULL);
	hex(digest, size, ret_hex);
}

// -- certificates

static int set_serial(X509 *cert)
{
	unsigned char bytes[16];
	BIGNUM *n;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	bytes[0] &= 0x7f; // positive (RFC 5280 section 4.1.2.2)
	bytes[0] |= 0x40;
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return 0;
}

static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!ext)
		return -EINVAL;
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return 0;
}

struct profile {
	const char *common_name;
	const char *usage;    // extended key usage, NULL: an authority
	const char *alt_name; // or NULL
	int64_t life_s;
};

static X509 *make_cert(const struct profile *profile, EVP_PKEY *key, X509 *issuer,
	EVP_PKEY *issuer_key, int64_t now_s)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	int err;

	X509_set_version(cert, X509_VERSION_3);
	err = set_serial(cert);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const unsigned char *)profile->common_name, -1, -1, 0);
	X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : name);
	ASN1_TIME_set(X509_getm_notBefore(cert), now_s - BACKDATE_S);
	ASN1_TIME_set(X509_getm_notAfter(cert), now_s + profile->life_s);
	X509_set_pubkey(cert, key);
	if (!issuer)
		issuer = cert;
	err = err ? err
		  : add_extension(cert, issuer, NID_basic_constraints,
			    profile->usage ? "critical,CA:FALSE" : "critical,CA:TRUE");
	err = err ? err
		  : add_extension(cert, issuer, NID_key_usage,
			    profile->usage ? "critical,digitalSignature"
					   : "critical,keyCertSign,cRLSign");
	err = err ? err : add_extension(cert, issuer, NID_subject_key_identifier, "hash");
	err = err ? err : add_extension(cert, issuer, NID_authority_key_identifier, "keyid");
	if (!err && profile->usage)
		err = add_extension(cert, issuer, NID_ext_key_usage, profile->usage);
	if (!err && profile->alt_name)
		err = add_extension(cert, issuer, NID_subject_alt_name, profile->alt_name);
	if (err || !X509_sign(cert, issuer_key, EVP_sha256())) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

// -- bootstrap

static int make_dirs(const char *dir)
{
	char path[PATH_SIZE];

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (mkdir(in_dir(dir, "tokens", path, sizeof(path)), 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int make_ca(const char *dir, int64_t now_s)
{
	static const struct profile profile = {"Isthmus CA", NULL, NULL, CA_LIFE_S};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make_cert(&profile, key, NULL, key, now_s);
	int err = cert ? write_key(dir, "ca-key.pem", key) : -ENOMEM;

	if (!err)
		err = write_certs(dir, "ca.pem", cert, NULL);
	X509_free(cert);
	EVP_PKEY_free(key);
	return err;
}

static int issue(struct pki *pki, const char *stem, const struct profile *profile, int64_t now_s)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make_cert(profile, key, pki->ca, pki->key, now_s);
	char file[64];
	int err = -EINVAL;

	snprintf(file, sizeof(file), "%s-key.pem", stem);
	if (cert)
		err = write_key(pki->dir, file, key);
	snprintf(file, sizeof(file), "%s.pem", stem);
	if (!err)
		err = write_certs(pki->dir, file, cert, pki->ca);
	X509_free(cert);
	EVP_PKEY_free(key);
	return err;
}

// "DNS:a,IP:10.0.0.1": what clients may call the server.
static int alt_names(const char *const *names, size_t len, char *ret_text)
{
	unsigned char addr[16];
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		bool is_ip = inet_pton(AF_INET, names[i], addr) == 1 ||
			     inet_pton(AF_INET6, names[i], addr) == 1;
		int n;

		if (names[i][strcspn(names[i], ", \n")])
			return -EINVAL;
		n = snprintf(ret_text + at, NAMES_MAX - at, "%s%s:%s", i ? "," : "",
			is_ip ? "IP" : "DNS", names[i]);
		if (n < 0 || (size_t)n >= NAMES_MAX - at)
			return -E2BIG;
		at += (size_t)n;
	}
	return 0;
}

static int make_server(struct pki *pki, const char *const *names, size_t names_len, int64_t now_s)
{
	char alt[NAMES_MAX];
	struct profile profile = {names[0], "serverAuth", alt, PKI_CERT_LIFE_S};
	int err = alt_names(names, names_len, alt);

	return err ? err : issue(pki, "server", &profile, now_s);
}

int pki_bootstrap(const char *dir, const char *const *names, size_t names_len, int64_t now_s)
{
	static const struct profile admin = {"admin", "clientAuth", NULL, PKI_CERT_LIFE_S};
	struct pki *pki;
	int err = make_dirs(dir);

	if (!err && !exists(dir, "ca.pem"))
		err = make_ca(dir, now_s);
	if (err)
		return err;
	err = pki_open(dir, &pki);
	if (err)
		return err;
	if (!exists(dir, "server.pem"))
		err = names_len ? make_server(pki, names, names_len, now_s) : -EINVAL;
	if (!err && !exists(dir, "admin.pem"))
		err = issue(pki, "admin", &admin, now_s);
	pki_close(pki);
	return err;
}

int pki_open(const char *dir, struct pki **ret_pki)
{
	struct pki *pki = xcalloc(1, sizeof(*pki));
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	BIO *bio;
	char *bytes;
	long len;

	pki->dir = xstrdup(dir);
	pki->ca = read_cert(dir, "ca.pem");
	pki->key = read_key(dir, "ca-key.pem");
	if (!pki->ca || !pki->key || X509_check_private_key(pki->ca, pki->key) != 1) {
		pki_close(pki);
		return exists(dir, "ca.pem") ? -EBADMSG : -ENOENT;
	}
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, pki->ca);
	len = BIO_get_mem_data(bio, &bytes);
	pki->ca_pem = xcalloc(1, (size_t)len + 1);
	memcpy(pki->ca_pem, bytes, (size_t)len);
	BIO_free(bio);
	X509_digest(pki->ca, EVP_sha256(), digest, &size);
	hex(digest, size, pki->fingerprint);
	*ret_pki = pki;
	return 0;
}

void pki_close(struct pki *pki)
{
	if (!pki)
		return;
	X509_free(pki->ca);
	EVP_PKEY_free(pki->key);
	free(pki->ca_pem);
	free(pki->dir);
	free(pki);
}

const char *pki_ca_pem(const struct pki *pki)
{
	return pki->ca_pem;
}

const char *pki_fingerprint(const struct pki *pki)
{
	return pki->fingerprint;
}

// -- tokens

static const char *token_path(const char *dir, const char *secret, char *buf, size_t size)
{
	char hash[2 * EVP_MAX_MD_SIZE + 1];

	hash_text(secret, hash);
	snprintf(buf, size, "%s/tokens/%s", dir, hash);
	return buf;
}

int pki_token_new(const char *dir, int64_t now_s, char ret_token[PKI_TOKEN_SIZE])
{
	unsigned char bytes[SECRET_SIZE];
	char secret[2 * SECRET_SIZE + 1], path[PATH_SIZE], ends[24];
	struct pki *pki;
	int err = pki_open(dir, &pki);

	if (err)
		return err;
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) {
		pki_close(pki);
		return -EIO;
	}
	hex(bytes, sizeof(bytes), secret);
	snprintf(ends, sizeof(ends), "%lld\n", (long long)(now_s + PKI_TOKEN_LIFE_S));
	token_path("", secret, path, sizeof(path));
	err = write_file(dir, path + 1, 0600, ends, strlen(ends));
	snprintf(ret_token, PKI_TOKEN_SIZE, "%s:%s", secret, pki->fingerprint);
	pki_close(pki);
	return err;
}

int pki_token_spend(struct pki *pki, const char *secret, int64_t now_s)
{
	char path[PATH_SIZE], ends[24] = "";
	FILE *f;

	token_path(pki->dir, secret, path, sizeof(path));
	f = fopen(path, "re");
	if (!f)
		return -EACCES;
	if (!fgets(ends, sizeof(ends), f))
		ends[0] = '\0';
	fclose(f);
	if (unlink(path) < 0)
		return -EACCES;
	return now_s < strtoll(ends, NULL, 10) ? 0 : -EACCES;
}

// -- requests

static X509_REQ *read_request(const char *csr_pem)
{
	BIO *bio = BIO_new_mem_buf(csr_pem, -1);
	X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return req;
}

static char *pem_of(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text;
	long size;

	PEM_write_bio_X509(bio, cert);
	size = BIO_get_mem_data(bio, &bytes);
	text = xcalloc(1, (size_t)size + 1);
	memcpy(text, bytes, (size_t)size);
	BIO_free(bio);
	return text;
}

static void serial_text(const X509 *cert, char ret_serial[PKI_SERIAL_SIZE])
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *text = BN_bn2hex(n);

	snprintf(ret_serial, PKI_SERIAL_SIZE, "%s", text);
	OPENSSL_free(text);
	BN_free(n);
}

int pki_sign(struct pki *pki, const char *csr_pem, const char *gateway, int64_t now_s,
	int64_t life_s, char **ret_pem, char ret_serial[PKI_SERIAL_SIZE])
{
	struct profile profile = {gateway, "clientAuth,serverAuth", NULL, life_s};
	X509_REQ *req = read_request(csr_pem);
	EVP_PKEY *key = req ? X509_REQ_get_pubkey(req) : NULL;
	X509 *cert = NULL;
	int err = -EINVAL;

	if (key && X509_REQ_verify(req, key) == 1)
		cert = make_cert(&profile, key, pki->ca, pki->key, now_s);
	if (cert) {
		*ret_pem = pem_of(cert);
		serial_text(cert, ret_serial);
		err = 0;
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	X509_REQ_free(req);
	return err;
}

// -- the server's own

static int64_t unix_time(const ASN1_TIME *t)
{
	struct tm tm = {0};

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

// The names of the old certificate go into the new one.
static int renewed_names(X509 *old, char *ret_text)
{
	STACK_OF(GENERAL_NAME) *names = X509_get_ext_d2i(old, NID_subject_alt_name, NULL, NULL);
	const char *list[32];
	char *text[32];
	size_t len = 0;
	int err;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && len < 32; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		char addr[INET6_ADDRSTRLEN];

		if (g->type == GEN_DNS) {
			text[len] = xasprintf("%s", ASN1_STRING_get0_data(g->d.dNSName));
		} else if (g->type == GEN_IPADD) {
			int family = ASN1_STRING_length(g->d.iPAddress) == 4 ? AF_INET : AF_INET6;

			inet_ntop(
				family, ASN1_STRING_get0_data(g->d.iPAddress), addr, sizeof(addr));
			text[len] = xstrdup(addr);
		} else {
			continue;
		}
		list[len] = text[len];
		len++;
	}
	err = len ? alt_names(list, len, ret_text) : -EINVAL;
	while (len)
		free(text[--len]);
	GENERAL_NAMES_free(names);
	return err;
}

bool pki_renew_server(struct pki *pki, int64_t now_s)
{
	X509 *old = read_cert(pki->dir, "server.pem");
	char alt[NAMES_MAX], name[128] = "controller";
	struct profile profile = {name, "serverAuth", alt, PKI_CERT_LIFE_S};
	int64_t from, to;
	bool renewed = false;

	if (!old)
		return false;
	from = unix_time(X509_get0_notBefore(old));
	to = unix_time(X509_get0_notAfter(old));
	X509_NAME_get_text_by_NID(X509_get_subject_name(old), NID_commonName, name, sizeof(name));
	if (now_s >= from + PKI_RENEW_AT(to - from) && !renewed_names(old, alt))
		renewed = !issue(pki, "server", &profile, now_s);
	X509_free(old);
	return renewed;
}
