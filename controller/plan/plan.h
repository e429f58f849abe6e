// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every gateway should be, computed from what is stored and what the fleet reports.
//
// A plan is a pure state machine: no clock, no I/O, no randomness. The caller feeds it inputs
// (upsert and delete), gives the time, and takes two lists: events (objects that gateways and hosts
// must now have, or no longer) and rows (allocations to persist in the same transaction, to be fed
// to plan_load() after a restart before any other input). It is incremental: a step reads only what
// depends on what changed, and plan_reads() counts it. A fresh plan that is fed the rows and the
// inputs must say the same as one that lived through all edits: that is its test.
//
// Input structs are read during the call only; all text and arrays are copied. An object may be set
// before what it refers to exists; it then waits for it.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipaddr.h"

struct plan;

#define PLAN_SLOTS_PER_ACTIVE 16
#define PLAN_SLOT_MAX         4095
#define PLAN_SETTLE_MS        10000 // after an activation, before warm state is moved around
#define PLAN_RELAY_MS         5000  // the old holder of a planned move relays for so long
#define PLAN_TAKE_MS          2000  // and works on for at most so long, until the new one works
#define PLAN_UNDER_WAY_MS     150   // and for so long when it does, for what is under way

// -- inputs

struct plan_range {
	struct ip_addr first, last; // both included
};

enum plan_pool_type {
	PLAN_POOL_ALL,
	PLAN_POOL_IPSEC,
	PLAN_POOL_GRE,
	PLAN_POOL_FORWARDING,
};

// How much of a gateway a connection takes: the two published rules.
enum plan_capacity_rule {
	PLAN_CAPACITY_2019, // IPsec 5, GRE 15, L3 5 Gbit/s at most a gateway
	PLAN_CAPACITY_2016, // IPsec 3/20, GRE 1/5, L3 1/2 of the gateway's capacity
};

struct plan_pool {
	const char *name, *ref;
	enum plan_pool_type type;
	enum plan_capacity_rule rule;
	uint32_t redundant_count;    // N of M+N
	uint32_t slots_per_active;   // 0: PLAN_SLOTS_PER_ACTIVE
	uint64_t rebalance;          // another number than before: even out the load, once
	bool refuse_weak;            // IPsec algorithms that are otherwise a warning
	uint64_t capacity_kbps;      // of one gateway
	uint16_t port, vlan;         // where floating addresses live
	const struct plan_range *pa; // free for slots: the front-end subnet's pools
	size_t pa_len;
	const struct plan_range *gre; // the GRE VIP subnets' pools
	size_t gre_len;
	const struct ip_addr *vip; // public addresses for IKE and ESP
	size_t vip_len;
};

enum plan_health {
	PLAN_HEALTH_UNKNOWN, // not heard of since the controller started: nothing is moved
	PLAN_HEALTH_UP,
	PLAN_HEALTH_LOST, // by the take-over rule
};

struct plan_underlay {
	uint16_t port, vlan;
	struct ip_addr addr;
	uint8_t prefix_len;
};

#define PLAN_WATCH_INTERVAL_MS 100 // BFD among the gateways of a pool
#define PLAN_WATCH_MULTIPLIER  3

// A router of the provider that the gateway announces its floating addresses to.
struct plan_provider_peer {
	struct ip_addr addr;
	uint32_t asn;
};

struct plan_gateway {
	const char *name, *ref, *pool;
	enum plan_health health;
	bool drain;
	uint16_t l3_port;
	const struct plan_underlay *underlay;
	size_t underlay_len;
	const struct ip_addr *default_gateway;
	size_t default_gateway_len;
	uint32_t asn; // of its own towards them; 0: it speaks no BGP
	const struct plan_provider_peer *bgp_peer;
	size_t bgp_peer_len;
};

// A virtual gateway: one VRF.
struct plan_tenant {
	const char *name, *ref;
	const char *rdid;           // of its virtual network
	const char *network;        // name of its virtual network
	const char *gateway_subnet; // name of a subnet in it; its addresses are the gateway's
	const char *const *pools;
	size_t pools_len;
};

enum plan_encap { PLAN_ENCAP_VXLAN, PLAN_ENCAP_NVGRE };

struct plan_subnet {
	const char *network, *name, *ref;
	uint32_t vni;
	enum plan_encap encap;
	const struct ip_prefix *prefix;
	size_t prefix_len;
};

// CA to PA. A host without a PA is known but not reachable yet.
struct plan_host {
	const char *network, *name, *ref; // name: unique among all hosts
	struct ip_addr addr;
	struct mac_addr mac;
	uint32_t vni;
	struct ip_addr pa[2];
};

enum plan_conn_type { PLAN_CONN_GRE, PLAN_CONN_L3, PLAN_CONN_IPSEC, PLAN_CONN_TYPES };

struct plan_route {
	struct ip_prefix prefix;
	struct ip_addr via; // none unless L3
	uint32_t metric;
	uint8_t weight;
};

struct plan_conn_addr {
	struct ip_addr addr;
	uint8_t prefix_len;
};

struct plan_connection {
	const char *tenant, *name, *ref;
	enum plan_conn_type type;
	bool enabled;
	bool has_key;
	uint32_t gre_key;
	struct ip_addr remote; // none: any (IPsec)
	uint64_t in_kbps, out_kbps;
	uint16_t l3_vlan;
	uint16_t mtu;          // 0: from the path
	uint8_t weight;        // ECMP share, 0: 1
	uint8_t shed_priority; // higher is given up first
	uint32_t keepalive_ms; // 0: none
	uint32_t keepalive_retries;
	const struct plan_conn_addr *addr; // L3, ours
	size_t addr_len;
	const struct ip_addr *peer; // L3, next hops
	size_t peer_len;
	const struct plan_route *route;
	size_t route_len;
	const char *ipsec_json;      // object text, or NULL
	const char *credential_json; // object text, or NULL; secret
};

struct plan_bgp_router {
	const char *tenant, *name, *ref;
	uint32_t asn;
	struct ip_addr router_id; // none: its address
	struct ip_addr address;   // routerIP; none: taken from the gateway subnet
};

struct plan_bgp_peer {
	const char *tenant, *name, *ref; // name: "router/peer"
	struct ip_addr address;
	uint32_t asn;
	const char *policy_in, *policy_out; // or NULL
	const char *options_json;           // object text, or NULL
};

struct plan_policy_map {
	const char *tenant, *name, *ref;
	const char *entries_json; // array text
};

struct plan *plan_new(void);
void plan_free(struct plan *p);

// Rows that earlier steps put out, before any other input. 0, or -EINVAL for a row not understood.
int plan_load(struct plan *p, const char *key, const char *value);

void plan_set_pool(struct plan *p, const struct plan_pool *in);
void plan_del_pool(struct plan *p, const char *name);
void plan_set_gateway(struct plan *p, const struct plan_gateway *in);
void plan_del_gateway(struct plan *p, const char *name);
// Both only change what is named; unknown gateways are ignored.
void plan_set_health(struct plan *p, const char *gateway, enum plan_health health);
// The lowest number of its IV block that the gateway has not used: half-way the next is granted
// (true: a step is due).
bool plan_set_iv_next(struct plan *p, const char *gateway, uint64_t next);
// The gateway was enrolled anew, so it may not know which IV epochs it has used: it gets a new
// block, and its slots new epochs (true: a step is due).
bool plan_renew_iv(struct plan *p, const char *gateway);
// From now on plan_set_reached() will be called: a planned move goes to a gateway that has all it
// needs, and the old holder works on until the new one works. Without it both are told at once.
void plan_expect_reports(struct plan *p);
// The gateway has done all that steps up to that one told it. True: a step is due.
bool plan_set_reached(struct plan *p, const char *gateway, uint64_t step);
void plan_set_drain(struct plan *p, const char *gateway, bool drain);
void plan_set_rebalance(struct plan *p, const char *pool, uint64_t number);
void plan_set_tenant(struct plan *p, const struct plan_tenant *in);
void plan_del_tenant(struct plan *p, const char *name);
void plan_set_subnet(struct plan *p, const struct plan_subnet *in);
void plan_del_subnet(struct plan *p, const char *network, const char *name);
void plan_set_host(struct plan *p, const struct plan_host *in);
void plan_del_host(struct plan *p, const char *name);
void plan_set_connection(struct plan *p, const struct plan_connection *in);
void plan_del_connection(struct plan *p, const char *tenant, const char *name);
void plan_set_bgp_router(struct plan *p, const struct plan_bgp_router *in);
void plan_del_bgp_router(struct plan *p, const char *tenant, const char *name);
void plan_set_bgp_peer(struct plan *p, const struct plan_bgp_peer *in);
void plan_del_bgp_peer(struct plan *p, const char *tenant, const char *name);
void plan_set_policy_map(struct plan *p, const struct plan_policy_map *in);
void plan_del_policy_map(struct plan *p, const char *tenant, const char *name);
// An address of the provider networks that slots must not take, by its owner; one each. None, or
// plan_unreserve(): given back.
void plan_reserve(struct plan *p, const char *owner, const struct ip_addr *addr);
void plan_unreserve(struct plan *p, const char *owner);
bool plan_address_taken(const struct plan *p, const struct ip_addr *addr); // by a slot

// Epochs are taken from `next` on; it is never lowered.
void plan_set_epoch(struct plan *p, uint64_t next);

// -- a step

enum plan_kind {
	PLAN_KIND_GATEWAY,
	PLAN_KIND_SLOT,
	PLAN_KIND_VRF,
	PLAN_KIND_SUBNET,
	PLAN_KIND_TENANT_SLOT,
	PLAN_KIND_LOCAL_ADDRESS,
	PLAN_KIND_HOST,
	PLAN_KIND_CONNECTION,
	PLAN_KIND_ROUTES,
	PLAN_KIND_BGP_ROUTER,
	PLAN_KIND_BGP_PEER,
	PLAN_KIND_POLICY_MAP,
	PLAN_KIND_CREDENTIAL,
	PLAN_KIND_WATCH,
	PLAN_KIND_VIP_SLOT,
	PLAN_KIND_VIP_REMOTE,
	PLAN_KIND_HOST_SUBNET, // hosts' view only
	PLAN_KIND_HOST_ROUTE,  // hosts' view only
	PLAN_KINDS,
};

// Words on the wire, docs/southbound.md.
const char *plan_kind_name(enum plan_kind kind);

// Immutable and counted: one value is shared by all views that hold it.
struct plan_object {
	uint32_t refs;
	uint8_t kind;     // enum plan_kind
	const char *key;  // unique within the kind
	const char *text; // a JSON object
	const char *ref;  // the resource it comes from, "" if none
};

struct plan_object *plan_object_get(struct plan_object *o); // takes a reference
void plan_object_put(struct plan_object *o);

#define PLAN_HOSTS "" // the view of the hosts, beside those named after gateways

struct plan_event {
	const char *view;           // gateway, or PLAN_HOSTS; borrowed until the next step
	struct plan_object *object; // borrowed until the next step
	bool gone;
};

struct plan_row {
	const char *key;
	const char *value; // NULL: delete
};

struct plan_result {
	const struct plan_event *events;
	size_t events_len;
	const struct plan_row *rows;
	size_t rows_len;
	// Connections ("tenant/name") whose status changed, borrowed.
	const char *const *connections;
	size_t connections_len;
	uint64_t next_epoch; // one past the last that was used
	uint64_t step;       // its number, for plan_set_reached()
	bool awaits;         // somebody's plan_set_reached() is waited for
	int64_t next_ms;     // when to step again without a change; -1: never
};

// now_ms: any clock that does not go back. The result lives until the next step.
struct plan_result plan_step(struct plan *p, int64_t now_ms);

// Entities read by all steps so far: what a change costs, independent of the machine.
uint64_t plan_reads(const struct plan *p);

// -- status, for the API

enum plan_wait {
	PLAN_WAIT_NONE,
	PLAN_WAIT_POOL,     // no pool of the tenant serves this type
	PLAN_WAIT_GATEWAY,  // no gateway of the pool is up
	PLAN_WAIT_CAPACITY, // not enough bandwidth left
	PLAN_WAIT_ADDRESS,  // no address left for a slot
	PLAN_WAIT_NETWORK,  // the gateway subnet is not known or full
	PLAN_WAIT_CONFLICT, // the same (remote, GRE key) is in every slot that would do
	PLAN_WAIT_SHED,     // given up for more important ones while gateways are missing
};

struct plan_connection_status {
	uint32_t id;
	uint16_t slot;       // 0: not placed
	const char *gateway; // holder, or NULL; borrowed
	struct ip_addr source[2];
	enum plan_wait wait;
	char words[256]; // what is missing where, when wait is not NONE
};

int plan_connection_status(const struct plan *p, const char *tenant, const char *name,
	struct plan_connection_status *ret_status);

enum plan_gateway_state { PLAN_GATEWAY_ACTIVE, PLAN_GATEWAY_PASSIVE, PLAN_GATEWAY_REDUNDANT };

struct plan_gateway_status {
	enum plan_gateway_state state;
	enum plan_health health;
	bool drain;
	uint32_t slots, connections;
	uint64_t total_kbps;
	int64_t available_kbps; // negative: over-provisioned
};

int plan_gateway_status(
	const struct plan *p, const char *name, struct plan_gateway_status *ret_status);
// Calls back for every connection ("tenant/name") held by the gateway.
void plan_gateway_connections(const struct plan *p, const char *name,
	void (*each)(const char *tenant, const char *connection, void *arg), void *arg);

// Calls back for every slot the gateway may use, with its epoch: those it holds, and under their
// old epochs those of which the new holder has not said that it works.
void plan_gateway_slots(const struct plan *p, const char *name,
	void (*each)(void *arg, uint16_t slot, uint64_t epoch), void *arg);

struct plan_slot_status {
	uint16_t slot;
	const char *pool, *holder; // holder NULL: none
	uint64_t epoch;
	struct ip_addr pa[2], gre_vip[2];
	uint32_t connections;
	uint64_t kbps;
};

// In slot order. Returns false at the end; *slot starts at 0.
bool plan_slot_next(const struct plan *p, uint16_t *slot, struct plan_slot_status *ret_status);

// What rebalancing the pool would move now, in order. Nothing is changed.
void plan_rebalance_proposal(const struct plan *p, const char *pool,
	void (*each)(void *arg, uint16_t slot, const char *from, const char *to, uint64_t kbps),
	void *arg);

struct plan_tenant_status {
	uint32_t vrf;
	uint16_t home; // 0: none
	struct ip_addr router_ip;
	uint32_t connections, waiting;
};

int plan_tenant_status(
	const struct plan *p, const char *name, struct plan_tenant_status *ret_status);

// A tenant's BGP in one of its slots.
struct plan_router_status {
	uint16_t slot; // 0: before the first
	bool is_reflector;
	const char *gateway; // holder, or NULL; borrowed
	const char *ref;     // of the configured router; borrowed
	struct ip_addr address;
	uint32_t asn;
};

// In slot order, one a slot while the tenant has a router. False at the end.
bool plan_router_next(const struct plan *p, const char *tenant, struct plan_router_status *at);

// The gateway that holds the tenant's reflector, by its VRF; NULL: none.
const char *plan_reflector_holder(const struct plan *p, uint32_t vrf);
bool plan_speaks_bgp(const struct plan *p, uint32_t vrf); // the tenant has a router

// How hosts reach what is behind a placed connection: the tenant's MAC and address in its slot, at
// the slot's PA.
struct plan_way {
	uint32_t vrf, conn;
	uint16_t slot;
	struct ip_addr via;
	struct mac_addr mac;
	struct ip_addr pa[2];
};

// In no order; *at starts at 0. False at the end.
bool plan_way_next(const struct plan *p, size_t *at, struct plan_way *ret_way);

// The tenant's configured peers that no static route of a connection leads to: their names, with
// commas, cut at size. False: there is none.
bool plan_peers_unreached(const struct plan *p, const char *tenant, char *names, size_t size);
