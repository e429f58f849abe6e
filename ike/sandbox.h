// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// The daemon reads bytes of strangers: once it runs it opens no file, starts no program, and its
// threads make no system call outside a list. One outside it is refused, counted, and logged with
// its name; nobody's tunnels suffer from a call that was merely forgotten.

// After the last thread has been started. -errno: the daemon is not confined.
int sandbox_enter(void);
// Logs what was refused since the last call; cheap when nothing was.
void sandbox_report(void);
