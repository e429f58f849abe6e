// SPDX-License-Identifier: Apache-2.0
#pragma once

// The blocking form of api/client.h, for commands and tests: one connection, one request at a time.

#include <stddef.h>
#include <stdint.h>

#include "client.h"

struct api_sync;

// NULL + errno when path does not answer within timeout_ms (which also bounds every request).
struct api_sync *api_sync_open(const char *path, const char *name, unsigned timeout_ms);
void api_sync_close(struct api_sync *s);
const struct api_hello *api_sync_server(const struct api_sync *s);
// What the last failure said, for people.
const char *api_sync_error(const struct api_sync *s);

// 0 or -errno.
int api_sync_set(struct api_sync *s, uint16_t type, const void *object, size_t size);
// Takes fd.
int api_sync_set_fd(struct api_sync *s, uint16_t type, const void *object, size_t size, int fd);
int api_sync_del(struct api_sync *s, uint16_t type, const void *key, size_t size);
int api_sync_dump(struct api_sync *s, uint16_t type, const void *filter, size_t size,
	api_object_fn *each, void *ctx);
// timeout_ms: for this call, which may take its time.
int api_sync_call(struct api_sync *s, uint16_t type, const void *object, size_t size,
	unsigned timeout_ms, api_object_fn *each, void *ctx);
