// SPDX-License-Identifier: Apache-2.0
#pragma once

// The state machine of one neighbour (RFC 4271 8) and its connections: at most one we dialled and
// one we accepted, until collision handling (6.8) leaves one. No sockets, no clock, no table: time
// and randomness come with `env`, bytes and events come in, ops go out. Two of these talk to each
// other in a test.
//
// Extensions handled here: capabilities (5492), AS4 (6793), identifiers (6286), graceful restart's
// part in the session (4724, 8538), shutdown text (9003), roles (9234), send hold timer (9687),
// extended messages (8654). What an UPDATE means is the owner's business.

#include "bgp.h"
#include "open.h"
#include "update.h"

struct fsm;
struct conn;

struct fsm_env {
	uint64_t now_ms;  // monotonic; set by whoever calls in
	uint64_t random;  // state of the generator, seeded by the owner
	uint8_t *scratch; // UPDATE_SCRATCH_SIZE bytes, shared by all
};

struct fsm_ops {
	void (*dial)(void *ctx); // answered by fsm_dialled() or fsm_dial_failed(), later
	void (*dial_cancel)(void *ctx);
	void (*send)(void *ctx, struct conn *c, const uint8_t *bytes, size_t size);
	// Sends what is queued if it goes at once, closes; c->io is invalid afterwards.
	void (*close)(void *ctx, struct conn *c);
	bool (*unread)(void *ctx, struct conn *c); // received bytes wait to be read
	void (*up)(void *ctx, struct conn *c);
	// Left Established. restart: the neighbour's routes stay for its restart time (RFC 4724).
	void (*down)(void *ctx, bool restart);
	// *done: how many of its prefixes were handled before. False: not all yet, as the slice is
	// over; *done says how many now.
	bool (*update)(void *ctx, struct update *u, uint32_t *done);
	bool (*slice_over)(void *ctx);
	void (*refresh)(void *ctx, const struct bgp_refresh *r);
	void (*state)(void *ctx); // fsm_state() may have changed
};

struct fsm_config {
	uint32_t local_as, peer_as;
	uint16_t hold_time_s; // 0: none
	uint16_t connect_retry_s;
	uint16_t send_hold_time_s; // 0: RFC 9687's default
	uint16_t max_restart_s;
	bool passive, strict_role;
	struct bgp_open open; // what we say; restarting is set by the owner
};

struct conn {
	struct fsm *fsm;
	bool outgoing;
	uint8_t state; // enum api_bgp_state: IDLE (unused), CONNECT, OPENSENT, OPENCONFIRM,
		       // ESTABLISHED
	uint16_t hold_time_s;                 // agreed
	uint64_t hold_at_ms, keepalive_at_ms; // 0: off
	uint64_t
		stuck_at_ms; // since when the other side takes no bytes; 0: it does. Owner's to set
	struct bgp_open remote;
	struct update_options rx, tx;
	size_t max_rx;
	uint8_t *partial; // the beginning of a message, or what the slice was too short for
	size_t partial_size;
	bool more;     // whole messages may be in `partial`
	uint32_t done; // prefixes of the first of them that were handled
	void *io;      // the owner's
};

struct fsm_count {
	uint64_t sent, received, last_sent_ms, last_received_ms;
};

enum { CONN_IN = 0, CONN_OUT = 1 };

struct fsm {
	const struct fsm_ops *ops;
	void *ctx;
	struct fsm_env *env;
	struct fsm_config config;
	bool running;
	struct conn conn[2];
	struct conn *established;  // or NULL
	uint64_t retry_at_ms;      // dial then; 0: not
	uint64_t blocked_until_ms; // refuses all connections before; 0: none
	uint32_t failures;         // in a row
	uint32_t flaps;
	uint64_t established_ms, closed_ms;
	struct fsm_count count[6];     // by enum bgp_message_type
	uint32_t withdrawn, discarded; // messages treated so, RFC 7606
	bool last_error_sent;
	struct bgp_error last_error;
	const char *last_reason; // in words, for errors of ours
};

void fsm_init(struct fsm *f, const struct fsm_ops *ops, void *ctx, struct fsm_env *env);
void fsm_fini(struct fsm *f); // without a word to the other side
// Begins to dial, unless passive, and to accept.
void fsm_start(struct fsm *f, const struct fsm_config *config);
// Ends everything with this error (Cease/...); stays stopped.
void fsm_stop(struct fsm *f, const struct bgp_error *error);
// Ends the session with this error and starts anew after the retry time.
void fsm_reset(struct fsm *f, const struct bgp_error *error);
// BFD says that the neighbour is not reachable. forwarding_lost: nor does it forward any more, so
// its routes go; else they stay as for a restart (RFC 5882 4.3.2). reason: static, in words.
void fsm_unreachable(struct fsm *f, bool forwarding_lost, const char *reason);
// As fsm_reset(), but refuses connections for max_restart_s.
void fsm_block(struct fsm *f, const struct bgp_error *error);

void fsm_dialled(struct fsm *f, void *io);
void fsm_dial_failed(struct fsm *f);
// The connection taken, or NULL: refuse it.
struct conn *fsm_accept(struct fsm *f, void *io);
// Any number of bytes; returns false when c is closed by what they said. While c->more, it wants to
// be called again, with no bytes, before there is more to be read.
bool conn_receive(struct conn *c, const uint8_t *bytes, size_t size);
void conn_lost(struct conn *c); // closed by the other side or by the network
// A message of ours, counted. c is in a state where it may be sent.
void conn_send(struct conn *c, enum bgp_message_type type, const uint8_t *bytes, size_t size);

uint64_t fsm_deadline(const struct fsm *f); // when fsm_tick() is due; UINT64_MAX: never
void fsm_tick(struct fsm *f);
enum api_bgp_state fsm_state(const struct fsm *f);
