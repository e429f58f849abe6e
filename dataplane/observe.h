// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who looks on while workers forward: a trace, a capture. Control thread.

#include "worker.h"

#define OBSERVERS_MAX 4

// From now on all workers call it, after those that were there before. -ENOSPC.
int observe_start(const struct worker_observer *observer);
// Returns when no worker calls it any more.
void observe_stop(const struct worker_observer *observer);
