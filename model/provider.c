// SPDX-License-Identifier: Apache-2.0
// logicalNetworks, subnets, ipPools, publicIPAddresses, macPools: the provider's own networks.
#include "table.h"

#include <string.h>

const char *const model_allocation_names[] = {"Static", "Dynamic", "Unmanaged", NULL};
const char *const model_ip_version_names[] = {"IPv4", "IPv6", NULL};

static const struct model_field mac_pool_fields[] = {
	{.name = "startMacAddress",
		.kind = MODEL_MAC,
		.flags = MODEL_REQUIRED | MODEL_DASHED,
		.code = "InvalidMacAddressForMacPool",
		AT(model_mac_pool, start),
		.column = "START",
		.help = "First address."},
	{.name = "endMacAddress",
		.kind = MODEL_MAC,
		.flags = MODEL_REQUIRED | MODEL_DASHED,
		.code = "InvalidMacAddressForMacPool",
		AT(model_mac_pool, end),
		.column = "END",
		.help = "Last address, part of the pool."},
	{.name = "usage", .kind = MODEL_STATE, .help = "Addresses in all and allocated."},
};

static const struct model_table mac_pool_table = TABLE(mac_pool_fields, model_mac_pool);

static void mac_pool_check(const void *properties, struct model_errors *errors)
{
	const struct model_mac_pool *p = properties;

	if (memcmp(p->start.bytes, p->end.bytes, sizeof(p->start.bytes)) > 0)
		model_error_add(errors, "InvalidMacAddressForMacPool", "properties.endMacAddress",
			"The end of a MAC pool lies before its start.");
	if ((p->start.bytes[0] | p->end.bytes[0]) & 1 || p->start.bytes[0] != p->end.bytes[0])
		model_error_add(errors, "MacPoolContainsMulticastAddresses",
			"properties.startMacAddress",
			"A MAC pool must lie within one first byte, and that byte be even: "
			"multicast addresses are no interface's.");
}

const struct model_type model_type_mac_pool = {
	.collection = "macPools",
	.ref_name = "macPools",
	.noun = "macPool",
	.short_name = "mp",
	.properties = &mac_pool_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "Addresses for interfaces that ask for a dynamic one.",
	.check = mac_pool_check,
};

static const struct model_field logical_network_fields[] = {
	{.name = "subnets",
		.kind = MODEL_CHILDREN,
		.child = &model_type_lsubnet,
		.help = "Its subnets."},
	{.name = "networkVirtualizationEnabled",
		.kind = MODEL_BOOL,
		.fallback = "false",
		AT(model_logical_network, network_virtualization_enabled),
		.column = "VIRTUALIZATION",
		.help = "True for the network that carries tenants' overlays."},
	{.name = "virtualNetworks", .kind = MODEL_STATE, .help = "Overlays it carries."},
};

static const struct model_table logical_network_table =
	TABLE(logical_network_fields, model_logical_network);

const struct model_type model_type_logical_network = {
	.collection = "logicalNetworks",
	.ref_name = "logicalNetworks",
	.noun = "logicalNetwork",
	.short_name = "ln",
	.properties = &logical_network_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "A network of the provider.",
};

static const struct model_field lsubnet_route_fields[] = {
	{.name = "destinationPrefix",
		.kind = MODEL_PREFIX,
		.flags = MODEL_REQUIRED,
		AT(model_lsubnet_route, destination_prefix),
		.help = "Where to."},
	{.name = "nextHop",
		.kind = MODEL_IP,
		AT(model_lsubnet_route, next_hop),
		.help = "By whom."},
	{.name = "metric",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = UINT32_MAX,
		AT(model_lsubnet_route, metric),
		.help = "Lower is better."},
};

static const struct model_table lsubnet_route_table =
	TABLE(lsubnet_route_fields, model_lsubnet_route);

static const struct model_field lsubnet_fields[] = {
	{.name = "addressPrefix",
		.kind = MODEL_PREFIX,
		.flags = MODEL_SUBNET,
		.code = "InvalidParameterValue",
		.target = "SubnetAddress",
		AT(model_lsubnet, address_prefix),
		.column = "PREFIX",
		.help = "Its addresses. Subnets of one logical network do not overlap."},
	{.name = "vlanId",
		.kind = MODEL_INT,
		.fallback = "0",
		.max = 4095,
		AT(model_lsubnet, vlan_id),
		.column = "VLAN",
		.help = "802.1Q VLAN; 0 is untagged."},
	{.name = "defaultGateways",
		.kind = MODEL_IP,
		.flags = MODEL_LIST,
		.fallback = "[]",
		.max = 16,
		AT(model_lsubnet, default_gateways),
		.column = "GATEWAYS",
		.help = "Routers of the subnet."},
	{.name = "dnsServers",
		.kind = MODEL_IP,
		.flags = MODEL_LIST,
		.fallback = "[]",
		.max = 16,
		AT(model_lsubnet, dns_servers),
		.help = "Name servers for its machines."},
	{.name = "isPublic",
		.kind = MODEL_BOOL,
		.fallback = "false",
		AT(model_lsubnet, is_public),
		.help = "Whether its addresses are reached from outside."},
	{.name = "routes",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &lsubnet_route_table,
		.max = 1000,
		AT(model_lsubnet, routes),
		.help = "Routes for its machines."},
	{.name = "ipPools",
		.kind = MODEL_CHILDREN,
		.child = &model_type_ip_pool,
		.help = "Addresses that may be given out."},
	{.name = "ipConfigurations", .kind = MODEL_STATE, .help = "Who has addresses in it."},
	{.name = "networkInterfaces", .kind = MODEL_STATE, .help = "Host interfaces on it."},
	{.name = "gatewayPools", .kind = MODEL_STATE, .help = "Pools that take GRE VIPs from it."},
	{.name = "networkConnections",
		.kind = MODEL_STATE,
		.help = "L3 connections that use its VLAN."},
};

static const struct model_table lsubnet_table = TABLE(lsubnet_fields, model_lsubnet);

const struct model_type model_type_lsubnet = {
	.collection = "subnets",
	.ref_name = "subnets",
	.noun = "logicalSubnet",
	.short_name = "ls",
	.in_use_code = "InUseSubnetCannotBeDeleted",
	.parent = &model_type_logical_network,
	.properties = &lsubnet_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "A prefix and VLAN of a logical network.",
};

static const struct model_field ip_pool_fields[] = {
	{.name = "startIpAddress",
		.kind = MODEL_IP,
		.flags = MODEL_REQUIRED,
		AT(model_ip_pool, start),
		.column = "START",
		.help = "First address."},
	{.name = "endIpAddress",
		.kind = MODEL_IP,
		.flags = MODEL_REQUIRED,
		AT(model_ip_pool, end),
		.column = "END",
		.help = "Last address, part of the pool."},
	{.name = "usage",
		.kind = MODEL_STATE,
		.help = "Addresses in all, allocated, and freed but held off."},
};

static const struct model_table ip_pool_table = TABLE(ip_pool_fields, model_ip_pool);

static void ip_pool_check(const void *properties, struct model_errors *errors)
{
	const struct model_ip_pool *p = properties;

	if (p->start.family != p->end.family || ip_compare(&p->start, &p->end) > 0)
		model_error_add(errors, "InvalidParameterValue", "properties.endIpAddress",
			"An IP pool must end at or after its start, in the same IP version.");
}

const struct model_type model_type_ip_pool = {
	.collection = "ipPools",
	.ref_name = "ipPools",
	.noun = "ipPool",
	.short_name = "ipp",
	.in_use_code = "InUseIpPoolCannotBeDeleted",
	.parent = &model_type_lsubnet,
	.properties = &ip_pool_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "A range of a logical subnet that the controller gives addresses from.",
	.check = ip_pool_check,
};

static const struct model_field dns_settings_fields[] = {
	{.name = "domainNameLabel",
		.kind = MODEL_TEXT,
		.max = 63,
		AT(model_dns_settings, domain_name_label),
		.help = "First label of its name."},
	{.name = "fqdn",
		.kind = MODEL_TEXT,
		.max = 255,
		AT(model_dns_settings, fqdn),
		.help = "Its whole name."},
};

static const struct model_table dns_settings_table = TABLE(dns_settings_fields, model_dns_settings);

static const struct model_field public_ip_fields[] = {
	{.name = "ipAddress",
		.kind = MODEL_IP,
		AT(model_public_ip, address),
		.column = "ADDRESS",
		.help = "The address; given out from the VIP pools when the method is Dynamic."},
	{.name = "publicIPAllocationMethod",
		.kind = MODEL_ENUM,
		.names = model_allocation_names,
		.fallback = "Dynamic",
		AT(model_public_ip, allocation),
		.column = "METHOD",
		.help = "Who chooses the address."},
	{.name = "publicIPAddressVersion",
		.kind = MODEL_ENUM,
		.flags = MODEL_IMMUTABLE,
		.names = model_ip_version_names,
		.fallback = "IPv4",
		.code = "PublicIPAddressVersionCannotUpdate",
		AT(model_public_ip, version),
		.column = "VERSION",
		.help = "IP version."},
	{.name = "idleTimeoutInMinutes",
		.kind = MODEL_INT,
		.fallback = "4",
		.min = 4,
		.max = 30,
		.code = "PublicIPIdleTimeoutIsOutOfRange",
		AT(model_public_ip, idle_timeout_min),
		.help = "Kept for clients; flows through gateways do not idle out."},
	{.name = "dnsSettings",
		.kind = MODEL_OBJECT,
		.table = &dns_settings_table,
		AT(model_public_ip, dns_settings),
		.help = "Names for the address."},
	{.name = "ipConfiguration", .kind = MODEL_STATE, .help = "Who uses it."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
	{.name = "counters", .kind = MODEL_STATE, .help = "Counters of the address."},
};

static const struct model_table public_ip_table = TABLE(public_ip_fields, model_public_ip);

static void public_ip_check(const void *properties, struct model_errors *errors)
{
	const struct model_public_ip *p = properties;
	uint8_t family = p->version == 2 ? IP_V6 : IP_V4;

	if (p->allocation == MODEL_ALLOCATION_UNMANAGED)
		model_error_add(errors, "InvalidParameterValue",
			"properties.publicIPAllocationMethod",
			"A public IP address is Static or Dynamic.");
	if (p->allocation == MODEL_ALLOCATION_STATIC && p->address.family == IP_NONE)
		model_error_add(errors, "PublicIPAddressMissing", "properties.ipAddress",
			"A Static public IP address must say its 'ipAddress'.");
	if (p->address.family != IP_NONE && p->address.family != family)
		model_error_add(errors, "InvalidIPAddress", "properties.ipAddress",
			"'ipAddress' is not of the version that 'publicIPAddressVersion' says.");
}

const struct model_type model_type_public_ip = {
	.collection = "publicIPAddresses",
	.ref_name = "publicIPAddresses",
	.noun = "publicIPAddress",
	.short_name = "pip",
	.in_use_code = "PublicIPAddressInUse",
	.properties = &public_ip_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "An address that is reached from outside: the VIP of a gateway pool.",
	.check = public_ip_check,
};
