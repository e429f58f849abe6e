// SPDX-License-Identifier: Apache-2.0
#pragma once

// Private to the server: one connected client, and the requests it makes.

#include <stdbool.h>
#include <sys/queue.h>

#include "link.h"
#include "server.h"

#define API_OBJECT_MAX    (64u << 10) // bytes of one object
#define API_SERVER_PEERS  64
#define API_PEER_TYPES    32 // subscriptions
#define API_PEER_DEFERRED 64 // calls not answered yet
#define API_EMIT_CHUNK    (32u << 10)

struct api_entry {
	const struct api_handler *handler;
	void *ctx;
	uint64_t sets, dels, unchanged, refused, dropped;
};

struct api_server {
	struct event_base *base;
	const char *name;
	uint64_t instance;
	struct evconnlistener *listener;
	char *path;
	struct api_entry entries[API_TYPE_END];
	uint8_t *scratch; // an object extended by zeros
	size_t scratch_size;
	TAILQ_HEAD(, api_peer) peers;
	unsigned peer_len;
	void (*drained)(void *ctx); // NULL: nobody asks
	void *drained_ctx;
};

// An answer under way: a dump, or a call.
struct api_emit {
	TAILQ_ENTRY(api_emit) entry; // in peer->deferred
	struct api_peer *peer;       // NULL: it is gone
	struct api_entry *served;
	uint32_t seq;
	uint64_t cursor[4];
	uint8_t *filter;
	uint8_t *chunk; // items not sent yet
	size_t chunk_size, chunk_cap;
};

struct api_peer {
	TAILQ_ENTRY(api_peer) entry;
	struct api_server *server;
	struct api_link *link;
	bool greeted;
	uint16_t types[API_PEER_TYPES];
	size_t type_len;
	struct api_emit *dump;  // waits for room, or for its turn
	struct event *again;    // its turn
	struct event *patience; // runs while it is full of events of patience_type
	uint16_t patience_type;
	TAILQ_HEAD(, api_emit) deferred;
	size_t deferred_len;
};

void api_peer_new(struct api_server *s, int sock);
void api_peer_free(struct api_peer *peer);
// It has too much to read: if that stays so, it is disconnected.
void api_peer_lose_patience(struct api_peer *peer, uint16_t type);
bool api_peer_subscribed(const struct api_peer *peer, uint16_t type);
void api_peer_send_item(
	struct api_peer *peer, struct api_header *header, const void *object, size_t size, int fd);
// status 0 or -errno; text may be NULL.
void api_peer_ack(struct api_peer *peer, uint32_t seq, uint16_t type, int status, uint32_t done,
	const char *text);

// server_emit.c
struct api_emit *api_emit_new(struct api_peer *peer, struct api_entry *served, uint32_t seq);
void api_emit_free(struct api_emit *e);
void api_emit_flush(struct api_emit *e);
// Runs or continues the dump; true when it has been answered and freed.
bool api_emit_dump(struct api_emit *e);
