// SPDX-License-Identifier: Apache-2.0
#include "tls.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int tls_server_new(const char *certificate_file, const char *key_file, SSL_CTX **ret_ctx)
{
	static const unsigned char id[] = "isthmus";
	SSL_CTX *ctx;

	if (access(certificate_file, R_OK) < 0 || access(key_file, R_OK) < 0)
		return -errno;
	ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx)
		return -ENOMEM;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id));
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate_file) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_check_private_key(ctx) != 1) {
		SSL_CTX_free(ctx);
		return -EBADMSG;
	}
	*ret_ctx = ctx;
	return 0;
}

int tls_thumbprint(const X509 *certificate, char *buf)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size;

	if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
		return -EIO;
	for (unsigned i = 0; i < size; i++)
		snprintf(buf + 2 * i, 3, "%02x", digest[i]);
	return 0;
}
