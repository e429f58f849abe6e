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
	// After a silence the first count proves nothing: it may have stood still all the while.
	bool first = !w->beaten || now_ms - w->beat_ms > FLEET_BEAT_LOST_MS;

	if (first) {
		w->moves = false;
		w->advanced_ms = now_ms;
	} else if (workers != w->workers) {
		w->moves = true;
		w->advanced_ms = now_ms;
	}
	w->seen = w->beaten = true;
	w->workers = workers;
	w->beat_ms = now_ms;
}

bool takeover_silent(const struct takeover_watch *w, int64_t now_ms)
{
	return !w->seen || now_ms - w->beat_ms > FLEET_BEAT_LOST_MS ||
	       now_ms - w->advanced_ms > FLEET_STALL_MS + FLEET_BEAT_MS;
}

bool takeover_alive(const struct takeover_watch *w, int64_t now_ms)
{
	return w->moves && !takeover_silent(w, now_ms);
}

void takeover_forgive(struct takeover_watch *w, int64_t ms)
{
	w->beat_ms += ms;
	w->advanced_ms += ms;
}
