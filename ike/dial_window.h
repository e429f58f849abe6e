// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// How many connections are dialled at a time. A thousand dials begun before the first answer is
// read would all be sent again while they wait in line, here and at the peer; so at most
// DIAL_WINDOW are under way. A peer that does not answer keeps its place for DIAL_PLACE_MS only:
// the silent never hold the others up for long. Callable from any thread.

#include <stdint.h>

#define DIAL_WINDOW   256
#define DIAL_PLACE_MS 300

// Puts a connection in line, once.
void dial_window_add(uint32_t conn);
// The next to be dialled, which takes a place; 0: none now, and then *ret_wait_ms says when to ask
// again (0: nobody waits).
uint32_t dial_window_take(uint64_t now_ms, uint32_t *ret_wait_ms);
// It is up, or has failed: its place is free.
void dial_window_settle(uint32_t conn);
void dial_window_fini(void);
