// SPDX-License-Identifier: Apache-2.0

// Announcements of addresses that arrived here, each three times within a second: a neighbour that
// misses one would go on sending to the former holder until its own entry ages, half a minute. The
// first goes out at once for all; the others are spread, so that thousands do not come in bursts.

#include <stdlib.h>
#include <sys/queue.h>

#include "arp/arp.h"
#include "conn/conn.h"
#include "map.h"
#include "nd/nd.h"
#include "neighbour_impl.h"
#include "port.h"
#include "slot/slot.h"
#include "underlay/underlay.h"
#include "xmalloc.h"

#define TIMES      3
#define AFTER_MS   250 // the second; the third as long after it
#define SPREAD_MS  200 // over so long, in steps of the tick
#define SPREAD_MAX 8   // places in it

struct announcement {
	struct neighbour_key key;
	uint64_t due_ms;
	unsigned left;
	bool fresh; // due_ms follows with the next tick
	TAILQ_ENTRY(announcement) queue;
};

static struct map by_key;
static TAILQ_HEAD(, announcement) queue = TAILQ_HEAD_INITIALIZER(queue);
static unsigned place;

static void send_one(const struct neighbour_key *key)
{
	if (key->addr.family == IP_V4)
		arp_announce(key->port, key->vlan, &key->addr);
	else
		nd_announce(key->port, key->vlan, &key->addr);
}

static bool is_ours(const struct neighbour_key *key)
{
	const struct l3_link *l = l3_link_table[key->port][key->vlan];
	struct underlay_local local;

	if (!l) {
		local = underlay_find(&key->addr);
		return local.kinds && local.port == key->port && local.vlan == key->vlan &&
		       !slot_yields[local.slot];
	}
	if (l->conn->refused || slot_yields[l->conn->slot])
		return false;
	for (unsigned i = 0; i < l->addr_count; i++)
		if (ip_equal(&l->addr[i].addr, &key->addr))
			return true;
	return false;
}

static void end(struct announcement *a)
{
	TAILQ_REMOVE(&queue, a, queue);
	map_del(&by_key, &a->key, sizeof(a->key));
	free(a);
}

void neighbour_announce(uint16_t port, uint16_t vlan, const struct ip_addr *addr)
{
	const struct neighbour_key key = {port, vlan, *addr};
	struct announcement *a;

	if (port >= PORT_MAX || !port_table[port])
		return;
	send_one(&key);
	a = map_find(&by_key, &key, sizeof(key));
	if (a) {
		TAILQ_REMOVE(&queue, a, queue);
	} else {
		a = xcalloc(1, sizeof(*a));
		a->key = key;
		map_set(&by_key, &a->key, sizeof(a->key), a);
	}
	a->left = TIMES - 1;
	a->fresh = true;
	TAILQ_INSERT_TAIL(&queue, a, queue);
	neighbour_hurry();
}

static uint64_t next_due(uint64_t now_ms)
{
	return now_ms + AFTER_MS + place++ % SPREAD_MAX * SPREAD_MS / SPREAD_MAX;
}

void neighbour_announce_tick(uint64_t now_ms)
{
	struct announcement *a, *next;

	for (a = TAILQ_FIRST(&queue); a; a = next) {
		next = TAILQ_NEXT(a, queue);
		if (a->fresh) {
			a->fresh = false;
			a->due_ms = next_due(now_ms);
		} else if (!is_ours(&a->key)) {
			end(a);
		} else if (now_ms >= a->due_ms) {
			send_one(&a->key);
			a->due_ms += AFTER_MS;
			if (!--a->left)
				end(a);
		}
	}
}

void neighbour_announce_fini(void)
{
	struct announcement *a;

	while ((a = TAILQ_FIRST(&queue)))
		end(a);
	map_fini(&by_key);
	place = 0;
}
