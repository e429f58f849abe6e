// SPDX-License-Identifier: Apache-2.0
// A tenant's BGP: one router for each of its slots. The one in the home slot is the reflector and
// the only neighbour of the tenant's sites; the others are its iBGP clients (RFC 4456). Its address
// floats with the home slot.
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"

struct router *bgp_router(const struct tenant *t)
{
	return TAILQ_FIRST(&t->routers);
}

void bgp_of_tenant(struct plan *p, struct tenant *t)
{
	struct tenant_slot *ts;
	struct peer *x;

	plan_queue(p, WORK_TENANT, &t->todo);
	if (!bgp_router(t))
		return;
	TAILQ_FOREACH (ts, &t->slots, of_tenant)
		plan_queue(p, WORK_TENANT_SLOT, &ts->todo);
	TAILQ_FOREACH (x, &t->peers, of_tenant)
		plan_queue(p, WORK_PEER, &x->todo);
}

// -- inputs

static void router_clear(struct plan_bgp_router *in)
{
	copy_free(in->tenant, in->name, in->ref);
	*in = (struct plan_bgp_router){0};
}

// What changes with the router or its absence, also after the last one has gone.
static void router_changed(struct plan *p, struct tenant *t)
{
	struct tenant_slot *ts;
	struct peer *x;

	plan_queue(p, WORK_TENANT, &t->todo);
	TAILQ_FOREACH (ts, &t->slots, of_tenant)
		plan_queue(p, WORK_TENANT_SLOT, &ts->todo);
	TAILQ_FOREACH (x, &t->peers, of_tenant)
		plan_queue(p, WORK_PEER, &x->todo);
}

void plan_set_bgp_router(struct plan *p, const struct plan_bgp_router *in)
{
	char *key = xasprintf("%s/%s", in->tenant, in->name);
	struct router *r = map_find_str(&p->routers, key), *after;

	if (!r) {
		r = xcalloc(1, sizeof(*r));
		r->key = key;
		r->tenant = tenant_ref(p, in->tenant);
		TAILQ_FOREACH (after, &r->tenant->routers, of_tenant) {
			if (strcmp(after->key, key) > 0)
				break;
		}
		if (after)
			TAILQ_INSERT_BEFORE(after, r, of_tenant);
		else
			TAILQ_INSERT_TAIL(&r->tenant->routers, r, of_tenant);
		map_set_str(&p->routers, r->key, r);
	} else {
		free(key);
	}
	router_clear(&r->in);
	r->in = *in;
	r->in.tenant = copy_text(in->tenant);
	r->in.name = copy_text(in->name);
	r->in.ref = copy_text(in->ref);
	router_changed(p, r->tenant);
}

void router_free(struct plan *p, struct router *r)
{
	struct tenant *t = r->tenant;

	TAILQ_REMOVE(&t->routers, r, of_tenant);
	map_del_str(&p->routers, r->key);
	router_clear(&r->in);
	free(r->key);
	free(r);
	router_changed(p, t);
	tenant_unref(p, t);
}

void plan_del_bgp_router(struct plan *p, const char *tenant, const char *name)
{
	char *key = xasprintf("%s/%s", tenant, name);
	struct router *r = map_find_str(&p->routers, key);

	free(key);
	if (r)
		router_free(p, r);
}

static void peer_clear(struct plan_bgp_peer *in)
{
	copy_free(in->tenant, in->name, in->ref, in->policy_in, in->policy_out, in->options_json);
	*in = (struct plan_bgp_peer){0};
}

void plan_set_bgp_peer(struct plan *p, const struct plan_bgp_peer *in)
{
	char *key = xasprintf("%s/%s", in->tenant, in->name);
	struct peer *x = map_find_str(&p->peers, key);

	if (!x) {
		x = xcalloc(1, sizeof(*x));
		x->key = key;
		x->tenant = tenant_ref(p, in->tenant);
		TAILQ_INSERT_TAIL(&x->tenant->peers, x, of_tenant);
		map_set_str(&p->peers, x->key, x);
	} else {
		free(key);
	}
	peer_clear(&x->in);
	x->in = *in;
	x->in.tenant = copy_text(in->tenant);
	x->in.name = copy_text(in->name);
	x->in.ref = copy_text(in->ref);
	x->in.policy_in = copy_text(in->policy_in);
	x->in.policy_out = copy_text(in->policy_out);
	x->in.options_json = copy_text(in->options_json);
	x->gone = false;
	plan_queue(p, WORK_PEER, &x->todo);
}

void plan_del_bgp_peer(struct plan *p, const char *tenant, const char *name)
{
	char *key = xasprintf("%s/%s", tenant, name);
	struct peer *x = map_find_str(&p->peers, key);

	free(key);
	if (!x)
		return;
	x->gone = true;
	plan_queue(p, WORK_PEER, &x->todo);
}

static void policy_clear(struct plan_policy_map *in)
{
	copy_free(in->tenant, in->name, in->ref, in->entries_json);
	*in = (struct plan_policy_map){0};
}

void plan_set_policy_map(struct plan *p, const struct plan_policy_map *in)
{
	char *key = xasprintf("%s/%s", in->tenant, in->name);
	struct policy *x = map_find_str(&p->policies, key);

	if (!x) {
		x = xcalloc(1, sizeof(*x));
		x->key = key;
		x->tenant = tenant_ref(p, in->tenant);
		TAILQ_INSERT_TAIL(&x->tenant->policies, x, of_tenant);
		map_set_str(&p->policies, x->key, x);
	} else {
		free(key);
	}
	policy_clear(&x->in);
	x->in = *in;
	x->in.tenant = copy_text(in->tenant);
	x->in.name = copy_text(in->name);
	x->in.ref = copy_text(in->ref);
	x->in.entries_json = copy_text(in->entries_json);
	x->gone = false;
	plan_queue(p, WORK_POLICY, &x->todo);
}

void plan_del_policy_map(struct plan *p, const char *tenant, const char *name)
{
	char *key = xasprintf("%s/%s", tenant, name);
	struct policy *x = map_find_str(&p->policies, key);

	free(key);
	if (!x)
		return;
	x->gone = true;
	plan_queue(p, WORK_POLICY, &x->todo);
}

// -- the reflector's address

// Given, or taken once from the gateway subnet and kept while the tenant has a router.
void bgp_tenant(struct plan *p, struct tenant *t)
{
	struct router *r = bgp_router(t);
	struct subnet *s = tenant_gateway_subnet(p, t);
	struct ip_addr want = {0};
	uint32_t vni = 0;

	if (r && r->in.address.family)
		want = r->in.address;
	else if (r && t->home && (t->router_ip.family || tenant_address_take(p, t, &t->router_ip)))
		want = t->router_ip;
	if (t->router_ip.family && !ip_equal(&want, &t->router_ip)) {
		if (t->network)
			network_release(t->network, &t->router_ip);
		t->router_ip = (struct ip_addr){0};
		t->row_changed = true;
	}
	if (!ip_equal(&want, &t->router_told)) {
		t->router_told = want;
		t->row_changed = true;
		router_changed(p, t);
	}
	for (size_t i = 0; s && i < s->in.prefix_len; i++) {
		if (prefix_contains(&s->in.prefix[i], &want))
			vni = s->in.vni;
	}
	if (!want.family || !t->home)
		pub_clear(p, &t->router_pub);
	else
		tenant_tell_address(
			p, t, &t->router_pub, &want, vni, t->home->slot->number, false, r->in.ref);
}

// -- routers and the sessions between them

static void tell_router(struct plan *p, struct tenant_slot *ts, const struct router *r)
{
	struct tenant *t = ts->tenant;
	struct text *text = &p->text;
	bool home = ts == t->home;
	const struct ip_addr *addr = home ? &t->router_told : &ts->addr;
	const struct ip_addr *id = r->in.router_id.family && home ? &r->in.router_id : addr;
	struct subnet *s;
	char key[24];

	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", t->vrf);
	text_u64(text, "slot", ts->slot->number);
	text_str(text, "ref", r->in.ref);
	text_u64(text, "asn", r->in.asn);
	text_ip(text, "routerId", id);
	text_ip(text, "address", addr);
	text_bool(text, "reflector", home);
	text_ip(text, "clusterId", r->in.router_id.family ? &r->in.router_id : &t->router_told);
	text_open(text, "networks", '[');
	if (home && t->network) {
		TAILQ_FOREACH (s, &t->network->subnets, of_network) {
			plan_read(p);
			for (size_t i = 0; i < s->in.prefix_len; i++)
				text_prefix(text, NULL, &s->in.prefix[i]);
		}
	}
	text_close(text, ']');
	text_bool(text, "service", true);
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u/%u", t->vrf, ts->slot->number);
	pub_set(p, &ts->bgp_pub, &ts->slot->carriers, PLAN_KIND_BGP_ROUTER, key, r->in.ref);
}

static void tell_internal(struct plan *p, struct pub *pub, const struct tenant_slot *at,
	const struct ip_addr *local, const struct ip_addr *remote, bool client,
	const struct router *r)
{
	struct text *text = &p->text;
	char s[IP_TEXT_SIZE], key[IP_TEXT_SIZE + 32];

	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", at->tenant->vrf);
	text_u64(text, "slot", at->slot->number);
	text_str(text, "ref", "");
	text_ip(text, "address", remote);
	text_u64(text, "asn", r->in.asn);
	text_ip(text, "local", local);
	text_bool(text, "client", client);
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u/%u/%s", at->tenant->vrf, at->slot->number,
		ip_format(remote, s));
	pub_set(p, pub, &at->slot->carriers, PLAN_KIND_BGP_PEER, key, r->in.ref);
}

void bgp_tenant_slot(struct plan *p, struct tenant_slot *ts)
{
	struct tenant *t = ts->tenant;
	struct router *r = bgp_router(t);

	if (!r || !t->home || !t->router_told.family) {
		pub_clear(p, &ts->bgp_pub);
		pub_clear(p, &ts->to_client);
		pub_clear(p, &ts->to_reflector);
		return;
	}
	tell_router(p, ts, r);
	if (ts == t->home) {
		pub_clear(p, &ts->to_client);
		pub_clear(p, &ts->to_reflector);
		return;
	}
	tell_internal(p, &ts->to_client, t->home, &t->router_told, &ts->addr, true, r);
	tell_internal(p, &ts->to_reflector, ts, &ts->addr, &t->router_told, false, r);
}

// -- configured peers: at the reflector

static void peer_free(struct plan *p, struct peer *x)
{
	struct tenant *t = x->tenant;

	pub_clear(p, &x->pub);
	plan_unqueue(p, WORK_PEER, &x->todo);
	TAILQ_REMOVE(&t->peers, x, of_tenant);
	map_del_str(&p->peers, x->key);
	peer_clear(&x->in);
	free(x->key);
	free(x);
	tenant_unref(p, t);
}

void peer_work(struct plan *p, struct peer *x)
{
	struct tenant *t = x->tenant;
	struct text *text = &p->text;
	char s[IP_TEXT_SIZE], key[IP_TEXT_SIZE + 32];

	plan_read(p);
	if (x->gone) {
		peer_free(p, x);
		return;
	}
	if (!bgp_router(t) || !t->home || !t->router_told.family) {
		pub_clear(p, &x->pub);
		return;
	}
	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", t->vrf);
	text_u64(text, "slot", t->home->slot->number);
	text_str(text, "ref", x->in.ref);
	text_ip(text, "address", &x->in.address);
	text_u64(text, "asn", x->in.asn);
	text_ip(text, "local", &t->router_told);
	text_bool(text, "client", false);
	if (x->in.policy_in)
		text_str(text, "policyIn", x->in.policy_in);
	if (x->in.policy_out)
		text_str(text, "policyOut", x->in.policy_out);
	if (x->in.options_json)
		text_raw(text, "options", x->in.options_json);
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u/%u/%s", t->vrf, t->home->slot->number,
		ip_format(&x->in.address, s));
	pub_set(p, &x->pub, &t->home->slot->carriers, PLAN_KIND_BGP_PEER, key, x->in.ref);
}

static void policy_free(struct plan *p, struct policy *x)
{
	struct tenant *t = x->tenant;

	pub_clear(p, &x->pub);
	plan_unqueue(p, WORK_POLICY, &x->todo);
	TAILQ_REMOVE(&t->policies, x, of_tenant);
	map_del_str(&p->policies, x->key);
	policy_clear(&x->in);
	free(x->key);
	free(x);
	tenant_unref(p, t);
}

void policy_work(struct plan *p, struct policy *x)
{
	struct tenant *t = x->tenant;
	struct text *text = &p->text;
	char *key;

	plan_read(p);
	if (x->gone) {
		policy_free(p, x);
		return;
	}
	if (!t->home) {
		pub_clear(p, &x->pub);
		return;
	}
	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", t->vrf);
	text_str(text, "name", x->in.name);
	text_raw(text, "entries", x->in.entries_json ? x->in.entries_json : "[]");
	text_close(text, '}');
	key = xasprintf("%u/%s", t->vrf, x->in.name);
	pub_set(p, &x->pub, &t->audience, PLAN_KIND_POLICY_MAP, key, x->in.ref);
	free(key);
}

void bgp_fini(struct plan *p)
{
	struct router *r;
	struct policy *policy;
	struct peer *x;
	size_t at = 0;

	while ((x = map_next(&p->peers, &at)))
		peer_free(p, x);
	for (at = 0; (policy = map_next(&p->policies, &at));)
		policy_free(p, policy);
	for (at = 0; (r = map_next(&p->routers, &at));)
		router_free(p, r);
}

// -- status

bool plan_router_next(const struct plan *p, const char *tenant, struct plan_router_status *at)
{
	const struct tenant *t = tenant_find(p, tenant);
	const struct router *r = t ? bgp_router(t) : NULL;
	const struct tenant_slot *ts;

	if (!r || !t->defined || !t->home || !t->router_told.family)
		return false;
	TAILQ_FOREACH (ts, &t->slots, of_tenant) {
		bool home = ts == t->home;

		if (ts->slot->number <= at->slot)
			continue;
		*at = (struct plan_router_status){
			.slot = ts->slot->number,
			.is_reflector = home,
			.gateway = ts->slot->holder ? ts->slot->holder->name : NULL,
			.ref = r->in.ref,
			.address = home ? t->router_told : ts->addr,
			.asn = r->in.asn,
		};
		return true;
	}
	return false;
}

// A static route, or the VLAN the peer is on.
static bool leads_to(const struct connection *c, const struct ip_addr *peer)
{
	for (size_t i = 0; i < c->in.route_len; i++) {
		if (prefix_contains(&c->in.route[i].prefix, peer))
			return true;
	}
	for (size_t i = 0; i < c->in.addr_len; i++) {
		struct ip_prefix link = prefix_make(&c->in.addr[i].addr, c->in.addr[i].prefix_len);

		if (c->in.type == PLAN_CONN_L3 && prefix_contains(&link, peer))
			return true;
	}
	return false;
}

static bool is_reached(const struct tenant *t, const struct ip_addr *peer)
{
	const struct connection *c;

	TAILQ_FOREACH (c, &t->connections, of_tenant) {
		if (!c->gone && leads_to(c, peer))
			return true;
	}
	return false;
}

bool plan_peers_unreached(const struct plan *p, const char *tenant, char *names, size_t size)
{
	const struct tenant *t = tenant_find(p, tenant);
	const struct peer *x;
	size_t at = 0;

	if (!t || !t->defined)
		return false;
	TAILQ_FOREACH (x, &t->peers, of_tenant) {
		const char *name = strrchr(x->in.ref, '/');

		if (x->gone || is_reached(t, &x->in.address) || at >= size)
			continue;
		at += (size_t)snprintf(
			names + at, size - at, "%s%s", at ? "," : "", name ? name + 1 : x->in.name);
	}
	return at > 0;
}
