// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gateways as the controller sees them: what each is to have, how far it has come, what it
// reports, whether it lives. All in memory; a restarted controller learns it again.
//
// Revisions here are (term << 32) + a count of changes: they never go back over restarts, so
// an agent's `since` of an earlier term is answered in full.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "plan.h"
#include "takeover.h"
#include "view.h"

#define FLEET_NAME_SIZE  128
#define FLEET_STATES_MAX 200000 // reported entries a gateway; more are refused and counted
#define FLEET_LEARNT_MAX 100000 // learnt routes a report entry may hold

struct fleet;
struct fleet_gateway;

// Called on the loop's thread.
struct fleet_ops {
	void *arg;
	void (*health)(void *arg, const char *gateway, enum plan_health health);
	// Something that the API shows has changed.
	void (*changed)(void *arg);
	// A gateway reported an epoch that is higher than any we gave out.
	void (*epoch)(void *arg, uint64_t epoch);
	// How far a gateway has used the numbers granted to it for starts of its forwarder.
	void (*iv_next)(void *arg, const char *gateway, uint64_t next);
	// A gateway showed a token: its first, or it has lost all it had.
	void (*enrolled)(void *arg, const char *gateway);
	// A gateway reported that it has reached another revision than before.
	void (*reached)(void *arg, const char *gateway);
	// A gateway reported a page of learnt routes (value NULL: that it is gone), or (key NULL)
	// begins to report all anew.
	void (*learnt)(void *arg, const char *gateway, const char *key, const json_t *value);
};

struct fleet *fleet_new(uint64_t term, int64_t now_ms, const struct fleet_ops *ops);
void fleet_free(struct fleet *f);
uint64_t fleet_term(const struct fleet *f);
uint64_t fleet_revision(const struct fleet *f);

// A gateway resource exists, or no longer; unknown ones are refused.
void fleet_add(struct fleet *f, const char *gateway, const char *pool);
void fleet_remove(struct fleet *f, const char *gateway);
void fleet_spare(struct fleet *f, const char *pool, uint32_t redundant_count); // N of M+N
bool fleet_knows(const struct fleet *f, const char *gateway);

// All events of one step, under one new revision. Returns it, or the present one if nothing is new.
uint64_t fleet_apply(struct fleet *f, const struct plan_event *events, size_t len);

// The gateway showed a token and is about to get a certificate.
void fleet_enrolled(struct fleet *f, const char *gateway);
// The revision up to which a gateway has done what it was told; UINT64_MAX: all of it.
uint64_t fleet_reached(const struct fleet *f, const char *gateway);
// Calls back for every gateway.
void fleet_each(const struct fleet *f, void (*each)(void *arg, const char *gateway), void *arg);

// The view of a gateway or PLAN_HOSTS; NULL if unknown.
const struct view *fleet_view(const struct fleet *f, const char *name);

// -- from gateways

// 0, -ENOENT unknown gateway, -EINVAL malformed.
int fleet_report(struct fleet *f, const char *gateway, const json_t *report, int64_t now_ms);
int fleet_beat(struct fleet *f, const char *gateway, const json_t *beat, int64_t now_ms);
void fleet_polled(struct fleet *f, const char *gateway, int64_t now_ms); // it asked for objects
// Looks for gateways that went silent: every TAKEOVER_TICK_MS.
void fleet_tick(struct fleet *f, int64_t now_ms);

// -- for the API

bool fleet_has_reported(const struct fleet *f, const char *gateway); // since the start
enum plan_health fleet_health(const struct fleet *f, const char *gateway);

enum fleet_progress { FLEET_DONE, FLEET_UPDATING, FLEET_FAILED, FLEET_UNREACHABLE };

struct fleet_error {
	const char *gateway, *code, *message; // borrowed
};

// How far the objects of a resource (its reference, any case) have come. ret_error may be NULL; it
// is filled when FAILED.
enum fleet_progress fleet_progress(
	const struct fleet *f, const char *ref, struct fleet_error *ret_error);
// What the gateway last reported of an object; borrowed, NULL if nothing.
const json_t *fleet_state(
	const struct fleet *f, const char *gateway, const char *kind, const char *key);
