// SPDX-License-Identifier: Apache-2.0
#include "aspath.h"

#include <stdio.h>
#include <string.h>

struct segment {
	uint8_t type;
	uint8_t len;          // numbers
	const uint8_t *bytes; // 4 each in our form
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool segment_next(struct buf_reader *r, size_t width, struct segment *ret_segment)
{
	if (!r->left)
		return false;
	ret_segment->type = buf_get_u8(r);
	ret_segment->len = buf_get_u8(r);
	ret_segment->bytes = buf_get_span(r, ret_segment->len * width);
	return !r->failed;
}

static bool has_as0(const struct segment *s, size_t width)
{
	static const uint8_t zero[4];

	for (unsigned i = 0; i < s->len; i++)
		if (!memcmp(s->bytes + i * width, zero, width))
			return true;
	return false;
}

enum aspath_verdict aspath_check(struct span path, bool as4)
{
	size_t width = as4 ? 4 : 2;
	bool as0 = false;
	struct buf_reader r;
	struct segment s;

	buf_reader_init(&r, path.bytes, path.size);
	while (segment_next(&r, width, &s)) {
		if ((s.type != BGP_AS_SET && s.type != BGP_AS_SEQUENCE) || !s.len)
			return ASPATH_MALFORMED;
		as0 |= has_as0(&s, width);
	}
	return r.failed ? ASPATH_MALFORMED : as0 ? ASPATH_AS0 : ASPATH_OK;
}

size_t aspath_widen(struct span path, uint8_t *out, size_t size)
{
	struct buf_reader r;
	struct buf_writer w;
	struct segment s;

	buf_reader_init(&r, path.bytes, path.size);
	buf_writer_init(&w, out, size);
	while (segment_next(&r, 2, &s)) {
		buf_put_u8(&w, s.type);
		buf_put_u8(&w, s.len);
		for (unsigned i = 0; i < s.len; i++)
			buf_put_be32(&w, (uint32_t)s.bytes[2 * i] << 8 | s.bytes[2 * i + 1]);
	}
	return w.failed ? 0 : buf_written(&w);
}

size_t aspath_narrow(struct span path, uint8_t *out, size_t size)
{
	struct buf_reader r;
	struct buf_writer w;
	struct segment s;

	buf_reader_init(&r, path.bytes, path.size);
	buf_writer_init(&w, out, size);
	while (segment_next(&r, 4, &s)) {
		buf_put_u8(&w, s.type);
		buf_put_u8(&w, s.len);
		for (unsigned i = 0; i < s.len; i++) {
			uint32_t asn = get32(s.bytes + 4 * i);

			buf_put_be16(&w, asn > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)asn);
		}
	}
	return w.failed ? 0 : buf_written(&w);
}

bool aspath_needs_as4(struct span path)
{
	uint32_t at = 0, asn;

	while (aspath_next(path, &at, &asn))
		if (asn > UINT16_MAX)
			return true;
	return false;
}

// Copies numbers of `path` until `keep` of them (a set counts one) have been written.
static void copy_leading(struct buf_writer *w, struct span path, unsigned keep)
{
	struct buf_reader r;
	struct segment s;

	buf_reader_init(&r, path.bytes, path.size);
	while (keep && segment_next(&r, 4, &s)) {
		unsigned n = s.type == BGP_AS_SET ? s.len : s.len < keep ? s.len : keep;

		buf_put_u8(w, s.type);
		buf_put_u8(w, (uint8_t)n);
		buf_put_bytes(w, s.bytes, 4 * n);
		keep -= s.type == BGP_AS_SET ? 1 : n;
	}
}

size_t aspath_merge_as4(struct span path, struct span as4_path, uint8_t *out, size_t size)
{
	unsigned len = aspath_len(path), as4_len = aspath_len(as4_path);
	struct buf_writer w;

	buf_writer_init(&w, out, size);
	if (len < as4_len) {
		// Somebody on the way dropped numbers: AS4_PATH is to be ignored.
		buf_put_bytes(&w, path.bytes, path.size);
	} else {
		copy_leading(&w, path, len - as4_len);
		buf_put_bytes(&w, as4_path.bytes, as4_path.size);
	}
	return w.failed ? 0 : buf_written(&w);
}

unsigned aspath_len(struct span path)
{
	struct buf_reader r;
	struct segment s;
	unsigned len = 0;

	buf_reader_init(&r, path.bytes, path.size);
	while (segment_next(&r, 4, &s))
		len += s.type == BGP_AS_SET ? 1 : s.len;
	return len;
}

// `at` is the byte offset of the next number and, in its upper half, how many the segment has left.
bool aspath_next(struct span path, uint32_t *at, uint32_t *ret_asn)
{
	uint32_t offset = *at & 0xffff, left = *at >> 16;

	if (!left) {
		if (offset + 2 > path.size)
			return false;
		left = path.bytes[offset + 1];
		offset += 2;
	}
	if (!left || offset + 4 > path.size)
		return false;
	*ret_asn = get32(path.bytes + offset);
	*at = (left - 1) << 16 | (offset + 4);
	return true;
}

unsigned aspath_count(struct span path, uint32_t asn)
{
	uint32_t at = 0, seen;
	unsigned n = 0;

	while (aspath_next(path, &at, &seen))
		n += seen == asn;
	return n;
}

bool aspath_contains(struct span path, uint32_t asn)
{
	return aspath_count(path, asn) != 0;
}

uint32_t aspath_first(struct span path)
{
	if (path.size < 6 || path.bytes[0] != BGP_AS_SEQUENCE || !path.bytes[1])
		return 0;
	return get32(path.bytes + 2);
}

uint32_t aspath_origin(struct span path)
{
	struct buf_reader r;
	struct segment s;
	uint32_t asn = 0;

	buf_reader_init(&r, path.bytes, path.size);
	while (segment_next(&r, 4, &s))
		asn = s.type == BGP_AS_SEQUENCE && s.len ? get32(s.bytes + 4 * (s.len - 1)) : 0;
	return asn;
}

size_t aspath_prepend(struct span path, uint32_t asn, unsigned n, uint8_t *out, size_t size)
{
	bool sequence = path.size >= 2 && path.bytes[0] == BGP_AS_SEQUENCE;
	unsigned len = sequence ? path.bytes[1] : 0;
	bool join = sequence && len + n <= 255;
	struct buf_writer w;

	buf_writer_init(&w, out, size);
	buf_put_u8(&w, BGP_AS_SEQUENCE);
	buf_put_u8(&w, (uint8_t)(join ? len + n : n));
	for (unsigned i = 0; i < n; i++)
		buf_put_be32(&w, asn);
	if (path.size)
		buf_put_bytes(&w, path.bytes + (join ? 2 : 0), path.size - (join ? 2u : 0u));
	return w.failed || n == 0 || n > 255 ? 0 : buf_written(&w);
}

// Appends what fits, always terminated.
static size_t put_char(char *buf, size_t size, size_t at, char c)
{
	if (at + 1 >= size)
		return at;
	buf[at] = c;
	buf[at + 1] = 0;
	return at + 1;
}

static size_t put_number(char *buf, size_t size, size_t at, uint32_t n)
{
	char digits[10];
	unsigned len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while (n /= 10);
	while (len)
		at = put_char(buf, size, at, digits[--len]);
	return at;
}

// Without stdio: it runs once for every change that somebody watches.
const char *aspath_format(struct span path, char *buf, size_t size)
{
	struct buf_reader r;
	struct segment s;
	size_t at = 0;

	buf[0] = 0;
	buf_reader_init(&r, path.bytes, path.size);
	while (segment_next(&r, 4, &s)) {
		for (unsigned i = 0; i < s.len; i++) {
			if (at)
				at = put_char(buf, size, at, ' ');
			if (s.type == BGP_AS_SET && !i)
				at = put_char(buf, size, at, '{');
			at = put_number(buf, size, at, get32(s.bytes + 4 * i));
		}
		if (s.type == BGP_AS_SET)
			at = put_char(buf, size, at, '}');
	}
	return buf;
}
