// SPDX-License-Identifier: Apache-2.0
#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xmalloc.h"

#define READER_START_SIZE (64u << 10)

void api_reader_init(struct api_reader *r)
{
	*r = (struct api_reader){.bytes = xmalloc(READER_START_SIZE), .cap = READER_START_SIZE};
}

void api_reader_fini(struct api_reader *r)
{
	for (size_t i = 0; i < r->fd_len; i++)
		close(r->fds[i]);
	free(r->bytes);
	*r = (struct api_reader){0};
}

// Bytes the message at the start needs in all, as far as is known.
static size_t reader_wanted(const struct api_reader *r)
{
	struct api_header header;

	if (r->end - r->start < sizeof(header))
		return sizeof(header);
	memcpy(&header, r->bytes + r->start, sizeof(header));
	return sizeof(header) + (header.size <= API_MAX_PAYLOAD ? header.size : 0);
}

static void reader_compact(struct api_reader *r)
{
	memmove(r->bytes, r->bytes + r->start, r->end - r->start);
	r->end -= r->start;
	r->start = 0;
}

uint8_t *api_reader_space(struct api_reader *r, size_t *ret_size)
{
	size_t wanted = reader_wanted(r);

	if (r->start == r->end)
		r->start = r->end = 0;
	if (r->start && r->start + wanted > r->cap)
		reader_compact(r);
	if (wanted > r->cap || r->end == r->cap) {
		size_t cap = r->cap;

		while (cap < wanted || cap == r->end)
			cap *= 2;
		r->bytes = xrealloc(r->bytes, cap);
		r->cap = cap;
	}
	*ret_size = r->cap - r->end;
	return r->bytes + r->end;
}

void api_reader_added(struct api_reader *r, size_t size)
{
	r->end += size;
}

int api_reader_add_fd(struct api_reader *r, int fd)
{
	if (r->fd_len == API_READER_FDS) {
		close(fd);
		return -EMFILE;
	}
	r->fds[r->fd_len++] = fd;
	return 0;
}

static int reader_take_fd(struct api_reader *r)
{
	int fd = r->fds[0];

	memmove(r->fds, r->fds + 1, --r->fd_len * sizeof(*r->fds));
	return fd;
}

int api_reader_next(struct api_reader *r, struct api_message *ret_message)
{
	struct api_header header;
	size_t have = r->end - r->start;

	if (have < sizeof(header))
		return 0;
	memcpy(&header, r->bytes + r->start, sizeof(header));
	if (header.size > API_MAX_PAYLOAD)
		return -EMSGSIZE;
	if (have < sizeof(header) + header.size)
		return 0;
	// A descriptor arrives with the first byte of its message, so it must be here by now.
	if ((header.flags & API_F_FD) && !r->fd_len)
		return -EBADMSG;
	if (r->start % 8)
		reader_compact(r);
	*ret_message = (struct api_message){.header = header,
		.payload = r->bytes + r->start + sizeof(header),
		.fd = header.flags & API_F_FD ? reader_take_fd(r) : -1};
	r->start += sizeof(header) + header.size;
	return 1;
}

void api_items_init(struct api_items *it, const void *payload, size_t size)
{
	*it = (struct api_items){.p = payload, .left = size};
}

int api_items_next(struct api_items *it, const void **ret_object, size_t *ret_size)
{
	struct api_item item;
	size_t padded;

	if (!it->left)
		return 0;
	if (it->left < sizeof(item))
		return -EBADMSG;
	memcpy(&item, it->p, sizeof(item));
	if (item.size > it->left - sizeof(item))
		return -EBADMSG;
	*ret_object = it->p + sizeof(item);
	*ret_size = item.size;
	padded = sizeof(item) + ((size_t)item.size + 7) / 8 * 8;
	if (padded > it->left)
		padded = it->left; // the last one's padding may be missing
	it->p += padded;
	it->left -= padded;
	return 1;
}
