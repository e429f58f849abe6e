// SPDX-License-Identifier: Apache-2.0
#pragma once

// What isthmus-bgp is told and reports. Each struct starts with its key; host byte order; zero
// means absent or the default named. A router is a tenant's BGP speaker in one slot; (vrf, slot)
// names it. VRF 0 is the provider's network (infrastructure BGP). Order does not matter: a peer
// whose router is not there yet waits for it.

#include <stdint.h>

#include "ipaddr.h"
#include "proto.h"

#define API_BGP_NAME_SIZE 64
#define API_BGP_KEY_SIZE  80 // RFC 2385

enum {
	API_BGP_ROUTER_REFLECTOR = 1 << 0,
	API_BGP_ROUTER_NEEDS_POLICY = 1 << 1, // RFC 8212: a missing policy map denies
	API_BGP_ROUTER_ALWAYS_MED = 1 << 2,   // compare MED across neighbour ASes
	API_BGP_ROUTER_NO_CLIENT_TO_CLIENT = 1 << 3,
	API_BGP_ROUTER_DAMPENING = 1 << 4, // RFC 2439 with the values below
	API_BGP_ROUTER_NO_FIB = 1 << 5,    // control plane only: nothing goes to the forwarder
	// Another gateway had its sessions until now: a new router speaks as one that restarts, so
	// that neighbours keep what they were told until all is learnt again (RFC 4724 4.1).
	API_BGP_ROUTER_TAKEN_OVER = 1 << 6,
};

struct api_bgp_router {
	uint32_t vrf;
	uint16_t slot;
	uint16_t pad;
	// end of key
	uint32_t asn;        // 1..2^32-2
	uint32_t router_id;  // host order, not 0
	uint32_t cluster_id; // 0: router_id
	uint32_t flags;
	struct ip_addr address[2]; // routerIP per IP version; next hop where a session says nothing
	uint8_t multipath;         // most equal paths into the FIB; 0: 8
	uint8_t pad2;
	uint16_t restart_time_s;        // RFC 4724; 0: 120
	uint16_t stale_time_s;          // kept after a peer's restart at most; 0: 360
	uint16_t restart_defer_s;       // first selection waits for End-of-RIB so long; 0: 60
	uint32_t max_routes;            // paths kept for this router; 0: 1 000 000
	uint32_t dampening_half_life_s; // 0: 900
	uint16_t dampening_suppress, dampening_reuse; // 1000 a flap; 0: 2000, 750
	char name[API_BGP_NAME_SIZE];
};

enum {
	API_BGP_PEER_CLIENT = 1 << 0,        // RFC 4456
	API_BGP_PEER_PASSIVE = 1 << 1,       // never dials
	API_BGP_PEER_DISABLED = 1 << 2,      // administrative shutdown
	API_BGP_PEER_NEXT_HOP_SELF = 1 << 3, // iBGP: put our address in place of an external one
	API_BGP_PEER_DEFAULT_ORIGINATE = 1 << 4,
	API_BGP_PEER_ADD_PATH_SEND = 1 << 5, // RFC 7911
	API_BGP_PEER_ADD_PATH_RECEIVE = 1 << 6,
	API_BGP_PEER_NO_IPV4 = 1 << 7,
	API_BGP_PEER_IPV6 = 1 << 8,         // IPv6 unicast too
	API_BGP_PEER_IPV6_NEXTHOP = 1 << 9, // RFC 8950
	API_BGP_PEER_NO_RESTART = 1 << 10,  // no graceful restart
	API_BGP_PEER_EXTENDED_MESSAGE = 1 << 11,
	API_BGP_PEER_STRICT_ROLE = 1 << 12,
	API_BGP_PEER_HAS_ROLE = 1 << 13,
	API_BGP_PEER_REMOVE_PRIVATE_AS = 1 << 14,
	API_BGP_PEER_ALLOW_OWN_AS = 1 << 15,    // once, as sites of one AS need
	API_BGP_PEER_AS_OVERRIDE = 1 << 16,     // put our AS in place of the peer's
	API_BGP_PEER_IGNORE_FIRST_AS = 1 << 17, // a route server: first AS may be another
	API_BGP_PEER_GENERATED = 1 << 18,       // another gateway of the tenant: has our networks
	// The forwarder's BFD session of the same addresses ends this one (RFC 5882; api/bfd.h).
	API_BGP_PEER_BFD = 1 << 19,
};

enum api_bgp_max_mode {
	API_BGP_MAX_RESET = 0, // Cease/Maximum Number of Prefixes Reached
	API_BGP_MAX_STOP,      // keeps the session, accepts no more
	API_BGP_MAX_WARN,
};

struct api_bgp_peer {
	uint32_t vrf;
	uint16_t slot;
	uint16_t pad;
	struct ip_addr address;
	// end of key
	uint32_t asn;
	uint32_t flags;
	struct ip_addr local;           // our end; IP_NONE: the router's address of that version
	uint16_t hold_time_s;           // 0: 90; 65535: no hold timer
	uint16_t connect_retry_s;       // 0: 5
	uint16_t send_hold_time_s;      // RFC 9687; 0: twice the hold time, at least 480
	uint16_t advertise_interval_ms; // least time between changes of one prefix; 0: none
	uint8_t ttl_hops;               // GTSM (RFC 5082): peer at most so many hops away; 0: off
	uint8_t role;                   // RFC 9234, ours, with HAS_ROLE
	uint8_t max_mode;               // enum api_bgp_max_mode
	uint8_t max_warn_percent;       // 0: 80
	uint32_t max_prefixes;          // table entries accepted from it; 0: the router's
	uint16_t max_restart_s;         // idle so long after Cease/Max; 0: 60
	uint16_t weight;                // of its routes where policy says nothing
	char md5_key[API_BGP_KEY_SIZE];
	char policy_in[API_BGP_NAME_SIZE], policy_out[API_BGP_NAME_SIZE]; // "": none
	char shutdown_text[API_TEXT_SIZE];                                // RFC 9003, with DISABLED
	char name[API_BGP_NAME_SIZE];
};

// A policy map: entries in order, each with an action, criteria and changes. Flattened into lines;
// lines of one entry have the same number and lie together. All criteria of an entry must hold
// (any value of one). The first Deny or Permit that matches decides, Modify changes and goes on.
// When none decided, the route passes unless the map has a Permit entry. Allow and Permit are one.
enum api_bgp_action { API_BGP_DENY = 1, API_BGP_PERMIT, API_BGP_MODIFY }; // MODIFY goes on

enum api_bgp_property {
	API_BGP_ENTRY = 1, // v[0] = enum api_bgp_action; first line of each entry; text: its name
	// criteria
	API_BGP_MATCH_PREFIX,    // prefix and everything inside it
	API_BGP_IGNORE_PREFIX,   // not inside it
	API_BGP_NEXT_HOP,        // prefix.addr
	API_BGP_ASN_RANGE,       // v[0]..v[1] occurs in AS_PATH
	API_BGP_COMMUNITY,       // v[0]
	API_BGP_LARGE_COMMUNITY, // v[0]:v[1]:v[2]
	// changes
	API_BGP_SET_AS_PATH = 32, // prepend v[0], v[1] times (0: once)
	API_BGP_SET_ADD_COMMUNITY,
	API_BGP_SET_REMOVE_COMMUNITY,
	API_BGP_SET_REMOVE_ALL_COMMUNITY,
	API_BGP_SET_MED,
	API_BGP_SET_CLEAR_MED,
	API_BGP_SET_WEIGHT,
	API_BGP_SET_LOCAL_PREF,
	API_BGP_SET_NEXT_HOP, // prefix.addr
	API_BGP_SET_ADD_LARGE_COMMUNITY,
	API_BGP_SET_REMOVE_LARGE_COMMUNITY,
};

struct api_bgp_policy_line {
	uint16_t entry;
	uint16_t property; // enum api_bgp_property
	uint32_t v[3];
	struct ip_prefix prefix;
	char text[32];
};

#define API_BGP_POLICY_LINES 800 // what one object of the local protocol holds

struct api_bgp_policy {
	uint32_t vrf;
	char name[API_BGP_NAME_SIZE];
	// end of key
	uint32_t line_count;
	struct api_bgp_policy_line line[]; // variable size: only line_count are sent
};

enum api_bgp_network_kind {
	API_BGP_NETWORK = 1,    // a subnet of the virtual network
	API_BGP_STATIC,         // redistributed
	API_BGP_CONNECTED,      // redistributed
	API_BGP_AGGREGATE,      // announced while something inside it is known
	API_BGP_AGGREGATE_ONLY, // and what is inside it is not announced
};

struct api_bgp_network {
	uint32_t vrf;
	uint16_t slot;
	uint16_t pad;
	struct ip_prefix prefix;
	// end of key
	uint8_t kind; // enum api_bgp_network_kind
	uint8_t has_med;
	// Announced while this slot is held; it is for the agent to say so. 0: at any time.
	uint16_t held_slot;
	uint32_t med;
	struct ip_addr next_hop; // IP_NONE: ours
};

enum api_bgp_socket_kind {
	API_BGP_SOCKET_LISTEN = 1, // bound to `local` port 179 and listening; `peer` is IP_NONE
	API_BGP_SOCKET_CONNECT,    // TCP, bound to `local`, not connected, non-blocking
};

// SET carries one descriptor, made in the VRF's namespace. The speaker itself sets MD5 keys, TTL
// and connects. As an EVENT, without a descriptor: a CONNECT socket for this peer is wanted.
struct api_bgp_socket {
	uint32_t vrf;
	uint16_t slot;
	uint8_t kind; // enum api_bgp_socket_kind
	uint8_t pad;
	struct ip_addr local;
	struct ip_addr peer;
};

// -- reports

enum api_bgp_state {
	API_BGP_IDLE = 1,
	API_BGP_CONNECT,
	API_BGP_ACTIVE,
	API_BGP_OPENSENT,
	API_BGP_OPENCONFIRM,
	API_BGP_ESTABLISHED,
};

struct api_bgp_message_stats {
	uint64_t sent, received;
	int64_t last_sent_ms, last_received_ms; // Unix time; 0: never
};

struct api_bgp_route_stats {
	uint64_t update_sent, update_received, withdrawal_sent, withdrawal_received; // prefixes
};

// DUMP and EVENT (on a change of state).
struct api_bgp_peer_state {
	uint32_t vrf;
	uint16_t slot;
	uint16_t pad;
	struct ip_addr address;
	// end of key
	uint8_t state;        // enum api_bgp_state
	uint8_t restarting;   // stale routes of it are kept
	uint16_t hold_time_s; // agreed
	uint32_t asn;
	uint32_t remote_id;
	uint32_t flags;         // of what was agreed: API_BGP_PEER_*
	uint32_t flaps;         // times it left Established
	int64_t established_ms; // Unix time of the latest, 0: never
	int64_t closed_ms;
	struct api_bgp_message_stats open, update, notification, keepalive, refresh;
	struct api_bgp_route_stats family[2];
	uint32_t received[2];                               // prefixes it has told us now
	uint32_t accepted[2];                               // of these, past policy
	uint32_t advertised[2];                             // prefixes we have told it now
	uint32_t treated_as_withdraw, attributes_discarded; // RFC 7606
	char last_error[API_TEXT_SIZE]; // "sent Cease/..." or "received ...: text"
	char warning[API_TEXT_SIZE];    // e.g. no policy map: accepts and announces all
	// After a restart or take-over its router has not yet learnt and installed all again: what
	// was known before stands.
	uint8_t settling;
	uint8_t bfd; // 1 + enum api_bfd_state_code; 0: no BFD, or nothing is known of it
	uint8_t pad2[6];
};

enum api_bgp_view {
	API_BGP_VIEW_BEST = 0,   // what the router uses
	API_BGP_VIEW_RECEIVED,   // everything `peer` (or all) told us, with the decision on each
	API_BGP_VIEW_ADVERTISED, // what `peer` was told
};

enum api_bgp_verdict {
	API_BGP_BEST = 1,
	API_BGP_MULTIPATH,
	API_BGP_CANDIDATE,     // lost the decision process
	API_BGP_REJECT_POLICY, // text: the entry
	API_BGP_REJECT_LOOP,   // own AS, originator or cluster
	API_BGP_REJECT_NEXT_HOP,
	API_BGP_REJECT_ROLE, // RFC 9234
	API_BGP_REJECT_DAMPED,
	API_BGP_REJECT_NO_POLICY, // RFC 8212
};

// DUMP with (vrf, slot, peer, view) as the filter; EVENT on changes of BEST for subscribers.
struct api_bgp_route {
	uint32_t vrf;
	uint16_t slot;
	uint8_t view; // enum api_bgp_view
	uint8_t pad;
	struct ip_addr peer; // it is from; IP_NONE: of our own
	struct ip_prefix prefix;
	uint32_t path_id;
	// end of key
	uint8_t verdict; // enum api_bgp_verdict; 0 in an EVENT: gone
	uint8_t origin;
	uint8_t stale, internal;
	uint32_t med, local_pref, weight;
	struct ip_addr next_hop;
	char as_path[API_TEXT_SIZE];
	char communities[API_TEXT_SIZE];
	char reason[API_TEXT_SIZE]; // "policy entry 'INPOLICY1'", "shorter AS path wins"
};
