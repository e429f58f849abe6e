// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// One decoded IKE message, as far as it says why two sides agree or not: what is proposed, who one
// claims to be, selectors, notifies. Keys, nonces and authentication data are never in it.
// Plain data: what decodes libcharon's messages into it is exchange_decode.c alone.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike.h"

// RFC 7296 section 3.1
enum { EXCHANGE_INIT = 34, EXCHANGE_AUTH = 35, EXCHANGE_CHILD = 36, EXCHANGE_INFO = 37 };
// RFC 7296 section 3.3.2
enum { TRANSFORM_ENCR = 1, TRANSFORM_PRF, TRANSFORM_INTEG, TRANSFORM_DH, TRANSFORM_ESN };
enum { PROTOCOL_IKE = 1, PROTOCOL_ESP = 3 };

#define EXCHANGE_TRANSFORMS 64 // further ones are left out
#define EXCHANGE_NOTIFIES   24

struct exchange_transform {
	uint8_t proposal; // number, from 1
	uint8_t protocol; // PROTOCOL_*
	uint8_t type;     // TRANSFORM_*
	uint8_t pad;
	uint16_t id, bits; // IANA; bits 0: none said
};

struct exchange_notify {
	uint16_t type;
	uint16_t value; // INVALID_KE_PAYLOAD: the group demanded
};

struct exchange {
	uint64_t time_ms; // since the epoch
	uint64_t spi;     // the initiator's: names the attempt
	struct ip_addr local, remote;
	bool inbound, request;
	uint16_t exchange;
	uint32_t message_id;
	uint16_t ke_group;   // of a KE payload; 0 none
	uint8_t auth_method; // RFC 7296 section 3.8; 0: no AUTH payload
	uint8_t cert_count, delete_count;
	uint8_t transform_count, notify_count;
	uint8_t ts_i_count, ts_r_count;
	const char *id_i, *id_r; // NULL: no such payload
	const struct exchange_transform *transform;
	const struct exchange_notify *notify;
	const struct api_ike_selector *ts_i, *ts_r;
};

// A copy in one allocation, for free(). Its size in bytes goes to ret_size unless NULL.
struct exchange *exchange_clone(const struct exchange *e, size_t *ret_size);
// "SA(AES256 SHA256 Group14) KE(Group14) N(...)"; returns text, cut to size.
char *exchange_text(const struct exchange *e, char *text, size_t size);
bool exchange_has_notify(const struct exchange *e, uint16_t type);
