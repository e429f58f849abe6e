// SPDX-License-Identifier: Apache-2.0
#pragma once

// Messages but OPEN and UPDATE: header (RFC 4271 4.1), NOTIFICATION (4.5, RFC 9003, 8538),
// KEEPALIVE, ROUTE-REFRESH (RFC 2918, 7313). Pure: bytes to struct and back.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "wire.h"

#define BGP_ERROR_DATA_SIZE 128 // as much of a NOTIFICATION's data as is kept
#define BGP_SHUTDOWN_SIZE   256 // RFC 9003 text with its NUL

// What goes into a NOTIFICATION, ours or theirs. code 0: no error.
struct bgp_error {
	uint8_t code; // enum bgp_error_code
	uint8_t subcode;
	uint8_t data_size;
	uint8_t data[BGP_ERROR_DATA_SIZE];
};

struct bgp_header {
	uint16_t size; // of the whole message
	uint8_t type;  // enum bgp_message_type
};

struct bgp_refresh {
	uint16_t afi;
	uint8_t safi;
	uint8_t subtype; // BGP_REFRESH_*
};

// Looks at the first bytes of a stream. 1: a whole message lies there, header in ret_header;
// 0: more bytes are needed; -EBADMSG: ret_error says what to notify.
int message_peek(const uint8_t *bytes, size_t size, size_t max_size, struct bgp_header *ret_header,
	struct bgp_error *ret_error);

// Starts a message; message_finish() sets its length and returns it, or 0 if it did not fit.
void message_start(struct buf_writer *w, uint8_t *bytes, size_t size, enum bgp_message_type type);
size_t message_finish(struct buf_writer *w);

size_t keepalive_write(uint8_t *bytes, size_t size);
size_t notification_write(uint8_t *bytes, size_t size, const struct bgp_error *error);
size_t refresh_write(uint8_t *bytes, size_t size, const struct bgp_refresh *refresh);

// Bodies, without the header. 0 or -EBADMSG.
int notification_read(const uint8_t *body, size_t size, struct bgp_error *ret_error);
// As for every message: on -EBADMSG ret_error is what to answer.
int refresh_read(const uint8_t *body, size_t size, struct bgp_refresh *ret_refresh,
	struct bgp_error *ret_error);

// An error with data to hold against it. data may be NULL when size is 0; it is cut to fit.
struct bgp_error bgp_error_make(uint8_t code, uint8_t subcode, const void *data, size_t size);
// RFC 9003: the Cease with a text for the other side's operator, cut at a UTF-8 boundary.
struct bgp_error bgp_error_shutdown(uint8_t subcode, const char *text);
// The text of a received Cease as printable UTF-8 with control characters replaced; "" if none.
const char *bgp_error_text(const struct bgp_error *error, char *buf, size_t size);
// "Cease/Administrative Shutdown"; a static or caller's buffer, never NULL.
const char *bgp_error_name(const struct bgp_error *error, char *buf, size_t size);
