// SPDX-License-Identifier: Apache-2.0
#include "speaker_impl.h"

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

// One neighbour: its configuration, its session's events, and the routes kept over its restarts
// (RFC 4724 4.2: the receiving speaker).

enum { DEFAULT_HOLD_S = 90, DEFAULT_RETRY_S = 5, DEFAULT_MAX_RESTART_S = 60, NO_HOLD = 65535 };

static struct peer *peer_of(void *ctx)
{
	return ctx;
}

static const struct speaker *speaker_of(const struct peer *p)
{
	return router_speaker(p->router);
}

bool peer_is_internal(const struct peer *p)
{
	return p->cfg.asn == p->router->cfg.asn;
}

void peer_schedule(struct peer *p)
{
	job_schedule(&p->job);
}

// -- what the state machine asks and tells

static void on_dial(void *ctx)
{
	speaker_of(peer_of(ctx))->ops->dial(speaker_of(peer_of(ctx))->ctx, ctx);
}

static void on_dial_cancel(void *ctx)
{
	speaker_of(peer_of(ctx))->ops->dial_cancel(speaker_of(peer_of(ctx))->ctx, ctx);
}

static void on_send(void *ctx, struct conn *c, const uint8_t *bytes, size_t size)
{
	speaker_of(peer_of(ctx))->ops->send(speaker_of(peer_of(ctx))->ctx, c, bytes, size);
}

static void on_close(void *ctx, struct conn *c)
{
	speaker_of(peer_of(ctx))->ops->close(speaker_of(peer_of(ctx))->ctx, c);
}

static bool on_unread(void *ctx, struct conn *c)
{
	return speaker_of(peer_of(ctx))->ops->unread(speaker_of(peer_of(ctx))->ctx, c);
}

void peer_timer_changed(struct peer *p)
{
	struct speaker *s = router_speaker(p->router);
	uint64_t at = fsm_deadline(&p->fsm);

	if (p->stale_until_ms && p->stale_until_ms < at)
		at = p->stale_until_ms;
	if (export_deadline(p) < at)
		at = export_deadline(p);
	timers_set(&s->timers, &p->timer, at);
}

// Reported when it is the tenant's turn: who flaps is told of as it is then.
static void on_state(void *ctx)
{
	struct peer *p = ctx;

	peer_timer_changed(p);
	job_schedule(&p->report);
}

static bool report_run(struct job *job)
{
	struct peer *p = (struct peer *)(void *)((char *)job - offsetof(struct peer, report));

	speaker_of(p)->ops->state(speaker_of(p)->ctx, p);
	return false;
}

static bool input_run(struct job *job)
{
	struct peer *p = (struct peer *)(void *)((char *)job - offsetof(struct peer, input));

	return speaker_of(p)->ops->receive(speaker_of(p)->ctx, p);
}

static void drop_stale(struct peer *p, int f)
{
	p->stale[f] = false;
	import_drop(p, f, true);
}

// The neighbour is back. What it did not keep forwarding is gone at once; for the rest its
// End-of-RIB is awaited.
static void on_up(void *ctx, struct conn *c)
{
	struct peer *p = ctx;
	bool stale = false;

	p->remote = c->remote;
	p->over_limit = p->near_limit = p->crowded = false;
	for (int f = 0; f < BGP_FAMILIES; f++) {
		p->end_received[f] = false;
		if (p->stale[f] && !(c->remote.graceful_restart && c->remote.restart[f].forwarding))
			drop_stale(p, f);
		stale |= p->stale[f];
		if (c->tx.family[f])
			export_start(p, f, c->remote.graceful_restart, false);
	}
	p->stale_until_ms = stale ? router_speaker(p->router)->env.now_ms +
					    p->router->cfg.stale_time_s * 1000ull
				  : 0;
	router_check_deferral(p->router);
}

static void on_down(void *ctx, bool restart)
{
	struct peer *p = ctx;
	bool stale = false;

	export_stop(p);
	for (int f = 0; f < BGP_FAMILIES; f++) {
		if (p->stale[f]) // down again before its End-of-RIB
			drop_stale(p, f);
		if (restart && p->remote.restart[f].present && p->received[f]) {
			import_mark_stale(p, f);
			stale = true;
		} else {
			import_drop(p, f, false);
		}
	}
	p->stale_until_ms =
		stale ? router_speaker(p->router)->env.now_ms + p->remote.restart_time_s * 1000ull
		      : 0;
}

static bool on_update(void *ctx, struct update *u, uint32_t *done)
{
	return import_update(ctx, u, done);
}

static bool on_slice_over(void *ctx)
{
	return slice_over(router_speaker(peer_of(ctx)->router));
}

static void on_refresh(void *ctx, const struct bgp_refresh *refresh)
{
	struct peer *p = ctx;
	const struct conn *c = p->fsm.established;
	int f = refresh->safi != BGP_SAFI_UNICAST ? -1
		: refresh->afi == BGP_AFI_IPV4    ? BGP_IPV4
		: refresh->afi == BGP_AFI_IPV6    ? BGP_IPV6
						  : -1;

	if (f < 0 || !c->rx.family[f])
		return; // RFC 2918 4: ignored
	if (refresh->subtype == BGP_REFRESH_NORMAL) {
		export_start(p, f, false, c->remote.enhanced_refresh);
	} else if (refresh->subtype == BGP_REFRESH_BEGIN) {
		import_mark_stale(p, f);
		p->stale_until_ms = router_speaker(p->router)->env.now_ms +
				    p->router->cfg.stale_time_s * 1000ull;
		peer_timer_changed(p);
	} else if (refresh->subtype == BGP_REFRESH_END && p->stale[f]) {
		drop_stale(p, f);
	}
}

static const struct fsm_ops ops = {
	.dial = on_dial,
	.dial_cancel = on_dial_cancel,
	.send = on_send,
	.close = on_close,
	.unread = on_unread,
	.up = on_up,
	.down = on_down,
	.update = on_update,
	.slice_over = on_slice_over,
	.refresh = on_refresh,
	.state = on_state,
};

// -- life

struct ip_addr peer_local(const struct peer *p)
{
	if (p->cfg.local.family)
		return p->cfg.local;
	for (int i = 0; i < 2; i++)
		if (p->router->cfg.address[i].family == p->cfg.address.family)
			return p->router->cfg.address[i];
	return (struct ip_addr){0};
}

static struct bgp_open open_of(const struct peer *p)
{
	const struct api_bgp_router *router = &p->router->cfg;
	uint32_t flags = p->cfg.flags;
	struct bgp_open o = {.asn = router->asn,
		.identifier = router->router_id,
		.as4 = true,
		.multiprotocol = true,
		.route_refresh = true,
		.enhanced_refresh = true,
		.family = {!(flags & API_BGP_PEER_NO_IPV4), flags & API_BGP_PEER_IPV6},
		.extended_message = flags & API_BGP_PEER_EXTENDED_MESSAGE,
		.ipv6_nexthop = flags & API_BGP_PEER_IPV6_NEXTHOP,
		.role = flags & API_BGP_PEER_HAS_ROLE ? p->cfg.role : BGP_ROLE_NONE,
		.graceful_restart = !(flags & API_BGP_PEER_NO_RESTART),
		.restart_notification = true,
		.restarting = p->router->deferring,
		.restart_time_s = router->restart_time_s & 0xfff};

	o.hold_time_s = p->cfg.hold_time_s == NO_HOLD ? 0
			: p->cfg.hold_time_s          ? p->cfg.hold_time_s
						      : DEFAULT_HOLD_S;
	for (int f = 0; f < BGP_FAMILIES; f++) {
		o.add_path_send[f] = o.family[f] && flags & API_BGP_PEER_ADD_PATH_SEND;
		o.add_path_receive[f] = o.family[f] && flags & API_BGP_PEER_ADD_PATH_RECEIVE;
		o.restart[f].present = o.family[f];
		o.restart[f].forwarding = o.family[f] && p->router->deferring;
	}
	return o;
}

static struct fsm_config config_of(const struct peer *p)
{
	const struct api_bgp_peer *cfg = &p->cfg;

	return (struct fsm_config){.local_as = p->router->cfg.asn,
		.peer_as = cfg->asn,
		.connect_retry_s = cfg->connect_retry_s ? cfg->connect_retry_s : DEFAULT_RETRY_S,
		.send_hold_time_s = cfg->send_hold_time_s,
		.max_restart_s = cfg->max_restart_s ? cfg->max_restart_s : DEFAULT_MAX_RESTART_S,
		.passive = cfg->flags & API_BGP_PEER_PASSIVE,
		.strict_role = cfg->flags & API_BGP_PEER_STRICT_ROLE,
		.open = open_of(p)};
}

static void peer_fire(struct timer *timer)
{
	peer_tick((struct peer *)(void *)((char *)timer - offsetof(struct peer, timer)));
}

struct peer *peer_new(struct router *r, const struct api_bgp_peer *cfg)
{
	struct speaker *s = router_speaker(r);
	struct peer *p;
	uint16_t number = 1;

	while (number < r->peers_end && r->peers[number])
		number++; // of the dying too
	if (number > ROUTER_PEERS_MAX)
		return NULL;
	r->peers = xgrow(r->peers, &r->peers_cap, number + 1u, sizeof(*r->peers));
	if (number == r->peers_end)
		r->peers_end++;
	p = xcalloc(1, sizeof(*p));
	p->cfg = *cfg;
	p->router = r;
	p->number = number;
	p->timer.fire = peer_fire;
	p->job = (struct job){.run = export_run, .vrf = r->vrf};
	p->input = (struct job){.run = input_run, .vrf = r->vrf};
	p->report = (struct job){.run = report_run, .vrf = r->vrf};
	p->sweep = (struct job){.run = import_sweep, .vrf = r->vrf};
	p->review = (struct job){.run = import_review, .vrf = r->vrf};
	p->sweep_at[0] = p->sweep_at[1] = 1;
	p->policy_in = policy_slot_get(s, cfg->vrf, cfg->policy_in);
	p->policy_out = policy_slot_get(s, cfg->vrf, cfg->policy_out);
	r->peers[number] = p;
	fsm_init(&p->fsm, &ops, p, &s->env);
	return p;
}

void peer_start(struct peer *p)
{
	struct fsm_config config = config_of(p);

	if (!(p->cfg.flags & API_BGP_PEER_DISABLED))
		fsm_start(&p->fsm, &config);
	peer_timer_changed(p);
}

void peer_free(struct peer *p)
{
	struct router *r = p->router;
	struct speaker *s = router_speaker(r);

	fsm_fini(&p->fsm);
	export_fini(p);
	job_cancel(&p->job);
	job_cancel(&p->input);
	job_cancel(&p->report);
	job_cancel(&p->sweep);
	job_cancel(&p->review);
	timers_set(&s->timers, &p->timer, UINT64_MAX);
	policy_slot_put(s, p->policy_in);
	policy_slot_put(s, p->policy_out);
	r->peers[p->number] = NULL;
	free(p);
}

bool peer_reap(struct peer *p)
{
	struct router *r = p->router;

	if (!p->dying || p->age[0].gone || p->age[1].gone || !export_is_idle(p))
		return false;
	peer_free(p);
	router_check_gone(r);
	return true;
}

void peer_remove(struct peer *p)
{
	struct bgp_error error = bgp_error_make(BGP_ERR_CEASE, BGP_CEASE_DECONFIGURED, NULL, 0);
	struct speaker *s = router_speaker(p->router);

	fsm_stop(&p->fsm, &error);
	fsm_fini(&p->fsm);
	s->ops->state(s->ctx, p); // not later, when another may have its address
	job_cancel(&p->report);
	job_cancel(&p->input);
	job_cancel(&p->review);
	for (int f = 0; f < BGP_FAMILIES; f++)
		import_drop(p, f, false);
	p->stale_until_ms = 0;
	timers_set(&s->timers, &p->timer, UINT64_MAX);
	p->dying = true;
	job_schedule(&p->sweep);
	peer_schedule(p);
	router_check_deferral(p->router);
}

static void set_policies(struct peer *p, const struct api_bgp_peer *cfg)
{
	struct speaker *s = router_speaker(p->router);
	struct policy_slot *in = policy_slot_get(s, cfg->vrf, cfg->policy_in);
	struct policy_slot *out = policy_slot_get(s, cfg->vrf, cfg->policy_out);

	policy_slot_put(s, p->policy_in);
	policy_slot_put(s, p->policy_out);
	p->policy_in = in;
	p->policy_out = out;
}

// Whether the two differ in what only a new session can change.
static bool session_differs(const struct api_bgp_peer *a, const struct api_bgp_peer *b)
{
	const uint32_t soft = API_BGP_PEER_CLIENT | API_BGP_PEER_NEXT_HOP_SELF |
			      API_BGP_PEER_DEFAULT_ORIGINATE | API_BGP_PEER_REMOVE_PRIVATE_AS |
			      API_BGP_PEER_ALLOW_OWN_AS | API_BGP_PEER_AS_OVERRIDE |
			      API_BGP_PEER_IGNORE_FIRST_AS | API_BGP_PEER_GENERATED;

	return a->asn != b->asn || (a->flags & ~soft) != (b->flags & ~soft) ||
	       !ip_equal(&a->local, &b->local) || a->hold_time_s != b->hold_time_s ||
	       a->ttl_hops != b->ttl_hops || a->role != b->role ||
	       memcmp(a->md5_key, b->md5_key, sizeof(a->md5_key)) != 0;
}

void peer_apply(struct peer *p, const struct api_bgp_peer *cfg)
{
	bool reset = session_differs(&p->cfg, cfg);
	struct fsm_config soft;
	struct bgp_error error =
		cfg->flags & API_BGP_PEER_DISABLED
			? bgp_error_shutdown(BGP_CEASE_SHUTDOWN, cfg->shutdown_text)
			: bgp_error_make(BGP_ERR_CEASE, BGP_CEASE_CONFIG_CHANGE, NULL, 0);

	if (reset)
		fsm_stop(&p->fsm, &error);
	set_policies(p, cfg);
	p->cfg = *cfg;
	if (reset) {
		peer_start(p);
		return;
	}
	soft = config_of(p); // timers that the session has not told
	p->fsm.config.send_hold_time_s = soft.send_hold_time_s;
	p->fsm.config.connect_retry_s = soft.connect_retry_s;
	p->fsm.config.max_restart_s = soft.max_restart_s;
	peer_timer_changed(p);
	import_reevaluate(p);
	for (int f = 0; f < BGP_FAMILIES; f++)
		if (p->out[f].active)
			export_start(p, f, false, false);
}

void peer_tick(struct peer *p)
{
	if (p->stale_until_ms && p->stale_until_ms <= p->fsm.env->now_ms) {
		p->stale_until_ms = 0;
		for (int f = 0; f < BGP_FAMILIES; f++)
			if (p->stale[f])
				drop_stale(p, f);
	}
	if (export_deadline(p) <= p->fsm.env->now_ms) {
		p->rests_until_ms = 0;
		peer_schedule(p);
	}
	fsm_tick(&p->fsm);
	peer_timer_changed(p);
}

// -- small questions of the owner

struct fsm *peer_fsm(struct peer *p)
{
	return &p->fsm;
}

const struct api_bgp_peer *peer_config(const struct peer *p)
{
	return &p->cfg;
}

void **peer_io(struct peer *p)
{
	return &p->io;
}

struct peer *conn_peer(struct conn *c)
{
	return c->fsm->ctx;
}

void speaker_writable(struct peer *p)
{
	peer_schedule(p);
}
