// SPDX-License-Identifier: Apache-2.0
// bgpRouters, bgpPeers, policyMaps: a tenant's routing with its sites.
#include "table.h"

#include <strings.h>

static bool is_generated(const json_t *item)
{
	return json_is_true(model_member(model_member(item, "properties"), "isGenerated"));
}

static const struct model_field bgp_router_fields[] = {
	{.name = "isEnabled",
		.kind = MODEL_BOOL,
		.fallback = "true",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_router, is_enabled),
		.help = "Whether it runs."},
	{.name = "requireIgpSync",
		.kind = MODEL_BOOL,
		.fallback = "true",
		AT(model_bgp_router, require_igp_sync),
		.help = "Kept for clients."},
	{.name = "extAsNumber",
		.kind = MODEL_ASN,
		.flags = MODEL_REQUIRED,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_router, asn),
		.column = "AS",
		.help = "Its AS, as \"0.64512\"."},
	{.name = "routerId",
		.kind = MODEL_IP,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_router, router_id),
		.column = "ROUTER ID",
		.help = "BGP identifier; absent: its address."},
	{.name = "routerIP",
		.kind = MODEL_IP,
		.flags = MODEL_LIST,
		.fallback = "[]",
		.max = 2,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_router, router_ip),
		.column = "ADDRESS",
		.help = "What sites peer with; empty: given out from the gateway subnet."},
	{.name = "bgpPeers",
		.kind = MODEL_CHILDREN,
		.child = &model_type_bgp_peer,
		.is_reflected = is_generated,
		.help = "Its peers."},
	{.name = "isGenerated", .kind = MODEL_STATE, .help = "Made by the controller."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
};

static const struct model_table bgp_router_table = TABLE(bgp_router_fields, model_bgp_router);

const struct model_type model_type_bgp_router = {
	.collection = "bgpRouters",
	.ref_name = "BgpRouters",
	.noun = "bgpRouter",
	.short_name = "br",
	.parent = &model_type_virtual_gateway,
	.properties = &bgp_router_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "The tenant's BGP speaker.",
};

static const struct model_field bgp_peer_isthmus_fields[] = {
	{.name = "md5Secret",
		.kind = MODEL_TEXT,
		.flags = MODEL_KEEP | MODEL_SECRET,
		.max = 80,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_peer_isthmus, md5_secret),
		.help = "TCP MD5 key (RFC 2385)."},
	{.name = "ttlSecurityHops",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "0",
		.max = 254,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_peer_isthmus, ttl_security_hops),
		.help = "GTSM (RFC 5082): hops the peer may be away; 0 is off."},
	{.name = "holdTimeS",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "90",
		.max = 65535,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_peer_isthmus, hold_time_s),
		.help = "Hold time offered; 0 is none."},
	{.name = "maxPrefixes",
		.kind = MODEL_INT,
		.flags = MODEL_KEEP,
		.fallback = "12000",
		.max = UINT32_MAX,
		AT(model_bgp_peer_isthmus, max_prefixes),
		.help = "Prefixes above which the session is closed; 0 is no limit."},
	{.name = "gracefulRestart",
		.kind = MODEL_BOOL,
		.flags = MODEL_KEEP,
		.fallback = "true",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_peer_isthmus, graceful_restart),
		.help = "RFC 4724."},
	{.name = "addPath",
		.kind = MODEL_BOOL,
		.flags = MODEL_KEEP,
		.fallback = "false",
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_peer_isthmus, add_path),
		.help = "RFC 7911."},
	{.name = "bfd",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &model_bfd_table,
		AT(model_bgp_peer_isthmus, bfd),
		.help = "BFD towards the peer."},
	{.name = "session",
		.kind = MODEL_STATE,
		.column = "SESSION",
		.help = "State of the session (RFC 4271)."},
	{.name = "receivedPrefixes",
		.kind = MODEL_STATE,
		.column = "RCV",
		.help = "Prefixes the peer has told now."},
	{.name = "acceptedPrefixes",
		.kind = MODEL_STATE,
		.column = "ACC",
		.help = "Of these, past policy and all checks."},
	{.name = "rejectedPrefixes", .kind = MODEL_STATE, .help = "The others."},
	{.name = "advertisedPrefixes",
		.kind = MODEL_STATE,
		.column = "ADV",
		.help = "Prefixes the peer is told now."},
	{.name = "negotiatedHoldTimeS", .kind = MODEL_STATE, .help = "0: no session, or none."},
	{.name = "flaps", .kind = MODEL_STATE, .help = "Times the session was lost."},
	{.name = "restarting", .kind = MODEL_STATE, .help = "Its stale routes are kept."},
	{.name = "bfdState", .kind = MODEL_STATE, .help = "Of BFD towards it, if asked for."},
	{.name = "lastError", .kind = MODEL_STATE, .help = "Why the session ended last."},
};

static const struct model_table bgp_peer_isthmus_table =
	TABLE(bgp_peer_isthmus_fields, model_bgp_peer_isthmus);

static const struct model_field bgp_peer_fields[] = {
	{.name = "peerIpAddress",
		.kind = MODEL_IP,
		.flags = MODEL_REQUIRED,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_peer, address),
		.column = "ADDRESS",
		.help = "The peer's address, reached through a static route of a connection."},
	{.name = "extAsNumber",
		.alias = "peerExtAsNumber",
		.kind = MODEL_ASN,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_peer, asn),
		.column = "AS",
		.help = "The peer's AS, as \"0.64521\"."},
	{.name = "asNumber",
		.alias = "peerAsNumber",
		.kind = MODEL_ASN,
		.flags = MODEL_AS_TEXT,
		.blast = MODEL_BLAST_TUNNEL,
		AT(model_bgp_peer, plain_asn),
		.help = "The same as a plain number."},
	{.name = "policyMapIn",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "virtualGateways/policyMaps",
		AT(model_bgp_peer, policy_map_in),
		.help = "What is accepted; absent: all."},
	{.name = "policyMapOut",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "virtualGateways/policyMaps",
		AT(model_bgp_peer, policy_map_out),
		.help = "What is announced; absent: all."},
	{.name = "connectionState", .kind = MODEL_STATE, .help = "Connected or Disconnected."},
	{.name = "statistics", .kind = MODEL_STATE, .help = "Messages and routes."},
	{.name = "isGenerated", .kind = MODEL_STATE, .help = "Made by the controller."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
	{.name = "isthmus",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &bgp_peer_isthmus_table,
		AT(model_bgp_peer, isthmus),
		.help = "Extensions."},
};

static const struct model_table bgp_peer_table = TABLE(bgp_peer_fields, model_bgp_peer);

static void bgp_peer_check(const void *properties, struct model_errors *errors)
{
	const struct model_bgp_peer *p = properties;

	if (!p->asn && !p->plain_asn)
		model_error_add(errors, "RequiredParamMissing", "properties.extAsNumber",
			"A bgpPeer needs 'extAsNumber' (or 'asNumber').");
	if (p->asn && p->plain_asn && p->asn != p->plain_asn)
		model_error_add(errors, "InvalidParameterValue", "properties.asNumber",
			"'asNumber' and 'extAsNumber' of a bgpPeer name different AS.");
}

const struct model_type model_type_bgp_peer = {
	.collection = "bgpPeers",
	.ref_name = "BgpPeers",
	.noun = "bgpPeer",
	.short_name = "bp",
	.parent = &model_type_bgp_router,
	.properties = &bgp_peer_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "A BGP session with a site.",
	.check = bgp_peer_check,
};

static const char *const match_names[] = {
	"MatchPrefix", "NextHop", "IgnorePrefix", "AsnRange", "Community", NULL};
static const char *const set_names[] = {"As-Path", "Add-Community", "Remove-Community",
	"Remove-All-Community", "MED", "Clear-MED", "Weight", "Local-Pref", "Next-Hop", NULL};
static const char *const action_names[] = {"Deny", "Allow", "Permit", "ModifyAttribute", NULL};

static const struct model_field policy_match_fields[] = {
	{.name = "property",
		.alias = "clause",
		.kind = MODEL_ENUM,
		.flags = MODEL_REQUIRED,
		.names = match_names,
		AT(model_policy_match, property),
		.help = "What is looked at."},
	{.name = "value",
		.kind = MODEL_TEXT,
		.flags = MODEL_LIST,
		.fallback = "[]",
		AT(model_policy_match, value),
		.help = "Any of these matches."},
};

static const struct model_table policy_match_table = TABLE(policy_match_fields, model_policy_match);

static const struct model_field policy_set_fields[] = {
	{.name = "property",
		.kind = MODEL_ENUM,
		.flags = MODEL_REQUIRED,
		.names = set_names,
		AT(model_policy_set, property),
		.help = "What is changed."},
	{.name = "value",
		.kind = MODEL_TEXT,
		.flags = MODEL_LIST,
		.fallback = "[]",
		AT(model_policy_set, value),
		.help = "To what."},
};

static const struct model_table policy_set_table = TABLE(policy_set_fields, model_policy_set);

static const struct model_field policy_entry_fields[] = {
	{.name = "policyName",
		.kind = MODEL_TEXT,
		.max = 255,
		AT(model_policy_entry, name),
		.help = "For people."},
	{.name = "action",
		.alias = "policyType",
		.kind = MODEL_ENUM,
		.flags = MODEL_REQUIRED,
		.names = action_names,
		AT(model_policy_entry, action),
		.help = "What is done with a route that matches."},
	{.name = "matchCriteria",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &policy_match_table,
		.fallback = "[]",
		.max = 64,
		AT(model_policy_entry, matches),
		.help = "All of these must match."},
	{.name = "setActions",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &policy_set_table,
		.fallback = "[]",
		.max = 64,
		AT(model_policy_entry, sets),
		.help = "Attributes to change."},
};

static const struct model_table policy_entry_table = TABLE(policy_entry_fields, model_policy_entry);

static const struct model_field policy_map_fields[] = {
	{.name = "policyMapEntryList",
		.alias = "policyList",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &policy_entry_table,
		.fallback = "[]",
		.max = 1000,
		AT(model_policy_map, entries),
		.help = "Tried in order; the first that matches decides."},
	{.name = "bgpPeersWithPolicyMapIn", .kind = MODEL_STATE, .help = "Who uses it inwards."},
	{.name = "bgpPeersWithPolicyMapOut", .kind = MODEL_STATE, .help = "Who uses it outwards."},
};

static const struct model_table policy_map_table = TABLE(policy_map_fields, model_policy_map);

const struct model_type model_type_policy_map = {
	.collection = "policyMaps",
	.ref_name = "PolicyMaps",
	.noun = "policyMap",
	.short_name = "pm",
	.parent = &model_type_virtual_gateway,
	.properties = &policy_map_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED | MODEL_TENANT,
	.help = "Which routes pass between the tenant and a site, and with what attributes.",
};
