// SPDX-License-Identifier: Apache-2.0
#pragma once

// Prefixes that BGP learnt over each connection, as the gateway of the tenant's reflector reports
// them: in memory only. They are shown as routes of the connection and told to hosts. When the
// reflector moves to another gateway, or its agent starts anew, what was known stands until the new
// one reports that connection, at most LEARNT_KEEP_MS: so hosts keep sending while it learns again.

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define LEARNT_KEEP_MS 90000 // the agents' own limit for learning again

struct learnt;

// The gateway that holds the VRF's reflector now; NULL: none.
typedef const char *learnt_holder_fn(void *arg, uint32_t vrf);

struct learnt *learnt_new(learnt_holder_fn *holder, void *arg);
void learnt_free(struct learnt *l);

// A gateway reports the page `key` ("vrf/connection" or "vrf/connection/page"): its value, or NULL:
// the page is gone.
void learnt_report(struct learnt *l, const char *gateway, const char *key, const json_t *value,
	int64_t now_ms);
// All that the gateway reported before is void unless it says so again.
void learnt_begins(struct learnt *l, const char *gateway, int64_t now_ms);

// Grows with every change.
uint64_t learnt_changes(const struct learnt *l);
// Calls back for every prefix of a connection.
void learnt_each(struct learnt *l, uint32_t vrf, uint32_t conn, int64_t now_ms,
	void (*each)(void *arg, const char *prefix, const char *via), void *arg);
