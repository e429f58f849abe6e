// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <bus/listeners/listener.h>

// Follows the IKE_SAs of each connection: keeps its state and the reason of its last failure
// (conn.h), sends INITIAL_CONTACT by connection, supersedes older IKE_SAs of a connection when a
// peer comes back anew, and dials again what shall be up (dial.h).
listener_t *listener_get(void);
