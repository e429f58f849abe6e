// SPDX-License-Identifier: Apache-2.0
#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// RFC 4271 4.1: least size of each type's whole message.
static const uint16_t least_size[] = {
	[BGP_OPEN] = 29,
	[BGP_UPDATE] = 23,
	[BGP_NOTIFICATION] = 21,
	[BGP_KEEPALIVE] = 19,
	[BGP_ROUTE_REFRESH] = 19, // its own error says a wrong length (RFC 7313 5)
};

struct bgp_error bgp_error_make(uint8_t code, uint8_t subcode, const void *data, size_t size)
{
	struct bgp_error error = {.code = code, .subcode = subcode};

	if (size > sizeof(error.data))
		size = sizeof(error.data);
	error.data_size = (uint8_t)size;
	if (size)
		memcpy(error.data, data, size);
	return error;
}

static int header_error(struct bgp_error *ret_error, uint8_t subcode, const void *data, size_t size)
{
	*ret_error = bgp_error_make(BGP_ERR_HEADER, subcode, data, size);
	return -EBADMSG;
}

int message_peek(const uint8_t *bytes, size_t size, size_t max_size, struct bgp_header *ret_header,
	struct bgp_error *ret_error)
{
	size_t marker = size < BGP_MARKER_SIZE ? size : BGP_MARKER_SIZE;
	struct bgp_header h;

	for (size_t i = 0; i < marker; i++)
		if (bytes[i] != 0xff)
			return header_error(ret_error, BGP_HEADER_NOT_SYNCHRONISED, NULL, 0);
	if (size < BGP_HEADER_SIZE)
		return 0;
	h = (struct bgp_header){.size = (uint16_t)(bytes[16] << 8 | bytes[17]), .type = bytes[18]};
	if (h.type < BGP_OPEN || h.type > BGP_ROUTE_REFRESH)
		return header_error(ret_error, BGP_HEADER_BAD_TYPE, &bytes[18], 1);
	// RFC 8654 4: OPEN and KEEPALIVE stay within 4096.
	if (h.type == BGP_OPEN || h.type == BGP_KEEPALIVE)
		max_size = BGP_MESSAGE_MAX;
	if (h.size < least_size[h.type] || h.size > max_size ||
		(h.type == BGP_KEEPALIVE && h.size != BGP_HEADER_SIZE))
		return header_error(ret_error, BGP_HEADER_BAD_LENGTH, &bytes[16], 2);
	if (size < h.size)
		return 0;
	*ret_header = h;
	return 1;
}

void message_start(struct buf_writer *w, uint8_t *bytes, size_t size, enum bgp_message_type type)
{
	uint8_t *marker;

	buf_writer_init(w, bytes, size);
	marker = buf_put_span(w, BGP_MARKER_SIZE);
	if (marker)
		memset(marker, 0xff, BGP_MARKER_SIZE);
	buf_put_be16(w, 0);
	buf_put_u8(w, type);
}

size_t message_finish(struct buf_writer *w)
{
	size_t size = buf_written(w);

	if (w->failed || size > BGP_EXTENDED_MAX)
		return 0;
	w->start[16] = (uint8_t)(size >> 8);
	w->start[17] = (uint8_t)size;
	return size;
}

size_t keepalive_write(uint8_t *bytes, size_t size)
{
	struct buf_writer w;

	message_start(&w, bytes, size, BGP_KEEPALIVE);
	return message_finish(&w);
}

size_t notification_write(uint8_t *bytes, size_t size, const struct bgp_error *error)
{
	struct buf_writer w;

	message_start(&w, bytes, size, BGP_NOTIFICATION);
	buf_put_u8(&w, error->code);
	buf_put_u8(&w, error->subcode);
	buf_put_bytes(&w, error->data, error->data_size);
	return message_finish(&w);
}

size_t refresh_write(uint8_t *bytes, size_t size, const struct bgp_refresh *refresh)
{
	struct buf_writer w;

	message_start(&w, bytes, size, BGP_ROUTE_REFRESH);
	buf_put_be16(&w, refresh->afi);
	buf_put_u8(&w, refresh->subtype);
	buf_put_u8(&w, refresh->safi);
	return message_finish(&w);
}

int notification_read(const uint8_t *body, size_t size, struct bgp_error *ret_error)
{
	if (size < 2)
		return -EBADMSG;
	*ret_error = bgp_error_make(body[0], body[1], body + 2, size - 2);
	return 0;
}

int refresh_read(const uint8_t *body, size_t size, struct bgp_refresh *ret_refresh,
	struct bgp_error *ret_error)
{
	struct buf_reader r;

	// An ORF body (RFC 5291) may follow; we never offer ORF, so only the plain form is valid.
	if (size != 4) {
		*ret_error = bgp_error_make(BGP_ERR_REFRESH, BGP_REFRESH_BAD_LENGTH, body, size);
		return -EBADMSG;
	}
	buf_reader_init(&r, body, size);
	ret_refresh->afi = buf_get_be16(&r);
	ret_refresh->subtype = buf_get_u8(&r);
	ret_refresh->safi = buf_get_u8(&r);
	return 0;
}

struct bgp_error bgp_error_shutdown(uint8_t subcode, const char *text)
{
	uint8_t data[BGP_ERROR_DATA_SIZE];
	size_t size = strnlen(text, sizeof(data) - 1);

	while (size && text[size] && (text[size] & 0xc0) == 0x80)
		size--;
	data[0] = (uint8_t)size;
	memcpy(data + 1, text, size);
	return bgp_error_make(BGP_ERR_CEASE, subcode, data, size ? size + 1 : 0);
}

const char *bgp_error_text(const struct bgp_error *error, char *buf, size_t size)
{
	size_t len = 0;

	if (error->code == BGP_ERR_CEASE && error->data_size > 1 &&
		(error->subcode == BGP_CEASE_SHUTDOWN || error->subcode == BGP_CEASE_RESET))
		len = error->data[0];
	if (len > error->data_size - 1u)
		len = error->data_size ? error->data_size - 1u : 0;
	if (len > size - 1)
		len = size - 1;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = error->data[1 + i];

		buf[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	buf[len] = 0;
	return buf;
}

struct error_name {
	uint8_t code, subcode;
	const char *name;
};

static const struct error_name error_names[] = {
	{BGP_ERR_HEADER, 1, "Message Header Error/Connection Not Synchronized"},
	{BGP_ERR_HEADER, 2, "Message Header Error/Bad Message Length"},
	{BGP_ERR_HEADER, 3, "Message Header Error/Bad Message Type"},
	{BGP_ERR_OPEN, 1, "OPEN Message Error/Unsupported Version Number"},
	{BGP_ERR_OPEN, 2, "OPEN Message Error/Bad Peer AS"},
	{BGP_ERR_OPEN, 3, "OPEN Message Error/Bad BGP Identifier"},
	{BGP_ERR_OPEN, 4, "OPEN Message Error/Unsupported Optional Parameter"},
	{BGP_ERR_OPEN, 6, "OPEN Message Error/Unacceptable Hold Time"},
	{BGP_ERR_OPEN, 7, "OPEN Message Error/Unsupported Capability"},
	{BGP_ERR_OPEN, 11, "OPEN Message Error/Role Mismatch"},
	{BGP_ERR_UPDATE, 1, "UPDATE Message Error/Malformed Attribute List"},
	{BGP_ERR_UPDATE, 2, "UPDATE Message Error/Unrecognized Well-known Attribute"},
	{BGP_ERR_UPDATE, 9, "UPDATE Message Error/Optional Attribute Error"},
	{BGP_ERR_UPDATE, 10, "UPDATE Message Error/Invalid Network Field"},
	{BGP_ERR_HOLD_TIMER, 0, "Hold Timer Expired"},
	{BGP_ERR_FSM, 0, "Finite State Machine Error"},
	{BGP_ERR_FSM, 1, "Finite State Machine Error/Unexpected Message in OpenSent"},
	{BGP_ERR_FSM, 2, "Finite State Machine Error/Unexpected Message in OpenConfirm"},
	{BGP_ERR_FSM, 3, "Finite State Machine Error/Unexpected Message in Established"},
	{BGP_ERR_CEASE, 1, "Cease/Maximum Number of Prefixes Reached"},
	{BGP_ERR_CEASE, 2, "Cease/Administrative Shutdown"},
	{BGP_ERR_CEASE, 3, "Cease/Peer De-configured"},
	{BGP_ERR_CEASE, 4, "Cease/Administrative Reset"},
	{BGP_ERR_CEASE, 5, "Cease/Connection Rejected"},
	{BGP_ERR_CEASE, 6, "Cease/Other Configuration Change"},
	{BGP_ERR_CEASE, 7, "Cease/Connection Collision Resolution"},
	{BGP_ERR_CEASE, 8, "Cease/Out of Resources"},
	{BGP_ERR_CEASE, 9, "Cease/Hard Reset"},
	{BGP_ERR_CEASE, 10, "Cease/BFD Down"},
	{BGP_ERR_REFRESH, 1, "ROUTE-REFRESH Message Error/Invalid Message Length"},
	{BGP_ERR_SEND_HOLD_TIMER, 0, "Send Hold Timer Expired"},
};

const char *bgp_error_name(const struct bgp_error *error, char *buf, size_t size)
{
	for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++)
		if (error_names[i].code == error->code && error_names[i].subcode == error->subcode)
			return error_names[i].name;
	snprintf(buf, size, "Error %u/%u", error->code, error->subcode);
	return buf;
}
