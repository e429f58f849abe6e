// SPDX-License-Identifier: Apache-2.0
#pragma once

// The structs behind the resources' properties, in the order of model_types. What each member means
// is said once, in the field tables (docs/api-reference.md is made from them). Absence: see enum
// model_kind. A comment on a list names what its items are.

#include "ipaddr.h"
#include "model.h"

// -- identities and machines

enum model_credential_type {
	MODEL_CREDENTIAL_PASSWORD = 1,
	MODEL_CREDENTIAL_X509,
	MODEL_CREDENTIAL_SNMP,
	MODEL_CREDENTIAL_X509_SUBJECT,
};

struct model_credential_isthmus {
	char *certificates;     // PEM
	char *private_key;      // PEM
	char *revocation_lists; // PEM
};

struct model_credential {
	uint8_t type; // enum model_credential_type
	char *user_name;
	char *value;
	struct model_credential_isthmus *isthmus;
};

struct model_management {
	struct model_list management_addresses; // char *
	char *credential;                       // ref
	uint8_t credential_type;
	int64_t port;
};

struct model_server_nic {
	bool is_bmc;
	struct model_list logical_network_subnets; // ref
};

struct model_virtual_server {
	struct model_list connections; // struct model_management *
	char *vm_guid;
	char *certificate;
};

struct model_server_isthmus {
	struct model_list provider_addresses; // struct ip_addr
};

struct model_server {
	struct model_list connections; // struct model_management *
	char *certificate;
	char *rack_slot;
	struct model_server_isthmus *isthmus;
};

struct model_mac_pool {
	struct mac_addr start, end; // inclusive
};

// -- provider networks

struct model_logical_network {
	bool network_virtualization_enabled;
};

struct model_lsubnet_route {
	struct ip_prefix destination_prefix;
	struct ip_addr next_hop;
	int64_t metric;
};

struct model_lsubnet {
	struct ip_prefix address_prefix;
	int64_t vlan_id;                    // 0: untagged
	struct model_list default_gateways; // struct ip_addr
	struct model_list dns_servers;      // struct ip_addr
	bool is_public;
	struct model_list routes; // struct model_lsubnet_route *
};

struct model_ip_pool {
	struct ip_addr start, end; // inclusive
};

enum model_allocation {
	MODEL_ALLOCATION_STATIC = 1,
	MODEL_ALLOCATION_DYNAMIC,
	MODEL_ALLOCATION_UNMANAGED, // addresses of interfaces only
};

struct model_dns_settings {
	char *domain_name_label;
	char *fqdn;
};

struct model_public_ip {
	struct ip_addr address;
	uint8_t allocation; // enum model_allocation
	uint8_t version;    // 1 IPv4, 2 IPv6
	int64_t idle_timeout_min;
	struct model_dns_settings *dns_settings;
};

// -- tenants' networks

enum model_encap { MODEL_ENCAP_VXLAN = 1, MODEL_ENCAP_NVGRE = 2 };

struct model_vsid_range {
	int64_t start, end; // inclusive
};

struct model_vnet_manager {
	uint8_t protocol; // enum model_encap
	struct model_vsid_range *vsid_range;
};

struct model_address_space {
	struct model_list prefixes; // struct ip_prefix
};

struct model_dhcp_options {
	struct model_list dns_servers; // struct ip_addr
};

struct model_virtual_network {
	struct model_address_space *address_space;
	char *logical_network; // ref
	struct model_dhcp_options *dhcp_options;
};

struct model_vsubnet {
	struct ip_prefix address_prefix;
	char *access_control_list; // ref
	char *route_table;         // ref
	int64_t virtual_subnet_id; // VSID = VNI; given by the controller, kept in the document
};

struct model_nic_dns {
	struct model_list dns_servers; // struct ip_addr
};

struct model_nic_isthmus {
	char *server; // ref: the host this interface is on
};

struct model_nic {
	struct mac_addr mac;
	uint8_t mac_allocation; // enum model_allocation
	struct model_nic_dns *dns_settings;
	bool is_primary;
	bool is_multitenant_stack;
	bool is_host_interface;
	struct model_nic_isthmus *isthmus;
};

struct model_ip_configuration {
	struct ip_addr address;
	uint8_t allocation; // enum model_allocation
	char *subnet;       // ref: logicalNetworks/subnets or virtualNetworks/subnets
	char *access_control_list;
	char *public_ip_address;
};

// -- gateways

struct model_lb_manager {
	struct ip_addr manager_address;
	struct model_list outbound_nat_exemptions; // struct ip_prefix
	struct model_list vip_ip_pools;            // ref
	uint8_t mux_mode;                          // 1 BgpPeering, 2 L2Forwarding
};

enum model_pool_type {
	MODEL_POOL_IPSEC = 1,
	MODEL_POOL_GRE,
	MODEL_POOL_L3,
	MODEL_POOL_ALL,
};

struct model_pool_ip_configuration {
	struct model_list gre_vip_subnets;     // ref
	struct model_list public_ip_addresses; // ref
};

enum model_capacity_rule { MODEL_CAPACITY_2019 = 1, MODEL_CAPACITY_2016 };

struct model_pool_isthmus {
	int64_t slots_per_gateway; // of each active gateway
	uint8_t capacity_rule;     // enum model_capacity_rule
	int64_t rebalance;         // another number: even out the load, once
	bool refuse_weak;          // algorithms that are otherwise obeyed with a warning
};

struct model_gateway_pool {
	uint8_t type; // enum model_pool_type
	struct model_pool_ip_configuration *ip_configuration;
	int64_t redundant_gateway_count;
	int64_t gateway_capacity_kbps;
	struct model_pool_isthmus *isthmus;
};

struct model_gateway_peer {
	struct ip_addr address;
	uint32_t asn;
};

struct model_gateway_bgp {
	uint32_t asn;
	struct model_list peers; // struct model_gateway_peer *
};

struct model_gateway_interfaces {
	char *external; // ref
	char *internal; // ref
};

struct model_gateway_isthmus {
	int64_t underlay_port; // forwarder port number
	int64_t l3_port;
	bool drain;
};

struct model_gateway {
	char *pool;           // ref
	char *virtual_server; // ref
	struct model_gateway_interfaces *network_interfaces;
	struct model_gateway_bgp *bgp_config;
	struct model_gateway_isthmus *isthmus;
};

struct model_mux_router {
	char *name;
	struct ip_addr address;
	int64_t asn;
	struct ip_addr local_address;
};

struct model_mux_bgp {
	int64_t asn;
	struct model_list peers; // struct model_mux_router *
};

struct model_mux {
	struct model_mux_bgp *router_configuration;
	char *virtual_server; // ref
};

// -- virtual gateways

struct model_virtual_gateway {
	struct model_list gateway_pools;   // ref
	struct model_list gateway_subnets; // ref
	uint8_t routing_type;              // 1 Dynamic
};

enum model_connection_type {
	MODEL_CONNECTION_IPSEC = 1,
	MODEL_CONNECTION_GRE,
	MODEL_CONNECTION_L3,
};

struct model_main_mode {
	uint8_t dh_group, integrity, encryption;
	int64_t lifetime_s;
	int64_t lifetime_kb;
};

struct model_quick_mode {
	uint8_t pfs, cipher, authentication;
	int64_t lifetime_s;
	int64_t lifetime_kb;
	int64_t idle_disconnect_s;
};

struct model_traffic_selector {
	uint8_t type; // 1 IPv4, 2 IPv6
	int64_t protocol_id;
	int64_t port_start, port_end;
	struct ip_addr address_start, address_end;
	int64_t ts_payload_id;
};

struct model_ipsec {
	uint8_t authentication_method; // 1 PSK, 2 Certificates
	char *shared_secret;
	struct model_quick_mode *quick_mode;
	struct model_main_mode *main_mode;
	struct model_list local_selectors;  // struct model_traffic_selector *
	struct model_list remote_selectors; // struct model_traffic_selector *
};

struct model_gre {
	int64_t key; // MODEL_ABSENT: no key on the wire
};

struct model_l3 {
	char *vlan_subnet; // ref
};

struct model_interface_address {
	struct ip_addr address;
	int64_t prefix_len;
};

struct model_route {
	struct ip_prefix destination_prefix;
	struct ip_addr next_hop; // 0.0.0.0 or absent: the connection itself
	int64_t metric;
	uint8_t protocol; // 1 Static
};

struct model_keepalive {
	int64_t interval_ms;
	int64_t retries;
};

struct model_bfd {
	bool enabled;
	int64_t interval_ms;
	int64_t multiplier;
};

struct model_connection_isthmus {
	int64_t weight; // ECMP share
	int64_t mtu;    // inner; 0: from the path
	struct model_keepalive *gre_keepalive;
	struct model_bfd *bfd;
	int64_t shed_priority;
	char *local_identity;
	char *peer_identity;
	char *certificate;                  // ref
	struct model_list peer_authorities; // ref
};

struct model_connection {
	uint8_t type; // enum model_connection_type
	int64_t outbound_kbps, inbound_kbps;
	struct model_ipsec *ipsec;
	struct model_gre *gre;
	struct model_l3 *l3;
	struct model_list ip_addresses;      // struct model_interface_address *
	struct model_list peer_ip_addresses; // struct ip_addr
	struct model_list routes;            // struct model_route *
	uint8_t connection_status;           // 1 Enabled, 2 Disabled
	struct ip_addr destination_address;
	struct model_connection_isthmus *isthmus;
};

struct model_bgp_router {
	bool is_enabled;
	bool require_igp_sync;
	uint32_t asn;
	struct ip_addr router_id;
	struct model_list router_ip; // struct ip_addr
};

struct model_bgp_peer_isthmus {
	char *md5_secret;
	int64_t ttl_security_hops; // GTSM (RFC 5082); 0: off
	int64_t hold_time_s;
	int64_t max_prefixes;
	bool graceful_restart;
	bool add_path;
	struct model_bfd *bfd;
};

struct model_bgp_peer {
	struct ip_addr address;
	uint32_t asn, plain_asn; // one of them may be 0
	char *policy_map_in;     // ref
	char *policy_map_out;    // ref
	struct model_bgp_peer_isthmus *isthmus;
};

struct model_policy_match {
	uint8_t property;        // 1 MatchPrefix 2 NextHop 3 IgnorePrefix 4 AsnRange 5 Community
	struct model_list value; // char *
};

struct model_policy_set {
	// 1 As-Path 2 Add-Community 3 Remove-Community 4 Remove-All-Community 5 MED 6 Clear-MED
	// 7 Weight 8 Local-Pref 9 Next-Hop
	uint8_t property;
	struct model_list value; // char *
};

struct model_policy_entry {
	char *name;
	uint8_t action;            // 1 Deny 2 Allow 3 Permit 4 ModifyAttribute
	struct model_list matches; // struct model_policy_match *
	struct model_list sets;    // struct model_policy_set *
};

struct model_policy_map {
	struct model_list entries; // struct model_policy_entry *
};

// -- the types, for those who need one by name

extern const struct model_type model_type_credential, model_type_virtual_server, model_type_server,
	model_type_server_nic, model_type_mac_pool, model_type_logical_network, model_type_lsubnet,
	model_type_ip_pool, model_type_public_ip, model_type_vnet_manager,
	model_type_virtual_network, model_type_vsubnet, model_type_nic, model_type_ip_configuration,
	model_type_lb_manager, model_type_gateway_pool, model_type_gateway,
	model_type_virtual_gateway, model_type_connection, model_type_bgp_router,
	model_type_bgp_peer, model_type_policy_map, model_type_mux;
