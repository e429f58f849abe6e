// SPDX-License-Identifier: Apache-2.0

// The local protocol: a stream of bytes is cut into messages and items, and each item that a
// handler of the forwarder knows is set or deleted in the gateway kit's tables, as the server
// would: a short object extended by zeros, a long one cut. Afterwards all is taken down; what leaks
// is a finding.

#include "gatewaykit.h"
#include "reader.h"
#include "server.h"

#include <stdlib.h>
#include <string.h>

#define OBJECT_MAX 8192
#define ITEMS_MAX  64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_item(const struct api_header *header, const void *bytes, size_t size)
{
	const struct api_handler *h = kit_handler(header->type);
	uint64_t object[OBJECT_MAX / 8] = {0};

	if (!h || h->flags & API_HANDLER_FD || h->size > OBJECT_MAX)
		return;
	memcpy(object, bytes, size < h->size ? size : h->size);
	if (header->op == API_OP_SET && h->set && size >= h->min_size)
		kit_set(header->type, object, size < h->size ? size : h->size);
	else if (header->op == API_OP_DEL && h->del && size >= h->key_size)
		kit_del(header->type, object);
}

static void read_all(const uint8_t *data, size_t size)
{
	struct api_message message;
	struct api_reader reader;
	unsigned items = 0;

	api_reader_init(&reader);
	while (size) {
		size_t room;
		uint8_t *space = api_reader_space(&reader, &room);
		size_t part = size < room ? size : room;

		memcpy(space, data, part);
		api_reader_added(&reader, part);
		data += part;
		size -= part;
		while (api_reader_next(&reader, &message) == 1) {
			struct api_items it;
			const void *object;
			size_t len;

			api_items_init(&it, message.payload, message.header.size);
			while (items++ < ITEMS_MAX && api_items_next(&it, &object, &len) == 1)
				one_item(&message.header, object, len);
		}
	}
	api_reader_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *state;

	if (kit_setup(&state) < 0)
		abort();
	read_all(data, size);
	kit_from_host(state, 0, KIT_VM, KIT_SITE, 100);
	kit_from_gre(state, 0, kit_gre_key(0), KIT_SITE, KIT_VM, 100);
	if (kit_teardown(&state) < 0)
		abort();
	return 0;
}
