// SPDX-License-Identifier: Apache-2.0
#pragma once

// The serving side of the local protocol (proto.h), for forwarder, mux, bgp and ike.
//
// A feature declares one const table of handlers and adds it with its context. Everything runs on
// the thread of the event base. What the handlers need not care about: framing, version
// differences (a shorter object is extended by zeros, a longer one is cut), API_F_MUST, several
// clients, back-pressure, counting (API_TYPE_MESSAGE_COUNT is answered here).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

struct event_base;
struct api_server;
struct api_emit;

enum {
	API_UNCHANGED = 0, // an equal SET, a DEL of what is absent
	API_CHANGED = 1,
	API_DEFERRED = 2, // CALL only: answered later by api_emit_finish()
};

enum { API_HANDLER_FD = 1 << 0 }; // SET, CALL: must come with a descriptor, which the handler owns

struct api_handler {
	uint16_t type; // enum api_type
	uint16_t flags;
	uint32_t size;     // of the object as this release knows it; handlers may read all of it
	uint32_t min_size; // shorter SETs and CALLs are refused (-EINVAL); normally release 1.0's
	uint32_t key_size; // bytes at the start of the object that identify it
	const char *name;  // for people: "conn"
	// API_CHANGED, API_UNCHANGED or -errno and a text that names the field and the way out.
	// `object` holds handler.size bytes; `size` says how many of them were sent, for objects of
	// variable length. fd is -1 without API_HANDLER_FD. ret_error->text starts as "".
	int (*set)(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error);
	int (*del)(void *ctx, const void *key, struct api_error *ret_error);
	// Emits the objects that match. filter: NULL or an object whose key fields are zero for
	// "any". Either emits all and returns 0, or returns -EAGAIN when api_emit() did or it has
	// worked for long enough: then it is called again, with api_emit_cursor() as it left it,
	// once there is room and others have had their turn.
	int (*dump)(void *ctx, const void *filter, struct api_emit *emit);
	// API_CHANGED/UNCHANGED or -errno; or API_DEFERRED, and emit is kept until finished.
	int (*call)(void *ctx, const void *object, size_t size, int fd, struct api_emit *emit,
		struct api_error *ret_error);
};

// name: "isthmus-forwarder", borrowed. instance: random, non-zero, new for each start.
struct api_server *api_server_new(struct event_base *base, const char *name, uint64_t instance);
// Closes all connections and removes the socket file. Emits still deferred stay valid to finish.
void api_server_free(struct api_server *s);
// The table is borrowed for the server's life. -EEXIST: a type is there already; -EINVAL.
int api_server_add(struct api_server *s, const struct api_handler *table, size_t len, void *ctx);
// Listens at path (0660), replacing a socket file nobody listens on. -EADDRINUSE: somebody does.
int api_server_listen(struct api_server *s, const char *path);
// Takes a connected socket, as if accepted.
void api_server_attach(struct api_server *s, int sock);

// Whether any client would get an event of the type: making one may be costly.
bool api_server_has_subscriber(const struct api_server *s, uint16_t type);
// One object to every client that subscribed to the type. A client that has let more than
// API_SERVER_EVENTS_MAX bytes pile up is disconnected: it reconnects and learns all anew.
#define API_SERVER_EVENTS_MAX (16u << 20)
void api_server_event(struct api_server *s, uint16_t type, const void *object, size_t size);
// Whether a client that subscribed to the type has so much to read that a producer of many events
// should wait for drained(), which comes when one has read on or is gone. One that has not caught
// up after API_SERVER_PATIENCE_S is disconnected, so that the others need wait no longer: it
// reconnects and learns all anew.
#define API_SERVER_PATIENCE_S 5
bool api_server_is_full(const struct api_server *s, uint16_t type);
void api_server_on_drained(struct api_server *s, void (*drained)(void *ctx), void *ctx);
// An event for datagrams and the like, whose loss is normal: dropped for such a client beyond
// 1 MiB. Returns the number of clients that were sent it.
unsigned api_server_event_lossy(
	struct api_server *s, uint16_t type, const void *object, size_t size);

// -- inside dump and call

// 0; -EAGAIN: queued, and the output is full; -EPIPE: the client is gone.
int api_emit(struct api_emit *e, const void *object, size_t size);
// The same with a descriptor, taken in any case.
int api_emit_fd(struct api_emit *e, const void *object, size_t size, int fd);
// Who called: the user and the process at the other end of the socket. 0 or -errno.
int api_emit_caller(const struct api_emit *e, uint32_t *ret_uid, int *ret_pid);
// Four words of the handler's own, zero at the first call of a dump.
uint64_t *api_emit_cursor(struct api_emit *e);
// Ends a deferred call: status 0 or -errno, text for people or NULL. Frees the emit.
void api_emit_finish(struct api_emit *e, int status, const char *text);

// Counts since the start, as API_TYPE_MESSAGE_COUNT reports them.
struct api_message_count;
int api_server_count(
	const struct api_server *s, uint16_t type, struct api_message_count *ret_count);
