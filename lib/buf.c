// SPDX-License-Identifier: Apache-2.0
#include "buf.h"

#include <string.h>

void buf_reader_init(struct buf_reader *r, const void *bytes, size_t size)
{
	*r = (struct buf_reader){.p = bytes, .left = size};
}

const uint8_t *buf_get_span(struct buf_reader *r, size_t size)
{
	const uint8_t *p = r->p;

	if (r->failed || size > r->left) {
		r->failed = true;
		return NULL;
	}
	r->p += size;
	r->left -= size;
	return p;
}

static uint64_t get_be(struct buf_reader *r, size_t size)
{
	const uint8_t *p = buf_get_span(r, size);
	uint64_t v = 0;

	for (size_t i = 0; p && i < size; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t buf_get_u8(struct buf_reader *r)
{
	return (uint8_t)get_be(r, 1);
}

uint16_t buf_get_be16(struct buf_reader *r)
{
	return (uint16_t)get_be(r, 2);
}

uint32_t buf_get_be24(struct buf_reader *r)
{
	return (uint32_t)get_be(r, 3);
}

uint32_t buf_get_be32(struct buf_reader *r)
{
	return (uint32_t)get_be(r, 4);
}

uint64_t buf_get_be64(struct buf_reader *r)
{
	return get_be(r, 8);
}

void buf_get_bytes(struct buf_reader *r, void *dst, size_t size)
{
	const uint8_t *p = buf_get_span(r, size);

	if (!size)
		return; // dst may be NULL then
	if (p)
		memcpy(dst, p, size);
	else
		memset(dst, 0, size);
}

struct buf_reader buf_get_sub(struct buf_reader *r, size_t size)
{
	const uint8_t *p = buf_get_span(r, size);

	if (!p)
		return (struct buf_reader){.failed = true};
	return (struct buf_reader){.p = p, .left = size};
}

void buf_writer_init(struct buf_writer *w, void *bytes, size_t size)
{
	*w = (struct buf_writer){.start = bytes, .p = bytes, .left = size};
}

uint8_t *buf_put_span(struct buf_writer *w, size_t size)
{
	uint8_t *p = w->p;

	if (w->failed || size > w->left) {
		w->failed = true;
		return NULL;
	}
	w->p += size;
	w->left -= size;
	return p;
}

static void put_be(struct buf_writer *w, uint64_t v, size_t size)
{
	uint8_t *p = buf_put_span(w, size);

	for (size_t i = size; p && i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

void buf_put_u8(struct buf_writer *w, uint8_t v)
{
	put_be(w, v, 1);
}

void buf_put_be16(struct buf_writer *w, uint16_t v)
{
	put_be(w, v, 2);
}

void buf_put_be24(struct buf_writer *w, uint32_t v)
{
	put_be(w, v, 3);
}

void buf_put_be32(struct buf_writer *w, uint32_t v)
{
	put_be(w, v, 4);
}

void buf_put_be64(struct buf_writer *w, uint64_t v)
{
	put_be(w, v, 8);
}

void buf_put_bytes(struct buf_writer *w, const void *src, size_t size)
{
	uint8_t *p = buf_put_span(w, size);

	if (p && size) // src may be NULL when there is nothing
		memcpy(p, src, size);
}

size_t buf_written(const struct buf_writer *w)
{
	return (size_t)(w->p - w->start);
}
