// SPDX-License-Identifier: Apache-2.0
#include "timers.h"

#include <stdlib.h>

#include "xmalloc.h"

void timers_fini(struct timers *t)
{
	free(t->heap);
	*t = (struct timers){0};
}

static void put(struct timers *t, size_t place, struct timer *timer)
{
	t->heap[place - 1] = timer;
	timer->place = place;
}

static void sift_up(struct timers *t, size_t i, struct timer *timer)
{
	while (i > 1 && t->heap[i / 2 - 1]->at_ms > timer->at_ms) {
		put(t, i, t->heap[i / 2 - 1]);
		i /= 2;
	}
	put(t, i, timer);
}

static void sift_down(struct timers *t, size_t i, struct timer *timer)
{
	for (;;) {
		size_t child = 2 * i;

		if (child < t->len && t->heap[child]->at_ms < t->heap[child - 1]->at_ms)
			child++;
		if (child > t->len || t->heap[child - 1]->at_ms >= timer->at_ms)
			break;
		put(t, i, t->heap[child - 1]);
		i = child;
	}
	put(t, i, timer);
}

static void take_out(struct timers *t, struct timer *timer)
{
	size_t i = timer->place;
	struct timer *last;

	timer->place = 0;
	last = t->heap[--t->len];
	if (last == timer)
		return;
	if (i > 1 && t->heap[i / 2 - 1]->at_ms > last->at_ms)
		sift_up(t, i, last);
	else
		sift_down(t, i, last);
}

void timers_set(struct timers *t, struct timer *timer, uint64_t at_ms)
{
	if (timer->place && timer->at_ms == at_ms)
		return;
	if (timer->place)
		take_out(t, timer);
	timer->at_ms = at_ms;
	if (at_ms == UINT64_MAX)
		return;
	t->heap = xgrow(t->heap, &t->cap, t->len + 1, sizeof(*t->heap));
	t->len++;
	sift_up(t, t->len, timer);
}

uint64_t timers_next(const struct timers *t)
{
	return t->len ? t->heap[0]->at_ms : UINT64_MAX;
}

struct timer *timers_due(struct timers *t, uint64_t now_ms)
{
	struct timer *timer = t->len ? t->heap[0] : NULL;

	if (!timer || timer->at_ms > now_ms)
		return NULL;
	take_out(t, timer);
	return timer;
}
