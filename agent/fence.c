// SPDX-License-Identifier: Apache-2.0
#include "fence.h"

#include <string.h>

#include "agent.h"
#include "api_fence.h"
#include "log.h"

static void send(struct agent *a, uint64_t lift)
{
	struct fence *f = &a->fence;
	const struct api_fence fence = {.limit_us = f->limit_us, .hold = f->hold, .lift = lift};
	struct target *forwarder = a->targets[DESIRED_FORWARDER];

	if (forwarder && target_is_ready(forwarder))
		api_client_set(target_client(forwarder), API_TYPE_FENCE, &fence, sizeof(fence), 0);
}

static void lift(struct agent *a)
{
	struct fence *f = &a->fence;

	if (!f->up || f->hold)
		return;
	f->up = false;
	send(a, f->number);
}

void fence_on_state(struct agent *a, const struct api_fence_state *state)
{
	struct fence *f = &a->fence;

	f->number = state->number;
	f->up = state->up;
	f->asked = 0; // a question under way may be older than this
	if (!f->up)
		return;
	log_info("the forwarder's fence is up, number %llu: asking who holds what",
		(unsigned long long)state->number);
	if (a->slots.alone)
		lift(a);
	else if (a->south)
		south_beat_soon(a->south);
}

static void on_dumped(void *ctx, const void *object, size_t size, int fd)
{
	struct api_fence_state state = {0};

	memcpy(&state, object, size < sizeof(state) ? size : sizeof(state));
	fence_on_state(ctx, &state);
}

void fence_on_ready(struct agent *a)
{
	a->fence.up = false;
	a->fence.asked = 0;
	a->fence.limit_us = a->slots.alone ? 0 : FENCE_LIMIT_US;
	send(a, 0);
	api_client_dump(target_client(a->targets[DESIRED_FORWARDER]), API_TYPE_FENCE_STATE, NULL, 0,
		on_dumped, NULL, a);
}

// Lost both at about the same time: what is left of the pool may have been told to take over. Who
// sees most of its pool, itself included, goes on: the others are too few to be told so.
static bool is_cut_off(const struct agent *a)
{
	const struct watch *w = &a->watch;
	uint64_t silence = a->south ? south_silence_ms(a->south) : UINT64_MAX;

	if (a->slots.alone || silence < FENCE_SILENCE_MS)
		return false;
	if (a->fence.hold)
		return true; // until the controller is heard
	if (silence > FENCE_CUT_MS)
		return false;
	return watch_is_minority(w) || stats_is_unplugged(&a->stats);
}

void fence_update(struct agent *a)
{
	struct fence *f = &a->fence;
	uint32_t limit_us = a->slots.alone ? 0 : FENCE_LIMIT_US;
	bool hold = is_cut_off(a);

	if (limit_us == f->limit_us && hold == f->hold)
		return;
	if (hold && !f->hold)
		log_warning("cut off from the controller and the pool: nothing is sent from "
			    "floating addresses until the controller is heard");
	f->limit_us = limit_us;
	f->hold = hold;
	send(a, 0);
	if (a->slots.alone)
		lift(a);
}

void fence_on_asked(struct agent *a)
{
	a->fence.asked = a->fence.up ? a->fence.number : 0;
}

void fence_on_answered(struct agent *a)
{
	struct fence *f = &a->fence;

	fence_update(a);
	if (f->up && f->asked == f->number)
		lift(a);
}
