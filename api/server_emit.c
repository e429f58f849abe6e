// SPDX-License-Identifier: Apache-2.0

// Answers made of many items: gathered into messages, paused when the client is slow.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server_peer.h"
#include "xmalloc.h"

struct api_emit *api_emit_new(struct api_peer *peer, struct api_entry *served, uint32_t seq)
{
	struct api_emit *e = xcalloc(1, sizeof(*e));

	e->peer = peer;
	e->served = served;
	e->seq = seq;
	return e;
}

void api_emit_free(struct api_emit *e)
{
	if (!e)
		return;
	free(e->filter);
	free(e->chunk);
	free(e);
}

uint64_t *api_emit_cursor(struct api_emit *e)
{
	return e->cursor;
}

void api_emit_flush(struct api_emit *e)
{
	struct api_header header = {
		.op = API_OP_ITEMS, .type = e->served->handler->type, .seq = e->seq};

	if (e->chunk_size && e->peer)
		api_link_send(e->peer->link, &header, e->chunk, e->chunk_size, -1);
	e->chunk_size = 0;
}

int api_emit(struct api_emit *e, const void *object, size_t size)
{
	struct api_item item = {.size = (uint32_t)size};
	size_t padded = sizeof(item) + (size + 7) / 8 * 8;

	if (!e->peer)
		return -EPIPE;
	if (e->chunk_size && e->chunk_size + padded > API_EMIT_CHUNK)
		api_emit_flush(e);
	e->chunk = xgrow(e->chunk, &e->chunk_cap, e->chunk_size + padded, 1);
	memset(e->chunk + e->chunk_size + padded - 8, 0, 8);
	memcpy(e->chunk + e->chunk_size, &item, sizeof(item));
	memcpy(e->chunk + e->chunk_size + sizeof(item), object, size);
	e->chunk_size += padded;
	return api_link_pending(e->peer->link) >= API_LINK_HIGH ? -EAGAIN : 0;
}

int api_emit_fd(struct api_emit *e, const void *object, size_t size, int fd)
{
	struct api_header header = {
		.op = API_OP_ITEMS, .type = e->served->handler->type, .seq = e->seq};

	if (!e->peer) {
		close(fd);
		return -EPIPE;
	}
	api_emit_flush(e);
	api_peer_send_item(e->peer, &header, object, size, fd);
	return 0;
}

bool api_emit_dump(struct api_emit *e)
{
	int ret = e->served->handler->dump(e->served->ctx, e->filter, e);

	api_emit_flush(e);
	if (ret == -EAGAIN)
		return false;
	api_peer_ack(e->peer, e->seq, e->served->handler->type, ret, 0, NULL);
	api_emit_free(e);
	return true;
}

void api_emit_finish(struct api_emit *e, int status, const char *text)
{
	if (e->peer) {
		api_emit_flush(e);
		api_peer_ack(e->peer, e->seq, e->served->handler->type, status, 0, text);
		TAILQ_REMOVE(&e->peer->deferred, e, entry);
		e->peer->deferred_len--;
	}
	api_emit_free(e);
}

int api_emit_caller(const struct api_emit *e, uint32_t *ret_uid, int *ret_pid)
{
	return e->peer ? api_link_peer(e->peer->link, ret_uid, ret_pid) : -EPIPE;
}
