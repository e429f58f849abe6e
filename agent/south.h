// SPDX-License-Identifier: Apache-2.0
#pragma once

// The conversation with the controller (docs/southbound.md): long-poll for objects, reports,
// heartbeats, each on a connection of its own. It knows HTTP and JSON framing, not gateways.

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "http.h"

struct event_base;
struct south;

struct south_ops {
	// An answer to the poll, complete and not older than what was applied.
	void (*objects)(
		void *ctx, uint64_t term, uint64_t revision, bool full, const json_t *objects);
	// The next report, or NULL when there is nothing to say. Given back by reported().
	json_t *(*report)(void *ctx);
	// The report was taken (true), or must be told again.
	void (*reported)(void *ctx, bool taken);
	// A heartbeat is about to leave: its members but for the number. Given to south.
	json_t *(*beat)(void *ctx);
	// Its answer: epochs of all slots held here, by number in text.
	void (*epochs)(void *ctx, uint64_t term, const json_t *epochs);
	// The heartbeat's answer: questions, each to be answered by south_answer().
	void (*asked)(void *ctx, const json_t *questions);
	// With every beat, whether the controller is there or not.
	void (*tick)(void *ctx);
	// The controller answers, or does so no more.
	void (*link)(void *ctx, bool up);
};

// urls and tls outlive it. since: what was applied before.
struct south *south_new(struct event_base *base, const char *const *urls, size_t url_len,
	const struct http_tls *tls, uint64_t term, uint64_t revision, const struct south_ops *ops,
	void *ctx);
void south_free(struct south *s);
// There may be something to report; sent soon, together with what follows at once.
void south_report_soon(struct south *s);
// Takes an answer to a question; sent soon. One that is lost is asked for again.
void south_answer(struct south *s, json_t *answer);
// Certificates have changed: the next requests open new connections, those under way go on.
void south_refresh(struct south *s);
const char *south_url(const struct south *s); // of the controller in use
bool south_is_up(const struct south *s);
// The next heartbeat leaves at once, or as soon as the one under way is answered.
void south_beat_soon(struct south *s);
// Since an answer to a heartbeat, by the beats since then; UINT64_MAX: there was none yet.
uint64_t south_silence_ms(const struct south *s);
// The controller has answered a heartbeat within the last second.
bool south_is_fresh(const struct south *s);
