// SPDX-License-Identifier: Apache-2.0
#include "speaker_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

// The speaker's objects and their configuration. Everything is one thread. A peer whose router has
// not come yet waits in a list; a policy map that has not come yet is an empty slot, and who needs
// it holds its routes back until it comes.

enum {
	DEFAULT_MULTIPATH = 8,
	DEFAULT_RESTART_S = 120,
	DEFAULT_STALE_S = 360,
	DEFAULT_DEFER_S = 60,
	DEFAULT_MAX_ROUTES = 1000000,
};

struct speaker *speaker_new(const struct speaker_ops *ops, void *ctx, uint64_t seed)
{
	struct speaker *s = xcalloc(1, sizeof(*s));

	s->ops = ops;
	s->ctx = ctx;
	s->env.random = seed ? seed : 1;
	s->env.scratch = xmalloc(UPDATE_SCRATCH_SIZE);
	s->hash_seed = seed * 0x9e3779b97f4a7c15u + 1;
	s->attrs = attrstore_new(s->hash_seed);
	map_init(&s->vrfs);
	map_init(&s->policies);
	TAILQ_INIT(&s->turns);
	TAILQ_INIT(&s->fib_waiting);
	TAILQ_INIT(&s->best_waiting);
	return s;
}

static void router_free(struct router *r);
static bool router_reap(struct job *job);

void speaker_free(struct speaker *s)
{
	struct policy_slot *slot;
	struct vrf *vrf;
	size_t at = 0;

	if (!s)
		return;
	while ((vrf = map_next(&s->vrfs, &at))) {
		while (vrf->routers)
			router_free(vrf->routers);
		free(vrf);
	}
	for (size_t i = 0; i < s->waiting_len; i++)
		free(s->waiting_peers[i]);
	free(s->waiting_peers);
	for (at = 0; (slot = map_next(&s->policies, &at));) {
		policy_free(slot->policy);
		free(slot->cfg);
		free(slot);
	}
	map_fini(&s->vrfs);
	map_fini(&s->policies);
	timers_fini(&s->timers);
	attrstore_free(s->attrs);
	free(s->env.scratch);
	free(s);
}

// -- jobs

static void take_turn(struct vrf *vrf)
{
	if (vrf->in_turn || TAILQ_EMPTY(&vrf->jobs))
		return;
	vrf->in_turn = true;
	TAILQ_INSERT_TAIL(&vrf->speaker->turns, vrf, turn);
}

static void job_put(struct job *job, struct job_list *list)
{
	job->list = list;
	TAILQ_INSERT_TAIL(list, job, entry);
}

void job_schedule(struct job *job)
{
	if (job->list)
		return;
	job_put(job, &job->vrf->jobs);
	take_turn(job->vrf);
}

void job_cancel(struct job *job)
{
	if (job->list)
		TAILQ_REMOVE(job->list, job, entry);
	job->list = NULL;
}

void job_wait(struct job *job, struct job_list *list)
{
	job_cancel(job);
	job_put(job, list);
}

// In the order in which they began to wait, so that who is before the others now was not so then.
void jobs_resume(struct job_list *list)
{
	struct job *job;

	while ((job = TAILQ_FIRST(list))) {
		job_cancel(job);
		job_schedule(job);
	}
}

bool slice_over(struct speaker *s)
{
	return s->ops->slice_over && ++s->steps % 16 == 0 && s->ops->slice_over(s->ctx);
}

bool speaker_work(struct speaker *s)
{
	struct vrf *vrf = TAILQ_FIRST(&s->turns);
	struct job *job;

	if (!vrf)
		return false;
	TAILQ_REMOVE(&s->turns, vrf, turn);
	vrf->in_turn = false;
	job = TAILQ_FIRST(&vrf->jobs);
	if (job) {
		job_cancel(job);
		if (job->run(job)) // or it is no more
			job_schedule(job);
	}
	take_turn(vrf);
	return !TAILQ_EMPTY(&s->turns);
}

void speaker_readable(struct peer *p)
{
	job_schedule(&p->input);
}

// -- VRFs and routers

static struct vrf *vrf_get(struct speaker *s, uint32_t number)
{
	struct vrf *vrf = map_find(&s->vrfs, &number, sizeof(number));

	if (vrf)
		return vrf;
	vrf = xcalloc(1, sizeof(*vrf));
	vrf->vrf = number;
	vrf->speaker = s;
	TAILQ_INIT(&vrf->jobs);
	map_set(&s->vrfs, &vrf->vrf, sizeof(vrf->vrf), vrf);
	return vrf;
}

struct speaker *router_speaker(const struct router *r)
{
	return r->vrf->speaker;
}

struct router *router_find(struct speaker *s, uint32_t vrf_number, uint16_t slot)
{
	struct vrf *vrf = map_find(&s->vrfs, &vrf_number, sizeof(vrf_number));
	struct router *r = vrf ? vrf->routers : NULL;

	while (r && (r->dying || r->cfg.slot != slot))
		r = r->next;
	return r;
}

static void router_fire(struct timer *timer)
{
	struct router *r =
		(struct router *)(void *)((char *)timer - offsetof(struct router, timer));

	router_end_deferral(r);
}

static struct router *router_new(struct speaker *s, const struct api_bgp_router *cfg)
{
	struct router *r = xcalloc(1, sizeof(*r));

	r->cfg = *cfg;
	r->vrf = vrf_get(s, cfg->vrf);
	r->next = r->vrf->routers;
	r->vrf->routers = r;
	r->peers_end = 1;
	for (int f = 0; f < BGP_FAMILIES; f++)
		table_init(&r->table[f], (enum bgp_family)f, s->hash_seed);
	fib_init(r);
	best_init(r);
	damp_init(r);
	r->reap = (struct job){.run = router_reap, .vrf = r->vrf};
	r->timer.fire = router_fire;
	r->taken_over = !r->vrf->restarted && cfg->flags & API_BGP_ROUTER_TAKEN_OVER;
	r->cfg.flags &= ~(uint32_t)API_BGP_ROUTER_TAKEN_OVER;
	if (r->vrf->restarted || r->taken_over) {
		r->deferring = true;
		timers_set(&s->timers, &r->timer, s->env.now_ms + cfg->restart_defer_s * 1000ull);
	}
	return r;
}

static void router_free(struct router *r)
{
	struct router **at = &r->vrf->routers;

	for (uint16_t i = 1; i < r->peers_end; i++)
		if (r->peers[i])
			peer_free(r->peers[i]);
	network_free_all(r);
	job_cancel(&r->fib_job);
	job_cancel(&r->best_job);
	job_cancel(&r->reap);
	damp_clear(r);
	timers_set(&router_speaker(r)->timers, &r->timer, UINT64_MAX);
	for (int f = 0; f < BGP_FAMILIES; f++) {
		queue_clear(&r->fib[f]);
		queue_clear(&r->best[f]);
		table_fini(&r->table[f]);
	}
	free(r->peers);
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	free(r);
}

static bool router_reap(struct job *job)
{
	struct router *r = (struct router *)(void *)((char *)job - offsetof(struct router, reap));

	for (uint16_t i = 1; i < r->peers_end; i++)
		if (r->peers[i])
			return false;
	for (int f = 0; f < BGP_FAMILIES; f++)
		if (!queue_is_empty(&r->fib[f]) || !queue_is_empty(&r->best[f]))
			return false;
	router_free(r);
	return false;
}

void router_check_gone(struct router *r)
{
	if (r->dying)
		job_schedule(&r->reap);
}

// Nobody finds it any more; its sessions end now. A table of a million takes a second to forget, in
// which others' hold timers run: so that is done a slice at a time.
static void router_remove(struct router *r)
{
	r->dying = true;
	r->deferring = r->taken_over = false;
	timers_set(&router_speaker(r)->timers, &r->timer, UINT64_MAX);
	for (uint16_t i = 1; i < r->peers_end; i++)
		if (r->peers[i] && !r->peers[i]->dying)
			peer_remove(r->peers[i]);
	while (r->networks_len)
		network_del(r, &r->networks[0]->cfg.prefix);
	job_schedule(&r->fib_job);
	job_schedule(&r->best_job);
	router_check_gone(r);
}

static int refuse(struct api_error *ret_error, const char *text)
{
	snprintf(ret_error->text, sizeof(ret_error->text), "%s", text);
	return -EINVAL;
}

static struct api_bgp_router with_defaults(const struct api_bgp_router *cfg)
{
	struct api_bgp_router c = *cfg;

	c.cluster_id = c.cluster_id ? c.cluster_id : c.router_id;
	c.multipath = c.multipath ? c.multipath : DEFAULT_MULTIPATH;
	if (c.multipath > API_ROUTE_PATHS)
		c.multipath = API_ROUTE_PATHS;
	c.restart_time_s = c.restart_time_s ? c.restart_time_s : DEFAULT_RESTART_S;
	c.stale_time_s = c.stale_time_s ? c.stale_time_s : DEFAULT_STALE_S;
	c.restart_defer_s = c.restart_defer_s ? c.restart_defer_s : DEFAULT_DEFER_S;
	c.max_routes = c.max_routes ? c.max_routes : DEFAULT_MAX_ROUTES;
	c.name[sizeof(c.name) - 1] = 0;
	return c;
}

static void adopt_waiting(struct speaker *s, struct router *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->waiting_len; i++) {
		struct peer *w = s->waiting_peers[i];

		if (w->cfg.vrf == r->cfg.vrf && w->cfg.slot == r->cfg.slot) {
			struct peer *p = peer_new(r, &w->cfg);

			if (p)
				peer_start(p);
			free(w);
		} else {
			s->waiting_peers[kept++] = w;
		}
	}
	s->waiting_len = kept;
}

// What a session has said of itself cannot be taken back: such a change makes them all anew.
static bool needs_reset(const struct api_bgp_router *a, const struct api_bgp_router *b)
{
	return a->asn != b->asn || a->router_id != b->router_id ||
	       memcmp(a->address, b->address, sizeof(a->address)) != 0;
}

static void router_apply(struct router *r, const struct api_bgp_router *cfg)
{
	bool reset = needs_reset(&r->cfg, cfg);

	r->cfg = *cfg;
	if (!(cfg->flags & API_BGP_ROUTER_DAMPENING))
		damp_clear(r);
	for (uint16_t i = 1; i < r->peers_end; i++) {
		struct bgp_error error =
			bgp_error_make(BGP_ERR_CEASE, BGP_CEASE_CONFIG_CHANGE, NULL, 0);

		if (!r->peers[i] || r->peers[i]->dying)
			continue;
		if (reset) {
			fsm_stop(&r->peers[i]->fsm, &error);
			peer_start(r->peers[i]);
		} else {
			import_reevaluate(r->peers[i]);
			for (int f = 0; f < BGP_FAMILIES; f++)
				if (r->peers[i]->out[f].active)
					export_start(r->peers[i], f, false, false);
		}
	}
}

int speaker_set_router(
	struct speaker *s, const struct api_bgp_router *cfg, struct api_error *ret_error)
{
	struct api_bgp_router full = with_defaults(cfg);
	struct router *r = router_find(s, cfg->vrf, cfg->slot);

	if (!cfg->asn || cfg->asn == UINT32_MAX)
		return refuse(ret_error, "asn: must be 1 to 4294967294");
	if (!cfg->router_id)
		return refuse(ret_error, "router_id: must not be 0.0.0.0");
	if (r) // only a new one starts as if again
		full.flags &= ~(uint32_t)API_BGP_ROUTER_TAKEN_OVER;
	if (r && !memcmp(&r->cfg, &full, sizeof(full)))
		return 0;
	if (r) {
		router_apply(r, &full);
	} else {
		r = router_new(s, &full);
		adopt_waiting(s, r);
	}
	return 1;
}

int speaker_del_router(struct speaker *s, uint32_t vrf, uint16_t slot)
{
	struct router *r = router_find(s, vrf, slot);

	if (!r)
		return 0;
	router_remove(r);
	return 1;
}

// -- peers

struct peer *speaker_get_peer(
	struct speaker *s, uint32_t vrf, uint16_t slot, const struct ip_addr *address)
{
	struct router *r = router_find(s, vrf, slot);

	for (uint16_t i = 1; r && i < r->peers_end; i++)
		if (r->peers[i] && !r->peers[i]->dying &&
			ip_equal(&r->peers[i]->cfg.address, address))
			return r->peers[i];
	return NULL;
}

struct peer *speaker_find_peer(struct speaker *s, uint32_t vrf_number, const struct ip_addr *local,
	const struct ip_addr *remote)
{
	struct vrf *vrf = map_find(&s->vrfs, &vrf_number, sizeof(vrf_number));

	for (struct router *r = vrf ? vrf->routers : NULL; r; r = r->next) {
		struct peer *p = speaker_get_peer(s, vrf_number, r->cfg.slot, remote);
		struct ip_addr ours = p ? peer_local(p) : (struct ip_addr){0};

		if (p && (!ours.family || ip_equal(&ours, local)))
			return p;
	}
	return NULL;
}

static struct peer **find_waiting(
	struct speaker *s, uint32_t vrf, uint16_t slot, const struct ip_addr *address)
{
	for (size_t i = 0; i < s->waiting_len; i++) {
		struct peer *p = s->waiting_peers[i];

		if (p->cfg.vrf == vrf && p->cfg.slot == slot && ip_equal(&p->cfg.address, address))
			return &s->waiting_peers[i];
	}
	return NULL;
}

static int set_waiting(struct speaker *s, const struct api_bgp_peer *cfg)
{
	struct peer **at = find_waiting(s, cfg->vrf, cfg->slot, &cfg->address);

	if (!at) {
		s->waiting_peers = xgrow(s->waiting_peers, &s->waiting_cap, s->waiting_len + 1,
			sizeof(*s->waiting_peers));
		at = &s->waiting_peers[s->waiting_len++];
		*at = xcalloc(1, sizeof(**at));
	} else if (!memcmp(&(*at)->cfg, cfg, sizeof(*cfg))) {
		return 0;
	}
	(*at)->cfg = *cfg;
	return 1;
}

int speaker_set_peer(struct speaker *s, const struct api_bgp_peer *cfg, struct api_error *ret_error)
{
	struct router *r = router_find(s, cfg->vrf, cfg->slot);
	struct peer *p = speaker_get_peer(s, cfg->vrf, cfg->slot, &cfg->address);

	if (!cfg->asn)
		return refuse(ret_error, "asn: must not be 0");
	if (ip_is_zero(&cfg->address))
		return refuse(ret_error, "address: of the peer is missing");
	if (!r)
		return set_waiting(s, cfg);
	if (p && !memcmp(&p->cfg, cfg, sizeof(*cfg)))
		return 0;
	if (p) {
		peer_apply(p, cfg);
		return 1;
	}
	p = peer_new(r, cfg);
	if (!p) {
		refuse(ret_error, "too many peers on this router");
		return -ENOSPC;
	}
	peer_start(p);
	return 1;
}

int speaker_del_peer(struct speaker *s, uint32_t vrf, uint16_t slot, const struct ip_addr *address)
{
	struct peer *p = speaker_get_peer(s, vrf, slot, address), **at;

	if (p) {
		peer_remove(p);
		return 1;
	}
	at = find_waiting(s, vrf, slot, address);
	if (!at)
		return 0;
	free(*at);
	*at = s->waiting_peers[--s->waiting_len];
	return 1;
}

// -- policy maps

struct policy_key {
	uint32_t vrf;
	char name[API_BGP_NAME_SIZE];
};

static struct policy_key policy_key(uint32_t vrf, const char *name)
{
	struct policy_key key = {.vrf = vrf};

	memcpy(key.name, name, strnlen(name, sizeof(key.name) - 1));
	return key;
}

struct policy_slot *policy_slot_get(struct speaker *s, uint32_t vrf, const char *name)
{
	struct policy_key key = policy_key(vrf, name);
	struct policy_slot *slot;

	if (!key.name[0])
		return NULL;
	slot = map_find(&s->policies, &key, sizeof(key));
	if (!slot) {
		slot = xcalloc(1, sizeof(*slot));
		slot->vrf = vrf;
		memcpy(slot->name, key.name, sizeof(key.name));
		map_set(&s->policies, &slot->vrf, sizeof(key), slot);
	}
	slot->users++;
	return slot;
}

void policy_slot_put(struct speaker *s, struct policy_slot *slot)
{
	if (!slot || --slot->users || slot->policy)
		return;
	map_del(&s->policies, &slot->vrf, sizeof(struct policy_key));
	free(slot);
}

// RFC 2918 4 is not needed for it: what was received is kept, so a change is applied softly.
static void policy_changed(struct speaker *s, const struct policy_slot *slot)
{
	struct peer *p;
	size_t at = 0;

	while ((p = speaker_next_peer(s, &at))) {
		if (p->policy_in == slot)
			import_reevaluate(p);
		for (int f = 0; p->policy_out == slot && f < BGP_FAMILIES; f++)
			if (p->out[f].active)
				export_start(p, f, false, false);
	}
}

static size_t policy_size(const struct api_bgp_policy *cfg)
{
	return sizeof(*cfg) + cfg->line_count * sizeof(cfg->line[0]);
}

int speaker_set_policy(
	struct speaker *s, const struct api_bgp_policy *cfg, struct api_error *ret_error)
{
	struct policy_key key = policy_key(cfg->vrf, cfg->name);
	struct policy_slot *slot = map_find(&s->policies, &key, sizeof(key));
	struct policy *policy;

	if (!key.name[0])
		return refuse(ret_error, "name: of the policy map is missing");
	if (slot && slot->cfg && slot->cfg->line_count == cfg->line_count &&
		!memcmp(slot->cfg->line, cfg->line, cfg->line_count * sizeof(cfg->line[0])))
		return 0;
	policy = policy_new(cfg, ret_error);
	if (!policy)
		return -EINVAL;
	slot = policy_slot_get(s, cfg->vrf, cfg->name);
	slot->users--;
	policy_free(slot->policy);
	free(slot->cfg);
	slot->policy = policy;
	slot->cfg = xmalloc(policy_size(cfg));
	memcpy(slot->cfg, cfg, policy_size(cfg));
	policy_changed(s, slot);
	return 1;
}

int speaker_del_policy(struct speaker *s, uint32_t vrf, const char *name)
{
	struct policy_key key = policy_key(vrf, name);
	struct policy_slot *slot = map_find(&s->policies, &key, sizeof(key));

	if (!slot || !slot->policy)
		return 0;
	policy_free(slot->policy);
	free(slot->cfg);
	slot->policy = NULL;
	slot->cfg = NULL;
	slot->users++;
	policy_changed(s, slot);
	policy_slot_put(s, slot);
	return 1;
}

// -- networks

int speaker_set_network(
	struct speaker *s, const struct api_bgp_network *cfg, struct api_error *ret_error)
{
	struct router *r = router_find(s, cfg->vrf, cfg->slot);

	if (!r) {
		refuse(ret_error, "vrf/slot: there is no such BGP router; set it first");
		return -ENOENT;
	}
	return network_set(r, cfg, ret_error);
}

int speaker_del_network(
	struct speaker *s, uint32_t vrf, uint16_t slot, const struct ip_prefix *prefix)
{
	struct router *r = router_find(s, vrf, slot);

	return r ? network_del(r, prefix) : 0;
}

// -- restart, time

void speaker_expect_restart(struct speaker *s, uint32_t vrf)
{
	vrf_get(s, vrf)->restarted = true;
}

void speaker_set_time(struct speaker *s, uint64_t now_ms)
{
	s->env.now_ms = now_ms;
}

uint64_t speaker_deadline(const struct speaker *s)
{
	return timers_next(&s->timers);
}

void speaker_tick(struct speaker *s)
{
	struct timer *timer;

	while ((timer = timers_due(&s->timers, s->env.now_ms)))
		timer->fire(timer);
}

struct peer *speaker_next_peer(struct speaker *s, size_t *at)
{
	// *at: place in the map of VRFs (24 bits), router in the VRF (16), peer number (16).
	for (;;) {
		size_t vrf_at = *at >> 32, next = vrf_at, router = *at >> 16 & 0xffff;
		struct vrf *vrf = map_next(&s->vrfs, &next);
		struct router *r = vrf ? vrf->routers : NULL;

		if (!vrf)
			return NULL;
		for (size_t i = 0; r && i < router; i++)
			r = r->next;
		if (!r) {
			*at = next << 32;
			continue;
		}
		for (size_t i = (*at & 0xffff) + 1; i < r->peers_end; i++) {
			if (!r->peers[i] || r->peers[i]->dying)
				continue;
			*at = vrf_at << 32 | router << 16 | i;
			return r->peers[i];
		}
		*at = vrf_at << 32 | (router + 1) << 16;
	}
}
