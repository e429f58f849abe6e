// SPDX-License-Identifier: Apache-2.0
#include "takeover.h"

#include "fleet.h"

void takeover_seen(struct takeover_watch *w, int64_t now_ms)
{
	if (w->seen)
		return;
	*w = (struct takeover_watch){.seen = true, .beat_ms = now_ms, .advanced_ms = now_ms};
}

void takeover_beat(struct takeover_watch *w, uint64_t workers, int64_t now_ms)
{
	if (!w->seen || workers != w->workers)
		w->advanced_ms = now_ms;
	w->seen = true;
	w->workers = workers;
	w->beat_ms = now_ms;
}

bool takeover_silent(const struct takeover_watch *w, int64_t now_ms)
{
	return !w->seen || now_ms - w->beat_ms > FLEET_BEAT_LOST_MS ||
	       now_ms - w->advanced_ms > FLEET_STALL_MS + FLEET_BEAT_LOST_MS;
}
