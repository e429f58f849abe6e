// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// The last messages of each connection, decoded, for the doctor. Thread safe.
//
// A message is filed under its connection; before that is known (until the identity is, or for
// ever when nobody has the address or identity), under (VIP, remote). When an attempt turns out to
// be a connection's, its earlier messages move there: what one tenant's peer sent is not shown to
// another whose peer shares its address.
//
// Bounds: RING_MESSAGES a place; all connections together RING_BYTES; unclaimed messages
// RING_UNCLAIMED_BYTES, so that a flood of strangers pushes out strangers only. The oldest goes.

#include "exchange.h"

#define RING_MESSAGES        24
#define RING_BYTES           (16u << 20)
#define RING_UNCLAIMED_BYTES (1u << 20)

void ring_fini(void);
// Keeps a copy. conn 0: not known (yet).
void ring_note(uint32_t conn, const struct exchange *e);
// Drops what a connection has: it is gone, or is wanted otherwise from now on. Its (VIP, remote)
// is looked through likewise.
void ring_forget(uint32_t conn, const struct ip_addr *local, const struct ip_addr *remote);

// Drops the unclaimed messages to this VIP: whose they were can no longer be told.
void ring_forget_strangers(const struct ip_addr *local);

// Calls fn with each message of the connection and the unclaimed ones of (local, remote), oldest
// first. remote IP_NONE: unclaimed ones of any remote for which is_ours says so. Withholds the
// unclaimed ones if told to, as they may be another tenant's; returns how many it withheld.
typedef void ring_fn(void *ctx, uint32_t conn, const struct exchange *e);
typedef bool ring_remote_fn(const struct ip_addr *local, const struct ip_addr *remote);
size_t ring_collect(uint32_t conn, const struct ip_addr *local, const struct ip_addr *remote,
	ring_remote_fn *is_ours, bool withhold, ring_fn *fn, void *ctx);
void ring_each(ring_fn *fn, void *ctx); // all there is
size_t ring_size(bool unclaimed);       // bytes held
