// SPDX-License-Identifier: Apache-2.0
#pragma once

// The speaker: all routers, peers, policy maps and networks of this gateway, as told by the agent
// (api/bgp.h), and what follows from them. No sockets and no clock: those are its owner's, behind
// speaker_ops, so that two speakers run against each other in a test with warped time.
//
//   conn bytes -> fsm -> import -> table -> select -> export -> conn bytes
//                                                \-> fib -> forwarder
//
// Work that grows with what neighbours send (input, announcing, FIB, walking tables) is cut into
// jobs of the tenant it is done for; tenants take turns, and so do the jobs of each. speaker_work()
// runs one slice of one job, so no tenant's flood costs the others more than its share of the time.

#include "bgp.h"
#include "fsm.h"
#include "objects.h"

struct speaker;
struct router;
struct peer;

struct speaker_ops {
	// As in fsm_ops.
	void (*dial)(void *ctx, struct peer *p);
	void (*dial_cancel)(void *ctx, struct peer *p);
	void (*send)(void *ctx, struct conn *c, const uint8_t *bytes, size_t size);
	void (*close)(void *ctx, struct conn *c);
	bool (*unread)(void *ctx, struct conn *c);
	// After speaker_readable(): a slice of what p's connections have received. True: there is
	// more.
	bool (*receive)(void *ctx, struct peer *p);
	// Whether the slice that runs has had its time. NULL: never.
	bool (*slice_over)(void *ctx);
	// Enough waits to be sent that no more should be made; speaker_writable() resumes.
	bool (*full)(void *ctx, struct conn *c);
	void (*state)(void *ctx, struct peer *p); // for reports
	// A route for the forwarder, or (present false) its key to delete.
	void (*fib)(void *ctx, const struct api_route *route, bool present);
	bool (*fib_full)(void *ctx); // speaker_fib_writable() resumes
	// Everything learnt again after our own restart is in the FIB.
	void (*fib_settled)(void *ctx, uint32_t vrf);
	// Whether anybody would be told by best(). NULL: yes.
	bool (*best_wanted)(void *ctx);
	// Enough of them wait to be read; speaker_best_writable() resumes. NULL: never.
	bool (*best_full)(void *ctx);
	// The best path of a prefix has changed; verdict 0: gone.
	void (*best)(void *ctx, const struct api_bgp_route *route);
};

struct speaker *speaker_new(const struct speaker_ops *ops, void *ctx, uint64_t seed);
void speaker_free(struct speaker *s);

// Wanted state. 1 changed, 0 unchanged, negative errno and a text.
int speaker_set_router(
	struct speaker *s, const struct api_bgp_router *cfg, struct api_error *ret_error);
int speaker_del_router(struct speaker *s, uint32_t vrf, uint16_t slot);
int speaker_set_peer(
	struct speaker *s, const struct api_bgp_peer *cfg, struct api_error *ret_error);
int speaker_del_peer(struct speaker *s, uint32_t vrf, uint16_t slot, const struct ip_addr *address);
int speaker_set_policy(
	struct speaker *s, const struct api_bgp_policy *cfg, struct api_error *ret_error);
int speaker_del_policy(struct speaker *s, uint32_t vrf, const char *name);
int speaker_set_network(
	struct speaker *s, const struct api_bgp_network *cfg, struct api_error *ret_error);
int speaker_del_network(
	struct speaker *s, uint32_t vrf, uint16_t slot, const struct ip_prefix *prefix);

// The forwarder still holds BGP routes of this VRF from before our start: act as a restarting
// speaker (RFC 4724 4.1) for routers made from now on.
void speaker_expect_restart(struct speaker *s, uint32_t vrf);
// The forwarder has lost everything: tell it all again.
void speaker_refill_fib(struct speaker *s);
void speaker_refill_vrf(struct speaker *s, uint32_t vrf);

// Time. Every call into the speaker is at the time last told.
void speaker_set_time(struct speaker *s, uint64_t now_ms);
uint64_t speaker_deadline(const struct speaker *s);
void speaker_tick(struct speaker *s);
// One slice of work; true: there is more.
bool speaker_work(struct speaker *s);
void speaker_readable(struct peer *p);
void speaker_writable(struct peer *p);
void speaker_fib_writable(struct speaker *s);
void speaker_best_writable(struct speaker *s);

// Connections.
struct peer *speaker_find_peer(
	struct speaker *s, uint32_t vrf, const struct ip_addr *local, const struct ip_addr *remote);
struct peer *speaker_get_peer(
	struct speaker *s, uint32_t vrf, uint16_t slot, const struct ip_addr *address);
struct fsm *peer_fsm(struct peer *p);
const struct api_bgp_peer *peer_config(const struct peer *p);
struct ip_addr peer_local(const struct peer *p); // our end
void **peer_io(struct peer *p);                  // the owner's word
struct peer *conn_peer(struct conn *c);
void peer_timer_changed(struct peer *p); // after setting conn.stuck_at_ms

// bfd.c: a BFD session of the forwarder's has changed, or was asked for.
struct api_bfd_state;
void speaker_on_bfd(struct speaker *s, const struct api_bfd_state *state);
void speaker_forget_bfd(struct speaker *s); // nothing is known until it says so again

// Reports. The walk starts with *at = 0.
struct peer *speaker_next_peer(struct speaker *s, size_t *at);
void peer_report(const struct peer *p, struct api_bgp_peer_state *ret_state);
struct speaker_size {
	size_t routers, peers, prefixes, paths, attribute_sets;
	size_t table_bytes, attribute_bytes;
};
struct speaker_size speaker_size(const struct speaker *s);

// Walks the routes of a view. cursor: four words, zero at first. each returns false to pause; the
// walk then returns false and goes on from there when called again.
typedef bool route_fn(void *ctx, const struct api_bgp_route *route);
bool speaker_walk(struct speaker *s, const struct api_bgp_route *filter, uint64_t *cursor,
	route_fn *each, void *ctx);

// What has been set, for dumps: struct api_bgp_router, _peer, _policy or _network.
typedef void config_fn(void *ctx, const void *object, size_t size);
void speaker_each_config(struct speaker *s, enum api_type type, config_fn *each, void *ctx);
