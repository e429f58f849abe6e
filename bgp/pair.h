// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests: several speakers in one process, joined by pipes in memory, under a clock that only
// the test moves. Speakers are told apart by their routers' addresses; all are VRF 1, slot 1.

#include "speaker.h"

#define PAIR_SIDES 6
#define PAIR_LINKS 64

struct pair;

struct pair_end {
	struct pair_link *link;
	struct conn *conn; // NULL: closed
	uint8_t *bytes;    // on their way to this end
	size_t size, cap;
};

struct pair_link {
	bool used, dialling, cut; // cut: nothing passes any more, as if a cable were
	int side[2];              // who dialled, who accepted
	struct peer *dialler;
	struct pair_end end[2];
};

struct pair_side {
	struct pair *pair;
	struct speaker *speaker;
	struct ip_addr address;
	unsigned fib_sets, fib_dels, settled;
	struct api_route last_fib;
	bool refuse; // accepts no connections
	bool dead;   // being killed: says nothing any more
};

struct pair {
	uint64_t now_ms;
	bool chop; // every slice of work is over at once
	bool lazy; // no work is done, only input taken
	struct pair_side side[PAIR_SIDES];
	size_t sides;
	struct pair_link link[PAIR_LINKS];
};

struct pair *pair_new(void);
void pair_free(struct pair *p);
// A speaker with one router of this AS and address (also its identifier). Returns its number.
int pair_add(struct pair *p, uint32_t asn, const char *address, uint32_t router_flags);
// Makes the two each other's peers; flags of each towards the other.
void pair_join(struct pair *p, int a, int b, uint32_t a_flags, uint32_t b_flags);
// AS 64512 at 10.0.0.1 and AS 65001 at 10.0.0.2, joined: sides 0 and 1 of a new pair.
struct pair *pair_two(uint32_t a_flags, uint32_t b_flags);
void pair_peer(struct pair *p, int a, int b, const struct api_bgp_peer *cfg); // one side's view
struct api_bgp_peer pair_config(struct pair *p, int a, int b);
// The configuration of a's AS as asn is b's business here: the AS of side b.
uint32_t pair_asn(struct pair *p, int b);
void pair_announce(struct pair *p, int a, const char *prefix);
void pair_withdraw(struct pair *p, int a, const char *prefix);
// Delivers what is on its way, and works; false: nothing moved.
bool pair_step(struct pair *p);
// Delivers and works until nothing moves without the clock.
void pair_settle(struct pair *p);
// Moves the clock step by step, settling in between.
void pair_run(struct pair *p, uint64_t ms);
struct peer *pair_find(struct pair *p, int a, int b); // a's peer b
bool pair_established(struct pair *p, int a, int b);
// a's best route for the prefix; false: none.
bool pair_best(struct pair *p, int a, const char *prefix, struct api_bgp_route *ret_route);
// Bytes put into a's stream as if b had sent them.
void pair_inject(struct pair *p, int a, int b, const uint8_t *bytes, size_t size);
// The process of side a dies: its connections are closed, its speaker is new and empty. Moved: on
// another gateway, whose forwarder has no routes of it.
void pair_crash(struct pair *p, int a);
void pair_move(struct pair *p, int a);
void pair_cut(struct pair *p, int a, int b); // the cable between them
