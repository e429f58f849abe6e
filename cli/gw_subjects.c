// SPDX-License-Identifier: Apache-2.0
#include "gw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_status.h"
#include "objects.h"
#include "proto.h"
#include "sa.h"

#define FORWARDER_SOCKET "/run/isthmus/forwarder.sock"
#define AGENT_SOCKET     "/run/isthmus/agent.sock"

#define LEN(a) (sizeof(a) / sizeof(*(a)))
// A field called as its struct's member.
#define FIELD(noun, member, heading_, kind_)                             \
	{                                                                \
		.name = #member, .heading = (heading_), .kind = (kind_), \
		.offset = offsetof(struct noun, member)                  \
	}
#define WORD(noun, member, heading_, words_)                                \
	{                                                                   \
		.name = #member, .heading = (heading_), .kind = GW_WORD,    \
		.offset = offsetof(struct noun, member), .words = (words_), \
		.word_len = LEN(words_)                                     \
	}
#define CUSTOM(name_, heading_, fn)                                                       \
	{                                                                                 \
		.name = (name_), .heading = (heading_), .kind = GW_CUSTOM, .custom = (fn) \
	}

static const char *const port_kinds[] = {"", "af_packet", "dpdk"};
static const struct gw_field port_fields[] = {
	FIELD(api_port, port, "PORT", GW_U16),
	FIELD(api_port, name, "NAME", GW_TEXT),
	WORD(api_port, kind, "KIND", port_kinds),
	FIELD(api_port, up, "UP", GW_BOOL),
	FIELD(api_port, mac, "MAC", GW_MAC),
	FIELD(api_port, mtu, "MTU", GW_U16),
	FIELD(api_port, rx_packets, "RX", GW_U64),
	FIELD(api_port, rx_bytes, NULL, GW_U64),
	FIELD(api_port, rx_dropped, NULL, GW_U64),
	FIELD(api_port, tx_packets, "TX", GW_U64),
	FIELD(api_port, tx_bytes, NULL, GW_U64),
	FIELD(api_port, tx_dropped, NULL, GW_U64),
};

static const struct gw_field underlay_fields[] = {
	FIELD(api_underlay_addr, port, "PORT", GW_U16),
	FIELD(api_underlay_addr, vlan, "VLAN", GW_U16),
	FIELD(api_underlay_addr, addr, "ADDRESS", GW_IP),
	FIELD(api_underlay_addr, prefix_len, "LENGTH", GW_U8),
};

static const struct gw_field slot_fields[] = {
	FIELD(api_slot, slot, "SLOT", GW_U16),
	FIELD(api_slot, active, "ACTIVE", GW_BOOL),
	FIELD(api_slot, relay, "RELAY", GW_BOOL),
	FIELD(api_slot, epoch, "EPOCH", GW_U64),
	FIELD(api_slot, iv_epoch, NULL, GW_U64),
	FIELD(api_slot, port, "PORT", GW_U16),
	FIELD(api_slot, vlan, "VLAN", GW_U16),
	FIELD(api_slot, pa[0], "PA", GW_IP),
	FIELD(api_slot, pa[1], NULL, GW_IP),
	FIELD(api_slot, gre_vip[0], "GRE VIP", GW_IP),
	FIELD(api_slot, gre_vip[1], NULL, GW_IP),
	FIELD(api_slot, vip[0], "VIP", GW_IP),
	FIELD(api_slot, vip[1], NULL, GW_IP),
	FIELD(api_slot, relay_to, NULL, GW_IP),
};

static const struct gw_field vrf_fields[] = {
	FIELD(api_vrf, vrf, "VRF", GW_U32),
	FIELD(api_vrf, name, "NAME", GW_TEXT),
};

static const char *const encaps[] = {"", "VXLAN", "NVGRE"};

static json_t *prefix_list(const struct ip_prefix *list, size_t len)
{
	char text[PREFIX_TEXT_SIZE];
	json_t *array = json_array();

	for (size_t i = 0; i < len; i++)
		json_array_append_new(array, json_string(prefix_format(&list[i], text)));
	return array;
}

static json_t *subnet_prefixes(const void *object)
{
	const struct api_subnet *s = object;

	return prefix_list(s->prefix, s->prefix_count < 4 ? s->prefix_count : 4);
}

static const struct gw_field subnet_fields[] = {
	FIELD(api_subnet, vni, "VNI", GW_U32),
	FIELD(api_subnet, vrf, "VRF", GW_U32),
	WORD(api_subnet, encap, "ENCAP", encaps),
	FIELD(api_subnet, mtu, "MTU", GW_U16),
	CUSTOM("prefixes", "PREFIXES", subnet_prefixes),
};

static const struct gw_field local_fields[] = {
	FIELD(api_local_addr, vrf, "VRF", GW_U32),
	FIELD(api_local_addr, addr, "ADDRESS", GW_IP),
	FIELD(api_local_addr, vni, "VNI", GW_U32),
	FIELD(api_local_addr, slot, "SLOT", GW_U16),
	FIELD(api_local_addr, is_gateway, "GATEWAY", GW_BOOL),
};

static const struct gw_field host_fields[] = {
	FIELD(api_host, vrf, "VRF", GW_U32),
	FIELD(api_host, addr, "ADDRESS", GW_IP),
	FIELD(api_host, vni, "VNI", GW_U32),
	FIELD(api_host, mac, "MAC", GW_MAC),
	FIELD(api_host, pa[0], "PA", GW_IP),
	FIELD(api_host, pa[1], NULL, GW_IP),
};

static const char *const conn_types[] = {"", "GRE", "L3", "IPSec"};

static json_t *conn_enabled(const void *object)
{
	const struct api_conn *c = object;

	return json_boolean(c->flags & API_CONN_F_ENABLED);
}

static json_t *conn_key(const void *object)
{
	const struct api_conn *c = object;

	return c->flags & API_CONN_F_GRE_KEY ? json_integer(c->gre_key) : json_null();
}

static const struct gw_field config_fields[] = {
	FIELD(api_conn, conn, "CONN", GW_U32),
	FIELD(api_conn, name, "NAME", GW_TEXT),
	FIELD(api_conn, vrf, "VRF", GW_U32),
	FIELD(api_conn, slot, "SLOT", GW_U16),
	WORD(api_conn, type, "TYPE", conn_types),
	CUSTOM("enabled", NULL, conn_enabled),
	CUSTOM("greKey", "KEY", conn_key),
	FIELD(api_conn, local, "LOCAL", GW_IP),
	FIELD(api_conn, remote, "REMOTE", GW_IP),
	FIELD(api_conn, l3_port, NULL, GW_U16),
	FIELD(api_conn, l3_vlan, "VLAN", GW_U16),
	FIELD(api_conn, in_kbps, NULL, GW_U64),
	FIELD(api_conn, out_kbps, NULL, GW_U64),
};

static const struct gw_field conn_fields[] = {
	FIELD(api_conn_stats, conn, "CONN", GW_U32),
	FIELD(api_conn_stats, up, "UP", GW_BOOL),
	FIELD(api_conn_stats, in_packets, "IN", GW_U64),
	FIELD(api_conn_stats, in_bytes, NULL, GW_U64),
	FIELD(api_conn_stats, out_packets, "OUT", GW_U64),
	FIELD(api_conn_stats, out_bytes, NULL, GW_U64),
	FIELD(api_conn_stats, in_kbps, "IN KBPS", GW_U64),
	FIELD(api_conn_stats, out_kbps, "OUT KBPS", GW_U64),
	FIELD(api_conn_stats, in_dropped, "IN DROP", GW_U64),
	FIELD(api_conn_stats, out_dropped, "OUT DROP", GW_U64),
	FIELD(api_conn_stats, in_rate_dropped, NULL, GW_U64),
	FIELD(api_conn_stats, out_rate_dropped, NULL, GW_U64),
};

static const char *const route_sources[] = {"", "connected", "static", "bgp"};
static const char *const path_types[] = {
	"", "conn", "subnet", "slot", "via", "port", "drop", "local"};

static json_t *route_paths(const void *object)
{
	const struct api_route *r = object;
	json_t *array = json_array();

	for (uint8_t i = 0; i < r->path_count && i < API_ROUTE_PATHS; i++) {
		const struct api_path *p = &r->path[i];
		char via[IP_TEXT_SIZE] = "", text[96];

		if (p->via.family)
			ip_format(&p->via, via);
		snprintf(text, sizeof(text), "%s %u%s%s%s",
			p->type < LEN(path_types) ? path_types[p->type] : "?", p->id,
			*via ? " via " : "", via, p->weight > 1 ? " weighted" : "");
		json_array_append_new(array, json_string(text));
	}
	return array;
}

static const struct gw_field route_fields[] = {
	FIELD(api_route, vrf, "VRF", GW_U32),
	FIELD(api_route, prefix, "PREFIX", GW_PREFIX),
	WORD(api_route, source, "SOURCE", route_sources),
	FIELD(api_route, preference, "PREF", GW_U8),
	FIELD(api_route, metric, "METRIC", GW_U32),
	CUSTOM("paths", "PATHS", route_paths),
};

static const struct gw_field counter_fields[] = {
	FIELD(api_counter, name, "COUNTER", GW_TEXT),
	FIELD(api_counter, value, "VALUE", GW_U64),
	FIELD(api_counter, text, "MEANING", GW_TEXT),
};

static const char *const neighbour_states[] = {"", "resolving", "reachable", "stale", "failed"};
static const struct gw_field neighbour_fields[] = {
	FIELD(api_neighbour, port, "PORT", GW_U16),
	FIELD(api_neighbour, vlan, "VLAN", GW_U16),
	FIELD(api_neighbour, addr, "ADDRESS", GW_IP),
	FIELD(api_neighbour, mac, "MAC", GW_MAC),
	WORD(api_neighbour, state, "STATE", neighbour_states),
	FIELD(api_neighbour, age_ms, "AGE MS", GW_U32),
};

static const struct gw_field node_fields[] = {
	FIELD(api_node_stats, worker, "WORKER", GW_U16),
	FIELD(api_node_stats, name, "NODE", GW_TEXT),
	FIELD(api_node_stats, calls, "CALLS", GW_U64),
	FIELD(api_node_stats, packets, "PACKETS", GW_U64),
	FIELD(api_node_stats, cycles, "CYCLES", GW_U64),
};

static const struct gw_field worker_fields[] = {
	FIELD(api_worker, worker, "WORKER", GW_U16),
	FIELD(api_worker, core, "CORE", GW_U16),
	FIELD(api_worker, loops, "LOOPS", GW_U64),
	FIELD(api_worker, busy_loops, "BUSY", GW_U64),
	FIELD(api_worker, sleeps, "SLEEPS", GW_U64),
	FIELD(api_worker, beat_us, "BEAT US", GW_U64),
};

static const char *const sa_dirs[] = {"", "in", "out"};
static const char *const sa_modes[] = {"", "tunnel", "transport"};
static const char *const sa_stops[] = {
	"", "time", "bytes", "packets", "sequence", "counter", "epoch", "reservation"};
static const struct gw_field sa_fields[] = {
	FIELD(api_sa_stats, conn, "CONN", GW_U32),
	FIELD(api_sa_stats, spi, "SPI", GW_SPI),
	WORD(api_sa_stats, dir, "DIR", sa_dirs),
	WORD(api_sa_stats, mode, NULL, sa_modes),
	FIELD(api_sa_stats, active, "ACTIVE", GW_BOOL),
	WORD(api_sa_stats, stopped, NULL, sa_stops),
	FIELD(api_sa_stats, child, NULL, GW_U32),
	FIELD(api_sa_stats, slot, "SLOT", GW_U16),
	FIELD(api_sa_stats, worker, NULL, GW_U16),
	FIELD(api_sa_stats, cipher, "CIPHER", GW_U16),
	FIELD(api_sa_stats, integrity, NULL, GW_U16),
	FIELD(api_sa_stats, key_bits, NULL, GW_U16),
	FIELD(api_sa_stats, flags, NULL, GW_U32),
	FIELD(api_sa_stats, inner_mtu, NULL, GW_U16),
	FIELD(api_sa_stats, local, NULL, GW_IP),
	FIELD(api_sa_stats, local_port, NULL, GW_U16),
	FIELD(api_sa_stats, remote, "REMOTE", GW_IP),
	FIELD(api_sa_stats, remote_port, NULL, GW_U16),
	FIELD(api_sa_stats, replay_window, NULL, GW_U16),
	FIELD(api_sa_stats, sequence, NULL, GW_U64),
	FIELD(api_sa_stats, sequence_end, NULL, GW_U64),
	FIELD(api_sa_stats, replay_top, NULL, GW_U64),
	FIELD(api_sa_stats, iv_counter, NULL, GW_U64),
	FIELD(api_sa_stats, packets, "PACKETS", GW_U64),
	FIELD(api_sa_stats, bytes, NULL, GW_U64),
	FIELD(api_sa_stats, age_ms, NULL, GW_U64),
	FIELD(api_sa_stats, idle_ms, NULL, GW_U64),
	FIELD(api_sa_stats, replay_drops, NULL, GW_U64),
	FIELD(api_sa_stats, integrity_failures, NULL, GW_U64),
	FIELD(api_sa_stats, selector_mismatches, NULL, GW_U64),
	FIELD(api_sa_stats, malformed, NULL, GW_U64),
	FIELD(api_sa_stats, refused, NULL, GW_U64),
};

static const struct gw_field message_fields[] = {
	FIELD(api_message_count, type, "TYPE", GW_U16),
	FIELD(api_message_count, sets, "SETS", GW_U64),
	FIELD(api_message_count, dels, "DELS", GW_U64),
	FIELD(api_message_count, unchanged, "UNCHANGED", GW_U64),
	FIELD(api_message_count, refused, "REFUSED", GW_U64),
	FIELD(api_message_count, dropped, "DROPPED", GW_U64),
};

static const struct gw_field agent_fields[] = {
	FIELD(api_agent_status, gateway, "GATEWAY", GW_TEXT),
	FIELD(api_agent_status, controller, "CONTROLLER", GW_TEXT),
	FIELD(api_agent_status, controller_up, "UP", GW_BOOL),
	FIELD(api_agent_status, settled, "SETTLED", GW_BOOL),
	FIELD(api_agent_status, term, NULL, GW_U64),
	FIELD(api_agent_status, revision, "REVISION", GW_U64),
	FIELD(api_agent_status, reached, "REACHED", GW_U64),
	FIELD(api_agent_status, objects, "OBJECTS", GW_U64),
	FIELD(api_agent_status, refused, "REFUSED", GW_U64),
	FIELD(api_agent_status, objects_read, NULL, GW_U64),
	FIELD(api_agent_status, objects_touched, NULL, GW_U64),
	FIELD(api_agent_status, forwarder_up, NULL, GW_BOOL),
	FIELD(api_agent_status, bgp_up, NULL, GW_BOOL),
	FIELD(api_agent_status, ike_up, NULL, GW_BOOL),
	FIELD(api_agent_status, certificate_end, NULL, GW_U64),
};

static int keep_drops(const void *object, const char *vrf)
{
	const struct api_counter *c = object;

	return !strncmp(c->name, "drop.", 5) && c->value;
}

static int keep_counted(const void *object, const char *vrf)
{
	const struct api_message_count *c = object;

	return c->sets || c->dels || c->unchanged || c->refused;
}

static int keep_vrf(const void *object, const char *vrf)
{
	uint32_t id; // first member of every struct this is used for

	memcpy(&id, object, sizeof(id));
	return !vrf || strtoul(vrf, NULL, 10) == id;
}

#define SUBJECT(name_, help_, type_, noun, fields_, socket_, keep_)                             \
	{                                                                                       \
		name_, help_, type_, sizeof(struct noun), fields_, LEN(fields_), socket_, keep_ \
	}

const struct gw_subject gw_subjects[] = {
	SUBJECT("counters", "every counter", API_TYPE_COUNTER, api_counter, counter_fields,
		FORWARDER_SOCKET, NULL),
	SUBJECT("drops", "why packets were dropped", API_TYPE_COUNTER, api_counter, counter_fields,
		FORWARDER_SOCKET, keep_drops),
	SUBJECT("routes", "routes (--vrf N)", API_TYPE_ROUTE, api_route, route_fields,
		FORWARDER_SOCKET, keep_vrf),
	SUBJECT("neighbours", "resolved neighbours", API_TYPE_NEIGHBOUR, api_neighbour,
		neighbour_fields, FORWARDER_SOCKET, NULL),
	SUBJECT("conns", "connections: state and counts", API_TYPE_CONN_STATS, api_conn_stats,
		conn_fields, FORWARDER_SOCKET, NULL),
	SUBJECT("connections", "connections: as configured", API_TYPE_CONN, api_conn, config_fields,
		FORWARDER_SOCKET, NULL),
	SUBJECT("slots", "slots", API_TYPE_SLOT, api_slot, slot_fields, FORWARDER_SOCKET, NULL),
	SUBJECT("workers", "worker threads", API_TYPE_WORKER, api_worker, worker_fields,
		FORWARDER_SOCKET, NULL),
	SUBJECT("nodes", "graph nodes", API_TYPE_NODE_STATS, api_node_stats, node_fields,
		FORWARDER_SOCKET, NULL),
	SUBJECT("sa", "IPsec security associations", API_TYPE_SA_STATS, api_sa_stats, sa_fields,
		FORWARDER_SOCKET, NULL),
	SUBJECT("ports", "ports", API_TYPE_PORT, api_port, port_fields, FORWARDER_SOCKET, NULL),
	SUBJECT("addresses", "the gateway's own addresses", API_TYPE_UNDERLAY_ADDR,
		api_underlay_addr, underlay_fields, FORWARDER_SOCKET, NULL),
	SUBJECT("vrfs", "tenants' routing domains", API_TYPE_VRF, api_vrf, vrf_fields,
		FORWARDER_SOCKET, keep_vrf),
	SUBJECT("subnets", "virtual subnets", API_TYPE_SUBNET, api_subnet, subnet_fields,
		FORWARDER_SOCKET, NULL),
	SUBJECT("local", "our addresses inside tenants", API_TYPE_LOCAL_ADDR, api_local_addr,
		local_fields, FORWARDER_SOCKET, keep_vrf),
	SUBJECT("hosts", "virtual machines and their hosts", API_TYPE_HOST, api_host, host_fields,
		FORWARDER_SOCKET, keep_vrf),
	SUBJECT("messages", "what the forwarder was told, by type", API_TYPE_MESSAGE_COUNT,
		api_message_count, message_fields, FORWARDER_SOCKET, keep_counted),
	SUBJECT("agent", "the agent and its controller", API_TYPE_AGENT_STATUS, api_agent_status,
		agent_fields, AGENT_SOCKET, NULL),
};
const size_t gw_subject_len = LEN(gw_subjects);
