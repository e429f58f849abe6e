// SPDX-License-Identifier: Apache-2.0

// The gateway itself on the provider's networks: addresses, default routes, slots.

#include <stddef.h>
#include <string.h>

#include "bfd.h"
#include "kinds.h"
#include "objects.h"
#include "proto.h"

#define GATEWAY_ADDRS 32

static void add(struct contribution_list *out, uint16_t type, const void *object, size_t size)
{
	contribution_add(out, desired_type_find(type), object, size);
}

static uint8_t read_underlay(struct json_reader *r, struct api_underlay_addr addrs[GATEWAY_ADDRS])
{
	const json_t *list = json_get_array(r, "underlay"), *entry;
	uint8_t len = 0;
	size_t i;

	json_array_foreach ((json_t *)list, i, entry) {
		struct api_underlay_addr *a = &addrs[len];
		struct json_reader e;

		json_reader_init(&e, entry);
		a->port = (uint16_t)json_get_uint(&e, "port", UINT16_MAX);
		a->vlan = (uint16_t)json_get_uint(&e, "vlan", 4094);
		if (json_address_parse(json_get_text(&e, "address"), &a->addr, &a->prefix_len) < 0)
			json_reader_fail(&e, "address: not an address with its prefix length");
		if (e.failed)
			json_reader_fail(r, "underlay[%zu].%.90s", i, e.text);
		if (++len == GATEWAY_ADDRS)
			break;
	}
	return len;
}

// A default route out of the port whose network holds the next hop.
static void add_default_route(struct json_reader *r, struct contribution_list *out,
	const struct api_underlay_addr *addrs, uint8_t len, const struct ip_addr *gateway)
{
	struct api_route route = {.vrf = API_VRF_UNDERLAY,
		.source = API_ROUTE_STATIC,
		.preference = 1,
		.path_count = 1,
		.path[0] = {.type = API_PATH_PORT, .via = *gateway}};
	char text[IP_TEXT_SIZE];

	route.prefix.addr.family = gateway->family;
	for (uint8_t i = 0; i < len; i++) {
		struct ip_prefix net = prefix_make(&addrs[i].addr, addrs[i].prefix_len);

		if (!prefix_contains(&net, gateway))
			continue;
		route.path[0].id = (uint32_t)addrs[i].port << 16 | addrs[i].vlan;
		add(out, API_TYPE_ROUTE, &route, offsetof(struct api_route, path[1]));
		return;
	}
	json_reader_fail(r, "defaultGateways: %s is on none of the gateway's networks",
		ip_format(gateway, text));
}

void kind_gateway(struct json_reader *r, struct contribution_list *out)
{
	struct api_underlay_addr addrs[GATEWAY_ADDRS] = {0};
	struct ip_addr gateways[8] = {0}, own[2] = {0};
	uint8_t len = read_underlay(r, addrs);
	uint8_t gateway_len = json_get_ips(r, "defaultGateways", gateways, 8);

	for (uint8_t i = 0; i < len; i++) {
		struct ip_addr *first = &own[addrs[i].addr.family == IP_V6];

		if (first->family == IP_NONE)
			*first = addrs[i].addr;
		add(out, API_TYPE_UNDERLAY_ADDR, &addrs[i], sizeof(addrs[i]));
	}
	kinds_add_infrastructure(r, own, out);
	for (uint8_t i = 0; i < gateway_len; i++)
		add_default_route(r, out, addrs, len, &gateways[i]);
}

void kind_slot(struct json_reader *r, struct contribution_list *out)
{
	struct api_slot slot = {
		.slot = (uint16_t)json_get_uint(r, "slot", 4095),
		.active = json_get_bool(r, "active"),
		.port = (uint16_t)json_get_uint(r, "port", UINT16_MAX),
		.vlan = (uint16_t)json_get_uint(r, "vlan", 4094),
		.epoch = json_get_uint(r, "epoch", INT64_MAX),
		.iv_epoch = json_get_uint(r, "ivEpoch", INT64_MAX),
		.relay_to = json_get_ip(r, "relayTo"),
	};

	slot.yields = slot.active && json_get_bool(r, "yields");
	slot.relay = !slot.active && slot.relay_to.family != IP_NONE;
	json_get_ip_pair(r, "pa", slot.pa);
	json_get_ip_pair(r, "greVip", slot.gre_vip);
	json_get_ip_pair(r, "vip", slot.vip);
	json_get_ip_pair(r, "vipUsed", slot.vip_used);
	if (!slot.slot)
		json_reader_fail(r, "slot: missing");
	add(out, API_TYPE_SLOT, &slot, sizeof(slot));
	if (slot.active && json_get_bool(r, "announce"))
		kinds_add_announced(&slot, out);
}

// A slot behind a public address, which this gateway may have to relay to.
void kind_vip_slot(struct json_reader *r, struct contribution_list *out)
{
	struct api_vip_slot slot = {
		.vip = json_get_ip(r, "vip"),
		.slot = (uint16_t)json_get_uint(r, "slot", 4095),
		.port = (uint16_t)json_get_uint(r, "port", UINT16_MAX),
		.vlan = (uint16_t)json_get_uint(r, "vlan", 4094),
		.pa = json_get_ip(r, "pa"),
	};

	if (!slot.slot || slot.vip.family == IP_NONE || slot.pa.family == IP_NONE)
		json_reader_fail(r, "slot, vip or pa: missing");
	add(out, API_TYPE_VIP_SLOT, &slot, sizeof(slot));
}

void kind_vip_remote(struct json_reader *r, struct contribution_list *out)
{
	struct api_vip_remote remote = {
		.vip = json_get_ip(r, "vip"),
		.remote = json_get_ip(r, "remote"),
		.slot = (uint16_t)json_get_uint(r, "slot", 4095),
	};

	if (!remote.slot || remote.vip.family == IP_NONE)
		json_reader_fail(r, "slot or vip: missing");
	add(out, API_TYPE_VIP_REMOTE, &remote, sizeof(remote));
}

// BFD with the other gateways of the pool. Their sessions vouch for the workers on both sides.
void kind_watch(struct json_reader *r, struct contribution_list *out)
{
	struct api_bfd session = {
		.local = json_get_ip(r, "local"),
		.flags = API_BFD_F_POOL | API_BFD_F_C_BIT,
		.min_tx_us = (uint32_t)json_get_uint(r, "intervalMs", 60000) * 1000,
		.multiplier = (uint8_t)json_get_uint(r, "multiplier", 255),
	};
	const json_t *peers = json_get_array(r, "peers"), *entry;
	size_t i;

	session.min_rx_us = session.min_tx_us;
	if (session.local.family == IP_NONE)
		json_reader_fail(r, "local: missing");
	json_array_foreach ((json_t *)peers, i, entry) {
		struct json_reader e;

		json_reader_init(&e, entry);
		session.remote = json_get_ip(&e, "address");
		if (e.failed || session.remote.family != session.local.family)
			json_reader_fail(r, "peers[%zu].address: not an address like local", i);
		add(out, API_TYPE_BFD, &session, sizeof(session));
	}
}
