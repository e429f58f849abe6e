// SPDX-License-Identifier: Apache-2.0

// Connections and the static routes over them.

#include <stddef.h>
#include <string.h>

#include "kinds.h"
#include "kinds_ipsec.h"
#include "objects.h"
#include "proto.h"

static const char *const type_names[] = {"GRE", "L3", "IPSec", NULL}; // as enum api_conn_type

static void add(struct contribution_list *out, uint16_t type, const void *object, size_t size)
{
	contribution_add(out, desired_type_find(type), object, size);
}

static void read_keepalive(struct json_reader *r, struct api_conn *conn)
{
	const json_t *keepalive = json_get_object(r, "keepalive");
	struct json_reader k;

	if (!keepalive)
		return;
	json_reader_init(&k, keepalive);
	conn->keepalive_interval_ms = (uint16_t)json_get_uint(&k, "intervalMs", UINT16_MAX);
	conn->keepalive_retries = (uint16_t)json_get_uint(&k, "retries", UINT16_MAX);
	if (conn->keepalive_interval_ms)
		conn->flags |= API_CONN_F_GRE_KEEPALIVE;
	if (k.failed)
		json_reader_fail(r, "keepalive.%.90s", k.text);
}

static void read_l3(struct json_reader *r, struct api_conn *conn)
{
	const json_t *list = json_get_array(r, "addresses");
	size_t len = json_array_size(list);

	conn->l3_port = (uint16_t)json_get_uint(r, "l3Port", UINT16_MAX);
	conn->l3_vlan = (uint16_t)json_get_uint(r, "l3Vlan", 4094);
	conn->l3_peer_count = json_get_ips(r, "peers", conn->l3_peer, API_CONN_ADDRS);
	if (len > API_CONN_ADDRS) {
		json_reader_fail(r, "addresses: more than %d", API_CONN_ADDRS);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct api_conn_addr *a = &conn->l3_addr[i];

		if (!text || json_address_parse(text, &a->addr, &a->prefix_len) < 0)
			json_reader_fail(
				r, "addresses[%zu]: not an address with its prefix length", i);
	}
	conn->l3_addr_count = (uint8_t)len;
}

// The networks an L3 connection's own addresses are on.
static void add_connected(struct contribution_list *out, const struct api_conn *conn)
{
	for (uint8_t i = 0; i < conn->l3_addr_count; i++) {
		const struct api_conn_addr *a = &conn->l3_addr[i];
		struct api_route route = {.vrf = conn->vrf,
			.prefix = prefix_make(&a->addr, a->prefix_len),
			.source = API_ROUTE_CONNECTED,
			.path_count = 1,
			.path[0] = {.type = API_PATH_CONN, .id = conn->conn}};

		add(out, API_TYPE_ROUTE, &route, offsetof(struct api_route, path[1]));
	}
}

void kind_connection(struct json_reader *r, struct contribution_list *out)
{
	struct api_conn conn = {
		.conn = (uint32_t)json_get_uint(r, "connection", UINT32_MAX),
		.vrf = (uint32_t)json_get_uint(r, "vrf", UINT32_MAX),
		.slot = (uint16_t)json_get_uint(r, "slot", 4095),
		.type = json_get_word(r, "type", type_names),
		.weight = (uint8_t)json_get_uint(r, "weight", UINT8_MAX),
		.gre_key = (uint32_t)json_get_uint(r, "greKey", UINT32_MAX),
		.local = json_get_ip(r, "local"),
		.remote = json_get_ip(r, "remote"),
		.mtu = (uint16_t)json_get_uint(r, "mtu", UINT16_MAX),
		.in_kbps = json_get_uint(r, "inKbps", INT64_MAX),
		.out_kbps = json_get_uint(r, "outKbps", INT64_MAX),
	};
	const json_t *key = json_object_get(r->object, "greKey");

	if (json_get_bool(r, "enabled"))
		conn.flags |= API_CONN_F_ENABLED;
	if (key && !json_is_null(key))
		conn.flags |= API_CONN_F_GRE_KEY;
	json_get_copy(r, "name", conn.name, sizeof(conn.name));
	read_keepalive(r, &conn);
	if (conn.type == API_CONN_L3)
		read_l3(r, &conn);
	if (!conn.conn || !conn.vrf || !conn.type)
		json_reader_fail(r, "connection, vrf and type are needed");
	add(out, API_TYPE_CONN, &conn, sizeof(conn));
	if (conn.type == API_CONN_IPSEC)
		kinds_add_ike(r, &conn, out);
	add_connected(out, &conn);
}

static void read_route(struct json_reader *e, const struct api_route *block, uint32_t conn,
	uint16_t slot, struct contribution_list *out)
{
	struct api_route route = *block;

	route.prefix = json_get_prefix(e, "prefix");
	route.metric = (uint32_t)json_get_uint(e, "metric", UINT32_MAX);
	route.path_count = 1;
	route.path[0] = (struct api_path){.type = API_PATH_CONN,
		.pad = slot,
		.weight = (uint8_t)json_get_uint(e, "weight", UINT8_MAX),
		.id = conn,
		.via = json_get_ip(e, "via")};
	if (route.prefix.addr.family == IP_NONE)
		json_reader_fail(e, "prefix: missing");
	add(out, API_TYPE_ROUTE, &route, offsetof(struct api_route, path[1]));
}

void kind_routes(struct json_reader *r, struct contribution_list *out)
{
	const json_t *list = json_get_array(r, "routes"), *entry;
	struct api_route block = {.vrf = (uint32_t)json_get_uint(r, "vrf", UINT32_MAX),
		.source = API_ROUTE_STATIC,
		.preference = 1};
	uint32_t conn = (uint32_t)json_get_uint(r, "connection", UINT32_MAX);
	uint16_t slot = (uint16_t)json_get_uint(r, "slot", 4095);
	size_t i;

	if (!block.vrf || !conn)
		json_reader_fail(r, "vrf and connection are needed");
	json_array_foreach ((json_t *)list, i, entry) {
		struct json_reader e;

		json_reader_init(&e, entry);
		read_route(&e, &block, conn, slot, out);
		if (e.failed)
			json_reader_fail(r, "routes[%zu].%.90s", i, e.text);
	}
}
