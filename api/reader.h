// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bytes of the local protocol to messages, and a message's payload to items. Pure: no sockets.
// The bytes come from another process and are never trusted.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

#define API_READER_FDS 64 // descriptors received and not yet claimed by a message

struct api_reader {
	uint8_t *bytes; // 8-aligned
	size_t start, end, cap;
	int fds[API_READER_FDS];
	size_t fd_len;
};

struct api_message {
	struct api_header header;
	const uint8_t *payload; // 8-aligned, header.size bytes; valid until the next call
	int fd;                 // -1 without API_F_FD; the taker's to close
};

void api_reader_init(struct api_reader *r);
void api_reader_fini(struct api_reader *r); // closes unclaimed descriptors
// Where to put the next bytes; at least 1 byte, enough for the message that has begun.
uint8_t *api_reader_space(struct api_reader *r, size_t *ret_size);
void api_reader_added(struct api_reader *r, size_t size);
// Takes fd; -EMFILE (and fd is closed) when too many are waiting.
int api_reader_add_fd(struct api_reader *r, int fd);
// 1 and a message; 0: more bytes are needed; -EMSGSIZE, -EBADMSG: the stream is lost.
int api_reader_next(struct api_reader *r, struct api_message *ret_message);

struct api_items {
	const uint8_t *p;
	size_t left;
};

void api_items_init(struct api_items *it, const void *payload, size_t size);
// 1 and a borrowed, 8-aligned object; 0 at the end; -EBADMSG.
int api_items_next(struct api_items *it, const void **ret_object, size_t *ret_size);
