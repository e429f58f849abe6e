// SPDX-License-Identifier: Apache-2.0
#pragma once

// The asking side of the local protocol (proto.h): a connection that keeps itself up, on a libevent
// loop, for the agent and the other daemons. Requests are pipelined and, where they are alike,
// travel together. api/sync.h is the blocking form for commands and tests.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

struct event_base;
struct api_client;

struct api_client_ops {
	// Connected and greeted. restarted: this is another instance than last time (or the first),
	// so all that it should hold must be told again.
	void (*up)(void *ctx, const struct api_hello *server, bool restarted);
	// Lost, or the attempt failed; requests not answered yet are forgotten without a word,
	// except that dumps and calls get their done. Reconnecting is under way. May be NULL.
	void (*down)(void *ctx, int error);
	// The answer to api_client_set/del: 0 or -errno, text for people ("" when 0). May be NULL.
	void (*done)(void *ctx, uint64_t cookie, int status, const char *text);
	// An event subscribed to. May be NULL.
	void (*event)(void *ctx, uint16_t type, const void *object, size_t size);
	// There is room again after api_client_full(). May be NULL.
	void (*drained)(void *ctx);
};

// Every object of the answer; fd is -1 or the callee's.
typedef void api_object_fn(void *ctx, const void *object, size_t size, int fd);
typedef void api_done_fn(void *ctx, int status, const char *text);

// Connects at once and again every 20 ms to 200 ms while path does not answer. path and name are
// copied; ops outlive the client.
struct api_client *api_client_new(struct event_base *base, const char *path, const char *name,
	const struct api_client_ops *ops, void *ctx);
// The same over a connected socket, taken; it does not reconnect.
struct api_client *api_client_attach(struct event_base *base, int sock, const char *name,
	const struct api_client_ops *ops, void *ctx);
void api_client_free(struct api_client *c); // may be called from within ops; dumps get their done
bool api_client_is_up(const struct api_client *c);
// True while so much is under way that a producer of many objects should wait for drained().
bool api_client_full(const struct api_client *c);

// All of these are ignored while the client is down. One that is refused does not stop others.
void api_client_set(
	struct api_client *c, uint16_t type, const void *object, size_t size, uint64_t cookie);
// Takes fd.
void api_client_set_fd(struct api_client *c, uint16_t type, const void *object, size_t size, int fd,
	uint64_t cookie);
void api_client_del(
	struct api_client *c, uint16_t type, const void *key, size_t size, uint64_t cookie);
// filter may be NULL. -ENOTCONN (and no done): the client is down.
int api_client_dump(struct api_client *c, uint16_t type, const void *filter, size_t size,
	api_object_fn *each, api_done_fn *done, void *ctx);
// fd: -1 or taken.
int api_client_call(struct api_client *c, uint16_t type, const void *object, size_t size, int fd,
	api_object_fn *each, api_done_fn *done, void *ctx);
void api_client_subscribe(struct api_client *c, const uint16_t *types, size_t len);
// done once everything asked so far has been answered.
int api_client_barrier(struct api_client *c, api_done_fn *done, void *ctx);
