// SPDX-License-Identifier: Apache-2.0
#pragma once

// Questions of the controller that a daemon of this host answers (docs/southbound.md, "Questions").
// They only read; one that is lost is asked again.

#include <jansson.h>

#define ASK_MAX        64   // under way at a time; further ones are left to be asked again
#define ASK_ROUTES_MAX 2000 // of a BGP peer that one answer holds; the rest is counted

struct agent;

// questions: the heartbeat's answer's member "ask".
void agent_on_asked(void *ctx, const json_t *questions);
