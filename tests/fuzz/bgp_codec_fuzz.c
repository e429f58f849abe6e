// SPDX-License-Identifier: Apache-2.0
#include "open.h"
#include "update.h"

#include <stdlib.h>
#include <string.h>

// The first byte chooses what the session agreed on, the second the message type; the rest is the
// body. Whatever is read well is written again and must read the same.

static uint8_t scratch[UPDATE_SCRATCH_SIZE], scratch2[UPDATE_SCRATCH_SIZE];
static uint8_t message[BGP_EXTENDED_MAX];

static void require(int ok)
{
	if (!ok)
		abort();
}

static void one_open(const uint8_t *body, size_t size)
{
	struct bgp_open open, again;
	struct bgp_error error;
	size_t written;

	if (open_read(body, size, &open, &error))
		return;
	written = open_write(message, sizeof(message), &open);
	require(written != 0);
	require(open_read(message + BGP_HEADER_SIZE, written - BGP_HEADER_SIZE, &again, &error) ==
		0);
	require(again.asn == open.asn || !open.as4);
	require(again.identifier == open.identifier && again.role == open.role);
}

static void rewrite(struct update *u, unsigned run, const struct update_options *o)
{
	struct nlri nlri[64];
	struct update again;
	size_t len = 0, used, written;

	while (len < 64 && nlri_next(&u->reach[run], &nlri[len]))
		len++;
	if (!len)
		return;
	u->attrs.next_hop = u->reach_next_hop[run];
	u->attrs.link_local = u->reach_link_local[run];
	written = update_write_reach(message, sizeof(message), o, &u->attrs, nlri, len, &used);
	if (!written)
		return; // attributes longer than this session's messages
	update_read(message + BGP_HEADER_SIZE, written - BGP_HEADER_SIZE, o, scratch2, &again);
	require(again.verdict == UPDATE_OK && again.reach_len == 1);
	require(ip_equal(&again.reach_next_hop[0], &u->attrs.next_hop));
	require(span_equal(again.attrs.communities, u->attrs.communities));
}

static void one_update(const uint8_t *body, size_t size, uint8_t choice)
{
	const struct update_options o = {.as4 = choice & 1,
		.internal = choice & 2,
		.ipv6_nexthop = choice & 4,
		.add_path = {choice & 8, choice & 16},
		.family = {true, !(choice & 32)},
		.max_size = choice & 64 ? BGP_EXTENDED_MAX : 0};
	struct update u;

	update_read(body, size, &o, scratch, &u);
	require(u.verdict == UPDATE_RESET ? u.error.code == BGP_ERR_UPDATE : u.error.code == 0);
	if (u.verdict < UPDATE_WITHDRAW)
		for (unsigned i = 0; i < u.reach_len; i++)
			rewrite(&u, i, &o);
}

static void one_stream(const uint8_t *bytes, size_t size)
{
	struct bgp_header header;
	struct bgp_error error;
	char text[BGP_SHUTDOWN_SIZE];

	while (message_peek(bytes, size, BGP_EXTENDED_MAX, &header, &error) == 1) {
		struct bgp_refresh refresh;

		require(header.size >= BGP_HEADER_SIZE && header.size <= size);
		if (notification_read(
			    bytes + BGP_HEADER_SIZE, header.size - BGP_HEADER_SIZE, &error) == 0)
			bgp_error_text(&error, text, sizeof(text));
		refresh_read(
			bytes + BGP_HEADER_SIZE, header.size - BGP_HEADER_SIZE, &refresh, &error);
		bytes += header.size;
		size -= header.size;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[1] % 3 == 0)
		one_open(data + 2, size - 2);
	else if (data[1] % 3 == 1)
		one_update(data + 2, size - 2, data[0]);
	else
		one_stream(data + 2, size - 2);
	return 0;
}
