// SPDX-License-Identifier: Apache-2.0

// States and timers of neighbours. One queue per state, each in order of deadline because its
// timeout is a constant: a tick looks only at what is due.

#include "neighbour.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn/conn.h"
#include "objects.h"
#include "server.h"
#include "graph.h"
#include "ip/wire.h"
#include "map.h"
#include "neighbour_impl.h"
#include "port.h"
#include "hot.h"
#include "rcu.h"
#include "slot/slot.h"
#include "underlay/underlay.h"
#include "xmalloc.h"

#define RETRY_MS     1000
#define REACHABLE_MS 30000
#define FAILED_MS    3000 // then asked again as long as somebody needs it

const struct hop *hop_table[HOP_MAX];

TAILQ_HEAD(neighbour_queue, neighbour);

static struct map neighbours;
static struct neighbour_queue queues[NEIGHBOUR_FAILED + 1];
static struct neighbour **by_hop; // [HOP_MAX]
static uint64_t now_ms;
static struct {
	bool done, due; // in this tick; in the next
} hurry;

static const uint32_t timeout_ms[] = {
	[NEIGHBOUR_RESOLVING] = RETRY_MS,
	[NEIGHBOUR_REACHABLE] = REACHABLE_MS,
	[NEIGHBOUR_STALE] = RETRY_MS,
	[NEIGHBOUR_FAILED] = FAILED_MS,
};

// -- hops

static struct {
	uint32_t *free;
	size_t len, cap;
	uint32_t used;
} hops = {.used = 1};

uint32_t hop_new(void)
{
	if (hops.len)
		return hops.free[--hops.len];
	return hops.used < HOP_MAX ? hops.used++ : 0;
}

static void hop_free_now(void *p)
{
	hops.free = xgrow(hops.free, &hops.cap, hops.len + 1, sizeof(*hops.free));
	hops.free[hops.len++] = (uint32_t)(uintptr_t)p;
}

void hop_free(uint32_t hop)
{
	rcu_store(&hop_table[hop], NULL);
	rcu_defer(hop_free_now, (void *)(uintptr_t)hop);
}

static struct hop *hop_make(const struct neighbour *n)
{
	const struct port *port = port_table[n->key.port];
	struct hop *h = hot_alloc(sizeof(*h));
	uint16_t type = n->key.addr.family == IP_V6 ? be16(ETH_TYPE_IP6) : be16(ETH_TYPE_IP4);
	struct vlan_tag tag = {be16(n->key.vlan), type};

	h->port = n->key.port;
	h->mtu = port->mtu;
	memcpy(h->bytes, n->mac.bytes, 6);
	memcpy(h->bytes + 6, port->mac.bytes, 6);
	h->size = ETH_SIZE;
	if (n->key.vlan) {
		type = be16(ETH_TYPE_VLAN);
		memcpy(h->bytes + ETH_SIZE, &tag, sizeof(tag));
		h->size = ETH_SIZE + VLAN_TAG_SIZE;
	}
	memcpy(h->bytes + 12, &type, sizeof(type));
	return h;
}

// -- states

static void enter(struct neighbour *n, enum neighbour_state state)
{
	TAILQ_REMOVE(&queues[n->state], n, queue);
	n->state = state;
	n->deadline_ms = now_ms + timeout_ms[state];
	TAILQ_INSERT_TAIL(&queues[state], n, queue);
}

// A question says where its sender is: from an address that another gateway is about to take, none.
static bool may_ask(const struct neighbour_key *key)
{
	const struct l3_link *l = l3_link_table[key->port][key->vlan];

	return !l || !slot_yields[l->conn->slot];
}

static void ask(struct neighbour *n)
{
	if (!may_ask(&n->key))
		return;
	n->tries++;
	if (n->key.addr.family == IP_V4)
		neighbour_arp_ask(&n->key, n->state == NEIGHBOUR_STALE ? &n->mac : NULL);
	else
		neighbour_nd_ask(&n->key, n->state == NEIGHBOUR_STALE ? &n->mac : NULL);
}

static void drop_waiting(struct neighbour *n)
{
	for (unsigned i = 0; i < n->waiting_len; i++)
		rte_pktmbuf_free(n->waiting[i]);
	n->waiting_len = 0;
}

static void tell_users(struct neighbour *n)
{
	struct neighbour_user *u, *next;

	for (u = LIST_FIRST(&n->users); u; u = next) {
		next = LIST_NEXT(u, link);
		u->changed(u, n);
	}
}

static void send_waiting(struct neighbour *n)
{
	for (unsigned i = 0; i < n->waiting_len; i++) {
		packet_meta(n->waiting[i])->out = n->hop;
		if (!worker_inject(0, NODE_HOP_OUT, n->waiting[i]))
			rte_pktmbuf_free(n->waiting[i]);
	}
	n->waiting_len = 0;
}

static void set_hop(struct neighbour *n, struct hop *h)
{
	const struct hop *old = hop_table[n->hop];

	rcu_store(&hop_table[n->hop], h);
	tell_users(n); // whose entries show the old one too
	rcu_defer(hot_free, (void *)(uintptr_t)old);
}

void neighbour_heard(
	uint16_t port, uint16_t vlan, const struct ip_addr *addr, const struct mac_addr *mac)
{
	struct neighbour_key key = {port, vlan, *addr};
	struct neighbour *n = map_find(&neighbours, &key, sizeof(key));
	bool news;

	if (!n)
		return;
	news = !hop_table[n->hop] || memcmp(&n->mac, mac, sizeof(*mac)) != 0;
	n->mac = *mac;
	n->tries = 0;
	n->heard_ms = now_ms;
	enter(n, NEIGHBOUR_REACHABLE);
	if (news)
		set_hop(n, hop_make(n));
	send_waiting(n);
}

void neighbour_confirmed(uint16_t port, uint16_t vlan, const struct ip_addr *addr)
{
	struct neighbour_key key = {port, vlan, *addr};
	struct neighbour *n = map_find(&neighbours, &key, sizeof(key));

	if (n && hop_table[n->hop])
		neighbour_heard(port, vlan, addr, &n->mac);
}

static void due(struct neighbour *n)
{
	switch (n->state) {
	case NEIGHBOUR_RESOLVING:
	case NEIGHBOUR_STALE:
		if (n->tries < NEIGHBOUR_TRIES) {
			enter(n, n->state);
			ask(n);
			return;
		}
		drop_waiting(n);
		enter(n, NEIGHBOUR_FAILED);
		if (hop_table[n->hop])
			set_hop(n, NULL);
		break;
	case NEIGHBOUR_REACHABLE:
		n->tries = 0;
		enter(n, NEIGHBOUR_STALE);
		ask(n);
		break;
	case NEIGHBOUR_FAILED:
		n->tries = 0;
		enter(n, NEIGHBOUR_RESOLVING);
		ask(n);
		break;
	}
}

// All that are not known are asked for anew, at most once a tick: whoever waits for one that was
// given up, or that had no address of ours to be asked from, need not wait for its time.
static void ask_unknown(void)
{
	struct neighbour *n, *last;

	hurry.due = false;
	hurry.done = true;
	for (int s = NEIGHBOUR_RESOLVING; s <= NEIGHBOUR_FAILED;
		s += NEIGHBOUR_FAILED - NEIGHBOUR_RESOLVING) {
		last = TAILQ_LAST(&queues[s], neighbour_queue);
		while (last && (n = TAILQ_FIRST(&queues[s]))) {
			n->tries = 0;
			enter(n, NEIGHBOUR_RESOLVING);
			ask(n);
			if (n == last)
				break;
		}
	}
}

void neighbour_hurry(void)
{
	if (hurry.done)
		hurry.due = true;
	else
		ask_unknown();
}

void neighbour_tick(uint64_t now)
{
	struct neighbour *n;

	now_ms = now;
	hurry.done = false;
	if (hurry.due)
		ask_unknown();
	for (int s = NEIGHBOUR_RESOLVING; s <= NEIGHBOUR_FAILED; s++)
		while ((n = TAILQ_FIRST(&queues[s])) && n->deadline_ms <= now_ms)
			due(n);
	neighbour_announce_tick(now);
}

// -- users

struct neighbour *neighbour_get(
	uint16_t port, uint16_t vlan, const struct ip_addr *addr, struct neighbour_user *user)
{
	struct neighbour_key key = {port, vlan, *addr};
	struct neighbour *n = map_find(&neighbours, &key, sizeof(key));

	if (!n) {
		uint32_t hop = neighbours.len < NEIGHBOUR_MAX ? hop_new() : 0;

		if (!hop || port >= PORT_MAX || !port_table[port])
			return NULL;
		n = xcalloc(1, sizeof(*n));
		n->key = key;
		n->hop = hop;
		by_hop[hop] = n;
		n->state = NEIGHBOUR_RESOLVING;
		n->deadline_ms = now_ms + RETRY_MS;
		TAILQ_INSERT_TAIL(&queues[n->state], n, queue);
		map_set(&neighbours, &n->key, sizeof(n->key), n);
		ask(n);
	}
	n->refs++;
	if (user)
		LIST_INSERT_HEAD(&n->users, user, link);
	return n;
}

static void neighbour_free(struct neighbour *n)
{
	const struct hop *old = hop_table[n->hop];

	map_del(&neighbours, &n->key, sizeof(n->key));
	TAILQ_REMOVE(&queues[n->state], n, queue);
	drop_waiting(n);
	by_hop[n->hop] = NULL;
	hop_free(n->hop);
	rcu_defer(hot_free, (void *)(uintptr_t)old);
	free(n);
}

void neighbour_put(struct neighbour *n, struct neighbour_user *user)
{
	if (!n)
		return;
	if (user)
		LIST_REMOVE(user, link);
	if (--n->refs == 0)
		neighbour_free(n);
}

uint32_t neighbour_hop(const struct neighbour *n)
{
	return n->hop;
}

const struct neighbour_key *neighbour_key(const struct neighbour *n)
{
	return &n->key;
}

void neighbour_wait(struct neighbour *n, struct rte_mbuf *m)
{
	if (hop_table[n->hop]) {
		packet_meta(m)->out = n->hop;
		if (!worker_inject(0, NODE_HOP_OUT, m))
			rte_pktmbuf_free(m);
		return;
	}
	if (n->waiting_len == NEIGHBOUR_QUEUE || n->state == NEIGHBOUR_FAILED) {
		rte_pktmbuf_free(m);
		return;
	}
	n->waiting[n->waiting_len++] = m;
}

void neighbour_wait_hop(uint32_t hop, struct rte_mbuf *m)
{
	if (hop < HOP_MAX && by_hop[hop])
		neighbour_wait(by_hop[hop], m);
	else
		underlay_wait(hop, m);
}

int neighbour_init(void)
{
	by_hop = xcalloc(HOP_MAX, sizeof(struct neighbour *));
	map_init(&neighbours);
	for (unsigned s = 0; s <= NEIGHBOUR_FAILED; s++)
		TAILQ_INIT(&queues[s]);
	return 0;
}

void neighbour_fini(void)
{
	struct neighbour *n;
	size_t at = 0;

	neighbour_announce_fini();
	while ((n = map_next(&neighbours, &at)))
		neighbour_free(n);
	map_fini(&neighbours);
	rcu_synchronize();
	free(hops.free);
	free(by_hop);
	by_hop = NULL;
	memset(&hops, 0, sizeof(hops));
	hops.used = 1;
}

// -- report

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	struct neighbour *n;
	size_t at = 0;
	uint64_t *cursor = api_emit_cursor(emit);

	for (uint64_t i = 0; (n = map_next(&neighbours, &at)); i++) {
		struct api_neighbour out = {.port = n->key.port,
			.vlan = n->key.vlan,
			.addr = n->key.addr,
			.mac = n->mac,
			.state = (uint8_t)n->state,
			.age_ms = (uint32_t)(now_ms - n->heard_ms)};
		int r;

		if (i < *cursor)
			continue;
		*cursor = i + 1;
		r = api_emit(emit, &out, sizeof(out));
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_NEIGHBOUR,
		.size = sizeof(struct api_neighbour),
		.min_size = sizeof(struct api_neighbour),
		.key_size = offsetof(struct api_neighbour, mac),
		.name = "neighbour",
		.dump = dump},
};

int neighbour_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
