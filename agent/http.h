// SPDX-License-Identifier: Apache-2.0
#pragma once

// An HTTPS client on a libevent loop (libcurl underneath): one connection kept alive, one request
// at a time. Server and client prove themselves by certificates of the installation's own CA.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct http_channel;

#define HTTP_BODY_MAX (256u << 20) // bytes of an answer
#define HTTP_PIN_SIZE 32           // SHA-256 of a CA certificate's DER form

// Files are read anew at each new connection. With a pin and no ca_file, the server's chain must
// end in the certificate with that fingerprint.
struct http_tls {
	const char *ca_file, *cert_file, *key_file; // NULL: none
	const uint8_t *pin;                         // HTTP_PIN_SIZE bytes, or NULL
};

// status: HTTP's, or 0 when there was no answer; then body is words for people.
typedef void http_done_fn(void *ctx, long status, const char *body, size_t size);

// tls and what it points to outlive the channel.
struct http_channel *http_channel_new(struct event_base *base, const struct http_tls *tls);
void http_channel_free(struct http_channel *ch); // a request under way is forgotten
bool http_channel_busy(const struct http_channel *ch);
// POST with a JSON body, or GET when body is NULL. -EBUSY: one is under way.
int http_channel_request(struct http_channel *ch, const char *url, const char *body,
	unsigned timeout_ms, http_done_fn *done, void *ctx);
// Ends the request under way, if any, without a word.
void http_channel_abort(struct http_channel *ch);
// The next request opens a new connection (certificates have changed).
void http_channel_refresh(struct http_channel *ch);
