// SPDX-License-Identifier: Apache-2.0
#pragma once

// Prefixes to look at again, by number, each at most once at a time. Costs nothing while empty.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bitset {
	uint8_t *bytes;
	size_t size;
};

bool bitset_has(const struct bitset *b, uint32_t i);
void bitset_add(struct bitset *b, uint32_t i);
void bitset_del(struct bitset *b, uint32_t i);
void bitset_clear(struct bitset *b); // frees

struct queue {
	uint32_t *items;
	size_t head, end, cap;
	struct bitset waiting;
};

bool queue_add(struct queue *q, uint32_t i); // false: it waits already
uint32_t queue_take(struct queue *q);        // 0: empty
bool queue_is_empty(const struct queue *q);
void queue_clear(struct queue *q);
