// SPDX-License-Identifier: Apache-2.0
#include "queue.h"

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

bool bitset_has(const struct bitset *b, uint32_t i)
{
	return i / 8 < b->size && b->bytes[i / 8] >> (i % 8) & 1;
}

void bitset_add(struct bitset *b, uint32_t i)
{
	size_t had = b->size;

	if (i / 8 >= b->size) {
		b->bytes = xgrow(b->bytes, &b->size, i / 8 + 1, 1);
		memset(b->bytes + had, 0, b->size - had);
	}
	b->bytes[i / 8] |= (uint8_t)(1 << (i % 8));
}

void bitset_del(struct bitset *b, uint32_t i)
{
	if (i / 8 < b->size)
		b->bytes[i / 8] &= (uint8_t) ~(1 << (i % 8));
}

void bitset_clear(struct bitset *b)
{
	free(b->bytes);
	*b = (struct bitset){0};
}

bool queue_add(struct queue *q, uint32_t i)
{
	if (bitset_has(&q->waiting, i))
		return false;
	bitset_add(&q->waiting, i);
	// Not for a few at the head: each would cost a move of all behind it.
	if (q->head && q->head >= q->cap / 2 && q->end == q->cap) {
		memmove(q->items, q->items + q->head, (q->end - q->head) * sizeof(*q->items));
		q->end -= q->head;
		q->head = 0;
	}
	q->items = xgrow(q->items, &q->cap, q->end + 1, sizeof(*q->items));
	q->items[q->end++] = i;
	return true;
}

uint32_t queue_take(struct queue *q)
{
	uint32_t i;

	if (q->head == q->end)
		return 0;
	i = q->items[q->head++];
	bitset_del(&q->waiting, i);
	if (q->head == q->end)
		queue_clear(q);
	return i;
}

bool queue_is_empty(const struct queue *q)
{
	return q->head == q->end;
}

void queue_clear(struct queue *q)
{
	free(q->items);
	bitset_clear(&q->waiting);
	*q = (struct queue){0};
}
