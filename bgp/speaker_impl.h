// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the files of the speaker share. Owners: the speaker owns vrfs and policies, a vrf its
// routers, a router its peers, networks and tables.

#include <sys/queue.h>

#include "attrstore.h"
#include "decision.h"
#include "map.h"
#include "policy.h"
#include "queue.h"
#include "speaker.h"
#include "table.h"
#include "timers.h"

#define ROUTER_PEERS_MAX 1024
#define JOB_SLICE        1024 // prefixes a job looks at in one turn, if its time lasts
#define SOURCE_PATHS_MAX 64   // paths to one prefix kept from one neighbour (RFC 7911)

TAILQ_HEAD(job_list, job);

struct job {
	TAILQ_ENTRY(job) entry;
	struct job_list *list;        // the one it is in; NULL: idle
	bool (*run)(struct job *job); // true: there is more to do now
	struct vrf *vrf;
};

struct policy_slot { // a policy map by name; peers point here whether or not it has come
	uint32_t vrf;
	char name[API_BGP_NAME_SIZE]; // with vrf the key
	struct policy *policy;        // NULL: not there
	struct api_bgp_policy *cfg;
	unsigned users;
};

struct network {
	struct api_bgp_network cfg;
	uint32_t inside; // aggregates: how many prefixes with a best path lie inside
	bool announced;
};

// What a peer has been told and is still to be told, of one family.
struct out {
	struct queue queue;    // outlives the session: emptied a slice at a time
	struct bitset told;    // prefixes it has from us (without add-path)
	struct map told_paths; // add-path: prefix number -> struct told_paths
	struct map old_paths;  // of the last session, to be freed
	size_t old_at;
	uint32_t cursor; // next prefix of the first walk; 0: walk done
	bool active;
	bool end_due;         // End-of-RIB follows the walk
	bool refresh_end_due; // EoRR follows it
};

// How old the peer's paths are, without touching them: each bears the number of the epoch in which
// it was last told. Of this epoch: fresh. Older, down to kept_from: stale. Older still: gone, its
// session or its right to stay has ended and a sweep will free it.
struct path_ages {
	uint16_t epoch, kept_from;
	uint16_t oldest; // no path is older
	uint32_t stale, stale_accepted, gone;
};

struct peer {
	struct api_bgp_peer cfg;
	struct router *router;
	struct fsm fsm;
	struct timer timer;
	bool dying;                       // deleted: stays until nothing refers to it
	struct job job;                   // tells it
	struct job input;                 // reads what it says
	struct job report;                // tells its state
	struct job sweep;                 // frees paths that are gone, a slice at a time
	uint32_t sweep_at[BGP_FAMILIES];  // next prefix to look at
	struct job review;                // applies a changed policy
	uint32_t review_at[BGP_FAMILIES]; // next prefix to look at; 0: done
	struct path_ages age[BGP_FAMILIES];
	void *io;
	uint16_t number;                            // in the router, from 1
	struct policy_slot *policy_in, *policy_out; // NULL: none asked for
	struct out out[BGP_FAMILIES];
	bool end_received[BGP_FAMILIES];
	bool stale[BGP_FAMILIES]; // stale paths of it may be in the table
	uint64_t stale_until_ms;  // restart or stale timer; 0: off
	uint64_t rests_until_ms;  // changes are not told before (RFC 4271 9.2.1.1); 0: they are
	uint32_t received[BGP_FAMILIES], accepted[BGP_FAMILIES], advertised[BGP_FAMILIES];
	struct api_bgp_route_stats stats[BGP_FAMILIES];
	bool over_limit, near_limit, crowded;
	uint8_t bfd;            // as in api_bgp_peer_state
	struct bgp_open remote; // of the last session
};

struct router {
	struct api_bgp_router cfg;
	struct vrf *vrf;
	struct router *next; // in the VRF
	bool dying;          // deleted: stays until its tables are empty and the FIB knows
	struct job reap;
	struct table table[BGP_FAMILIES];
	struct queue fib[BGP_FAMILIES];
	struct job fib_job;
	struct queue best[BGP_FAMILIES]; // whose best path is to be told
	struct job best_job;
	struct peer **peers; // by number; [0] unused; holes are NULL
	size_t peers_cap;
	uint16_t peers_end;
	struct network **networks;
	size_t networks_len, networks_cap;
	size_t aggregates;
	size_t paths;    // of all peers
	bool full;       // max_routes reached
	bool deferring;  // RFC 4724 4.1: nothing is announced or installed yet
	bool taken_over; // deferring, with nothing in the FIB to keep: installed at once
	bool settle_due;
	uint64_t defer_until_ms;
	struct timer timer;
	struct map damped; // by neighbour and prefix: struct damped
	size_t damp_at;    // where the look at them is
	struct timer damp_timer;
	struct job damp_job;
};

struct vrf {
	uint32_t vrf;
	struct router *routers;
	bool restarted;
	struct speaker *speaker;
	struct job_list jobs;
	TAILQ_ENTRY(vrf) turn; // while it has jobs
	bool in_turn;
};

struct speaker {
	const struct speaker_ops *ops;
	void *ctx;
	struct fsm_env env;
	struct attrstore *attrs;
	struct map vrfs;     // by number
	struct map policies; // by (vrf, name)
	struct timers timers;
	TAILQ_HEAD(, vrf) turns;
	struct job_list fib_waiting, best_waiting; // until who is told has room
	unsigned steps;
	uint64_t hash_seed;
	struct peer **waiting_peers; // whose router is not there
	size_t waiting_len, waiting_cap;
	struct policy_scratch scratch;
};

// speaker.c
struct router *router_find(struct speaker *s, uint32_t vrf, uint16_t slot);
struct speaker *router_speaker(const struct router *r);
struct policy_slot *policy_slot_get(struct speaker *s, uint32_t vrf, const char *name);
void policy_slot_put(struct speaker *s, struct policy_slot *slot);
void job_schedule(struct job *job);
void job_cancel(struct job *job);
void job_wait(struct job *job, struct job_list *list); // runs not before jobs_resume()
void jobs_resume(struct job_list *list);
// After every step of a job: whether its slice is over.
bool slice_over(struct speaker *s);

// peer.c
struct peer *peer_new(struct router *r, const struct api_bgp_peer *cfg);
void peer_remove(struct peer *p); // its session ends now, the rest a slice at a time
bool peer_reap(struct peer *p);   // frees it if it is dying and nothing is left; true: freed
void peer_free(struct peer *p);   // with the speaker
void router_check_gone(struct router *r); // after something of a dying router has ended
void peer_apply(struct peer *p, const struct api_bgp_peer *cfg); // a changed configuration
void peer_start(struct peer *p);
bool peer_is_internal(const struct peer *p);
void peer_tick(struct peer *p);
void peer_schedule(struct peer *p);

// import.c
// False: the slice is over; *done prefixes were handled, to be left out the next time.
bool import_update(struct peer *p, struct update *u, uint32_t *done);
void import_reevaluate(struct peer *p); // policy in has changed
void import_mark_stale(struct peer *p, int family);
// Drops the peer's paths of the family, or only the stale ones: they count no longer, and are taken
// out of use soon, a slice at a time.
void import_drop(struct peer *p, int family, bool stale_only);
bool import_sweep(struct job *job);
bool path_is_stale(const struct peer *p, int family, const struct path *path);
bool path_is_gone(const struct peer *p, int family, const struct path *path);

bool import_review(struct job *job);
void import_reevaluate_one(struct peer *p, const struct ip_prefix *prefix, uint32_t path_id);

// dampening.c
enum { DAMP_WITHDRAWN = 1000, DAMP_CHANGED = 500 };
void damp_init(struct router *r);
void damp_clear(struct router *r); // forgets all penalties
void damp_flap(struct peer *p, const struct nlri *nlri, uint32_t penalty);
bool damp_suppresses(const struct peer *p, const struct ip_prefix *prefix, uint32_t path_id);
uint32_t damp_decay(uint32_t penalty, uint64_t age_ms, uint64_t half_ms);

// network.c
int network_set(struct router *r, const struct api_bgp_network *cfg, struct api_error *ret_error);
int network_del(struct router *r, const struct ip_prefix *prefix);
void network_free_all(struct router *r);
void network_best_changed(struct router *r, const struct ip_prefix *prefix, bool has_best);
bool network_suppresses(const struct router *r, const struct ip_prefix *prefix);

// select.c
size_t select_candidates(struct router *r, int family, uint32_t dest, struct candidate *c,
	uint32_t *paths, size_t max);
// After paths of dest have changed. changed: a path added or altered, or 0. Releases dest if empty.
void select_changed(struct router *r, int family, uint32_t dest, uint32_t changed, bool best_lost);
void fib_init(struct router *r);

// best.c
void best_init(struct router *r);
void best_queue(struct router *r, int family, uint32_t dest);

// select.c
void router_end_deferral(struct router *r);
void router_check_deferral(struct router *r);

// export.c
void export_start(struct peer *p, int family, bool end_of_rib, bool refresh);
void export_stop(struct peer *p);
uint64_t export_deadline(const struct peer *p); // when it wants to run; UINT64_MAX: never
bool export_is_idle(const struct peer *p);      // nothing of the last session is left
void export_fini(struct peer *p);
void export_queue(struct peer *p, int family, uint32_t dest);
bool export_run(struct job *job);
// Whether and how this path is told to p; fills ret_attrs, which borrows from s->scratch.
bool export_attrs(
	struct peer *p, int family, uint32_t dest, uint32_t path, struct attrs *ret_attrs);
