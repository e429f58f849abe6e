// SPDX-License-Identifier: Apache-2.0
// virtualNetworkManager, virtualNetworks, subnets, networkInterfaces: tenants' own networks.
#include "table.h"

#define VSID_MIN 4096
#define VSID_MAX 16777215

static const char *const encap_names[] = {"VXLAN", "NVGRE", NULL};

static const struct model_field vsid_range_fields[] = {
	{.name = "StartId",
		.kind = MODEL_INT,
		.flags = MODEL_REQUIRED,
		.min = VSID_MIN,
		.max = VSID_MAX,
		.code = "InvalidVsidRangeValues",
		AT(model_vsid_range, start),
		.help = "First."},
	{.name = "EndId",
		.kind = MODEL_INT,
		.flags = MODEL_REQUIRED,
		.min = VSID_MIN,
		.max = VSID_MAX,
		.code = "InvalidVsidRangeValues",
		AT(model_vsid_range, end),
		.help = "Last, part of the range."},
};

static const struct model_table vsid_range_table = TABLE(vsid_range_fields, model_vsid_range);

static const struct model_field vnet_manager_fields[] = {
	{.name = "networkVirtualizationProtocol",
		.kind = MODEL_ENUM,
		.names = encap_names,
		.fallback = "VXLAN",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_vnet_manager, protocol),
		.column = "PROTOCOL",
		.help = "How tenants' frames travel between hosts and gateways."},
	{.name = "virtualSubnetIdRange",
		.kind = MODEL_OBJECT,
		.table = &vsid_range_table,
		AT(model_vnet_manager, vsid_range),
		.help = "Where the ids (VSID, which is the VNI) of new virtual subnets come from."},
	{.name = "distributedRouterState", .kind = MODEL_STATE, .help = "Kept for clients."},
};

static const struct model_table vnet_manager_table = TABLE(vnet_manager_fields, model_vnet_manager);

static void vnet_manager_check(const void *properties, struct model_errors *errors)
{
	const struct model_vnet_manager *m = properties;

	if (m->vsid_range && m->vsid_range->start >= m->vsid_range->end)
		model_error_add(errors, "InvalidVsidRangeFormat", "properties.virtualSubnetIdRange",
			"'StartId' must be lower than 'EndId'.");
}

const struct model_type model_type_vnet_manager = {
	.collection = "virtualNetworkManager",
	.ref_name = "virtualNetworkManager",
	.noun = "virtualNetworkManager",
	.short_name = "vnm",
	.singleton = "configuration",
	.properties = &vnet_manager_table,
	.flags = MODEL_CAN_PUT | MODEL_STORED,
	.help = "What holds for every virtual network.",
	.check = vnet_manager_check,
};

static const struct model_field address_space_fields[] = {
	{.name = "addressPrefixes",
		.kind = MODEL_PREFIX,
		.flags = MODEL_LIST | MODEL_REQUIRED | MODEL_SUBNET,
		.max = 100,
		AT(model_address_space, prefixes),
		.column = "PREFIXES",
		.help = "Prefixes that its subnets lie in."},
};

static const struct model_table address_space_table =
	TABLE(address_space_fields, model_address_space);

static const struct model_field dhcp_options_fields[] = {
	{.name = "dnsServers",
		.kind = MODEL_IP,
		.flags = MODEL_LIST,
		.fallback = "[]",
		.max = 9,
		AT(model_dhcp_options, dns_servers),
		.help = "Name servers for its machines."},
};

static const struct model_table dhcp_options_table = TABLE(dhcp_options_fields, model_dhcp_options);

static const struct model_field virtual_network_fields[] = {
	{.name = "addressSpace",
		.kind = MODEL_OBJECT,
		.flags = MODEL_REQUIRED,
		.table = &address_space_table,
		AT(model_virtual_network, address_space),
		.help = "Its addresses (CA)."},
	{.name = "logicalNetwork",
		.kind = MODEL_REF,
		.flags = MODEL_REQUIRED | MODEL_TRACKED,
		.target = "logicalNetworks",
		.code = "InvalidLogicalNetworkReference",
		AT(model_virtual_network, logical_network),
		.column = "LOGICAL NETWORK",
		.help = "The provider network that carries it."},
	{.name = "dhcpOptions",
		.kind = MODEL_OBJECT,
		.table = &dhcp_options_table,
		AT(model_virtual_network, dhcp_options),
		.help = "What its machines learn by DHCP."},
	{.name = "subnets",
		.kind = MODEL_CHILDREN,
		.child = &model_type_vsubnet,
		.help = "Its virtual subnets."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
};

static const struct model_table virtual_network_table =
	TABLE(virtual_network_fields, model_virtual_network);

const struct model_type model_type_virtual_network = {
	.collection = "virtualNetworks",
	.ref_name = "virtualNetworks",
	.noun = "virtualNetwork",
	.short_name = "vnet",
	.in_use_code = "VnetInUse",
	.properties = &virtual_network_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "A tenant's overlay.",
};

static const struct model_field vsubnet_fields[] = {
	{.name = "addressPrefix",
		.kind = MODEL_PREFIX,
		.flags = MODEL_SUBNET | MODEL_REQUIRED,
		.code = "InvalidParameterValue",
		.target = "SubnetAddress",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_vsubnet, address_prefix),
		.column = "PREFIX",
		.help = "Its addresses (CA), within the network's address space."},
	{.name = "accessControlList",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "accessControlLists",
		AT(model_vsubnet, access_control_list),
		.help = "Filter for its machines."},
	{.name = "routeTable",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "routeTables",
		AT(model_vsubnet, route_table),
		.help = "Routes for its machines."},
	{.name = "virtualSubnetId",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP | MODEL_IMMUTABLE,
		.min = 1,
		.max = VSID_MAX,
		AT(model_vsubnet, virtual_subnet_id),
		.column = "VSID",
		.help = "VSID, which is its VNI; chosen by the controller unless given at first."},
	{.name = "ipConfigurations", .kind = MODEL_STATE, .help = "Who has addresses in it."},
};

static const struct model_table vsubnet_table = TABLE(vsubnet_fields, model_vsubnet);

const struct model_type model_type_vsubnet = {
	.collection = "subnets",
	.ref_name = "subnets",
	.noun = "virtualSubnet",
	.short_name = "sn",
	.in_use_code = "InUseSubnetCannotBeDeleted",
	.parent = &model_type_virtual_network,
	.properties = &vsubnet_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "A subnet of a virtual network, with a VNI of its own.",
};

static const struct model_field nic_dns_fields[] = {
	{.name = "dnsServers",
		.kind = MODEL_IP,
		.flags = MODEL_LIST,
		.fallback = "[]",
		.max = 9,
		AT(model_nic_dns, dns_servers),
		.help = "Name servers."},
};

static const struct model_table nic_dns_table = TABLE(nic_dns_fields, model_nic_dns);

static const struct model_field nic_isthmus_fields[] = {
	{.name = "server",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "servers",
		AT(model_nic_isthmus, server),
		.column = "SERVER",
		.help = "The host its virtual machine is on; change it when the machine moves."},
};

static const struct model_table nic_isthmus_table = TABLE(nic_isthmus_fields, model_nic_isthmus);

static const struct model_field nic_fields[] = {
	{.name = "privateMacAddress",
		.kind = MODEL_MAC,
		AT(model_nic, mac),
		.column = "MAC",
		.help = "Its MAC address; from the MAC pools when the method is Dynamic."},
	{.name = "privateMacAllocationMethod",
		.kind = MODEL_ENUM,
		.flags = MODEL_IMMUTABLE,
		.names = model_allocation_names,
		.code = "PrivateMacAllocationMethodCannotBeUpdated",
		AT(model_nic, mac_allocation),
		.help = "Who chooses the MAC address; Static if one is given, else Dynamic."},
	{.name = "ipConfigurations",
		.kind = MODEL_CHILDREN,
		.child = &model_type_ip_configuration,
		.help = "Its addresses."},
	{.name = "dnsSettings",
		.kind = MODEL_OBJECT,
		.table = &nic_dns_table,
		AT(model_nic, dns_settings),
		.help = "Name servers of the machine."},
	{.name = "isPrimary",
		.kind = MODEL_BOOL,
		.fallback = "true",
		AT(model_nic, is_primary),
		.help = "Whether it is the machine's first interface."},
	{.name = "isMultitenantStack",
		.kind = MODEL_BOOL,
		.fallback = "false",
		AT(model_nic, is_multitenant_stack),
		.help = "Kept for clients."},
	{.name = "isHostVirtualNetworkInterface",
		.kind = MODEL_BOOL,
		.fallback = "false",
		AT(model_nic, is_host_interface),
		.help = "Whether it belongs to the host itself."},
	{.name = "portSettings", .kind = MODEL_JSON, .help = "Kept for clients."},
	{.name = "server", .kind = MODEL_STATE, .help = "The host its machine is on."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
	{.name = "isthmus",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &nic_isthmus_table,
		AT(model_nic, isthmus),
		.help = "Extensions."},
};

static const struct model_table nic_table = TABLE(nic_fields, model_nic);

const struct model_type model_type_nic = {
	.collection = "networkInterfaces",
	.ref_name = "networkInterfaces",
	.noun = "networkInterface",
	.short_name = "nic",
	.in_use_code = "NicInUse",
	.properties = &nic_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "An interface of a virtual machine or of a gateway.",
};

static const struct model_field ip_configuration_fields[] = {
	{.name = "privateIPAddress",
		.kind = MODEL_IP,
		.code = "InvalidPrivateIPAddressFormat",
		AT(model_ip_configuration, address),
		.column = "ADDRESS",
		.help = "Its address (CA); given out when the method is Dynamic."},
	{.name = "privateIPAllocationMethod",
		.kind = MODEL_ENUM,
		.names = model_allocation_names,
		AT(model_ip_configuration, allocation),
		.help = "Who chooses the address; Static if one is given, else Dynamic."},
	{.name = "subnet",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED | MODEL_REQUIRED,
		.target = "virtualNetworks/subnets|logicalNetworks/subnets",
		AT(model_ip_configuration, subnet),
		.column = "SUBNET",
		.help = "The subnet it is on."},
	{.name = "accessControlList",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "accessControlLists",
		AT(model_ip_configuration, access_control_list),
		.help = "Filter for it."},
	{.name = "publicIPAddress",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "publicIPAddresses",
		AT(model_ip_configuration, public_ip_address),
		.help = "Address it is reached at from outside."},
};

static const struct model_table ip_configuration_table =
	TABLE(ip_configuration_fields, model_ip_configuration);

static void ip_configuration_check(const void *properties, struct model_errors *errors)
{
	const struct model_ip_configuration *c = properties;

	if (c->allocation == MODEL_ALLOCATION_STATIC && c->address.family == IP_NONE)
		model_error_add(errors, "PrivateIPAddressMissing", "properties.privateIPAddress",
			"A Static configuration must say its 'privateIPAddress'.");
}

const struct model_type model_type_ip_configuration = {
	.collection = "ipConfigurations",
	.ref_name = "ipConfigurations",
	.noun = "ipConfiguration",
	.short_name = "ipc",
	.parent = &model_type_nic,
	.properties = &ip_configuration_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "An address of an interface.",
	.check = ip_configuration_check,
};
