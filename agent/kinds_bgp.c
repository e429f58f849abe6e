// SPDX-License-Identifier: Apache-2.0

// A tenant's BGP: routers with their networks and their place in the kernel, peers, policy maps.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bfd.h"
#include "bgp.h"
#include "kinds.h"
#include "objects.h"
#include "proto.h"
#include "service.h"
#include "xmalloc.h"

#define HOLD_NONE 65535 // what api/bgp.h says for "no hold timer"

#define INFRASTRUCTURE_IN       "provider-in"
#define INFRASTRUCTURE_PREFIXES 1000 // kept, and denied
// A dead gateway's announcements end after both; a restart of isthmus-bgp takes less.
#define INFRASTRUCTURE_HOLD_S    9
#define INFRASTRUCTURE_RESTART_S 10

static void add(struct contribution_list *out, uint16_t type, const void *object, size_t size)
{
	contribution_add(out, desired_type_find(type), object, size);
}

// -- routers

static void add_networks(
	struct json_reader *r, const struct api_bgp_router *router, struct contribution_list *out)
{
	const json_t *list = json_get_array(r, "networks"), *entry;
	size_t i;

	json_array_foreach ((json_t *)list, i, entry) {
		struct api_bgp_network n = {.vrf = router->vrf,
			.slot = router->slot,
			.held_slot = router->slot,
			.kind = API_BGP_NETWORK};
		const char *text = json_string_value(entry);

		if (!text || prefix_parse(text, &n.prefix) < 0)
			json_reader_fail(r, "networks[%zu]: not a prefix", i);
		add(out, API_TYPE_BGP_NETWORK, &n, sizeof(n));
	}
}

// The namespace is there wherever the slot may come, so that taking it over makes nothing new.
static void add_service(const struct api_bgp_router *router, struct contribution_list *out)
{
	struct service_vrf vrf = {.vrf = router->vrf};
	struct api_tun tun = {.vrf = router->vrf};

	add(out, SERVICE_TYPE_VRF, &vrf, sizeof(vrf));
	add(out, API_TYPE_TUN, &tun, sizeof(tun));
	for (size_t i = 0; i < 2; i++) {
		struct service_address address = {.vrf = router->vrf, .addr = router->address[i]};
		struct api_bgp_socket socket = {.vrf = router->vrf,
			.slot = router->slot,
			.kind = API_BGP_SOCKET_LISTEN,
			.local = router->address[i]};

		if (router->address[i].family == IP_NONE)
			continue;
		add(out, SERVICE_TYPE_ADDRESS, &address, sizeof(address));
		add(out, API_TYPE_BGP_SOCKET, &socket, sizeof(socket));
	}
}

// One address, or a list with one of each IP version.
static void read_addresses(struct json_reader *r, struct ip_addr dst[2])
{
	struct ip_addr one;

	if (json_is_array(json_object_get(r->object, "address"))) {
		json_get_ip_pair(r, "address", dst);
		return;
	}
	one = json_get_ip(r, "address");
	if (one.family != IP_NONE)
		dst[one.family == IP_V6] = one;
}

// A BGP identifier is a number of 32 bits; one that is no IPv4 address is made from its text.
static uint32_t read_identifier(struct json_reader *r, const char *name)
{
	const char *text = json_get_text(r, name);
	struct ip_addr addr = json_get_ip(r, name);

	if (addr.family == IP_V6)
		return (uint32_t)hash_bytes(text, strlen(text), 0) | 1;
	return ip_to_v4(&addr);
}

void kind_bgp_router(struct json_reader *r, struct contribution_list *out)
{
	struct api_bgp_router router = {
		.vrf = (uint32_t)json_get_uint(r, "vrf", UINT32_MAX),
		.slot = (uint16_t)json_get_uint(r, "slot", 4095),
		.asn = (uint32_t)json_get_uint(r, "asn", UINT32_MAX),
		.router_id = read_identifier(r, "routerId"),
		.cluster_id = read_identifier(r, "clusterId"),
		.flags = json_get_bool(r, "reflector") ? API_BGP_ROUTER_REFLECTOR : 0,
	};

	json_get_copy(r, "ref", router.name, sizeof(router.name));
	read_addresses(r, router.address);
	if (!router.router_id)
		router.router_id = ip_to_v4(&router.address[0]);
	if (!router.vrf || !router.slot || !router.asn)
		json_reader_fail(r, "vrf, slot and asn are needed");
	add(out, API_TYPE_BGP_ROUTER, &router, sizeof(router));
	add_networks(r, &router, out);
	if (json_get_bool(r, "service"))
		add_service(&router, out);
}

// -- the provider's routers

// Nothing is learnt from them: the gateway has its default route.
static void add_deny_all(struct contribution_list *out)
{
	struct {
		struct api_bgp_policy head;
		struct api_bgp_policy_line line;
	} policy = {.head = {.name = INFRASTRUCTURE_IN, .line_count = 1},
		.line = {.property = API_BGP_ENTRY, .v = {API_BGP_DENY}, .text = "deny"}};

	add(out, API_TYPE_BGP_POLICY, &policy, sizeof(policy));
}

static void add_provider_peer(const json_t *entry, const struct api_bgp_router *router,
	struct contribution_list *out, struct json_reader *r)
{
	struct api_bgp_peer peer = {.vrf = API_VRF_UNDERLAY,
		.policy_in = INFRASTRUCTURE_IN,
		.max_prefixes = INFRASTRUCTURE_PREFIXES,
		.max_mode = API_BGP_MAX_STOP,
		.hold_time_s = INFRASTRUCTURE_HOLD_S,
		.name = "bgpConfig"};
	struct json_reader e;

	json_reader_init(&e, entry);
	peer.address = json_get_ip(&e, "address");
	peer.asn = (uint32_t)json_get_uint(&e, "asn", UINT32_MAX);
	if (peer.address.family == IP_V6 || router->address[1].family)
		peer.flags |= API_BGP_PEER_IPV6;
	if (e.failed || !peer.asn || !peer.address.family ||
		!router->address[peer.address.family == IP_V6].family)
		json_reader_fail(r, "bgp.peers: an address like one of ours, and asn, are needed");
	else
		add(out, API_TYPE_BGP_PEER, &peer, sizeof(peer));
}

void kinds_add_infrastructure(
	struct json_reader *r, const struct ip_addr own[2], struct contribution_list *out)
{
	const json_t *object = json_get_object(r, "bgp"), *entry;
	struct api_bgp_router router = {.vrf = API_VRF_UNDERLAY,
		.flags = API_BGP_ROUTER_NO_FIB,
		.restart_time_s = INFRASTRUCTURE_RESTART_S,
		.address = {own[0], own[1]},
		.name = "bgpConfig"};
	struct json_reader b;
	size_t i;

	if (!object)
		return;
	json_reader_init(&b, object);
	router.asn = (uint32_t)json_get_uint(&b, "asn", UINT32_MAX);
	router.router_id =
		own[0].family ? ip_to_v4(&own[0]) : (uint32_t)hash_bytes(own[1].bytes, 16, 0) | 1;
	if (b.failed || !router.asn || (!own[0].family && !own[1].family)) {
		json_reader_fail(r, "bgp: asn and an address of the gateway's own are needed");
		return;
	}
	add(out, API_TYPE_BGP_ROUTER, &router, sizeof(router));
	add_service(&router, out);
	add_deny_all(out);
	json_array_foreach ((json_t *)json_get_array(&b, "peers"), i, entry)
		add_provider_peer(entry, &router, out, r);
}

// The router compares MED among gateways of one AS: who took the slot last wins, whatever the old
// holder still says.
static void add_announced(
	const struct api_slot *slot, const struct ip_addr *addr, struct contribution_list *out)
{
	struct api_bgp_network n = {.vrf = API_VRF_UNDERLAY,
		.held_slot = slot->slot,
		.prefix = prefix_make(addr, ip_bits(addr)),
		.kind = API_BGP_NETWORK,
		.has_med = 1,
		.med = UINT32_MAX - (uint32_t)slot->epoch};

	if (addr->family != IP_NONE)
		add(out, API_TYPE_BGP_NETWORK, &n, sizeof(n));
}

void kinds_add_announced(const struct api_slot *slot, struct contribution_list *out)
{
	for (size_t i = 0; i < 2; i++) {
		add_announced(slot, &slot->pa[i], out);
		add_announced(slot, &slot->gre_vip[i], out);
		add_announced(slot, &slot->vip[i], out);
	}
}

// -- peers

// A tenant's peer is hops away (RFC 5883). Whoever takes the slot over goes on with the session.
static void read_bfd(struct json_reader *o, struct api_bgp_peer *peer, struct api_bfd *bfd)
{
	const json_t *object = json_get_object(o, "bfd");
	uint32_t key[3] = {peer->vrf};
	struct json_reader b;

	if (!object || json_is_false(json_object_get(object, "enabled")) ||
		peer->local.family != peer->address.family)
		return;
	json_reader_init(&b, object);
	key[1] = (uint32_t)hash_bytes(peer->local.bytes, 16, 0);
	key[2] = (uint32_t)hash_bytes(peer->address.bytes, 16, 0);
	*bfd = (struct api_bfd){.vrf = peer->vrf,
		.local = peer->local,
		.remote = peer->address,
		.flags = API_BFD_F_MULTIHOP | API_BFD_F_C_BIT | API_BFD_F_RESUME,
		.min_tx_us = (uint32_t)json_get_uint(&b, "intervalMs", 60000) * 1000,
		.multiplier = (uint8_t)json_get_uint(&b, "multiplier", 255),
		.discriminator = (uint32_t)hash_bytes(key, sizeof(key), 0) | 1};
	bfd->min_rx_us = bfd->min_tx_us;
	peer->flags |= API_BGP_PEER_BFD;
	if (b.failed)
		json_reader_fail(o, "bfd.%.90s", b.text);
}

// What the API's extension says; absent members have the model's defaults.
static void read_options(struct json_reader *r, struct api_bgp_peer *peer, struct api_bfd *bfd)
{
	const json_t *object = json_get_object(r, "options"), *hold;
	struct json_reader o;

	if (!object)
		return;
	json_reader_init(&o, object);
	json_get_copy(&o, "md5Secret", peer->md5_key, sizeof(peer->md5_key));
	peer->ttl_hops = (uint8_t)json_get_uint(&o, "ttlSecurityHops", 254);
	peer->max_prefixes = (uint32_t)json_get_uint(&o, "maxPrefixes", UINT32_MAX);
	hold = json_object_get(object, "holdTimeS");
	peer->hold_time_s = (uint16_t)json_get_uint(&o, "holdTimeS", UINT16_MAX);
	if (hold && !json_is_null(hold) && !peer->hold_time_s)
		peer->hold_time_s = HOLD_NONE;
	if (json_is_false(json_object_get(object, "gracefulRestart")))
		peer->flags |= API_BGP_PEER_NO_RESTART;
	if (json_get_bool(&o, "addPath"))
		peer->flags |= API_BGP_PEER_ADD_PATH_SEND | API_BGP_PEER_ADD_PATH_RECEIVE;
	read_bfd(&o, peer, bfd);
	if (o.failed)
		json_reader_fail(r, "options.%.90s", o.text);
}

void kind_bgp_peer(struct json_reader *r, struct contribution_list *out)
{
	struct api_bgp_peer peer = {
		.vrf = (uint32_t)json_get_uint(r, "vrf", UINT32_MAX),
		.slot = (uint16_t)json_get_uint(r, "slot", 4095),
		.address = json_get_ip(r, "address"),
		.asn = (uint32_t)json_get_uint(r, "asn", UINT32_MAX),
		.local = json_get_ip(r, "local"),
	};

	struct api_bfd bfd = {0};

	if (json_get_bool(r, "client"))
		peer.flags |= API_BGP_PEER_CLIENT;
	if (!*json_get_text(r, "ref"))
		peer.flags |= API_BGP_PEER_GENERATED;
	if (peer.address.family == IP_V6)
		peer.flags |= API_BGP_PEER_IPV6;
	json_get_copy(r, "policyIn", peer.policy_in, sizeof(peer.policy_in));
	json_get_copy(r, "policyOut", peer.policy_out, sizeof(peer.policy_out));
	json_get_copy(r, "ref", peer.name, sizeof(peer.name));
	read_options(r, &peer, &bfd);
	if (!peer.vrf || !peer.slot || !peer.asn || peer.address.family == IP_NONE)
		json_reader_fail(r, "vrf, slot, address and asn are needed");
	add(out, API_TYPE_BGP_PEER, &peer, sizeof(peer));
	if (peer.flags & API_BGP_PEER_BFD)
		add(out, API_TYPE_BFD, &bfd, sizeof(bfd));
}

// -- policy maps

struct lines {
	struct api_bgp_policy *policy; // room for API_BGP_POLICY_LINES
	uint16_t entry;
};

// What is in the value of a criterion or a change.
enum word_value {
	WORD_NONE,
	WORD_PREFIX,
	WORD_ADDRESS,
	WORD_NUMBER,
	WORD_COMMUNITY,
	WORD_RANGE,
	WORD_PATH
};

struct word {
	const char *name;
	uint16_t property; // enum api_bgp_property
	uint8_t value;     // enum word_value
};

static const struct word match_words[] = {
	{"MatchPrefix", API_BGP_MATCH_PREFIX, WORD_PREFIX},
	{"IgnorePrefix", API_BGP_IGNORE_PREFIX, WORD_PREFIX},
	{"NextHop", API_BGP_NEXT_HOP, WORD_ADDRESS},
	{"AsnRange", API_BGP_ASN_RANGE, WORD_RANGE},
	{"Community", API_BGP_COMMUNITY, WORD_COMMUNITY},
	{0},
};

static const struct word set_words[] = {
	{"As-Path", API_BGP_SET_AS_PATH, WORD_PATH},
	{"Add-Community", API_BGP_SET_ADD_COMMUNITY, WORD_COMMUNITY},
	{"Remove-Community", API_BGP_SET_REMOVE_COMMUNITY, WORD_COMMUNITY},
	{"Remove-All-Community", API_BGP_SET_REMOVE_ALL_COMMUNITY, WORD_NONE},
	{"MED", API_BGP_SET_MED, WORD_NUMBER},
	{"Clear-MED", API_BGP_SET_CLEAR_MED, WORD_NONE},
	{"Weight", API_BGP_SET_WEIGHT, WORD_NUMBER},
	{"Local-Pref", API_BGP_SET_LOCAL_PREF, WORD_NUMBER},
	{"Next-Hop", API_BGP_SET_NEXT_HOP, WORD_ADDRESS},
	{0},
};

static const struct word action_words[] = {
	{"Deny", API_BGP_DENY, 0},
	{"Permit", API_BGP_PERMIT, 0},
	{"Allow", API_BGP_PERMIT, 0},
	{"ModifyAttribute", API_BGP_MODIFY, 0},
	{0},
};

static const struct word *word_find(
	struct json_reader *r, const char *member, const struct word *words)
{
	const char *text = json_get_text(r, member);

	for (; words->name; words++) {
		if (!strcasecmp(words->name, text))
			return words;
	}
	json_reader_fail(r, "%s: %.50s is unknown here", member, text);
	return NULL;
}

static struct api_bgp_policy_line *line_add(
	struct json_reader *r, struct lines *l, uint16_t property)
{
	struct api_bgp_policy_line *line;

	if (l->policy->line_count == API_BGP_POLICY_LINES) {
		json_reader_fail(r, "more than %d criteria and changes", API_BGP_POLICY_LINES);
		return NULL;
	}
	line = &l->policy->line[l->policy->line_count++];
	*line = (struct api_bgp_policy_line){.entry = l->entry, .property = property};
	return line;
}

// "65001", or asdot "1.10" (RFC 5396).
static bool parse_number(const char *text, uint32_t *ret, char *ret_end)
{
	char *end;
	unsigned long long high = strtoull(text, &end, 10), low;

	if (end == text || high > UINT32_MAX)
		return false;
	if (*end == '.' && high <= UINT16_MAX) {
		text = end + 1;
		low = strtoull(text, &end, 10);
		if (end == text || low > UINT16_MAX)
			return false;
		high = high << 16 | low;
	}
	*ret = (uint32_t)high;
	*ret_end = *end;
	return true;
}

// "65001:7", a number, or a name of RFC 1997.
static bool parse_community(const char *text, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t value;
	} known[] = {{"no-export", 0xffffff01}, {"no-advertise", 0xffffff02},
		{"no-export-subconfed", 0xffffff03}};
	unsigned high, low;
	char end;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!strcasecmp(known[i].name, text)) {
			*ret = known[i].value;
			return true;
		}
	}
	if (sscanf(text, "%5u:%5u%c", &high, &low, &end) == 2 && high <= UINT16_MAX &&
		low <= UINT16_MAX) {
		*ret = high << 16 | low;
		return true;
	}
	return parse_number(text, ret, &end) && !end;
}

// "100-200" or one number.
static bool parse_range(const char *text, uint32_t *v)
{
	char end;
	const char *dash = strchr(text, '-');

	if (!parse_number(text, &v[0], &end))
		return false;
	v[1] = v[0];
	if (!dash)
		return !end;
	return end == '-' && parse_number(dash + 1, &v[1], &end) && !end && v[0] <= v[1];
}

static bool parse_value(const char *text, uint8_t value, struct api_bgp_policy_line *line)
{
	struct ip_addr addr;
	char end;

	switch ((enum word_value)value) {
	case WORD_NONE: return true;
	case WORD_PREFIX: return prefix_parse(text, &line->prefix) == 0;
	case WORD_ADDRESS:
		if (ip_parse(text, &addr) < 0)
			return false;
		line->prefix = prefix_make(&addr, ip_bits(&addr));
		return true;
	case WORD_COMMUNITY: return parse_community(text, &line->v[0]);
	case WORD_RANGE: return parse_range(text, line->v);
	case WORD_NUMBER:
	case WORD_PATH: return parse_number(text, &line->v[0], &end) && !end;
	}
	return false;
}

static void add_value(
	struct json_reader *r, struct lines *l, const struct word *w, const char *text)
{
	struct api_bgp_policy_line *line = line_add(r, l, w->property);

	if (line && !parse_value(text, w->value, line))
		json_reader_fail(r, "%s: %.50s is not understood", w->name, text);
}

static void add_scalar(
	struct json_reader *r, struct lines *l, const struct word *w, const json_t *v)
{
	char text[24];

	if (json_is_string(v)) {
		add_value(r, l, w, json_string_value(v));
	} else if (json_is_integer(v)) {
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
		add_value(r, l, w, text);
	} else {
		json_reader_fail(r, "%s: not a text or number", w->name);
	}
}

// [first, last] of an AsnRange: two values make one line.
static bool add_asn_pair(
	struct json_reader *r, struct lines *l, const struct word *w, const json_t *list)
{
	const char *first = json_string_value(json_array_get(list, 0));
	const char *last = json_string_value(json_array_get(list, 1));
	char both[64];

	if (w->value != WORD_RANGE || json_array_size(list) != 2 || !first || !last ||
		strchr(first, '-') || strchr(last, '-'))
		return false;
	snprintf(both, sizeof(both), "%s-%s", first, last);
	add_value(r, l, w, both);
	return true;
}

// A criterion or a change: its word and values. AS numbers to prepend: "65001 65001" is twice.
static void add_lines(
	struct json_reader *r, struct lines *l, const json_t *object, const struct word *words)
{
	const json_t *value = json_object_get(object, "value"), *one;
	const struct word *w;
	struct json_reader o;
	size_t i;

	json_reader_init(&o, object);
	w = o.failed ? NULL
		     : word_find(&o, json_object_get(object, "property") ? "property" : "clause",
			       words);
	if (w && w->value == WORD_NONE)
		line_add(&o, l, w->property);
	else if (w && !json_is_array(value))
		add_scalar(&o, l, w, value);
	else if (w && !add_asn_pair(&o, l, w, value))
		json_array_foreach ((json_t *)value, i, one)
			add_scalar(&o, l, w, one);
	if (o.failed)
		json_reader_fail(r, "%.100s", o.text);
}

static void add_entry(struct json_reader *r, struct lines *l, const json_t *entry)
{
	struct api_bgp_policy_line *line;
	const struct word *action;
	const json_t *one;
	struct json_reader e;
	size_t i;

	json_reader_init(&e, entry);
	action = e.failed
			 ? NULL
			 : word_find(&e, json_object_get(entry, "action") ? "action" : "policyType",
				   action_words);
	line = action ? line_add(&e, l, API_BGP_ENTRY) : NULL;
	if (line) {
		line->v[0] = action->property;
		json_get_copy(&e, "policyName", line->text, sizeof(line->text));
		json_array_foreach ((json_t *)json_get_array(&e, "matchCriteria"), i, one)
			add_lines(&e, l, one, match_words);
		json_array_foreach ((json_t *)json_get_array(&e, "setActions"), i, one)
			add_lines(&e, l, one, set_words);
	}
	if (e.failed)
		json_reader_fail(r, "entries[%u].%.100s", l->entry, e.text);
	l->entry++;
}

void kind_policy_map(struct json_reader *r, struct contribution_list *out)
{
	size_t most = sizeof(struct api_bgp_policy) +
		      API_BGP_POLICY_LINES * sizeof(struct api_bgp_policy_line);
	struct lines l = {.policy = xcalloc(1, most)};
	const json_t *entry;
	size_t i;

	l.policy->vrf = (uint32_t)json_get_uint(r, "vrf", UINT32_MAX);
	json_get_copy(r, "name", l.policy->name, sizeof(l.policy->name));
	if (!l.policy->vrf || !l.policy->name[0])
		json_reader_fail(r, "vrf and name are needed");
	json_array_foreach ((json_t *)json_get_array(r, "entries"), i, entry)
		add_entry(r, &l, entry);
	add(out, API_TYPE_BGP_POLICY, l.policy,
		sizeof(*l.policy) + l.policy->line_count * sizeof(l.policy->line[0]));
	free(l.policy);
}
