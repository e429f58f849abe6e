// SPDX-License-Identifier: Apache-2.0
#pragma once

// Becoming and staying a known gateway: with a token, a first certificate; at two thirds of each
// certificate's life, the next.

#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "http.h"
#include "pki.h"

struct event_base;

struct join {
	const struct config *config;
	const struct http_tls *tls; // the files of ours, for renewals
	struct event_base *base;
	void (*ready)(void *ctx, int renewed); // a certificate is there; renewed: another one
	void *ctx;
	struct event *timer;
	struct http_channel *channel;
	struct http_tls enrol_tls;
	uint8_t pin[HTTP_PIN_SIZE];
	struct pki_request request;
	size_t url_no;
	int64_t begin, end; // of the certificate in use
	int told;           // the last failure has been logged
};

// ready() comes at once, from within, when there is a certificate already.
void join_init(struct join *j, struct event_base *base, const struct config *config,
	const struct http_tls *tls, void (*ready)(void *ctx, int renewed), void *ctx);
void join_fini(struct join *j);
