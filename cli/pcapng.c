// SPDX-License-Identifier: Apache-2.0
#include "pcapng.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define BLOCK_SECTION    0x0a0d0d0a
#define BLOCK_INTERFACE  1
#define BLOCK_PACKET     6
#define BYTE_ORDER_MAGIC 0x1a2b3c4d

#define OPTION_COMMENT    1
#define OPTION_USERAPPL   4 // of a section
#define OPTION_NAME       2 // of an interface
#define OPTION_RESOLUTION 9
#define OPTION_FLAGS      2 // of a packet
#define RESOLUTION_NS     9
#define COMMENT_MAX       1000

static uint32_t padded(size_t size)
{
	return (uint32_t)((size + 3) & ~(size_t)3);
}

static uint32_t option_size(size_t size)
{
	return size ? 4 + padded(size) : 0;
}

static void put32(FILE *f, uint32_t v)
{
	v = htole32(v);
	fwrite(&v, sizeof(v), 1, f);
}

static void put16(FILE *f, uint16_t v)
{
	v = htole16(v);
	fwrite(&v, sizeof(v), 1, f);
}

static void put_padded(FILE *f, const void *bytes, size_t size)
{
	static const uint8_t zeros[4];

	fwrite(bytes, 1, size, f);
	fwrite(zeros, 1, padded(size) - size, f);
}

static void put_option(FILE *f, uint16_t code, const void *bytes, size_t size)
{
	if (!size)
		return;
	put16(f, code);
	put16(f, (uint16_t)size);
	put_padded(f, bytes, size);
}

static int result(FILE *f)
{
	return ferror(f) ? (errno ? -errno : -EIO) : 0;
}

// Total size of a block with this body: type, size, body, end of options, size again.
static uint32_t block_size(uint32_t body)
{
	return 12 + body + 4;
}

static int end_block(FILE *f, uint32_t size)
{
	put32(f, 0); // end of options
	put32(f, size);
	return result(f);
}

int pcapng_start(FILE *f, const char *application)
{
	uint32_t size = block_size(16 + option_size(strlen(application)));

	put32(f, BLOCK_SECTION);
	put32(f, size);
	put32(f, BYTE_ORDER_MAGIC);
	put16(f, 1);
	put16(f, 0);
	put32(f, UINT32_MAX); // length of the section: not said
	put32(f, UINT32_MAX);
	put_option(f, OPTION_USERAPPL, application, strlen(application));
	return end_block(f, size);
}

int pcapng_interface(FILE *f, uint16_t link_type, const char *name, uint32_t snap)
{
	static const uint8_t resolution = RESOLUTION_NS;
	uint32_t size = block_size(8 + option_size(strlen(name)) + option_size(1));

	put32(f, BLOCK_INTERFACE);
	put32(f, size);
	put16(f, link_type);
	put16(f, 0);
	put32(f, snap);
	put_option(f, OPTION_NAME, name, strlen(name));
	put_option(f, OPTION_RESOLUTION, &resolution, 1);
	return end_block(f, size);
}

int pcapng_packet(FILE *f, const struct pcapng_packet *p)
{
	size_t comment = p->comment ? strnlen(p->comment, COMMENT_MAX) : 0;
	uint32_t flags = htole32((uint32_t)p->direction);
	uint32_t size = block_size(
		20 + padded(p->kept) + option_size(comment) + option_size(sizeof(flags)));

	put32(f, BLOCK_PACKET);
	put32(f, size);
	put32(f, p->interface);
	put32(f, (uint32_t)(p->time_ns >> 32));
	put32(f, (uint32_t)p->time_ns);
	put32(f, p->kept);
	put32(f, p->size);
	put_padded(f, p->bytes, p->kept);
	put_option(f, OPTION_COMMENT, p->comment, comment);
	put_option(f, OPTION_FLAGS, &flags, sizeof(flags));
	return end_block(f, size);
}
