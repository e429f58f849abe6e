// SPDX-License-Identifier: Apache-2.0
#include "pcapng.h"

#include <stdbool.h>
#include <string.h>

enum { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6 };
enum { OPTION_END = 0, OPTION_COMMENT = 1, OPTION_IF_NAME = 2, OPTION_IF_TSRESOL = 9 };

#define BYTE_ORDER_MAGIC 0x1a2b3c4du

// A block under construction; `full` once something did not fit.
struct block {
	uint8_t *start;
	size_t size, room;
	bool full;
};

static void put(struct block *b, const void *bytes, size_t size)
{
	static const uint8_t zeros[4];
	size_t padded = (size + 3) & ~(size_t)3;

	if (b->full || b->room - b->size < padded) {
		b->full = true;
		return;
	}
	memcpy(b->start + b->size, bytes, size);
	memcpy(b->start + b->size + size, zeros, padded - size);
	b->size += padded;
}

static void put32(struct block *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

static struct block begin(uint8_t *out, size_t room, uint32_t type)
{
	struct block b = {.start = out, .room = room};

	put32(&b, type);
	put32(&b, 0); // total length, known at the end
	return b;
}

static size_t end(struct block *b)
{
	uint32_t total = (uint32_t)b->size + 4;

	put32(b, total);
	if (b->full)
		return 0;
	memcpy(b->start + 4, &total, sizeof(total));
	return b->size;
}

static void put_option(struct block *b, uint16_t code, const void *bytes, uint16_t size)
{
	put32(b, (uint32_t)size << 16 | code);
	put(b, bytes, size);
}

static void put_text(struct block *b, uint16_t code, const char *text)
{
	put_option(b, code, text, (uint16_t)strnlen(text, 1024));
}

size_t pcapng_section(uint8_t *out, size_t room)
{
	struct block b = begin(out, room, BLOCK_SECTION);

	put32(&b, BYTE_ORDER_MAGIC);
	put32(&b, 1);           // version 1.0
	put32(&b, 0xffffffffu); // section length: unknown
	put32(&b, 0xffffffffu);
	return end(&b);
}

size_t pcapng_interface(uint8_t *out, size_t room, uint16_t link_type, const char *name)
{
	static const uint8_t nanoseconds = 9;
	struct block b = begin(out, room, BLOCK_INTERFACE);

	put32(&b, link_type);
	put32(&b, 0); // no limit of ours on the size
	put_text(&b, OPTION_IF_NAME, name);
	put_option(&b, OPTION_IF_TSRESOL, &nanoseconds, 1);
	put32(&b, OPTION_END);
	return end(&b);
}

size_t pcapng_packet(uint8_t *out, size_t room, uint32_t interface, uint64_t ns,
	const uint8_t *bytes, uint32_t size, uint32_t orig_size, const char *comment)
{
	struct block b = begin(out, room, BLOCK_PACKET);

	put32(&b, interface);
	put32(&b, (uint32_t)(ns >> 32));
	put32(&b, (uint32_t)ns);
	put32(&b, size);
	put32(&b, orig_size);
	put(&b, bytes, size);
	if (comment) {
		put_text(&b, OPTION_COMMENT, comment);
		put32(&b, OPTION_END);
	}
	return end(&b);
}
