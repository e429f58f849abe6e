// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bounded reader and writer for bytes from and to the network.
//
// Both carry a sticky failure: a read past the end yields zeros and sets `failed`, a write past
// the end writes nothing and sets it. A codec reads all its fields and asks once.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf_reader {
	const uint8_t *p;
	size_t left; // bytes
	bool failed;
};

struct buf_writer {
	uint8_t *start;
	uint8_t *p;
	size_t left; // bytes
	bool failed;
};

// The bytes stay the caller's and must outlive the reader.
void buf_reader_init(struct buf_reader *r, const void *bytes, size_t size);
uint8_t buf_get_u8(struct buf_reader *r);
uint16_t buf_get_be16(struct buf_reader *r);
uint32_t buf_get_be24(struct buf_reader *r);
uint32_t buf_get_be32(struct buf_reader *r);
uint64_t buf_get_be64(struct buf_reader *r);
// Copies size bytes; on failure dst is zeroed.
void buf_get_bytes(struct buf_reader *r, void *dst, size_t size);
// Borrowed pointer to the next size bytes, NULL on failure.
const uint8_t *buf_get_span(struct buf_reader *r, size_t size);
// A reader over the next size bytes; on failure it is empty and failed too.
struct buf_reader buf_get_sub(struct buf_reader *r, size_t size);

void buf_writer_init(struct buf_writer *w, void *bytes, size_t size);
void buf_put_u8(struct buf_writer *w, uint8_t v);
void buf_put_be16(struct buf_writer *w, uint16_t v);
void buf_put_be24(struct buf_writer *w, uint32_t v);
void buf_put_be32(struct buf_writer *w, uint32_t v);
void buf_put_be64(struct buf_writer *w, uint64_t v);
void buf_put_bytes(struct buf_writer *w, const void *src, size_t size);
// Reserves size bytes to be filled later; NULL on failure.
uint8_t *buf_put_span(struct buf_writer *w, size_t size);
size_t buf_written(const struct buf_writer *w); // bytes so far
