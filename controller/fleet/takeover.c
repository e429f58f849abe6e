// SPDX-License-Identifier: Apache-2.0
#include "takeover.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "map.h"
#include "xmalloc.h"

// Which dead process moves the slots of its gateway, and after how long; any other is merely
// restarted by the supervisor. The forwarder is not here: its workers' count speaks for it. Without
// its agent a gateway works on, and BFD says so to the others of its pool.
static const struct {
	const char *process;
	uint32_t moves_after_ms;
} processes[] = {
	{"ike", 10000}, // no SA is rekeyed or made any more; a restart takes under a second
	{"bgp", 60000}, // half of what graceful restart grants by default
};

// What another gateway of the pool last said.
struct opinion {
	struct watched *by;
	bool down;
	int64_t at_ms;
};

struct watched {
	char *name;
	struct pool *pool;
	enum plan_health health;
	bool seen;           // heard of in this term
	bool beaten;         // `workers` is of a heartbeat
	bool moves;          // the count was seen to move since the last silence
	bool cut_off;        // by its own word
	bool dead;           // a process of the table is, for too long
	bool held_back;      // by the limit; said once
	int64_t beat_ms;     // last heard
	int64_t advanced_ms; // when the count last moved
	int64_t lost_ms;     // when it was taken as lost
	uint64_t workers;
	struct opinion *opinions;
	size_t opinions_len, opinions_cap;
};

#define TAKEOVERS_KEPT 32 // the last ones of a pool

struct pool {
	char *name;
	uint32_t spare, takeovers;
	int64_t lost_ms[TAKEOVERS_KEPT];
};

struct takeover {
	struct map gateways, pools;
	takeover_health_fn *health;
	void *arg;
	int64_t patient_ms;  // nobody is missed before
	int64_t tick_ms;     // the last one; 0: none yet
	int64_t isolated_ms; // since when nobody is heard; 0: somebody is
};

struct takeover *takeover_new(int64_t now_ms, takeover_health_fn *health, void *arg)
{
	struct takeover *t = xcalloc(1, sizeof(*t));

	t->health = health;
	t->arg = arg;
	t->patient_ms = now_ms + TAKEOVER_GRACE_MS;
	return t;
}

static void watched_free(struct watched *w)
{
	free(w->opinions);
	free(w->name);
	free(w);
}

void takeover_free(struct takeover *t)
{
	struct watched *w;
	struct pool *pool;
	size_t at = 0;

	if (!t)
		return;
	while ((w = map_next(&t->gateways, &at)))
		watched_free(w);
	for (at = 0; (pool = map_next(&t->pools, &at));) {
		free(pool->name);
		free(pool);
	}
	map_fini(&t->gateways);
	map_fini(&t->pools);
	free(t);
}

static struct watched *find(const struct takeover *t, const char *gateway)
{
	return map_find_str(&t->gateways, gateway);
}

static struct pool *pool_get(struct takeover *t, const char *name)
{
	struct pool *pool = map_find_str(&t->pools, name);

	if (pool)
		return pool;
	pool = xcalloc(1, sizeof(*pool));
	pool->name = xstrdup(name);
	map_set_str(&t->pools, pool->name, pool);
	return pool;
}

void takeover_add(struct takeover *t, const char *gateway, const char *pool)
{
	struct watched *w = find(t, gateway);

	if (!w) {
		w = xcalloc(1, sizeof(*w));
		w->name = xstrdup(gateway);
		// One that was there before the controller started may hold slots: it is missed.
		w->seen = !t->tick_ms;
		map_set_str(&t->gateways, w->name, w);
	}
	w->pool = pool_get(t, pool);
}

void takeover_remove(struct takeover *t, const char *gateway)
{
	struct watched *w = find(t, gateway), *other;
	size_t at = 0;

	if (!w)
		return;
	while ((other = map_next(&t->gateways, &at))) {
		for (size_t i = other->opinions_len; i-- > 0;) {
			if (other->opinions[i].by == w)
				other->opinions[i] = other->opinions[--other->opinions_len];
		}
	}
	map_del_str(&t->gateways, w->name);
	watched_free(w);
}

void takeover_spare(struct takeover *t, const char *pool, uint32_t redundant_count)
{
	pool_get(t, pool)->spare = redundant_count;
}

enum plan_health takeover_health(const struct takeover *t, const char *gateway)
{
	const struct watched *w = find(t, gateway);

	return w ? w->health : PLAN_HEALTH_UNKNOWN;
}

static void set_health(struct takeover *t, struct watched *w, enum plan_health health)
{
	if (w->health == health)
		return;
	w->health = health;
	t->health(t->arg, w->name, health);
}

// -- what is heard

static bool is_silent(const struct watched *w, int64_t now_ms)
{
	return !w->beaten || now_ms - w->beat_ms > TAKEOVER_BEAT_LOST_MS ||
	       now_ms - w->advanced_ms > TAKEOVER_STALL_MS + TAKEOVER_BEAT_MS || w->dead;
}

static void take_opinion(
	struct takeover *t, struct watched *by, const struct takeover_vote *vote, int64_t now_ms)
{
	struct watched *of = find(t, vote->gateway);
	struct opinion *o = NULL;

	if (!of || of == by || of->pool != by->pool)
		return;
	for (size_t i = 0; i < of->opinions_len && !o; i++) {
		if (of->opinions[i].by == by)
			o = &of->opinions[i];
	}
	if (!o) {
		of->opinions = xgrow(of->opinions, &of->opinions_cap, of->opinions_len + 1,
			sizeof(*of->opinions));
		o = &of->opinions[of->opinions_len++];
	}
	*o = (struct opinion){by, vote->down, now_ms};
}

static bool is_dead(const struct takeover_beat *beat)
{
	for (size_t i = 0; i < beat->dead_len; i++) {
		for (size_t k = 0; k < sizeof(processes) / sizeof(*processes); k++) {
			if (!strcmp(beat->dead[i].process, processes[k].process) &&
				beat->dead[i].dead_ms > processes[k].moves_after_ms)
				return true;
		}
	}
	return false;
}

// After a silence the first count proves nothing: it may have stood still all the while.
static void take_count(struct watched *w, uint64_t workers, int64_t now_ms)
{
	if (!w->beaten || now_ms - w->beat_ms > TAKEOVER_BEAT_LOST_MS) {
		w->moves = false;
		w->advanced_ms = now_ms;
	} else if (workers != w->workers) {
		w->moves = true;
		w->advanced_ms = now_ms;
	}
	w->workers = workers;
	w->seen = w->beaten = true;
	w->beat_ms = now_ms;
}

// The first word after all were silent: who held what is not known, so all get time to be heard.
static void come_back(struct takeover *t, int64_t now_ms)
{
	struct watched *w;
	size_t at = 0;

	if (!t->isolated_ms)
		return;
	log_info("gateways are heard again");
	t->isolated_ms = 0;
	t->patient_ms = now_ms + TAKEOVER_GRACE_MS;
	while ((w = map_next(&t->gateways, &at)))
		set_health(t, w, PLAN_HEALTH_UNKNOWN);
}

void takeover_beat(
	struct takeover *t, const char *gateway, const struct takeover_beat *beat, int64_t now_ms)
{
	struct watched *w = find(t, gateway);

	if (!w)
		return;
	come_back(t, now_ms);
	take_count(w, beat->workers, now_ms);
	w->cut_off = beat->cut_off;
	w->dead = is_dead(beat);
	for (size_t i = 0; i < beat->votes_len; i++)
		take_opinion(t, w, &beat->votes[i], now_ms);
	if (w->moves && !is_silent(w, now_ms) && !w->cut_off) {
		w->held_back = false;
		set_health(t, w, PLAN_HEALTH_UP);
	}
}

void takeover_heard(struct takeover *t, const char *gateway, int64_t now_ms)
{
	struct watched *w = find(t, gateway);

	if (!w || w->seen)
		return;
	w->seen = true;
	w->beat_ms = w->advanced_ms = now_ms;
}

// -- the rule

struct tally {
	uint32_t watchers, votes, peers_down;
};

static struct tally count_votes(const struct watched *w, int64_t now_ms)
{
	struct tally n = {.watchers = 1, .votes = is_silent(w, now_ms)};

	for (size_t i = 0; i < w->opinions_len; i++) {
		const struct opinion *o = &w->opinions[i];

		if (o->by->health != PLAN_HEALTH_UP || o->by->cut_off || is_silent(o->by, now_ms) ||
			now_ms - o->at_ms > TAKEOVER_OPINION_MS)
			continue;
		n.watchers++;
		n.peers_down += o->down;
		n.votes += o->down;
	}
	return n;
}

static bool is_lost(const struct watched *w, const struct tally *n)
{
	return 2 * n->votes > n->watchers || w->cut_off || w->dead;
}

// Somebody else was heard just now: it is not the controller that is cut off.
static bool has_witness(const struct takeover *t, const struct watched *but, int64_t now_ms)
{
	const struct watched *w;
	bool alone = true;
	size_t at = 0;

	while ((w = map_next(&t->gateways, &at))) {
		if (w == but || w->health != PLAN_HEALTH_UP)
			continue;
		alone = false;
		if (now_ms - w->beat_ms <= TAKEOVER_WITNESS_MS)
			return true;
	}
	return alone && but->health == PLAN_HEALTH_UP;
}

// Lost and not back: no more than are spare. Lost at all, for one that comes and goes: twice that
// and one.
static bool is_beyond_limit(const struct takeover *t, const struct watched *but, int64_t now_ms)
{
	struct pool *pool = but->pool;
	uint32_t lost = 0, recent = 0, spare = pool->spare ? pool->spare : 1;
	const struct watched *w;
	size_t at = 0;

	while ((w = map_next(&t->gateways, &at)))
		lost += w->pool == pool && w->health == PLAN_HEALTH_LOST &&
			now_ms - w->lost_ms < TAKEOVER_LIMIT_MS;
	for (size_t i = 0; i < TAKEOVERS_KEPT; i++)
		recent += pool->lost_ms[i] && now_ms - pool->lost_ms[i] < TAKEOVER_LIMIT_MS;
	return lost >= spare || recent >= 2 * spare + 1 || recent == TAKEOVERS_KEPT;
}

// Most of the pool's gateways that lived until just now are silent together.
static bool is_smaller_part(const struct takeover *t, const struct watched *of, int64_t now_ms)
{
	uint32_t all = 0, heard = 0;
	const struct watched *w;
	size_t at = 0;

	if (now_ms - of->beat_ms >= TAKEOVER_LIMIT_MS)
		return false;
	while ((w = map_next(&t->gateways, &at))) {
		if (w->pool != of->pool)
			continue;
		if (w->health == PLAN_HEALTH_LOST) {
			all += now_ms - w->lost_ms < TAKEOVER_LIMIT_MS &&
			       now_ms - w->beat_ms > TAKEOVER_BEAT_LOST_MS;
		} else if (w->seen) {
			all++;
			// One that comes back counts from its second word on, when the
			// others on its side have been heard too.
			heard += w->moves && now_ms - w->beat_ms <= TAKEOVER_WITNESS_MS;
		}
	}
	return 2 * heard < all;
}

static void note_takeover(struct watched *w, int64_t now_ms)
{
	struct pool *pool = w->pool;

	w->lost_ms = now_ms;
	pool->lost_ms[pool->takeovers++ % TAKEOVERS_KEPT] = now_ms;
}

static void consider(struct takeover *t, struct watched *w, int64_t now_ms)
{
	struct tally n;

	if (!w->seen || w->health == PLAN_HEALTH_LOST)
		return;
	n = count_votes(w, now_ms);
	if (!is_lost(w, &n) || (!n.peers_down && !has_witness(t, w, now_ms)))
		return;
	if (is_smaller_part(t, w, now_ms) || (!n.peers_down && is_beyond_limit(t, w, now_ms))) {
		if (!w->held_back)
			log_warning(
				"gateway %s would be taken as lost too, but that is too many at "
				"once for pool %s: it waits",
				w->name, w->pool->name);
		w->held_back = true;
		return;
	}
	log_info("gateway %s: %u of %u watchers say it is lost", w->name, n.votes, n.watchers);
	note_takeover(w, now_ms);
	set_health(t, w, PLAN_HEALTH_LOST);
}

// All that were up are silent: they are not known to be lost, until it has lasted.
static void look_for_isolation(struct takeover *t, int64_t now_ms)
{
	struct watched *w;
	uint32_t up = 0;
	size_t at = 0;

	while ((w = map_next(&t->gateways, &at))) {
		if (w->health == PLAN_HEALTH_UP && now_ms - w->beat_ms <= TAKEOVER_BEAT_LOST_MS)
			return;
		up += w->health == PLAN_HEALTH_UP;
	}
	if (!t->isolated_ms && up > 1) {
		log_warning("no gateway is heard any more: nobody is taken over");
		t->isolated_ms = now_ms;
		for (at = 0; (w = map_next(&t->gateways, &at));) {
			if (w->health == PLAN_HEALTH_UP)
				set_health(t, w, PLAN_HEALTH_UNKNOWN);
		}
	}
	if (!t->isolated_ms || now_ms - t->isolated_ms < TAKEOVER_LIMIT_MS)
		return;
	for (at = 0; (w = map_next(&t->gateways, &at));) {
		if (w->seen)
			set_health(t, w, PLAN_HEALTH_LOST);
	}
}

static void forgive(struct takeover *t, int64_t ms)
{
	struct watched *w;
	size_t at = 0;

	while ((w = map_next(&t->gateways, &at))) {
		w->beat_ms += ms;
		w->advanced_ms += ms;
		for (size_t i = 0; i < w->opinions_len; i++)
			w->opinions[i].at_ms += ms;
	}
}

void takeover_tick(struct takeover *t, int64_t now_ms)
{
	struct watched *w;
	size_t at = 0;

	if (t->tick_ms && now_ms - t->tick_ms > 2 * TAKEOVER_TICK_MS)
		forgive(t, now_ms - t->tick_ms - TAKEOVER_TICK_MS);
	t->tick_ms = now_ms;
	if (now_ms < t->patient_ms)
		return;
	look_for_isolation(t, now_ms);
	while (!t->isolated_ms && (w = map_next(&t->gateways, &at)))
		consider(t, w, now_ms);
}
