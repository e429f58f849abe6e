// SPDX-License-Identifier: Apache-2.0
// Connections: what gateways are told of them once they are placed, and what hosts must know.
#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"

static void clear_input(struct plan_connection *in)
{
	copy_free(in->tenant, in->name, in->ref, in->addr, in->peer, in->route, in->ipsec_json,
		in->credential_json);
	*in = (struct plan_connection){0};
}

static void copy_input(struct plan_connection *to, const struct plan_connection *in)
{
	*to = *in;
	to->tenant = copy_text(in->tenant);
	to->name = copy_text(in->name);
	to->ref = copy_text(in->ref);
	to->addr = copy_bytes(in->addr, in->addr_len * sizeof(*in->addr));
	to->peer = copy_bytes(in->peer, in->peer_len * sizeof(*in->peer));
	to->route = copy_bytes(in->route, in->route_len * sizeof(*in->route));
	to->ipsec_json = copy_text(in->ipsec_json);
	to->credential_json = copy_text(in->credential_json);
}

void plan_set_connection(struct plan *p, const struct plan_connection *in)
{
	char *key = xasprintf("%s/%s", in->tenant, in->name);
	struct connection *c = map_find_str(&p->connections, key);

	if (!c) {
		c = xcalloc(1, sizeof(*c));
		c->key = key;
		c->tenant = tenant_ref(p, in->tenant);
		c->tenant->connections_len++;
		TAILQ_INSERT_TAIL(&c->tenant->connections, c, of_tenant);
		map_set_str(&p->connections, c->key, c);
	} else {
		free(key);
	}
	clear_input(&c->in);
	copy_input(&c->in, in);
	c->gone = false;
	plan_queue(p, WORK_CONNECTION, &c->todo);
}

void plan_del_connection(struct plan *p, const char *tenant, const char *name)
{
	char *key = xasprintf("%s/%s", tenant, name);
	struct connection *c = map_find_str(&p->connections, key);

	free(key);
	if (!c)
		return;
	c->gone = true;
	plan_queue(p, WORK_CONNECTION, &c->todo);
}

static void put_prefixes(struct plan *p, struct prefix **prefixes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		prefix_put(p, prefixes[i]);
	free(prefixes);
}

void connection_untell(struct plan *p, struct connection *c)
{
	pub_clear(p, &c->pub);
	pub_clear(p, &c->routes_pub);
	pub_clear(p, &c->credential_pub);
	put_prefixes(p, c->prefixes, c->prefixes_len);
	c->prefixes = NULL;
	c->prefixes_len = 0;
}

void connection_free(struct plan *p, struct connection *c)
{
	struct tenant *t = c->tenant;

	unplace(p, c);
	rows_of_connection(p, c, true);
	plan_unqueue(p, WORK_CONNECTION, &c->todo);
	map_del_str(&p->connections, c->key);
	TAILQ_REMOVE(&t->connections, c, of_tenant);
	t->connections_len--;
	clear_input(&c->in);
	plan_discard(p, c->key);
	free(c);
	plan_queue(p, WORK_TENANT, &t->todo);
	tenant_unref(p, t);
}

// The outer source: a floating address of the slot, or the pool's public one.
static struct ip_addr local_address(const struct connection *c)
{
	const struct ip_addr *remote = &c->in.remote;

	if (c->in.type == PLAN_CONN_GRE)
		return c->slot->gre_vip[remote->family == IP_V6];
	if (c->in.type == PLAN_CONN_IPSEC)
		return c->by_key->key.vip;
	return (struct ip_addr){0};
}

static const char *const type_names[PLAN_CONN_TYPES] = {
	[PLAN_CONN_GRE] = "GRE", [PLAN_CONN_L3] = "L3", [PLAN_CONN_IPSEC] = "IPSec"};

static void write_l3(struct text *t, const struct connection *c)
{
	const struct plan_connection *in = &c->in;

	if (c->slot->holder)
		text_u64(t, "l3Port", c->slot->holder->in.l3_port);
	text_u64(t, "l3Vlan", in->l3_vlan);
	text_open(t, "addresses", '[');
	for (size_t i = 0; i < in->addr_len; i++) {
		char addr[IP_TEXT_SIZE], both[IP_TEXT_SIZE + 8];

		snprintf(both, sizeof(both), "%s/%u", ip_format(&in->addr[i].addr, addr),
			in->addr[i].prefix_len);
		text_str(t, NULL, both);
	}
	text_close(t, ']');
	text_ips(t, "peers", in->peer, in->peer_len);
}

static void write_connection(struct text *t, const struct connection *c)
{
	const struct plan_connection *in = &c->in;
	struct ip_addr local = local_address(c);

	text_reset(t);
	text_open(t, NULL, '{');
	text_u64(t, "connection", c->id);
	text_u64(t, "vrf", c->tenant->vrf);
	text_u64(t, "slot", c->slot->number);
	text_str(t, "type", type_names[in->type]);
	text_str(t, "name", c->key);
	text_str(t, "ref", in->ref);
	text_bool(t, "enabled", in->enabled);
	if (local.family)
		text_ip(t, "local", &local);
	if (in->remote.family)
		text_ip(t, "remote", &in->remote);
	if (in->has_key)
		text_u64(t, "greKey", in->gre_key);
	if (in->type == PLAN_CONN_L3)
		write_l3(t, c);
	text_u64(t, "inKbps", c->in_kbps);
	text_u64(t, "outKbps", c->out_kbps);
	text_u64(t, "mtu", in->mtu);
	text_u64(t, "weight", in->weight);
	if (in->keepalive_ms && in->type == PLAN_CONN_GRE) {
		text_open(t, "keepalive", '{');
		text_u64(t, "intervalMs", in->keepalive_ms);
		text_u64(t, "retries", in->keepalive_retries);
		text_close(t, '}');
	}
	if (in->ipsec_json)
		text_raw(t, "ipsec", in->ipsec_json);
	if (in->ipsec_json && c->slot->pool->in.refuse_weak)
		text_bool(t, "refuseWeak", true);
	text_close(t, '}');
}

static void write_routes(struct text *t, const struct connection *c)
{
	text_reset(t);
	text_open(t, NULL, '{');
	text_u64(t, "vrf", c->tenant->vrf);
	text_u64(t, "connection", c->id);
	text_u64(t, "slot", c->slot->number);
	text_open(t, "routes", '[');
	for (size_t i = 0; i < c->in.route_len; i++) {
		const struct plan_route *r = &c->in.route[i];

		text_open(t, NULL, '{');
		text_prefix(t, "prefix", &r->prefix);
		if (r->via.family)
			text_ip(t, "via", &r->via);
		text_u64(t, "metric", r->metric);
		text_u64(t, "weight", r->weight);
		text_close(t, '}');
	}
	text_close(t, ']');
	text_close(t, '}');
}

// New ones first, so that what stays is not told away and back.
static void tell_prefixes(struct plan *p, struct connection *c)
{
	size_t old_len = c->prefixes_len, len = c->in.route_len;
	struct prefix **old = c->prefixes, **fresh = NULL;

	if (len)
		fresh = xcalloc(len, sizeof(*fresh));
	for (size_t i = 0; i < len; i++)
		fresh[i] = prefix_get(p, c->tenant_slot, &c->in.route[i].prefix);
	c->prefixes = fresh;
	c->prefixes_len = len;
	put_prefixes(p, old, old_len);
}

void connection_tell(struct plan *p, struct connection *c)
{
	struct audience *slot = &c->slot->carriers;
	char key[32];

	snprintf(key, sizeof(key), "%u", c->id);
	write_connection(&p->text, c);
	pub_set(p, &c->pub, slot, PLAN_KIND_CONNECTION, key, c->in.ref);
	if (c->in.credential_json) {
		text_reset(&p->text);
		text_raw(&p->text, NULL, c->in.credential_json);
		pub_set(p, &c->credential_pub, slot, PLAN_KIND_CREDENTIAL, key, c->in.ref);
	} else {
		pub_clear(p, &c->credential_pub);
	}
	snprintf(key, sizeof(key), "%u/%u", c->tenant->vrf, c->id);
	write_routes(&p->text, c);
	if (c->in.route_len)
		pub_set(p, &c->routes_pub, &c->tenant->audience, PLAN_KIND_ROUTES, key, c->in.ref);
	else
		pub_clear(p, &c->routes_pub);
	tell_prefixes(p, c);
}

void connection_restore(struct plan *p, struct connection *c)
{
	struct slot *s;

	if (c->tenant->defined && !c->id && rows_load_connection(p, c, &s) && s)
		place_restore(p, c, s);
}

void connection_work(struct plan *p, struct connection *c)
{
	plan_read(p);
	if (!c->tenant->defined) {
		unplace(p, c);
	} else {
		if (c->slot && !place_keep(p, c))
			unplace(p, c);
		if (!c->slot)
			place(p, c);
	}
	if (c->slot)
		connection_tell(p, c);
	if (c->row_changed)
		rows_of_connection(p, c, false);
	c->row_changed = false;
}

// -- status

static const char *const wait_words[] = {
	[PLAN_WAIT_NONE] = "",
	[PLAN_WAIT_POOL] = "none of the virtual gateway's pools serves connections of this type",
	[PLAN_WAIT_GATEWAY] = "no gateway of the pool is active",
	[PLAN_WAIT_CAPACITY] = "not enough bandwidth is left",
	[PLAN_WAIT_ADDRESS] = "no address is left in the pool's PA, GRE VIP or public addresses",
	[PLAN_WAIT_NETWORK] = "the gateway subnet is unknown or has no address left",
	[PLAN_WAIT_CONFLICT] = "a connection with this remote address and GRE key is in every slot",
	[PLAN_WAIT_SHED] = "given up for others until gateways return",
};

static void capacity_words(const struct connection *c, char *words, size_t size)
{
	const struct pool *pool = c->waits_in;
	const struct gateway *g, *best = NULL;
	int64_t best_left = 0;
	char shed[96] = "";

	TAILQ_FOREACH (g, &pool->gateways, of_pool) {
		int64_t left = capacity_available(pool->in.rule, pool->in.capacity_kbps, &g->load);

		if (g->held_len && gateway_takes(g) && (!best || left > best_left)) {
			best = g;
			best_left = left;
		}
	}
	if (c->wait == PLAN_WAIT_SHED)
		snprintf(shed, sizeof(shed),
			"given up (shedPriority %u) for others until gateways return: ",
			c->in.shed_priority);
	snprintf(words, size,
		"%s%" PRIu64
		" kbit/s of %s wanted in pool %s; the emptiest gateway, %s, has %" PRId64
		" kbit/s left",
		shed, c->in.in_kbps + c->in.out_kbps, type_names[c->in.type], pool->name,
		best ? best->name : "none", best_left);
}

int plan_connection_status(const struct plan *p, const char *tenant, const char *name,
	struct plan_connection_status *ret_status)
{
	char *key = xasprintf("%s/%s", tenant, name);
	const struct connection *c = map_find_str(&p->connections, key);
	struct plan_connection_status *st = ret_status;

	free(key);
	if (!c || c->gone)
		return -1;
	*st = (struct plan_connection_status){.id = c->id, .wait = c->wait};
	if (c->slot) {
		const struct gateway *g = c->slot->holder;
		struct ip_addr local = local_address(c);

		st->slot = c->slot->number;
		st->gateway = g && g->in.health != PLAN_HEALTH_LOST ? g->name : NULL;
		st->source[local.family == IP_V6] = local;
	}
	if ((c->wait == PLAN_WAIT_CAPACITY || c->wait == PLAN_WAIT_SHED) && c->waits_in)
		capacity_words(c, st->words, sizeof(st->words));
	else
		snprintf(st->words, sizeof(st->words), "%s", wait_words[c->wait]);
	return 0;
}
