// SPDX-License-Identifier: Apache-2.0
#pragma once

// Inside the plan. Entities by name, linked as the glossary says:
//
//   pool -> gateways, slots, waiting connections
//   slot -> holder, audience (gateways that carry it), tenant slots, connections
//   tenant -> tenant slots (one is home), connections, prefixes, BGP; audience
//   network -> subnets, hosts, its tenant
//
// An object that gateways must have is a `pub`: it sits in one audience, and whoever joins the
// audience is told all of its pubs. A gateway's place in a tenant's audience is counted: once for
// each of the tenant's slots that it carries.
//
// An entity that is only referred to exists undefined; it goes when it is neither defined nor used.

#include <sys/queue.h>

#include "capacity.h"
#include "map.h"
#include "plan.h"
#include "text.h"

// -- audiences

TAILQ_HEAD(pub_list, pub);

struct member {
	struct gateway *gateway; // NULL: the hosts
	uint32_t count;
};

struct audience {
	struct member *members;
	size_t len, cap;
	struct pub_list pubs;
};

struct pub {
	TAILQ_ENTRY(pub) link;
	struct audience *to; // NULL: not published
	struct plan_object *object;
};

// -- the work left for the step

enum work {
	WORK_POOL,
	WORK_GATEWAY,
	WORK_TENANT,
	WORK_SUBNET,
	WORK_HOST,
	WORK_CONNECTION,
	WORK_PREFIX,
	WORK_TENANT_SLOT,
	WORK_PEER,
	WORK_POLICY,
	WORK_SLOT,
	WORK_KINDS,
};

struct todo {
	TAILQ_ENTRY(todo) link;
	bool queued;
};

TAILQ_HEAD(todo_list, todo);

// -- entities

struct pool {
	struct todo todo; // first in every entity
	char *name;
	bool defined;
	struct plan_pool in;
	uint32_t gateways_len; // defined ones
	uint32_t uses;         // gateways, slots, tenants that name it
	uint64_t rebalanced;   // the last wish for it that was followed
	bool stuck;            // a slot should move and nobody has room for it
	bool retry;            // room may have come: try the waiting again
	uint32_t retry_left;   // of the waiting, still to be tried
	TAILQ_ENTRY(pool) of_settling;
	bool settling;
	int64_t settle_ms; // standby copies that are no longer wanted go then
	TAILQ_HEAD(gateway_list, gateway) gateways;
	TAILQ_HEAD(slot_list, slot) slots;            // by number
	TAILQ_HEAD(waiting_list, connection) waiting; // by shed priority
	uint32_t waiting_len;
};

struct gateway {
	struct todo todo;
	TAILQ_ENTRY(gateway) of_pool; // by name
	char *name;
	bool defined;
	struct plan_gateway in;
	struct pool *pool; // while defined
	TAILQ_HEAD(, slot) held;
	uint32_t held_len, connections_len;
	struct capacity_load load;
	struct capacity_load coming; // of slots that are to move here, in the pool's present round
	uint32_t incoming;           // slots that move here
	uint64_t reached_step;       // it has done all that it was told up to this step
	struct audience self;        // only itself
	struct pub pub, watch;
	uint64_t iv_first; // of its block of numbers; 0: none yet
};

// The former holder after a planned move: works on until the new one has said that it works, then
// relays for a while.
enum hand_over {
	HAND_OVER_NONE,
	HAND_OVER_YIELDING, // the holder is to answer for the addresses no more; has not reported
			    // yet
	HAND_OVER_YIELDED,  // it has, or had its time; the new holder takes the slot with this step
	HAND_OVER_TAKING,   // the new holder has not reported yet
	HAND_OVER_TAKEN,    // it has; what is under way arrives yet
	HAND_OVER_RELAY,
};

struct slot {
	struct todo todo;
	TAILQ_ENTRY(slot) of_pool, of_holder, of_relaying;
	uint16_t number;
	struct pool *pool;
	struct gateway *holder;
	struct gateway *moving_to; // is being filled, and takes the slot when it says so
	bool move_asked;           // by rebalancing, not by need
	uint64_t ready_step;       // what the one that takes it must have reached
	enum hand_over hand_over;
	struct gateway *old_holder; // while hand_over
	int64_t relay_ms;           // when hand_over goes on
	uint64_t yield_step;        // when the holder was told to yield
	uint64_t epoch, old_epoch;
	struct ip_addr pa[2], gre_vip[2];
	struct ip_addr vip[2]; // those it answers for all
	struct pub vip_pub[2]; // where it is, for who answers for its connections' addresses
	uint32_t connections_len;
	uint32_t of_type[PLAN_CONN_TYPES];
	struct capacity_load load;
	struct audience carriers;
	TAILQ_HEAD(, connection) connections;
	TAILQ_HEAD(, tenant_slot) tenant_slots;
	bool row_changed;
	struct slot_told {
		struct gateway *gateway;
		struct plan_object *object;
	} * told; // what each carrier was told
	size_t told_len, told_cap;
};

struct network {
	char *name;
	struct tenant *tenant; // the virtual gateway in it
	TAILQ_HEAD(, subnet) subnets;
	TAILQ_HEAD(, host) hosts;
	struct map taken; // addresses used in it: struct net_addr
	uint32_t uses;
};

// Who uses an address of a virtual network.
struct net_addr {
	struct ip_addr addr;
	uint32_t uses;
};

struct subnet {
	struct todo todo;
	TAILQ_ENTRY(subnet) of_network;
	struct network *network;
	char *key; // network/name
	bool gone;
	struct plan_subnet in;
	struct pub pub, hosts_pub;
	struct pub *gateway_pubs; // one a prefix: its default-gateway address
	size_t gateway_pubs_len;
};

struct host {
	struct todo todo;
	TAILQ_ENTRY(host) of_network;
	struct network *network;
	char *key;
	bool gone;
	struct plan_host in;
	struct pub pub;
};

struct tenant {
	struct todo todo;
	char *name;
	bool defined;
	struct plan_tenant in;
	struct network *network;
	struct pool **pools;
	size_t pools_len;
	uint32_t vrf;         // 0: none yet
	uint16_t home_wanted; // as loaded
	struct ip_addr router_ip;
	struct ip_addr router_told; // the address announced as local, given or allocated
	struct tenant_slot *home;
	uint32_t connections_len, waiting_len, uses;
	TAILQ_HEAD(, connection) connections;
	TAILQ_HEAD(tenant_slot_list, tenant_slot) slots; // by number
	TAILQ_HEAD(, router) routers;
	TAILQ_HEAD(, peer) peers;
	TAILQ_HEAD(, policy) policies;
	TAILQ_HEAD(, prefix) prefixes;
	struct audience audience;
	struct pub pub, router_pub;
	bool row_changed;
};

struct tenant_slot {
	struct todo todo;
	TAILQ_ENTRY(tenant_slot) of_tenant, of_slot;
	struct tenant *tenant;
	struct slot *slot;
	uint32_t connections_len;
	struct ip_addr addr; // in the gateway subnet
	struct mac_addr mac;
	struct pub pub, addr_pub, bgp_pub;
	struct pub to_client, to_reflector; // the iBGP session, both ends
};

struct connection {
	struct todo todo;
	TAILQ_ENTRY(connection) of_tenant, of_slot, of_waiting;
	struct tenant *tenant;
	char *key; // tenant/name
	bool gone;
	struct plan_connection in;
	uint32_t id; // 0: none yet
	struct slot *slot;
	struct tenant_slot *tenant_slot;
	struct pool *waits_in;      // whose list it waits in
	uint64_t in_kbps, out_kbps; // granted
	enum plan_conn_type placed_type;
	enum plan_wait wait;
	struct conn_key *by_key; // its entry among (slot, remote, key) or (VIP, remote)
	struct prefix **prefixes;
	size_t prefixes_len;
	struct pub pub, routes_pub, credential_pub;
	bool row_changed;
};

// A destination reached through a tenant slot, by any number of its connections.
struct prefix {
	struct todo todo;
	TAILQ_ENTRY(prefix) of_tenant;
	struct prefix_key {
		uint32_t vrf;
		uint32_t slot;
		struct ip_prefix prefix;
	} key;
	struct tenant *tenant;
	struct tenant_slot *tenant_slot;
	uint32_t uses;
	struct pub pub;
};

// GRE: no two equal in a slot. IPsec: equal ones only in the same slot.
struct conn_key {
	struct conn_key_bytes {
		uint32_t type;
		uint32_t slot; // GRE
		uint32_t gre_key;
		uint32_t has_key;
		struct ip_addr vip; // IPsec
		struct ip_addr remote;
	} key;
	struct slot *slot;
	uint32_t uses;
	struct pub pub; // IPsec: that the remote's first message is for the slot
};

// A public address: whoever carries the slot that answers for it is told what is behind it.
struct vip {
	struct ip_addr addr;
	struct audience audience;
};

struct router {
	TAILQ_ENTRY(router) of_tenant;
	struct tenant *tenant;
	char *key;
	struct plan_bgp_router in;
};

struct peer {
	struct todo todo;
	TAILQ_ENTRY(peer) of_tenant;
	struct tenant *tenant;
	char *key;
	bool gone;
	struct plan_bgp_peer in;
	struct pub pub;
};

struct policy {
	struct todo todo;
	TAILQ_ENTRY(policy) of_tenant;
	struct tenant *tenant;
	char *key;
	bool gone;
	struct plan_policy_map in;
	struct pub pub;
};

struct plan {
	struct map pools, gateways, networks, tenants, subnets, hosts, connections, routers, peers,
		policies, prefixes, conn_keys;
	struct map vips;
	struct map vrfs;      // struct tenant by its VRF
	struct map addresses; // provider addresses taken: struct provider_addr
	struct map reservations;
	struct map loaded; // rows of plan_load() not claimed yet: struct row
	struct slot *slots[PLAN_SLOT_MAX + 1];
	struct todo_list todo[WORK_KINDS];
	struct audience hosts_audience;
	TAILQ_HEAD(, pool) settling;
	TAILQ_HEAD(, slot) relaying;
	bool first_step_done;
	bool reports;   // gateways say how far they are: planned moves wait for it
	uint64_t steps; // the number of the present one
	uint32_t next_vrf, next_connection;
	uint64_t next_epoch;
	bool counters_changed;
	uint64_t reads;
	int64_t now_ms;
	struct text text, key_text;
	struct plan_event *events;
	size_t events_len, events_cap;
	struct plan_row *rows;
	size_t rows_len, rows_cap;
	const char **changed;
	size_t changed_len, changed_cap;
	void **garbage; // freed at the next step: the result may borrow it
	size_t garbage_len, garbage_cap;
};

static inline void plan_read(struct plan *p)
{
	p->reads++;
}

// plan.c
void plan_queue(struct plan *p, enum work work, struct todo *todo);
void plan_unqueue(struct plan *p, enum work work, struct todo *todo);
void plan_discard(struct plan *p, void *memory); // free() after the result was read
void plan_slots_now(struct plan *p);             // tells of the queued slots before anything else
void plan_put_row(struct plan *p, const char *key, const char *value);
void plan_changed(struct plan *p, const char *connection_key);

// pub.c: tells
void audience_init(struct audience *a);
void audience_fini(struct audience *a);
void audience_join(struct plan *p, struct audience *a, struct gateway *gateway);
void audience_leave(struct plan *p, struct audience *a, struct gateway *gateway);
bool audience_has(const struct audience *a, const struct gateway *gateway);
struct plan_object *object_new(
	enum plan_kind kind, const char *key, const char *text, const char *ref);
void plan_tell(struct plan *p, struct gateway *to, struct plan_object *o, bool gone);
// Makes `pub` be (kind, key, p->text) in `to`. Nothing is told when nothing changed.
void pub_set(struct plan *p, struct pub *pub, struct audience *to, enum plan_kind kind,
	const char *key, const char *ref);
void pub_clear(struct plan *p, struct pub *pub);

// address.c: provider addresses
void addresses_fini(struct plan *p);
bool address_claim(struct plan *p, const struct ip_addr *addr, bool by_slot);
void address_release(struct plan *p, const struct ip_addr *addr);
// One address per version that the ranges offer; false if a version is offered and used up.
bool address_take(
	struct plan *p, const struct plan_range *ranges, size_t len, struct ip_addr ret_addr[2]);
bool address_any_free(struct plan *p, const struct plan_range *ranges, size_t len);

// pool.c: pools, gateways, roles, slots
struct pool *pool_ref(struct plan *p, const char *name); // finds or makes, counted
void pool_unref(struct plan *p, struct pool *pool);
void pool_free(struct plan *p, struct pool *pool);
void gateway_free(struct plan *p, struct gateway *g);
void pool_work(struct plan *p, struct pool *pool);
void pool_settle_later(struct plan *p, struct pool *pool);
void pools_settle(struct plan *p);
void gateway_work(struct plan *p, struct gateway *g);
void watch_tell(struct plan *p, struct gateway *g); // watch.c
void pool_freed(struct plan *p, struct pool *pool);
int64_t gateway_room(const struct gateway *g); // kbit/s left, of what also is to come
bool slot_fits(const struct slot *s, const struct gateway *g);
bool gateway_takes(const struct gateway *g); // may get new work
struct gateway *gateway_find(const struct plan *p, const char *name);
struct gateway *gateway_get(struct plan *p, const char *name);

// rebalance.c: what moves though it need not, and what goes because there is no room
void pool_rebalance(struct plan *p, struct pool *pool); // if that is wished and was not done yet
// Gives up connections, highest shed priority first, of the slot and of the gateway, until it fits.
void pool_shed(struct plan *p, struct slot *s, struct gateway *to);

// vip.c
void vips_fini(struct plan *p);
void pool_vips(struct plan *p, struct pool *pool);              // to the lowest slot in use
struct ip_addr vip_of(const struct pool *pool, uint8_t family); // IP_NONE: the first of any version
// Those that the slot's IPsec connections use, by IP version. False: none.
bool vip_used(const struct slot *s, struct ip_addr ret_vip[2]);
void vips_join(struct plan *p, struct slot *s, struct gateway *g); // carries it from now on
void vips_leave(struct plan *p, struct slot *s, struct gateway *g);
void vips_drop(struct plan *p, struct slot *s); // before it is freed
void vips_tell_slot(struct plan *p, struct slot *s);
void vips_tell_remote(struct plan *p, struct conn_key *k);

// slot.c
struct slot *slot_new(struct plan *p, struct pool *pool, uint16_t number);
void slot_free(struct plan *p, struct slot *s);
void slot_attach(struct slot *s, struct gateway *g);
void slot_l3_port_changed(struct plan *p, struct slot *s);
void slot_activate(struct plan *p, struct slot *s, struct gateway *g, bool planned);
// Fills the gateway first, if it must be waited for; activates when it is ready.
void slot_move(struct plan *p, struct slot *s, struct gateway *g);
void slot_stay(struct plan *p, struct slot *s); // gives up a move that has not come to activation
// The gateway has got further: what waits for it is due at the next step (true), or nothing is.
bool slots_reached(struct plan *p, struct gateway *g);
// Audience by the present roles; true if someone is still to leave.
bool slot_carry(struct plan *p, struct slot *s, bool settled);
void slot_relay_over(struct plan *p);
void slot_relay_forget(struct plan *p, const struct gateway *g);
// Planned: g goes on with it under the old epoch until the new holder works.
bool slot_hands_over(const struct slot *s, const struct gateway *g);
void slot_tell(struct plan *p, struct slot *s);
void slot_work(struct plan *p, struct slot *s);
bool slot_has_room(struct plan *p, const struct slot *s, enum plan_conn_type type);
void slot_add(struct plan *p, struct slot *s, struct connection *c);
void slot_remove(struct plan *p, struct slot *s, struct connection *c);

// tenant.c: tenants, networks, subnets, hosts, tenant slots, prefixes
struct tenant *tenant_ref(struct plan *p, const char *name);
void tenant_unref(struct plan *p, struct tenant *t);
struct tenant *tenant_find(const struct plan *p, const char *name);
void tenant_set_vrf(struct plan *p, struct tenant *t, uint32_t vrf); // 0: none
void tenant_work(struct plan *p, struct tenant *t);
void tenant_free(struct plan *p, struct tenant *t);
void tenant_home(struct plan *p, struct tenant *t); // chooses, and marks what depends on it
struct subnet *tenant_gateway_subnet(const struct plan *p, const struct tenant *t);
void tenant_tell_address(struct plan *p, struct tenant *t, struct pub *pub,
	const struct ip_addr *addr, uint32_t vni, uint16_t slot, bool is_gateway, const char *ref);
bool tenant_address_take(struct plan *p, struct tenant *t, struct ip_addr *ret_addr);
struct tenant_slot *tenant_slot_find(struct plan *p, struct tenant *t, const struct slot *s);
struct tenant_slot *tenant_slot_get(struct plan *p, struct tenant *t, struct slot *s);
void tenant_slot_put(struct plan *p, struct tenant_slot *ts);
void tenant_slot_work(struct plan *p, struct tenant_slot *ts);
struct network *network_ref(struct plan *p, const char *name);
void network_unref(struct plan *p, struct network *n);
void network_claim(struct network *n, const struct ip_addr *addr);
void network_release(struct network *n, const struct ip_addr *addr);
void networks_fini(struct plan *p);
void subnet_work(struct plan *p, struct subnet *s);
void host_work(struct plan *p, struct host *h);
struct prefix *prefix_get(struct plan *p, struct tenant_slot *ts, const struct ip_prefix *prefix);
void prefix_put(struct plan *p, struct prefix *x);
void prefix_work(struct plan *p, struct prefix *x);

// connection.c, place.c
void connection_restore(struct plan *p, struct connection *c);
void connection_work(struct plan *p, struct connection *c);
void connection_untell(struct plan *p, struct connection *c);
void connection_tell(struct plan *p, struct connection *c);
void connection_free(struct plan *p, struct connection *c);
bool place(struct plan *p, struct connection *c);
void unplace(struct plan *p, struct connection *c);
bool place_keep(struct plan *p, struct connection *c); // false: must be placed anew
void place_shed(struct plan *p, struct connection *c); // takes it out; it waits for room
bool place_restore(struct plan *p, struct connection *c, struct slot *s);
void place_retry(struct plan *p, struct pool *pool);

// bgp.c
void bgp_fini(struct plan *p);
void router_free(struct plan *p, struct router *r);
void peer_work(struct plan *p, struct peer *x);
void policy_work(struct plan *p, struct policy *x);
void bgp_of_tenant(struct plan *p, struct tenant *t); // queues what a new home or router changes
struct router *bgp_router(const struct tenant *t);    // the tenant's, or NULL
void bgp_tenant_slot(struct plan *p, struct tenant_slot *ts);
void bgp_tenant(struct plan *p, struct tenant *t);

// rows.c: persisted allocations
void rows_of_slot(struct plan *p, struct slot *s, bool gone);
void rows_of_tenant(struct plan *p, struct tenant *t, bool gone);
void rows_of_tenant_slot(struct plan *p, struct tenant_slot *ts, bool gone);
void rows_of_connection(struct plan *p, struct connection *c, bool gone);
void rows_of_counters(struct plan *p);
void rows_of_pool(struct plan *p, struct pool *pool);
void rows_load_pool(struct plan *p, struct pool *pool);
void rows_of_gateway(struct plan *p, struct gateway *g, bool gone);
// What was loaded for it, taken out of the loaded rows; false if nothing was.
void rows_load_gateway(struct plan *p, struct gateway *g);
bool rows_load_tenant(struct plan *p, struct tenant *t);
bool rows_load_tenant_slot(struct plan *p, struct tenant_slot *ts);
bool rows_load_connection(struct plan *p, struct connection *c, struct slot **ret_slot);
void rows_drop_unclaimed(struct plan *p);
void rows_fini(struct plan *p);
