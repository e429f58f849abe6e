// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// Whose peer this is. Addresses and identities are claims that several tenants' connections may
// name; a peer that comes is of the connection whose secret it knows, or whose CA certified it.
// libcharon tries the credentials of all that may be meant (credentials.c), the hook here writes
// down whose served, and each peer_cfg demands its own connection's mark.
//
// Until then, and for ever when nothing is proven, what the peer sent belongs to nobody, unless
// only one tenant can be meant.

#include <bus/listeners/listener.h>

#include "conn.h"

// The connections whose secrets and CAs may prove the peer of the IKE_SA at hand; returns how many.
size_t prove_candidates(uint32_t ret_conns[CONN_CANDIDATES]);
// The secret that is being tried, by this thread, is this connection's.
void prove_trying(uint32_t conn);
// The mark of a connection, for auth_cfg_t; the caller destroys it.
identification_t *prove_mark(uint32_t conn);

// The connection that shall be shown what this IKE_SA's peer sent, or how it failed; 0: none.
uint32_t prove_shown_to(ike_sa_t *sa);
// The peer proved itself to this connection although the suite agreed is none of its; 0: it is not
// so.
uint32_t prove_wrong_suite(ike_sa_t *sa);

bool prove_authorize(listener_t *this, ike_sa_t *sa, bool final, bool *success);
