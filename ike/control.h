// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

struct event_base;

// The daemon's own local socket: takes connections and credentials from the agent, answers states.
// Runs on the API thread. 0 or -errno.
int control_init(struct event_base *base, const char *path);
void control_fini(void);
