// SPDX-License-Identifier: Apache-2.0
// loadBalancerManager, loadBalancerMuxes, gatewayPools, gateways: what carries connections.
#include "table.h"

static const char *const mux_mode_names[] = {"BgpPeering", "L2Forwarding", NULL};

static const struct model_field lb_manager_fields[] = {
	{.name = "loadBalancerManagerIPAddress",
		.kind = MODEL_IP,
		AT(model_lb_manager, manager_address),
		.column = "ADDRESS",
		.help = "Source of the manager's own traffic."},
	{.name = "outboundNatIPExemptions",
		.kind = MODEL_PREFIX,
		.flags = MODEL_LIST,
		.fallback = "[]",
		AT(model_lb_manager, outbound_nat_exemptions),
		.help = "Kept for clients."},
	{.name = "vipIpPools",
		.kind = MODEL_REF,
		.flags = MODEL_LIST | MODEL_TRACKED,
		.target = "logicalNetworks/subnets/ipPools",
		.fallback = "[]",
		AT(model_lb_manager, vip_ip_pools),
		.column = "VIP POOLS",
		.help = "Where public addresses come from."},
	{.name = "loadBalancerMuxMode",
		.kind = MODEL_ENUM,
		.names = mux_mode_names,
		.fallback = "BgpPeering",
		AT(model_lb_manager, mux_mode),
		.help = "How muxes draw traffic to themselves."},
};

static const struct model_table lb_manager_table = TABLE(lb_manager_fields, model_lb_manager);

const struct model_type model_type_lb_manager = {
	.collection = "loadBalancerManager",
	.ref_name = "loadBalancerManager",
	.noun = "loadBalancerManager",
	.short_name = "lbm",
	.singleton = "config",
	.properties = &lb_manager_table,
	.flags = MODEL_CAN_PUT | MODEL_STORED,
	.help = "What holds for every public address.",
};

static const struct model_field mux_router_fields[] = {
	{.name = "routerName",
		.kind = MODEL_TEXT,
		AT(model_mux_router, name),
		.help = "For people."},
	{.name = "routerIPAddress",
		.kind = MODEL_IP,
		.flags = MODEL_REQUIRED,
		AT(model_mux_router, address),
		.help = "The router's address."},
	{.name = "peerASN",
		.kind = MODEL_INT,
		.min = 1,
		.max = UINT32_MAX,
		AT(model_mux_router, asn),
		.help = "The router's AS."},
	{.name = "localIPAddress",
		.kind = MODEL_IP,
		AT(model_mux_router, local_address),
		.help = "The mux's address towards it."},
};

static const struct model_table mux_router_table = TABLE(mux_router_fields, model_mux_router);

static const struct model_field mux_bgp_fields[] = {
	{.name = "localASN",
		.kind = MODEL_INT,
		.min = 1,
		.max = UINT32_MAX,
		AT(model_mux_bgp, asn),
		.help = "The mux's AS."},
	{.name = "peerRouterConfigurations",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &mux_router_table,
		.fallback = "[]",
		.max = 64,
		AT(model_mux_bgp, peers),
		.help = "Routers that it announces VIPs to."},
};

static const struct model_table mux_bgp_table = TABLE(mux_bgp_fields, model_mux_bgp);

static const struct model_field mux_fields[] = {
	{.name = "routerConfiguration",
		.kind = MODEL_OBJECT,
		.table = &mux_bgp_table,
		AT(model_mux, router_configuration),
		.help = "BGP towards the provider's routers."},
	{.name = "virtualServer",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "virtualServers",
		AT(model_mux, virtual_server),
		.column = "SERVER",
		.help = "The machine it runs on."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
};

static const struct model_table mux_table = TABLE(mux_fields, model_mux);

const struct model_type model_type_mux = {
	.collection = "loadBalancerMuxes",
	.ref_name = "loadBalancerMuxes",
	.noun = "loadBalancerMux",
	.short_name = "mux",
	.properties = &mux_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "Spreads the traffic of a VIP over a pool's slots.",
};

static const char *const pool_type_names[] = {"S2sIpSec", "S2sGre", "Forwarding", "All", NULL};

static const struct model_field pool_ip_configuration_fields[] = {
	{.name = "greVipSubnets",
		.kind = MODEL_REF,
		.flags = MODEL_LIST | MODEL_TRACKED,
		.target = "logicalNetworks/subnets",
		.fallback = "[]",
		AT(model_pool_ip_configuration, gre_vip_subnets),
		.help = "Where its slots' GRE VIPs come from."},
	{.name = "publicIPAddresses",
		.kind = MODEL_REF,
		.flags = MODEL_LIST | MODEL_TRACKED,
		.target = "publicIPAddresses",
		.fallback = "[]",
		AT(model_pool_ip_configuration, public_ip_addresses),
		.help = "The VIP that IPsec sites connect to."},
};

static const struct model_table pool_ip_configuration_table =
	TABLE(pool_ip_configuration_fields, model_pool_ip_configuration);

static const char *const capacity_rule_names[] = {"2019", "2016", NULL};

static const struct model_field pool_isthmus_fields[] = {
	{.name = "slotsPerGateway",
		.kind = MODEL_INT,
		.fallback = "16",
		.min = 1,
		.max = 1024,
		AT(model_pool_isthmus, slots_per_gateway),
		.help = "Slots for each active gateway: the unit that moves at a failover."},
	{.name = "capacityRule",
		.kind = MODEL_ENUM,
		.names = capacity_rule_names,
		.fallback = "2019",
		AT(model_pool_isthmus, capacity_rule),
		.help = "How much of a gateway a connection takes. 2019: at most 5 Gbit/s of "
			"IPsec, 15 of GRE, 5 of L3; 2016: 3/20, 1/5 and 1/2 of its capacity."},
	{.name = "rebalance",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "0",
		.max = 1000000000,
		AT(model_pool_isthmus, rebalance),
		.help = "Another number than before: the load of its active gateways is evened "
			"out, once."},
	{.name = "refuseWeakCiphers",
		.kind = MODEL_BOOL,
		.flags = MODEL_KEEP,
		.fallback = "false",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_pool_isthmus, refuse_weak),
		.help = "Whether IPsec connections with algorithms that are weak (3DES, SHA-1, "
			"Group2, Group24) fail instead of carrying a warning."},
};

static const struct model_table pool_isthmus_table = TABLE(pool_isthmus_fields, model_pool_isthmus);

static const struct model_field gateway_pool_fields[] = {
	{.name = "type",
		.kind = MODEL_ENUM,
		.flags = MODEL_REQUIRED,
		.names = pool_type_names,
		AT(model_gateway_pool, type),
		.column = "TYPE",
		.help = "The kind of connection its gateways serve."},
	{.name = "ipConfiguration",
		.kind = MODEL_OBJECT,
		.table = &pool_ip_configuration_table,
		.fallback = "{}",
		AT(model_gateway_pool, ip_configuration),
		.help = "Its addresses."},
	{.name = "redundantGatewayCount",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = 1000,
		AT(model_gateway_pool, redundant_gateway_count),
		.column = "REDUNDANT",
		.help = "N of M+N: gateways kept free to take over."},
	{.name = "gatewayCapacityKiloBitsPerSecond",
		.kind = MODEL_INT,
		.fallback = "10000000",
		.max = 1000000000000,
		AT(model_gateway_pool, gateway_capacity_kbps),
		.column = "CAPACITY KBPS",
		.help = "Of each gateway; connections are placed by it."},
	{.name = "gateways", .kind = MODEL_STATE, .column = "GATEWAYS", .help = "Its members."},
	{.name = "virtualGateways", .kind = MODEL_STATE, .help = "Whom it serves."},
	{.name = "isthmus",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &pool_isthmus_table,
		AT(model_gateway_pool, isthmus),
		.help = "Extensions."},
};

static const struct model_table gateway_pool_table = TABLE(gateway_pool_fields, model_gateway_pool);

const struct model_type model_type_gateway_pool = {
	.collection = "gatewayPools",
	.ref_name = "GatewayPools",
	.noun = "gatewayPool",
	.short_name = "gp",
	.properties = &gateway_pool_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "Gateways that serve one kind of connection, or all, with M active and N "
		"redundant.",
};

static const struct model_field gateway_peer_fields[] = {
	{.name = "peerIP",
		.kind = MODEL_IP,
		.flags = MODEL_REQUIRED,
		AT(model_gateway_peer, address),
		.help = "The router's address."},
	{.name = "peerExtAsNumber",
		.kind = MODEL_ASN,
		AT(model_gateway_peer, asn),
		.help = "The router's AS."},
};

static const struct model_table gateway_peer_table = TABLE(gateway_peer_fields, model_gateway_peer);

static const struct model_field gateway_bgp_fields[] = {
	{.name = "extASNumber",
		.kind = MODEL_ASN,
		AT(model_gateway_bgp, asn),
		.help = "The gateway's AS."},
	{.name = "bgpPeer",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &gateway_peer_table,
		.fallback = "[]",
		.max = 64,
		AT(model_gateway_bgp, peers),
		.help = "Routers that it announces its VIPs to."},
};

static const struct model_table gateway_bgp_table = TABLE(gateway_bgp_fields, model_gateway_bgp);

static const struct model_field gateway_interfaces_fields[] = {
	{.name = "externalNetworkInterface",
		.kind = MODEL_REF,
		.flags = MODEL_REQUIRED | MODEL_IMMUTABLE | MODEL_TRACKED,
		.target = "networkInterfaces",
		.code = "InvalidNetworkInterfaceReference",
		AT(model_gateway_interfaces, external),
		.help = "Towards the provider: one ipConfiguration, on a logical network."},
	{.name = "internalNetworkInterface",
		.kind = MODEL_REF,
		.flags = MODEL_IMMUTABLE | MODEL_TRACKED,
		.target = "networkInterfaces",
		.code = "InvalidNetworkInterfaceReference",
		AT(model_gateway_interfaces, internal),
		.help = "Towards tenants' networks: no ipConfiguration."},
};

static const struct model_table gateway_interfaces_table =
	TABLE(gateway_interfaces_fields, model_gateway_interfaces);

static const struct model_field gateway_isthmus_fields[] = {
	{.name = "underlayPort",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = 255,
		AT(model_gateway_isthmus, underlay_port),
		.help = "Forwarder port of the provider network."},
	{.name = "l3Port",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = 255,
		AT(model_gateway_isthmus, l3_port),
		.help = "Forwarder port of the VLANs of L3 connections."},
	{.name = "drain",
		.kind = MODEL_BOOL,
		.fallback = "false",
		AT(model_gateway_isthmus, drain),
		.help = "Gives its slots to others and takes none: for maintenance or before "
			"it is removed."},
};

static const struct model_table gateway_isthmus_table =
	TABLE(gateway_isthmus_fields, model_gateway_isthmus);

static const struct model_field gateway_fields[] = {
	{.name = "pool",
		.kind = MODEL_REF,
		.flags = MODEL_REQUIRED | MODEL_TRACKED,
		.target = "gatewayPools",
		AT(model_gateway, pool),
		.column = "POOL",
		.help = "The pool it belongs to."},
	{.name = "virtualServer",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "virtualServers",
		AT(model_gateway, virtual_server),
		.help = "The machine it runs on."},
	{.name = "networkInterfaces",
		.kind = MODEL_OBJECT,
		.flags = MODEL_REQUIRED,
		.table = &gateway_interfaces_table,
		AT(model_gateway, network_interfaces),
		.help = "Its interfaces."},
	{.name = "bgpConfig",
		.kind = MODEL_OBJECT,
		.table = &gateway_bgp_table,
		AT(model_gateway, bgp_config),
		.help = "BGP towards the provider's routers, for GRE VIPs."},
	{.name = "type", .kind = MODEL_STATE, .help = "Its pool's type."},
	{.name = "state",
		.kind = MODEL_STATE,
		.column = "STATE",
		.help = "Active, Passive or Redundant."},
	{.name = "healthState",
		.kind = MODEL_STATE,
		.column = "HEALTH",
		.help = "Healthy, or why not."},
	{.name = "totalCapacity", .kind = MODEL_STATE, .column = "CAPACITY KBPS", .help = "Kb/s."},
	{.name = "availableCapacity",
		.kind = MODEL_STATE,
		.column = "AVAILABLE",
		.help = "Kb/s not yet given to connections, by the capacity rule."},
	{.name = "externalIPAddress",
		.kind = MODEL_STATE,
		.column = "ADDRESS",
		.help = "Its address on the provider network."},
	{.name = "connections", .kind = MODEL_STATE, .help = "Always empty; kept for clients."},
	{.name = "virtualGateways",
		.kind = MODEL_STATE,
		.help = "What it carries: virtual gateways with their connections and routers."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
	{.name = "isthmus",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &gateway_isthmus_table,
		AT(model_gateway, isthmus),
		.help = "Extensions."},
};

static const struct model_table gateway_table = TABLE(gateway_fields, model_gateway);

const struct model_type model_type_gateway = {
	.collection = "gateways",
	.ref_name = "Gateways",
	.noun = "gateway",
	.short_name = "gw",
	.properties = &gateway_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "A gateway host with its processes.",
};
