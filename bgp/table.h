// SPDX-License-Identifier: Apache-2.0
#pragma once

// The prefixes of one router and one address family, and the paths to each: all that a router
// knows, in two pools of small records joined by numbers. About 60 bytes an IPv4 route with its
// hash bucket; attributes are in the attrstore. Knows nothing of peers or policy.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nlri.h"

enum {
	PATH_REJECTED = 1 << 0, // kept, but not for use: the reason is in `verdict`
	PATH_EXTERNAL = 1 << 1,
	PATH_POLICY = 1 << 2, // a policy map looked at it
};

struct path {
	uint32_t next;     // of the same prefix; 0: last
	uint32_t attrs_in; // as received
	uint32_t attrs;    // as used, after policy
	uint32_t path_id;  // as received
	uint16_t source;   // peer number, 0: our own
	uint8_t flags;
	uint8_t verdict; // enum api_bgp_verdict when rejected
	uint16_t epoch;  // of its source, when it was last told
};

enum {
	DEST_USED = 1 << 0,
	DEST_IN_FIB = 1 << 1,
	DEST_HAS_BEST = 1 << 2, // the first path is the best one
};

struct dest {
	uint32_t next;   // in its bucket, or of the free list
	uint32_t paths;  // first; 0: none
	uint16_t queued; // in how many work queues: not reused before
	uint8_t flags;
	uint8_t len;
	uint8_t addr[]; // 4 or 16 bytes
};

struct table {
	uint8_t family; // enum bgp_family
	uint8_t *dests; // records of dest_size bytes; number 0 unused
	size_t dest_size, dest_cap, dest_end;
	uint32_t dest_free;
	size_t dest_len;
	struct path *paths; // number 0 unused
	size_t path_cap, path_end;
	uint32_t path_free;
	size_t path_len;
	uint32_t *buckets;
	size_t bucket_len;
	uint64_t hash_seed;
};

// hash_seed: so that neighbours cannot choose prefixes that collide.
void table_init(struct table *t, enum bgp_family family, uint64_t hash_seed);
void table_fini(struct table *t); // the attributes' references are the caller's
uint32_t table_find(const struct table *t, const struct ip_prefix *prefix); // 0: none
uint32_t table_get(struct table *t, const struct ip_prefix *prefix);        // makes it
// Frees the record if it has no path and no queue holds it.
void table_release(struct table *t, uint32_t dest);
uint32_t table_find_path(const struct table *t, uint32_t dest, uint16_t source, uint32_t path_id);
uint32_t table_add_path(struct table *t, uint32_t dest); // zeroed, last of the list
void table_del_path(struct table *t, uint32_t dest, uint32_t path);
// Moves a path of the prefix to the front.
void table_first_path(struct table *t, uint32_t dest, uint32_t path);
struct ip_prefix table_prefix(const struct table *t, uint32_t dest);
size_t table_bytes(const struct table *t);

static inline struct dest *table_dest(const struct table *t, uint32_t dest)
{
	return (struct dest *)(void *)(t->dests + dest * t->dest_size);
}

static inline struct path *table_path(const struct table *t, uint32_t path)
{
	return &t->paths[path];
}
