// SPDX-License-Identifier: Apache-2.0

// A tenant's network: its routing domain, subnets, our addresses in it, its hosts.

#include <stddef.h>
#include <string.h>

#include "kinds.h"
#include "objects.h"
#include "proto.h"

#define VNI_MAX ((1u << 24) - 1)

static const char *const encap_names[] = {"VXLAN", "NVGRE", NULL};

static void add(struct contribution_list *out, uint16_t type, const void *object, size_t size)
{
	contribution_add(out, desired_type_find(type), object, size);
}

static uint32_t read_vrf(struct json_reader *r)
{
	uint32_t vrf = (uint32_t)json_get_uint(r, "vrf", UINT32_MAX);

	if (!vrf)
		json_reader_fail(r, "vrf: missing");
	return vrf;
}

void kind_vrf(struct json_reader *r, struct contribution_list *out)
{
	struct api_vrf vrf = {.vrf = read_vrf(r)};

	json_get_copy(r, "name", vrf.name, sizeof(vrf.name));
	add(out, API_TYPE_VRF, &vrf, sizeof(vrf));
}

void kind_subnet(struct json_reader *r, struct contribution_list *out)
{
	struct api_subnet subnet = {
		.vni = (uint32_t)json_get_uint(r, "vni", VNI_MAX),
		.vrf = read_vrf(r),
		.encap = json_get_word(r, "encap", encap_names),
		.mtu = (uint16_t)json_get_uint(r, "mtu", UINT16_MAX),
	};

	subnet.prefix_count = json_get_prefixes(r, "prefixes", subnet.prefix, 4);
	if (!subnet.encap)
		subnet.encap = API_ENCAP_VXLAN;
	if (!subnet.vni)
		json_reader_fail(r, "vni: missing");
	add(out, API_TYPE_SUBNET, &subnet, sizeof(subnet));
	for (uint8_t i = 0; i < subnet.prefix_count; i++) {
		struct api_route route = {.vrf = subnet.vrf,
			.prefix = subnet.prefix[i],
			.source = API_ROUTE_CONNECTED,
			.path_count = 1,
			.path[0] = {.type = API_PATH_SUBNET, .id = subnet.vni}};

		add(out, API_TYPE_ROUTE, &route, offsetof(struct api_route, path[1]));
	}
}

void kind_tenant_slot(struct json_reader *r, struct contribution_list *out)
{
	struct api_tenant_slot ts = {
		.vrf = read_vrf(r),
		.slot = (uint16_t)json_get_uint(r, "slot", 4095),
		.mac = json_get_mac(r, "mac"),
		.vni = (uint32_t)json_get_uint(r, "vni", VNI_MAX),
	};

	json_get_ip_pair(r, "pa", ts.pa);
	if (!ts.slot)
		json_reader_fail(r, "slot: missing");
	add(out, API_TYPE_TENANT_SLOT, &ts, sizeof(ts));
}

void kind_local_address(struct json_reader *r, struct contribution_list *out)
{
	struct api_local_addr addr = {
		.vrf = read_vrf(r),
		.addr = json_get_ip(r, "address"),
		.vni = (uint32_t)json_get_uint(r, "vni", VNI_MAX),
		.slot = (uint16_t)json_get_uint(r, "slot", 4095),
		.is_gateway = json_get_bool(r, "isGateway"),
	};

	if (addr.addr.family == IP_NONE)
		json_reader_fail(r, "address: missing");
	add(out, API_TYPE_LOCAL_ADDR, &addr, sizeof(addr));
}

void kind_host(struct json_reader *r, struct contribution_list *out)
{
	struct api_host host = {
		.vrf = read_vrf(r),
		.addr = json_get_ip(r, "address"),
		.vni = (uint32_t)json_get_uint(r, "vni", VNI_MAX),
		.mac = json_get_mac(r, "mac"),
	};

	json_get_ip_pair(r, "pa", host.pa);
	if (host.addr.family == IP_NONE)
		json_reader_fail(r, "address: missing");
	add(out, API_TYPE_HOST, &host, sizeof(host));
}
