// SPDX-License-Identifier: Apache-2.0
#include "speaker_impl.h"

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

// Route flap dampening (RFC 2439): a route that its neighbour withdraws again and again is not used
// until it has been quiet for a while. Each withdrawal and each change costs a penalty, which
// decays by half in every half-life. Internal neighbours and the ends of sessions cost none.
// Suppressed routes are looked at every few seconds, as the RFC's reuse lists are.

enum {
	DEFAULT_HALF_LIFE_S = 900,
	DEFAULT_SUPPRESS = 2000,
	DEFAULT_REUSE = 750,
	CEILING = 16, // times the reuse limit: forgotten after four half-lives at most
	LOOK_MIN_MS = 1000,
	LOOK_MAX_MS = 10000,
};

struct damp_key {
	uint32_t path_id;
	struct ip_addr peer;
	struct ip_prefix prefix;
};

struct damped {
	struct damp_key key;
	bool suppressed;
	uint32_t penalty; // at at_ms
	uint64_t at_ms;
};

static uint64_t half_life_ms(const struct router *r)
{
	uint32_t s = r->cfg.dampening_half_life_s;

	return (s ? s : DEFAULT_HALF_LIFE_S) * 1000ull;
}

static uint32_t suppress_limit(const struct router *r)
{
	return r->cfg.dampening_suppress ? r->cfg.dampening_suppress : DEFAULT_SUPPRESS;
}

static uint32_t reuse_limit(const struct router *r)
{
	return r->cfg.dampening_reuse ? r->cfg.dampening_reuse : DEFAULT_REUSE;
}

// 2^-x for the broken part of x: 1 - 0.693 x + 0.236 x^2 - 0.043 x^3, within a part in 5000.
uint32_t damp_decay(uint32_t penalty, uint64_t age_ms, uint64_t half_ms)
{
	uint64_t x;

	if (age_ms / half_ms > 31)
		return 0;
	penalty >>= age_ms / half_ms;
	x = age_ms % half_ms * 65536 / half_ms;
	x = 65536 - (45417 * x >> 16) + (15466 * (x * x >> 16) >> 16) -
	    (2818 * ((x * x >> 16) * x >> 16) >> 16);
	return (uint32_t)(penalty * x >> 16);
}

static void decay(const struct router *r, struct damped *d)
{
	uint64_t now = router_speaker(r)->env.now_ms;

	d->penalty = damp_decay(d->penalty, now - d->at_ms, half_life_ms(r));
	d->at_ms = now;
}

static struct damp_key key_of(
	const struct peer *p, const struct ip_prefix *prefix, uint32_t path_id)
{
	struct damp_key key;

	memset(&key, 0, sizeof(key)); // it is compared byte by byte
	key.path_id = path_id;
	key.peer = p->cfg.address;
	key.prefix = *prefix;
	return key;
}

static bool is_damping(const struct peer *p)
{
	return p->router->cfg.flags & API_BGP_ROUTER_DAMPENING && !peer_is_internal(p);
}

static void look_later(struct router *r)
{
	struct speaker *s = router_speaker(r);
	uint64_t ms = half_life_ms(r) / 90;

	ms = ms < LOOK_MIN_MS ? LOOK_MIN_MS : ms > LOOK_MAX_MS ? LOOK_MAX_MS : ms;
	if (!r->damp_timer.place && !r->damp_job.list && !r->dying)
		timers_set(&s->timers, &r->damp_timer, s->env.now_ms + ms);
}

void damp_flap(struct peer *p, const struct nlri *nlri, uint32_t penalty)
{
	struct damp_key key = key_of(p, &nlri->prefix, nlri->path_id);
	struct router *r = p->router;
	struct damped *d;

	if (!is_damping(p))
		return;
	d = map_find(&r->damped, &key, sizeof(key));
	if (!d) {
		if (r->damped.len >= r->cfg.max_routes)
			return; // a bound on memory, as for paths
		d = xcalloc(1, sizeof(*d));
		d->key = key;
		d->at_ms = router_speaker(r)->env.now_ms;
		map_set(&r->damped, &d->key, sizeof(d->key), d);
	}
	decay(r, d);
	d->penalty += penalty;
	if (d->penalty > CEILING * reuse_limit(r))
		d->penalty = CEILING * reuse_limit(r);
	d->suppressed |= d->penalty > suppress_limit(r);
	look_later(r);
}

bool damp_suppresses(const struct peer *p, const struct ip_prefix *prefix, uint32_t path_id)
{
	struct damp_key key;
	const struct damped *d;

	if (!p->router->damped.len || !is_damping(p))
		return false;
	key = key_of(p, prefix, path_id);
	d = map_find(&p->router->damped, &key, sizeof(key));
	return d && d->suppressed;
}

// What has been quiet long enough is used again, and in the end forgotten.
static void look_at(struct router *r, struct damped *d)
{
	struct damp_key key = d->key;

	decay(r, d);
	if (d->penalty >= reuse_limit(r))
		return;
	if (d->suppressed) {
		struct peer *p =
			speaker_get_peer(router_speaker(r), r->cfg.vrf, r->cfg.slot, &key.peer);

		d->suppressed = false;
		if (p)
			import_reevaluate_one(p, &key.prefix, key.path_id);
	}
	if (d->penalty >= reuse_limit(r) / 2)
		return;
	map_del(&r->damped, &key, sizeof(key));
	free(d);
}

static bool damp_run(struct job *job)
{
	struct router *r =
		(struct router *)(void *)((char *)job - offsetof(struct router, damp_job));
	struct speaker *s = router_speaker(r);
	struct damped *d;

	while ((d = map_next(&r->damped, &r->damp_at))) {
		look_at(r, d);
		if (slice_over(s))
			return true;
	}
	r->damp_at = 0;
	if (r->damped.len)
		look_later(r);
	return false;
}

static void damp_fire(struct timer *timer)
{
	struct router *r =
		(struct router *)(void *)((char *)timer - offsetof(struct router, damp_timer));

	job_schedule(&r->damp_job);
}

void damp_init(struct router *r)
{
	map_init(&r->damped);
	r->damp_timer.fire = damp_fire;
	r->damp_job = (struct job){.run = damp_run, .vrf = r->vrf};
}

void damp_clear(struct router *r)
{
	struct damped *d;
	size_t at = 0;

	while ((d = map_next(&r->damped, &at)))
		free(d);
	map_fini(&r->damped);
	map_init(&r->damped);
	r->damp_at = 0;
	job_cancel(&r->damp_job);
	timers_set(&router_speaker(r)->timers, &r->damp_timer, UINT64_MAX);
}
