// SPDX-License-Identifier: Apache-2.0
#pragma once

// The installation's own certificate authority: files in one directory (mode 0700).
//
//   ca.pem ca-key.pem             the authority; 20 years
//   server.pem server-key.pem     the controller's, with ca.pem at the end of its chain; 1 year
//   admin.pem admin-key.pem       the first administrator's client certificate; 1 year
//   tokens/SHA-256-OF-SECRET      one file an enrolment token, holding when it ends (UNIX time)
//
// A token is spent by unlinking its file, so it is good once, whoever asks and however often the
// process restarts. Keys are EC P-256; certificates follow RFC 5280.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pki;

#define PKI_TOKEN_SIZE     192 // "secret:fingerprint" with its NUL
#define PKI_SERIAL_SIZE    41  // hex with its NUL
#define PKI_TOKEN_LIFE_S   3600
#define PKI_CERT_LIFE_S    (365 * 86400)
#define PKI_RENEW_AT(life) ((life) / 3 * 2) // seconds after which a certificate is renewed

// Makes what is missing; what exists stays. names[] are the controller's DNS names and addresses,
// for the server's certificate. 0 or -errno.
int pki_bootstrap(const char *dir, const char *const *names, size_t names_len, int64_t now_s);
int pki_open(const char *dir, struct pki **ret_pki);
void pki_close(struct pki *pki);

const char *pki_ca_pem(const struct pki *pki);
const char *pki_fingerprint(const struct pki *pki); // SHA-256 of the CA's DER form, hex

// A new token, once per call; text is for whoever sets up the gateway. No process need run.
int pki_token_new(const char *dir, int64_t now_s, char ret_token[PKI_TOKEN_SIZE]);
// Spends the secret part. -EACCES: unknown, spent or too old.
int pki_token_spend(struct pki *pki, const char *secret, int64_t now_s);

// A client certificate for the gateway (its CN), from a PEM request that proves its key. The name
// in the request does not count. -EINVAL for a bad request. The text belongs to the caller.
int pki_sign(struct pki *pki, const char *csr_pem, const char *gateway, int64_t now_s,
	int64_t life_s, char **ret_pem, char ret_serial[PKI_SERIAL_SIZE]);

// True, and new files, if the server's certificate has passed two thirds of its life.
bool pki_renew_server(struct pki *pki, int64_t now_s);

const char *pki_path(const struct pki *pki, const char *file, char *buf, size_t size);
