// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server.h"

// The local socket: what the agent sets, and what it and people ask. Each handler is a thin line to
// the speaker; see api/bgp.h for the meaning.

static int set_router(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	struct daemon *d = ctx;
	int rc;

	daemon_enter(d);
	rc = speaker_set_router(d->speaker, object, ret_error);
	daemon_leave(d);
	return rc;
}

static int del_router(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_bgp_router *r = key;
	struct daemon *d = ctx;
	struct peer *p;
	size_t at = 0;
	int rc;

	daemon_enter(d);
	while ((p = speaker_next_peer(d->speaker, &at)))
		if (peer_config(p)->vrf == r->vrf && peer_config(p)->slot == r->slot) {
			struct api_bgp_peer cfg = *peer_config(p);

			// The peers' sockets go first; the router takes the rest along.
			fsm_stop(peer_fsm(p), &(struct bgp_error){.code = BGP_ERR_CEASE,
						      .subcode = BGP_CEASE_DECONFIGURED});
			io_peer_gone(d->io, p);
			speaker_del_peer(d->speaker, cfg.vrf, cfg.slot, &cfg.address);
		}
	rc = speaker_del_router(d->speaker, r->vrf, r->slot);
	daemon_leave(d);
	return rc;
}

static int set_peer(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	struct api_bgp_peer cfg = *(const struct api_bgp_peer *)object;
	struct daemon *d = ctx;
	struct peer *p;
	int rc;

	cfg.md5_key[sizeof(cfg.md5_key) - 1] = cfg.name[sizeof(cfg.name) - 1] = 0;
	cfg.policy_in[sizeof(cfg.policy_in) - 1] = cfg.policy_out[sizeof(cfg.policy_out) - 1] = 0;
	cfg.shutdown_text[sizeof(cfg.shutdown_text) - 1] = 0;
	daemon_enter(d);
	rc = speaker_set_peer(d->speaker, &cfg, ret_error);
	p = speaker_get_peer(d->speaker, cfg.vrf, cfg.slot, &cfg.address);
	if (rc > 0 && p)
		io_peer_changed(d->io, p);
	if (rc > 0 && d->fib && cfg.flags & API_BGP_PEER_BFD)
		fib_ask_bfd(d->fib);
	daemon_leave(d);
	return rc;
}

static int del_peer(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_bgp_peer *cfg = key;
	struct daemon *d = ctx;
	struct peer *p;
	int rc;

	daemon_enter(d);
	p = speaker_get_peer(d->speaker, cfg->vrf, cfg->slot, &cfg->address);
	if (p) {
		fsm_stop(peer_fsm(p), &(struct bgp_error){.code = BGP_ERR_CEASE,
					      .subcode = BGP_CEASE_DECONFIGURED});
		io_peer_gone(d->io, p);
	}
	rc = speaker_del_peer(d->speaker, cfg->vrf, cfg->slot, &cfg->address);
	daemon_leave(d);
	return rc;
}

static int set_policy(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_bgp_policy *cfg = object;
	struct daemon *d = ctx;
	int rc;

	if (cfg->line_count > API_BGP_POLICY_LINES ||
		size < sizeof(*cfg) + cfg->line_count * sizeof(cfg->line[0])) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			"line_count: more lines than sent or than %d", API_BGP_POLICY_LINES);
		return -EINVAL;
	}
	daemon_enter(d);
	rc = speaker_set_policy(d->speaker, cfg, ret_error);
	daemon_leave(d);
	return rc;
}

static int del_policy(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_bgp_policy *cfg = key;
	struct daemon *d = ctx;
	int rc;

	daemon_enter(d);
	rc = speaker_del_policy(d->speaker, cfg->vrf, cfg->name);
	daemon_leave(d);
	return rc;
}

static int set_network(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	struct daemon *d = ctx;
	int rc;

	daemon_enter(d);
	rc = speaker_set_network(d->speaker, object, ret_error);
	daemon_leave(d);
	return rc;
}

static int del_network(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_bgp_network *cfg = key;
	struct daemon *d = ctx;
	int rc;

	daemon_enter(d);
	rc = speaker_del_network(d->speaker, cfg->vrf, cfg->slot, &cfg->prefix);
	daemon_leave(d);
	return rc;
}

static int set_socket(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	struct daemon *d = ctx;
	int rc;

	daemon_enter(d);
	rc = io_take_socket(d->io, object, fd);
	daemon_leave(d);
	if (rc)
		snprintf(ret_error->text, sizeof(ret_error->text),
			"socket: its peer or kind is not known; set the peer first");
	return rc ? rc : API_CHANGED;
}

static int del_socket(void *ctx, const void *key, struct api_error *ret_error)
{
	struct daemon *d = ctx;

	return io_drop_listener(d->io, key);
}

// -- dumps

static void emit_config(void *ctx, const void *object, size_t size)
{
	api_emit(ctx, object, size); // small; the output's bound is the clients' patience
}

static int dump_routers(void *ctx, const void *filter, struct api_emit *emit)
{
	struct daemon *d = ctx;

	speaker_each_config(d->speaker, API_TYPE_BGP_ROUTER, emit_config, emit);
	return 0;
}

static int dump_peers(void *ctx, const void *filter, struct api_emit *emit)
{
	struct daemon *d = ctx;

	speaker_each_config(d->speaker, API_TYPE_BGP_PEER, emit_config, emit);
	return 0;
}

static int dump_policies(void *ctx, const void *filter, struct api_emit *emit)
{
	struct daemon *d = ctx;

	speaker_each_config(d->speaker, API_TYPE_BGP_POLICY, emit_config, emit);
	return 0;
}

static int dump_networks(void *ctx, const void *filter, struct api_emit *emit)
{
	struct daemon *d = ctx;

	speaker_each_config(d->speaker, API_TYPE_BGP_NETWORK, emit_config, emit);
	return 0;
}

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

// The speaker's times are monotonic; reports say Unix time.
static void to_unix(int64_t *ms)
{
	if (*ms)
		*ms += (int64_t)(clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_MONOTONIC));
}

static struct api_bgp_peer_state state_of(const struct peer *p)
{
	struct api_bgp_peer_state s;

	peer_report(p, &s);
	to_unix(&s.established_ms);
	to_unix(&s.closed_ms);
	for (struct api_bgp_message_stats *m = &s.open; m <= &s.refresh; m++) {
		to_unix(&m->last_sent_ms);
		to_unix(&m->last_received_ms);
	}
	return s;
}

static int dump_states(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_bgp_peer_state *want = filter;
	struct daemon *d = ctx;
	struct peer *p;
	size_t at = 0;

	daemon_enter(d);
	while ((p = speaker_next_peer(d->speaker, &at))) {
		struct api_bgp_peer_state s = state_of(p);

		if (want &&
			((want->vrf && want->vrf != s.vrf) || (want->slot && want->slot != s.slot)))
			continue;
		api_emit(emit, &s, sizeof(s));
	}
	daemon_leave(d);
	return 0;
}

static bool emit_route(void *ctx, const struct api_bgp_route *route)
{
	return api_emit(ctx, route, sizeof(*route)) == 0;
}

static int dump_routes(void *ctx, const void *filter, struct api_emit *emit)
{
	static const struct api_bgp_route any;
	struct daemon *d = ctx;
	bool done = speaker_walk(
		d->speaker, filter ? filter : &any, api_emit_cursor(emit), emit_route, emit);

	return done ? 0 : -EAGAIN;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_BGP_ROUTER,
		.name = "bgp_router",
		.size = sizeof(struct api_bgp_router),
		.min_size = sizeof(struct api_bgp_router),
		.key_size = offsetof(struct api_bgp_router, asn),
		.set = set_router,
		.del = del_router,
		.dump = dump_routers},
	{.type = API_TYPE_BGP_PEER,
		.name = "bgp_peer",
		.size = sizeof(struct api_bgp_peer),
		.min_size = sizeof(struct api_bgp_peer),
		.key_size = offsetof(struct api_bgp_peer, asn),
		.set = set_peer,
		.del = del_peer,
		.dump = dump_peers},
	{.type = API_TYPE_BGP_POLICY,
		.name = "bgp_policy",
		.size = sizeof(struct api_bgp_policy) +
			API_BGP_POLICY_LINES * sizeof(struct api_bgp_policy_line),
		.min_size = sizeof(struct api_bgp_policy),
		.key_size = offsetof(struct api_bgp_policy, line_count),
		.set = set_policy,
		.del = del_policy,
		.dump = dump_policies},
	{.type = API_TYPE_BGP_NETWORK,
		.name = "bgp_network",
		.size = sizeof(struct api_bgp_network),
		.min_size = sizeof(struct api_bgp_network),
		.key_size = offsetof(struct api_bgp_network, kind),
		.set = set_network,
		.del = del_network,
		.dump = dump_networks},
	{.type = API_TYPE_BGP_SOCKET,
		.name = "bgp_socket",
		.flags = API_HANDLER_FD,
		.size = sizeof(struct api_bgp_socket),
		.min_size = sizeof(struct api_bgp_socket),
		.key_size = sizeof(struct api_bgp_socket),
		.set = set_socket,
		.del = del_socket},
	{.type = API_TYPE_BGP_PEER_STATE,
		.name = "bgp_peer_state",
		.size = sizeof(struct api_bgp_peer_state),
		.key_size = offsetof(struct api_bgp_peer_state, state),
		.dump = dump_states},
	{.type = API_TYPE_BGP_ROUTE,
		.name = "bgp_route",
		.size = sizeof(struct api_bgp_route),
		.key_size = offsetof(struct api_bgp_route, verdict),
		.dump = dump_routes},
};

int control_init(struct daemon *d)
{
	return api_server_add(d->server, handlers, sizeof(handlers) / sizeof(handlers[0]), d);
}

void control_peer_event(struct daemon *d, struct peer *p)
{
	struct api_bgp_peer_state s = state_of(p);

	api_server_event(d->server, API_TYPE_BGP_PEER_STATE, &s, sizeof(s));
}

void control_route_event(struct daemon *d, const struct api_bgp_route *route)
{
	api_server_event(d->server, API_TYPE_BGP_ROUTE, route, sizeof(*route));
}

void control_want_socket(struct daemon *d, struct peer *p)
{
	const struct api_bgp_peer *cfg = peer_config(p);
	const struct api_bgp_socket want = {.vrf = cfg->vrf,
		.slot = cfg->slot,
		.kind = API_BGP_SOCKET_CONNECT,
		.local = peer_local(p),
		.peer = cfg->address};

	api_server_event(d->server, API_TYPE_BGP_SOCKET, &want, sizeof(want));
}
