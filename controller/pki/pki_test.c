// SPDX-License-Identifier: Apache-2.0
#include "pki.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "xmalloc.h"

#define NOW 1700000000

static char dir[64];
static const char *const names[] = {"controller.example", "10.0.0.1", "::1"};

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/isthmus-pki-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	return pki_bootstrap(dir, names, 3, NOW);
}

static int teardown(void **state)
{
	static const char *const files[] = {"ca.pem", "ca-key.pem", "server.pem", "server-key.pem",
		"admin.pem", "admin-key.pem", "tokens", ""};
	char path[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		remove(path);
	}
	return 0;
}

static X509 *load(const char *file)
{
	char path[128];
	FILE *f;
	X509 *cert;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "r");
	assert_non_null(f);
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	assert_non_null(cert);
	return cert;
}

static char *make_request(EVP_PKEY *key, EVP_PKEY *signer)
{
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text;
	long size;

	X509_REQ_set_pubkey(req, key);
	X509_REQ_sign(req, signer, EVP_sha256());
	PEM_write_bio_X509_REQ(bio, req);
	size = BIO_get_mem_data(bio, &bytes);
	text = xcalloc(1, (size_t)size + 1);
	memcpy(text, bytes, (size_t)size);
	BIO_free(bio);
	X509_REQ_free(req);
	return text;
}

static int verify(X509 *cert, int64_t now_s)
{
	X509 *ca = load("ca.pem");
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int ok;

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, cert, NULL);
	X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), now_s);
	ok = X509_verify_cert(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(ca);
	return ok;
}

static void bootstrap_makes_a_server_certificate_for_its_names(void **state)
{
	X509 *server = load("server.pem");

	assert_int_equal(verify(server, NOW), 1);
	assert_int_equal(X509_check_host(server, "controller.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(server, "10.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(server, "::1", 0), 1);
	assert_int_equal(X509_check_host(server, "other.example", 0, 0, NULL), 0);
	X509_free(server);
}

static void bootstrap_keeps_what_exists_and_keys_are_private(void **state)
{
	X509 *before = load("ca.pem"), *after;
	struct stat st;
	char path[128];

	assert_int_equal(pki_bootstrap(dir, names, 3, NOW + 5), 0);
	after = load("ca.pem");
	assert_int_equal(X509_cmp(before, after), 0);
	X509_free(before);
	X509_free(after);
	snprintf(path, sizeof(path), "%s/ca-key.pem", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_token_is_good_once_and_for_an_hour(void **state)
{
	char token[PKI_TOKEN_SIZE];
	struct pki *pki;

	assert_int_equal(pki_open(dir, &pki), 0);
	assert_int_equal(pki_token_new(dir, NOW, token), 0);
	assert_string_equal(strchr(token, ':') + 1, pki_fingerprint(pki));
	*strchr(token, ':') = '\0';
	assert_int_equal(pki_token_spend(pki, "0123", NOW), -EACCES);
	assert_int_equal(pki_token_spend(pki, token, NOW + 3599), 0);
	assert_int_equal(pki_token_spend(pki, token, NOW + 3599), -EACCES);
	assert_int_equal(pki_token_new(dir, NOW, token), 0);
	*strchr(token, ':') = '\0';
	assert_int_equal(pki_token_spend(pki, token, NOW + 3600), -EACCES);
	pki_close(pki);
}

static void a_request_is_signed_for_the_gateway_that_the_controller_says(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	char *csr = make_request(key, key), *stolen = make_request(key, other), *pem = NULL;
	char serial[PKI_SERIAL_SIZE], cn[64];
	struct pki *pki;
	BIO *bio;
	X509 *cert;

	assert_int_equal(pki_open(dir, &pki), 0);
	assert_int_equal(pki_sign(pki, stolen, "GW1", NOW, 1000, &pem, serial), -EINVAL);
	assert_int_equal(pki_sign(pki, "rubbish", "GW1", NOW, 1000, &pem, serial), -EINVAL);
	assert_int_equal(pki_sign(pki, csr, "GW1", NOW, 1000, &pem, serial), 0);
	bio = BIO_new_mem_buf(pem, -1);
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "GW1");
	assert_int_equal(verify(cert, NOW), 1);
	assert_int_equal(verify(cert, NOW + 1001), 0);
	X509_free(cert);
	BIO_free(bio);
	free(pem);
	free(csr);
	free(stolen);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	pki_close(pki);
}

static void the_server_certificate_renews_itself_at_two_thirds(void **state)
{
	struct pki *pki;
	X509 *server;
	int64_t due = NOW + PKI_CERT_LIFE_S / 3 * 2;

	assert_int_equal(pki_open(dir, &pki), 0);
	assert_false(pki_renew_server(pki, due - 1000));
	assert_true(pki_renew_server(pki, due));
	server = load("server.pem");
	assert_int_equal(verify(server, NOW + PKI_CERT_LIFE_S + 1000), 1);
	assert_int_equal(X509_check_ip_asc(server, "::1", 0), 1);
	assert_int_equal(X509_check_host(server, "controller.example", 0, 0, NULL), 1);
	X509_free(server);
	pki_close(pki);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			bootstrap_makes_a_server_certificate_for_its_names, setup, teardown),
		cmocka_unit_test_setup_teardown(
			bootstrap_keeps_what_exists_and_keys_are_private, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_token_is_good_once_and_for_an_hour, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_request_is_signed_for_the_gateway_that_the_controller_says, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			the_server_certificate_renews_itself_at_two_thirds, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
