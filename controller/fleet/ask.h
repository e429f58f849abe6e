// SPDX-License-Identifier: Apache-2.0
#pragma once

// Questions to gateways (docs/southbound.md, "Questions"): told in the answer to a heartbeat, again
// after ASK_AGAIN_MS, and answered by a request of the gateway's own. They only read.

#include <stdint.h>

#include <event2/event.h>
#include <jansson.h>

#include "text.h"

#define ASK_MAX        256 // waiting at a time
#define ASK_AGAIN_MS   1000
#define ASK_TIMEOUT_MS 5000

struct asks;

// value: what the gateway says, borrowed; else NULL, and words say why there is none.
typedef void ask_done_fn(void *arg, const json_t *value, const char *words);

struct asks *asks_new(struct event_base *base);
void asks_free(struct asks *a); // unanswered ones are forgotten without a word
// gateway, ask and key are copied. Returns the question's id; 0: too many wait already.
uint64_t asks_put(struct asks *a, const char *gateway, const char *ask, const char *key,
	ask_done_fn *done, void *arg);
// done is not called any more. Returns its arg; NULL: the question is over.
void *asks_forget(struct asks *a, uint64_t id);
// The member "ask" of the object that t writes, if the gateway is to be told of any now.
void asks_write(struct asks *a, const char *gateway, int64_t now_ms, struct text *t);
// From the gateway; one that nobody waits for, or that another was asked, is ignored.
void asks_answer(struct asks *a, const char *gateway, const json_t *answer);
