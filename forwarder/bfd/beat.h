// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether all workers still turn. BFD is sent by the control thread; without this a gateway whose
// worker hangs would go on saying that it is well. A sleeping worker is woken to show that it can.

#include <stdbool.h>
#include <stdint.h>

#define BEAT_CHECK_US 40000  // how often beat_check() is to be called
#define BEAT_LIMIT_US 100000 // without a loop, although there was a reason for one

void beat_init(void);
// Control thread. False: a worker stands still.
bool beat_check(uint64_t now_us);
