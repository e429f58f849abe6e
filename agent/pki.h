// SPDX-License-Identifier: Apache-2.0
#pragma once

// This gateway's key and certificate. Both are in one file, so that a renewal replaces them as one.

#include <stddef.h>
#include <stdint.h>

struct pki_request {
	char *key; // PEM, not on disk yet
	char *csr; // PEM
};

// A new P-256 key and a request for it with CN=name. 0 or -EIO.
int pki_request_make(const char *name, struct pki_request *ret_request);
void pki_request_fini(struct pki_request *r); // wipes the key
// When the certificate in a PEM file begins and ends, in seconds since 1970. 0, -ENOENT, -EINVAL.
int pki_times(const char *path, int64_t *ret_begin, int64_t *ret_end);
// Checks that the PEM certificate is for the request's key. 0 or -EINVAL.
int pki_fits(const struct pki_request *r, const char *certificate);
// Replaces the file as one act, durably, mode 0600; b may be NULL. 0 or -errno.
int pki_write(const char *path, const char *a, const char *b);
