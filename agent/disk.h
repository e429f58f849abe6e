// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent was last told, on disk (SQLite), so that a gateway that starts without its
// controller knows what it should be. One transaction an answer of the controller.

#include <stdbool.h>
#include <stdint.h>

struct disk;

// directory is made with mode 0700 if absent. NULL + errno.
struct disk *disk_open(const char *directory);
void disk_close(struct disk *d);
void disk_position(struct disk *d, uint64_t *ret_term, uint64_t *ret_revision); // 0, 0: none
// Calls each() for every object; one that cannot be unsealed is left out and counted.
int disk_load(struct disk *d,
	void (*each)(void *ctx, const char *kind, const char *key, uint64_t revision,
		const char *value, bool must),
	void *ctx, unsigned *ret_lost);

// 0 or -EIO; after a failure disk_commit() rolls back and fails too.
int disk_begin(struct disk *d);
int disk_put(struct disk *d, const char *kind, const char *key, uint64_t revision,
	const char *value, bool must, bool secret);
int disk_del(struct disk *d, const char *kind, const char *key);
int disk_commit(struct disk *d, uint64_t term, uint64_t revision);

// IV epochs (iv.h). Saving is durable when it returns: it survives a loss of power. 0 or -EIO; not
// within disk_begin() and disk_commit().
int disk_load_iv(struct disk *d, uint64_t *ret_next, uint64_t *ret_life, uint64_t *ret_start,
	void (*each)(void *ctx, uint16_t slot, uint64_t own, uint64_t life, uint64_t number),
	void *ctx);
int disk_save_iv_start(struct disk *d, uint64_t next, uint64_t life, uint64_t start);
int disk_save_iv_slot(struct disk *d, uint16_t slot, uint64_t own, uint64_t life, uint64_t number);
const char *disk_error(const struct disk *d);
