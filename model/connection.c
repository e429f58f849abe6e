// SPDX-License-Identifier: Apache-2.0
// virtualGateways and networkConnections: a tenant's gateway and its ways to the tenant's sites.
#include "table.h"

#include <string.h>
#include <strings.h>

static bool is_generated(const json_t *item)
{
	return json_is_true(model_member(model_member(item, "properties"), "isGenerated"));
}

// Learnt routes are shown among the configured ones and come back with the next PUT.
static bool is_learnt_route(const json_t *item)
{
	const char *protocol = json_string_value(model_member(item, "protocol"));

	return protocol && !strcasecmp(protocol, "BGP");
}

static const char *const routing_names[] = {"Dynamic", NULL};

static const struct model_field virtual_gateway_fields[] = {
	{.name = "gatewayPools",
		.kind = MODEL_REF,
		.flags = MODEL_LIST | MODEL_REQUIRED | MODEL_TRACKED,
		.target = "gatewayPools",
		.max = 16,
		AT(model_virtual_gateway, gateway_pools),
		.column = "POOLS",
		.help = "Pools its connections may be on: one of each kind, or one of type All."},
	{.name = "gatewaySubnets",
		.kind = MODEL_REF,
		.flags = MODEL_LIST | MODEL_REQUIRED | MODEL_TRACKED,
		.target = "virtualNetworks/subnets",
		.max = 16,
		AT(model_virtual_gateway, gateway_subnets),
		.column = "SUBNETS",
		.help = "Where in the tenant's network the gateway stands."},
	{.name = "routingType",
		.kind = MODEL_ENUM,
		.names = routing_names,
		.fallback = "Dynamic",
		AT(model_virtual_gateway, routing_type),
		.help = "Always Dynamic."},
	{.name = "networkConnections",
		.kind = MODEL_CHILDREN,
		.child = &model_type_connection,
		.help = "Its connections."},
	{.name = "bgpRouters",
		.kind = MODEL_CHILDREN,
		.child = &model_type_bgp_router,
		.is_reflected = is_generated,
		.help = "Its BGP routers."},
	{.name = "policyMaps",
		.kind = MODEL_CHILDREN,
		.child = &model_type_policy_map,
		.help = "Its routing policies."},
	{.name = "configurationState",
		.kind = MODEL_STATE,
		.column = "CONFIGURATION",
		.help = "Whether it is in order."},
};

static const struct model_table virtual_gateway_table =
	TABLE(virtual_gateway_fields, model_virtual_gateway);

const struct model_type model_type_virtual_gateway = {
	.collection = "virtualGateways",
	.ref_name = "VirtualGateways",
	.noun = "virtualGateway",
	.short_name = "vgw",
	.properties = &virtual_gateway_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "A tenant's gateway.",
};

static const char *const connection_type_names[] = {"IPSec", "GRE", "L3", NULL};
static const char *const authentication_names[] = {"PSK", "Certificates", NULL};
static const char *const dh_group_names[] = {
	"Group1", "Group2", "Group14", "ECP256", "ECP384", "Group24", NULL};
static const char *const dh_group_synonyms[] = {"ECP258", "ECP256", NULL};
static const char *const integrity_names[] = {"MD5", "SHA1", "SHA256", "SHA384", NULL};
static const char *const integrity_synonyms[] = {"SHA196", "SHA1", NULL};
static const char *const encryption_names[] = {"DES", "DES3", "AES128", "AES192", "AES256", NULL};
static const char *const pfs_names[] = {
	"None", "PFS1", "PFS2", "PFS2048", "PFS14", "ECP256", "ECP384", "PFSMM", "PFS24", NULL};
static const char *const cipher_names[] = {"None", "DES", "CBCDES", "DES3", "CBCDES3", "AES128",
	"AES192", "AES256", "GCMAES128", "GCMAES192", "GCMAES256", NULL};
static const char *const cipher_synonyms[] = {
	"AES128CBC", "AES128", "AES192CBC", "AES192", "AES256CBC", "AES256", NULL};
static const char *const qm_authentication_names[] = {
	"None", "MD596", "SHA196", "SHA256128", "GCMAES128", "GCMAES192", "GCMAES256", NULL};
static const char *const qm_authentication_synonyms[] = {"SHA256", "SHA256128", NULL};
static const char *const selector_type_synonyms[] = {"7", "IPv4", "8", "IPv6", NULL};
static const char *const status_names[] = {"Enabled", "Disabled", NULL};

static const struct model_field main_mode_fields[] = {
	{.name = "diffieHellmanGroup",
		.kind = MODEL_ENUM,
		.names = dh_group_names,
		.synonyms = dh_group_synonyms,
		.fallback = "Group2",
		.blast = MODEL_BLAST_REKEY,
		AT(model_main_mode, dh_group),
		.help = "Key exchange of the IKE SA."},
	{.name = "integrityAlgorithm",
		.kind = MODEL_ENUM,
		.names = integrity_names,
		.synonyms = integrity_synonyms,
		.fallback = "SHA1",
		.blast = MODEL_BLAST_REKEY,
		AT(model_main_mode, integrity),
		.help = "Integrity and PRF of the IKE SA."},
	{.name = "encryptionAlgorithm",
		.kind = MODEL_ENUM,
		.names = encryption_names,
		.fallback = "DES3",
		.blast = MODEL_BLAST_REKEY,
		AT(model_main_mode, encryption),
		.help = "Cipher of the IKE SA."},
	{.name = "saLifeTimeSeconds",
		.kind = MODEL_INT,
		.fallback = "28800",
		.min = 1,
		.max = UINT32_MAX,
		AT(model_main_mode, lifetime_s),
		.help = "Life of the IKE SA."},
	{.name = "saLifeTimeKiloBytes",
		.kind = MODEL_INT,
		.fallback = "33552408",
		.max = UINT32_MAX,
		AT(model_main_mode, lifetime_kb),
		.help = "Kept for clients."},
};

static const struct model_table main_mode_table = TABLE(main_mode_fields, model_main_mode);

static const struct model_field quick_mode_fields[] = {
	{.name = "perfectForwardSecrecy",
		.kind = MODEL_ENUM,
		.names = pfs_names,
		.fallback = "None",
		.blast = MODEL_BLAST_REKEY,
		AT(model_quick_mode, pfs),
		.help = "Key exchange of child SAs."},
	{.name = "cipherTransformationConstant",
		.kind = MODEL_ENUM,
		.names = cipher_names,
		.synonyms = cipher_synonyms,
		.fallback = "AES128",
		.blast = MODEL_BLAST_REKEY,
		AT(model_quick_mode, cipher),
		.help = "ESP cipher."},
	{.name = "authenticationTransformationConstant",
		.kind = MODEL_ENUM,
		.names = qm_authentication_names,
		.synonyms = qm_authentication_synonyms,
		.fallback = "SHA196",
		.blast = MODEL_BLAST_REKEY,
		AT(model_quick_mode, authentication),
		.help = "ESP integrity."},
	{.name = "saLifeTimeSeconds",
		.kind = MODEL_INT,
		.fallback = "3600",
		.min = 1,
		.max = UINT32_MAX,
		AT(model_quick_mode, lifetime_s),
		.help = "Life of a child SA."},
	{.name = "saLifeTimeKiloBytes",
		.kind = MODEL_INT,
		.fallback = "33552408",
		.max = UINT32_MAX,
		AT(model_quick_mode, lifetime_kb),
		.help = "Life of a child SA by traffic."},
	{.name = "idleDisconnectSeconds",
		.kind = MODEL_INT,
		.fallback = "500",
		.max = UINT32_MAX,
		AT(model_quick_mode, idle_disconnect_s),
		.help = "Silence after which child SAs are given up; 0 is never."},
};

static const struct model_table quick_mode_table = TABLE(quick_mode_fields, model_quick_mode);

static const struct model_field traffic_selector_fields[] = {
	{.name = "type",
		.kind = MODEL_ENUM,
		.names = model_ip_version_names,
		.synonyms = selector_type_synonyms,
		.fallback = "IPv4",
		AT(model_traffic_selector, type),
		.help = "IP version."},
	{.name = "protocolId",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = 255,
		AT(model_traffic_selector, protocol_id),
		.help = "IP protocol; 0 is any."},
	{.name = "portStart",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = 65535,
		AT(model_traffic_selector, port_start),
		.help = "First port."},
	{.name = "portEnd",
		.kind = MODEL_INT,
		.fallback = "65535",
		.max = 65535,
		AT(model_traffic_selector, port_end),
		.help = "Last port."},
	{.name = "ipAddressStart",
		.kind = MODEL_IP,
		.flags = MODEL_REQUIRED,
		AT(model_traffic_selector, address_start),
		.help = "First address."},
	{.name = "ipAddressEnd",
		.kind = MODEL_IP,
		.flags = MODEL_REQUIRED,
		AT(model_traffic_selector, address_end),
		.help = "Last address."},
	{.name = "tsPayloadId",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = UINT32_MAX,
		AT(model_traffic_selector, ts_payload_id),
		.help = "Kept for clients."},
};

static const struct model_table traffic_selector_table =
	TABLE(traffic_selector_fields, model_traffic_selector);

static const struct model_field ipsec_fields[] = {
	{.name = "authenticationMethod",
		.kind = MODEL_ENUM,
		.names = authentication_names,
		.fallback = "PSK",
		.blast = MODEL_BLAST_REKEY,
		AT(model_ipsec, authentication_method),
		.help = "How the peers prove who they are."},
	{.name = "sharedSecret",
		.kind = MODEL_TEXT,
		.flags = MODEL_SECRET,
		.max = 1024,
		.blast = MODEL_BLAST_REKEY,
		AT(model_ipsec, shared_secret),
		.help = "The pre-shared key."},
	{.name = "quickMode",
		.kind = MODEL_OBJECT,
		.table = &quick_mode_table,
		.fallback = "{}",
		AT(model_ipsec, quick_mode),
		.help = "Child SAs (ESP)."},
	{.name = "mainMode",
		.kind = MODEL_OBJECT,
		.table = &main_mode_table,
		.fallback = "{}",
		AT(model_ipsec, main_mode),
		.help = "The IKE SA."},
	{.name = "localVpnTrafficSelector",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &traffic_selector_table,
		.fallback = "[]",
		.max = 64,
		.blast = MODEL_BLAST_REKEY,
		AT(model_ipsec, local_selectors),
		.help = "Traffic of ours that may pass; empty is all."},
	{.name = "remoteVpnTrafficSelector",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &traffic_selector_table,
		.fallback = "[]",
		.max = 64,
		.blast = MODEL_BLAST_REKEY,
		AT(model_ipsec, remote_selectors),
		.help = "Traffic of the site that may pass; empty is all."},
};

static const struct model_table ipsec_table = TABLE(ipsec_fields, model_ipsec);

static const struct model_field gre_fields[] = {
	{.name = "greKey",
		.kind = MODEL_INT,
		.flags = MODEL_AS_TEXT,
		.min = 0,
		.max = UINT32_MAX,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_gre, key),
		.column = "GRE KEY",
		.help = "RFC 2890 key; absent: packets carry none."},
};

static const struct model_table gre_table = TABLE(gre_fields, model_gre);

static const struct model_field l3_fields[] = {
	{.name = "vlanSubnet",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "logicalNetworks/subnets",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_l3, vlan_subnet),
		.help = "The tenant's VLAN on the provider network."},
};

static const struct model_table l3_table = TABLE(l3_fields, model_l3);

static const struct model_field interface_address_fields[] = {
	{.name = "ipAddress",
		.kind = MODEL_IP,
		.flags = MODEL_REQUIRED,
		AT(model_interface_address, address),
		.help = "Address."},
	{.name = "prefixLength",
		.kind = MODEL_INT,
		.flags = MODEL_REQUIRED,
		.min = 0,
		.max = 128,
		AT(model_interface_address, prefix_len),
		.help = "Bits of its network."},
};

static const struct model_table interface_address_table =
	TABLE(interface_address_fields, model_interface_address);

static const char *const protocol_names[] = {"Static", NULL};

static const struct model_field route_fields[] = {
	{.name = "destinationPrefix",
		.kind = MODEL_PREFIX,
		.flags = MODEL_REQUIRED,
		AT(model_route, destination_prefix),
		.help = "What is at the site."},
	{.name = "nextHop",
		.kind = MODEL_IP,
		.fallback = "0.0.0.0",
		AT(model_route, next_hop),
		.help = "A router on the VLAN, for L3; 0.0.0.0 is the connection itself."},
	{.name = "metric",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = UINT32_MAX,
		AT(model_route, metric),
		.help = "Lower is better."},
	{.name = "protocol",
		.kind = MODEL_ENUM,
		.names = protocol_names,
		.fallback = "Static",
		AT(model_route, protocol),
		.help = "Static; learnt routes are shown with BGP and ignored when sent back."},
};

static const struct model_table route_table = TABLE(route_fields, model_route);

static const struct model_field keepalive_fields[] = {
	{.name = "intervalMs",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "10000",
		.min = 100,
		.max = 60000,
		AT(model_keepalive, interval_ms),
		.help = "Time between keepalives."},
	{.name = "retries",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "3",
		.min = 1,
		.max = 255,
		AT(model_keepalive, retries),
		.help = "Unanswered ones until the connection counts as down."},
};

static const struct model_table keepalive_table = TABLE(keepalive_fields, model_keepalive);

static const struct model_field bfd_fields[] = {
	{.name = "enabled",
		.kind = MODEL_BOOL,
		.flags = MODEL_KEEP,
		.fallback = "true",
		AT(model_bfd, enabled),
		.help = "Whether BFD (RFC 5880) watches the peer."},
	{.name = "intervalMs",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "300",
		.min = 10,
		.max = 60000,
		AT(model_bfd, interval_ms),
		.help = "Desired interval of sending and receiving."},
	{.name = "multiplier",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "3",
		.min = 1,
		.max = 255,
		AT(model_bfd, multiplier),
		.help = "Lost packets until the peer counts as down."},
};

const struct model_table model_bfd_table = TABLE(bfd_fields, model_bfd);

static const struct model_field connection_isthmus_fields[] = {
	{.name = "weight",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "1",
		.min = 1,
		.max = 255,
		AT(model_connection_isthmus, weight),
		.help = "Share of flows among connections with equal routes."},
	{.name = "mtu",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "0",
		.max = 65535,
		AT(model_connection_isthmus, mtu),
		.help = "Inner MTU in bytes; 0 is from the path."},
	{.name = "greKeepalive",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &keepalive_table,
		AT(model_connection_isthmus, gre_keepalive),
		.help = "GRE: keepalives that the far end merely routes back, and the connection "
			"is down without."},
	{.name = "bfd",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &model_bfd_table,
		AT(model_connection_isthmus, bfd),
		.help = "BFD towards the site's next hop."},
	{.name = "shedPriority",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "0",
		.max = 255,
		AT(model_connection_isthmus, shed_priority),
		.help = "When gateways are missing and room runs out, higher ones are given up "
			"first."},
	{.name = "localIdentity",
		.kind = MODEL_TEXT,
		.flags = MODEL_KEEP,
		.max = 255,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_connection_isthmus, local_identity),
		.help = "IKE identity of ours; absent: the VIP."},
	{.name = "peerIdentity",
		.kind = MODEL_TEXT,
		.flags = MODEL_KEEP,
		.max = 255,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_connection_isthmus, peer_identity),
		.help = "IKE identity of the site; absent: its address."},
	{.name = "certificate",
		.kind = MODEL_REF,
		.flags = MODEL_KEEP | MODEL_TRACKED,
		.target = "credentials",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_connection_isthmus, certificate),
		.help = "With authenticationMethod Certificates: the gateway's own certificate and "
			"key."},
	{.name = "peerAuthorities",
		.kind = MODEL_REF,
		.flags = MODEL_LIST | MODEL_KEEP | MODEL_TRACKED,
		.target = "credentials",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_connection_isthmus, peer_authorities),
		.help = "CAs that the site's certificate may come from, with their revocation "
			"lists."},
};

static const struct model_table connection_isthmus_table =
	TABLE(connection_isthmus_fields, model_connection_isthmus);

static const struct model_field connection_fields[] = {
	{.name = "connectionType",
		.kind = MODEL_ENUM,
		.flags = MODEL_REQUIRED,
		.names = connection_type_names,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_connection, type),
		.column = "TYPE",
		.help = "How it reaches the site."},
	{.name = "outboundKiloBitsPerSecond",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = 1000000000000,
		AT(model_connection, outbound_kbps),
		.column = "OUT KBPS",
		.help = "To the site: placed by, and policed to; 0 is unlimited."},
	{.name = "inboundKiloBitsPerSecond",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = 1000000000000,
		AT(model_connection, inbound_kbps),
		.column = "IN KBPS",
		.help = "From the site, likewise."},
	{.name = "ipSecConfiguration",
		.kind = MODEL_OBJECT,
		.table = &ipsec_table,
		AT(model_connection, ipsec),
		.help = "For IPSec."},
	{.name = "greConfiguration",
		.kind = MODEL_OBJECT,
		.table = &gre_table,
		AT(model_connection, gre),
		.help = "For GRE."},
	{.name = "l3Configuration",
		.kind = MODEL_OBJECT,
		.table = &l3_table,
		.fallback = "{}",
		AT(model_connection, l3),
		.help = "For L3."},
	{.name = "ipAddresses",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &interface_address_table,
		.fallback = "[]",
		.max = 4,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_connection, ip_addresses),
		.help = "Ours on the VLAN, for L3."},
	{.name = "peerIPAddresses",
		.kind = MODEL_IP,
		.flags = MODEL_LIST,
		.fallback = "[]",
		.max = 4,
		AT(model_connection, peer_ip_addresses),
		.help = "Next hops on the VLAN, for L3."},
	{.name = "routes",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &route_table,
		.is_reflected = is_learnt_route,
		.fallback = "[]",
		.max = 20000,
		AT(model_connection, routes),
		.help = "What is reached through it."},
	{.name = "connectionStatus",
		.kind = MODEL_ENUM,
		.names = status_names,
		.fallback = "Enabled",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_connection, connection_status),
		.help = "Disabled takes it down."},
	{.name = "destinationIPAddress",
		.kind = MODEL_IP,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_connection, destination_address),
		.column = "REMOTE",
		.help = "The site's end, for IPSec and GRE."},
	{.name = "sourceIPAddress",
		.kind = MODEL_STATE,
		.column = "LOCAL",
		.help = "Our end, the VIP: what the site is configured with."},
	{.name = "connectionState",
		.kind = MODEL_STATE,
		.column = "STATE",
		.help = "Connected or Disconnected."},
	{.name = "connectionUpTime", .kind = MODEL_STATE, .help = "hh:mm:ss."},
	{.name = "connectionErrorReason", .kind = MODEL_STATE, .help = "Why it is down."},
	{.name = "unreachabilityReason", .kind = MODEL_STATE, .help = "Why the site is unreached."},
	{.name = "statistics", .kind = MODEL_STATE, .help = "Bytes, rates and drops."},
	{.name = "gateway",
		.kind = MODEL_STATE,
		.column = "GATEWAY",
		.help = "Who carries it; absent while nobody does."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
	{.name = "isthmus",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &connection_isthmus_table,
		AT(model_connection, isthmus),
		.help = "Extensions."},
};

static const struct model_table connection_table = TABLE(connection_fields, model_connection);

static void require(struct model_errors *errors, bool given, const char *target, const char *why)
{
	if (!given)
		model_error_add(errors, "RequiredParamMissing", target, "%s", why);
}

static void connection_check(const void *properties, struct model_errors *errors)
{
	const struct model_connection *c = properties;
	const struct model_interface_address *const *a = c->ip_addresses.items;

	for (size_t i = 0; i < c->ip_addresses.len; i++) {
		if (a[i]->prefix_len > (int64_t)ip_bits(&a[i]->address))
			model_error_add(errors, "InvalidParameterValue", "properties.ipAddresses",
				"'prefixLength' is longer than an address of that version.");
	}
	switch (c->type) {
	case MODEL_CONNECTION_GRE:
		require(errors, c->destination_address.family != IP_NONE,
			"properties.destinationIPAddress",
			"A GRE connection needs 'destinationIPAddress'.");
		break;
	case MODEL_CONNECTION_L3:
		require(errors, c->l3 && c->l3->vlan_subnet,
			"properties.l3Configuration.vlanSubnet",
			"An L3 connection needs 'l3Configuration.vlanSubnet'.");
		require(errors, c->ip_addresses.len > 0, "properties.ipAddresses",
			"An L3 connection needs at least one of 'ipAddresses'.");
		break;
	case MODEL_CONNECTION_IPSEC:
		require(errors, c->ipsec, "properties.ipSecConfiguration",
			"An IPSec connection needs 'ipSecConfiguration'.");
		break;
	}
}

const struct model_type model_type_connection = {
	.collection = "networkConnections",
	.ref_name = "NetworkConnections",
	.noun = "networkConnection",
	.short_name = "nc",
	.parent = &model_type_virtual_gateway,
	.properties = &connection_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "A way to one of the tenant's sites: IPsec, GRE, or a VLAN (L3).",
	.check = connection_check,
};
