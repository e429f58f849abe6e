// SPDX-License-Identifier: Apache-2.0
#pragma once

// Certificates, keys and CRLs as people paste them (PEM, RFC 7468), taken apart into DER.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pem_kind { PEM_CERTIFICATE, PEM_PRIVATE_KEY, PEM_CRL };

typedef void pem_fn(void *ctx, const uint8_t *der, size_t size);

// Calls each (may be NULL) for every block, in order: DER of an X.509 certificate or CRL, PKCS#8 of
// a key. Returns how many; -EINVAL with err filled: none, one of another kind, or one that is
// damaged.
int pem_each(
	const char *text, enum pem_kind kind, pem_fn *each, void *ctx, char *err, size_t err_size);
// The first key of `keys` is that of the first certificate of `certificates`.
bool pem_key_fits(const char *keys, const char *certificates);
