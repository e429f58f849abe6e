// SPDX-License-Identifier: Apache-2.0
#pragma once

// TLS contexts with the settings every server and client here shares: TLS 1.2 and newer, sessions
// not resumed (a revoked peer must not slip in by a ticket).

#include <openssl/ssl.h>

#define TLS_THUMBPRINT_SIZE 65 // SHA-256 in lower-case hex with its NUL

// PEM files; the certificate may be a chain. -ENOENT, or -EBADMSG when they do not parse or do not
// belong together. The caller frees by SSL_CTX_free.
int tls_server_new(const char *certificate_file, const char *key_file, SSL_CTX **ret_ctx);

int tls_thumbprint(const X509 *certificate, char *buf); // buf of TLS_THUMBPRINT_SIZE
