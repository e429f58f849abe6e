// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tells the supervisor how a service stands: "READY=1", "STOPPING=1", "STATUS=words"
// (sd_notify(3)'s protocol). Without NOTIFY_SOCKET in the environment nothing happens.
// 0 or -errno; a service does not depend on having been heard.
int notify_supervisor(const char *state);
