// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the forwarder is told. Each struct starts with its key. All ids are the controller's and the
// same on every gateway. Rates are kilobits (1000 bits) a second; 0 is unlimited. Host byte order;
// addresses as in ipaddr.h; text is NUL-terminated, for people and never matched on.

#include <stdint.h>

#include "ipaddr.h"
#include "proto.h"

#define API_VRF_UNDERLAY 0 // the provider's own routing domain

// -- underlay

struct api_port {
	uint16_t port; // index as given at start
	uint8_t up;
	uint8_t kind; // 1 af_packet, 2 ethdev
	struct mac_addr mac;
	uint16_t mtu;
	char name[32];
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped;
};

// An address of this gateway on a provider network. Adds its connected prefix to VRF 0, is answered
// by ARP or ND, and is a source for what the gateway itself sends there.
struct api_underlay_addr {
	uint16_t port;
	uint16_t vlan; // 0: untagged
	struct ip_addr addr;
	// end of key
	uint8_t prefix_len;
};

// -- slots

// The unit that changes holder. `epoch` never goes down: a SET with a lower one is refused
// (-ESTALE). Addresses of an inactive slot are neither answered nor used.
struct api_slot {
	uint16_t slot; // 1..4095
	// end of key
	uint8_t active;
	uint8_t relay;       // inactive, but passes what still arrives on to `relay_to` by IP-in-IP
	uint16_t port, vlan; // where its addresses live
	uint64_t epoch;      // installation-wide, decides who holds the slot
	uint64_t iv_epoch;   // low 24 bits go into counter nonces
	struct ip_addr pa[2];      // floating VTEP, one per IP version, or IP_NONE
	struct ip_addr gre_vip[2]; // floating GRE endpoint
	struct ip_addr vip[2];     // public address whose IKE and ESP this slot takes for all
	struct ip_addr relay_to;
	// Active, but about to be another's: works on, answers nobody who asks for its addresses
	// and asks nobody from them.
	uint8_t yields;
	uint8_t pad[3];
	// Public addresses that its connections use. Those that are not in `vip` are answered for
	// elsewhere: what comes for them was relayed here.
	struct ip_addr vip_used[2];
};

// A slot behind a public address that this gateway may answer for: while the slot is held elsewhere
// its IKE and ESP are relayed to its PA by IP-in-IP.
struct api_vip_slot {
	struct ip_addr vip;
	uint16_t slot;
	// end of key
	uint16_t port, vlan; // where the PA lives
	uint16_t pad;
	struct ip_addr pa;
};

// Which slot a first IKE message from that address belongs to.
struct api_vip_remote {
	struct ip_addr vip, remote; // remote IP_NONE: any that has none of its own
	// end of key
	uint16_t slot;
	uint16_t pad;
};

// -- tenants

struct api_vrf {
	uint32_t vrf; // 1..
	// end of key
	char name[64]; // "Contoso"
};

enum api_encap { API_ENCAP_VXLAN = 1, API_ENCAP_NVGRE = 2 };

// A virtual subnet: where a tenant's frames come from and go to.
struct api_subnet {
	uint32_t vni; // VSID, 1..2^24-1
	// end of key
	uint32_t vrf;
	uint8_t encap; // enum api_encap
	uint8_t prefix_count;
	uint16_t mtu; // inner IP MTU; 0: from the port's
	struct ip_prefix prefix[4];
};

// A tenant's presence in one slot: the MAC its frames are sent to, wherever the slot is held.
struct api_tenant_slot {
	uint32_t vrf;
	uint16_t slot;
	uint16_t pad;
	// end of key
	struct mac_addr mac;
	uint16_t pad2;
	uint32_t vni;         // the gateway subnet
	struct ip_addr pa[2]; // the slot's, for reaching it when it is held elsewhere
};

// An address of the gateway inside the tenant's network: answered by ARP/ND on its subnet with the
// tenant slot's MAC, pinged, and its TCP and UDP punted, while its slot is active here.
struct api_local_addr {
	uint32_t vrf;
	struct ip_addr addr;
	// end of key
	uint32_t vni; // the subnet it is answered on; 0: none (an L3 or routed address)
	uint16_t slot;
	uint8_t is_gateway; // default gateway of its subnet
	uint8_t pad;
};

// CA to PA: a virtual machine's address, MAC, and the host it is on.
struct api_host {
	uint32_t vrf;
	struct ip_addr addr; // CA
	// end of key
	uint32_t vni;
	struct mac_addr mac;
	uint16_t pad;
	struct ip_addr pa[2]; // of its host; the first usable IP version is taken
};

// -- connections

enum api_conn_type { API_CONN_GRE = 1, API_CONN_L3 = 2, API_CONN_IPSEC = 3 };

enum {
	API_CONN_F_ENABLED = 1 << 0,
	API_CONN_F_GRE_KEY = 1 << 1, // gre_key is meant, 0 included
	API_CONN_F_GRE_KEEPALIVE = 1 << 2,
	API_CONN_F_GRE_OVER_IPSEC = 1 << 3, // transport mode SAs protect the GRE packets
};

#define API_CONN_ADDRS 4

struct api_conn_addr {
	struct ip_addr addr;
	uint8_t prefix_len;
	uint8_t pad[3];
};

struct api_conn {
	uint32_t conn; // 1..
	// end of key
	uint32_t vrf;
	uint16_t slot;
	uint8_t type;   // enum api_conn_type
	uint8_t weight; // ECMP share where a path says 0; 0 means 1
	uint32_t flags;
	uint32_t gre_key;
	struct ip_addr local;  // GRE, IPsec: outer source; a floating address of the slot
	struct ip_addr remote; // GRE, IPsec: outer destination; IP_NONE: any (IPsec only)
	uint16_t l3_port;
	uint16_t l3_vlan; // 0: untagged
	uint16_t mtu;     // inner; 0: from the path
	uint8_t l3_addr_count, l3_peer_count;
	struct api_conn_addr l3_addr[API_CONN_ADDRS]; // ours on the VLAN
	struct ip_addr l3_peer[API_CONN_ADDRS];       // next hops there
	uint64_t in_kbps, out_kbps;
	uint16_t keepalive_interval_ms, keepalive_retries;
	char name[64];
};

// -- routes

enum api_route_source {
	API_ROUTE_CONNECTED = 1,
	API_ROUTE_STATIC = 2,
	API_ROUTE_BGP = 3,
};

enum api_path_type {
	API_PATH_CONN = 1, // id = connection; via = next hop on an L3 connection, else IP_NONE
	API_PATH_SUBNET,   // id = vni; the destination itself is looked up among the hosts
	API_PATH_SLOT,     // id = slot: over the tenant's overlay to that slot's holder
	API_PATH_VIA,      // resolved through another route of the same VRF
	API_PATH_PORT,     // VRF 0: id = port << 16 | vlan; via = next hop, or IP_NONE for on-link
	API_PATH_DROP,     // counted as "no route by configuration"
	API_PATH_LOCAL,    // punted to the VRF's TUN
};

struct api_path {
	uint8_t type;
	uint8_t weight; // 0 means 1
	uint16_t pad;
	uint32_t id;
	struct ip_addr via;
};

#define API_ROUTE_PATHS 16

// Variable size: only path_count paths are sent. For equal (vrf, prefix) the source with the lowest
// preference forwards; the others wait.
struct api_route {
	uint32_t vrf;
	struct ip_prefix prefix;
	uint8_t source; // enum api_route_source
	uint8_t pad[3];
	// end of key
	uint8_t preference; // administrative distance: connected 0, static 1, eBGP 20, iBGP 200
	uint8_t path_count; // 1..API_ROUTE_PATHS
	uint16_t pad2;
	uint32_t metric;
	struct api_path path[API_ROUTE_PATHS];
};

// A TUN device in the VRF's namespace, made by the agent; its descriptor comes with the message.
struct api_tun {
	uint32_t vrf;
	// end of key
	char name[16];
};

// -- reports

struct api_conn_stats {
	uint32_t conn;
	// end of key
	uint8_t up; // forwarder's own view: resolved next hop, keepalive, SA
	uint8_t pad[3];
	uint64_t in_packets, in_bytes, out_packets, out_bytes; // inner IP bytes
	uint64_t in_rate_dropped, out_rate_dropped;            // packets, by policing
	uint64_t in_dropped, out_dropped;                      // packets, every other reason
	uint64_t in_kbps, out_kbps;                            // measured over the last second
};

struct api_counter {
	char name[64]; // "drop.vxlan_unknown_vni"
	// end of key
	uint64_t value;
	char text[API_TEXT_SIZE]; // in words
};

struct api_neighbour {
	uint16_t port, vlan;
	struct ip_addr addr;
	// end of key
	struct mac_addr mac;
	uint8_t state; // 1 resolving, 2 reachable, 3 stale, 4 failed
	uint8_t pad;
	uint32_t age_ms;
};

struct api_node_stats {
	uint16_t worker;
	char name[30];
	// end of key
	uint64_t calls, packets, cycles;
};

struct api_worker {
	uint16_t worker;
	// end of key
	uint16_t core;
	uint32_t pad;
	uint64_t loops, busy_loops, sleeps;
	uint64_t beat_us; // age of the last completed loop; 0 while asleep by choice
};

// CALL: asks for `count` packets that match; each traced packet comes back as text lines.
struct api_trace {
	uint32_t count; // 1..1000
	uint32_t timeout_ms;
	uint32_t vrf;         // 0: any
	uint32_t conn;        // 0: any
	uint32_t inject_size; // bytes of inject; 0: live packets
	uint16_t inject_port;
	uint16_t pad;
	uint8_t inject[2048]; // an Ethernet frame, as if received on inject_port
};

struct api_trace_text {
	char text[1024]; // one packet: a line a node, last the verdict and its reason
};

struct api_conn_event {
	uint32_t conn;
	// end of key
	uint8_t up;
	uint8_t reason; // 1 keepalive, 2 neighbour, 3 SA, 4 admin
	uint16_t pad;
};

// Messages that changed something, per type: proves that an unchanged PUT reaches nobody.
struct api_message_count {
	uint16_t type;
	// end of key
	uint16_t pad;
	uint32_t pad2;
	uint64_t sets, dels, unchanged, refused;
	uint64_t dropped; // clients disconnected as they did not read its events
};
