// SPDX-License-Identifier: Apache-2.0
// Tenants: a VRF, its presence in slots (one of them home), and the prefixes behind each.
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"

#define PROBES_MAX 4096 // addresses of the gateway subnet looked at for a free one

struct tenant *tenant_find(const struct plan *p, const char *name)
{
	return map_find_str(&p->tenants, name);
}

void tenant_set_vrf(struct plan *p, struct tenant *t, uint32_t vrf)
{
	if (t->vrf)
		map_del(&p->vrfs, &t->vrf, sizeof(t->vrf));
	t->vrf = vrf;
	if (vrf)
		map_set(&p->vrfs, &t->vrf, sizeof(t->vrf), t);
}

struct tenant *tenant_ref(struct plan *p, const char *name)
{
	struct tenant *t = tenant_find(p, name);

	if (!t) {
		t = xcalloc(1, sizeof(*t));
		t->name = xstrdup(name);
		TAILQ_INIT(&t->connections);
		TAILQ_INIT(&t->slots);
		TAILQ_INIT(&t->routers);
		TAILQ_INIT(&t->peers);
		TAILQ_INIT(&t->policies);
		TAILQ_INIT(&t->prefixes);
		audience_init(&t->audience);
		map_set_str(&p->tenants, t->name, t);
		rows_load_tenant(p, t);
	}
	t->uses++;
	return t;
}

static void clear_input(struct plan *p, struct tenant *t)
{
	for (size_t i = 0; i < t->in.pools_len; i++) {
		free((char *)(uintptr_t)t->in.pools[i]);
		pool_unref(p, t->pools[i]);
	}
	free(t->pools);
	t->pools = NULL;
	t->pools_len = 0;
	copy_free(t->in.name, t->in.ref, t->in.rdid, t->in.network, t->in.gateway_subnet,
		t->in.pools);
	t->in = (struct plan_tenant){0};
}

static void copy_input(struct plan *p, struct tenant *t, const struct plan_tenant *in)
{
	char **names = xcalloc(in->pools_len + 1, sizeof(*names));

	t->pools = xcalloc(in->pools_len + 1, sizeof(*t->pools));
	for (size_t i = 0; i < in->pools_len; i++) {
		names[i] = xstrdup(in->pools[i]);
		t->pools[i] = pool_ref(p, in->pools[i]);
	}
	t->pools_len = in->pools_len;
	t->in = (struct plan_tenant){
		.name = copy_text(in->name),
		.ref = copy_text(in->ref),
		.rdid = copy_text(in->rdid),
		.network = copy_text(in->network),
		.gateway_subnet = copy_text(in->gateway_subnet),
		.pools = (const char *const *)names,
		.pools_len = in->pools_len,
	};
}

void tenant_free(struct plan *p, struct tenant *t)
{
	if (t->network) {
		t->network->tenant = NULL;
		network_unref(p, t->network);
	}
	pub_clear(p, &t->pub);
	pub_clear(p, &t->router_pub);
	clear_input(p, t);
	rows_of_tenant(p, t, true);
	tenant_set_vrf(p, t, 0);
	plan_unqueue(p, WORK_TENANT, &t->todo);
	map_del_str(&p->tenants, t->name);
	audience_fini(&t->audience);
	free(t->name);
	free(t);
}

void tenant_unref(struct plan *p, struct tenant *t)
{
	if (!--t->uses && !t->defined)
		tenant_free(p, t);
}

static void queue_network(struct plan *p, struct network *n)
{
	struct subnet *s;
	struct host *h;

	TAILQ_FOREACH (s, &n->subnets, of_network)
		plan_queue(p, WORK_SUBNET, &s->todo);
	TAILQ_FOREACH (h, &n->hosts, of_network)
		plan_queue(p, WORK_HOST, &h->todo);
}

static void set_network(struct plan *p, struct tenant *t, const char *name)
{
	if (t->network && name && !strcmp(t->network->name, name))
		return;
	if (t->network) {
		queue_network(p, t->network);
		t->network->tenant = NULL;
		network_unref(p, t->network);
		t->network = NULL;
	}
	if (!name)
		return;
	t->network = network_ref(p, name);
	t->network->tenant = t;
	queue_network(p, t->network);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_places(const struct plan_tenant *a, const struct plan_tenant *b)
{
	if (!same_text(a->network, b->network) ||
		!same_text(a->gateway_subnet, b->gateway_subnet) || a->pools_len != b->pools_len)
		return false;
	for (size_t i = 0; i < a->pools_len; i++) {
		if (strcmp(a->pools[i], b->pools[i]))
			return false;
	}
	return true;
}

static void queue_connections(struct plan *p, struct tenant *t)
{
	struct connection *c;

	TAILQ_FOREACH (c, &t->connections, of_tenant)
		plan_queue(p, WORK_CONNECTION, &c->todo);
}

// Addresses of the gateway subnet are for the life of a tenant slot: another subnet, other slots.
static void unplace_all(struct plan *p, struct tenant *t)
{
	struct connection *c;

	TAILQ_FOREACH (c, &t->connections, of_tenant)
		unplace(p, c);
}

void plan_set_tenant(struct plan *p, const struct plan_tenant *in)
{
	struct tenant *t = tenant_ref(p, in->name);

	if (!t->defined || !same_places(&t->in, in))
		queue_connections(p, t);
	if (t->defined && (!same_text(t->in.network, in->network) ||
				  !same_text(t->in.gateway_subnet, in->gateway_subnet)))
		unplace_all(p, t);
	clear_input(p, t);
	copy_input(p, t, in);
	set_network(p, t, in->network);
	t->defined = true;
	plan_queue(p, WORK_TENANT, &t->todo);
	t->uses--;
}

void plan_del_tenant(struct plan *p, const char *name)
{
	struct tenant *t = tenant_find(p, name);

	if (!t || !t->defined)
		return;
	t->defined = false;
	queue_connections(p, t);
	plan_queue(p, WORK_TENANT, &t->todo);
}

struct subnet *tenant_gateway_subnet(const struct plan *p, const struct tenant *t)
{
	char *key;
	struct subnet *s;

	if (!t->network || !t->in.gateway_subnet)
		return NULL;
	key = xasprintf("%s/%s", t->network->name, t->in.gateway_subnet);
	s = map_find_str(&p->subnets, key);
	free(key);
	return s && !s->gone ? s : NULL;
}

// From the top of the gateway subnet down, leaving out its first address, the broadcast address,
// and what anybody has.
bool tenant_address_take(struct plan *p, struct tenant *t, struct ip_addr *ret_addr)
{
	struct subnet *s = tenant_gateway_subnet(p, t);
	const struct ip_prefix *prefix;
	unsigned host_bits;
	uint64_t size;

	if (!s || !s->in.prefix_len)
		return false;
	prefix = &s->in.prefix[0];
	host_bits = ip_bits(&prefix->addr) - prefix->len;
	size = 1ull << (host_bits < 16 ? host_bits : 16);
	for (uint64_t i = size - 2, n = 0; i > 1 && i < size && n < PROBES_MAX; i--, n++) {
		struct ip_addr addr;

		if (ip_add(&prefix->addr, i, &addr) ||
			map_find(&t->network->taken, &addr, sizeof(addr)))
			continue;
		network_claim(t->network, &addr);
		*ret_addr = addr;
		return true;
	}
	return false;
}

void tenant_tell_address(struct plan *p, struct tenant *t, struct pub *pub,
	const struct ip_addr *addr, uint32_t vni, uint16_t slot, bool is_gateway, const char *ref)
{
	struct text *text = &p->text;
	char s[IP_TEXT_SIZE], key[IP_TEXT_SIZE + 16];

	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", t->vrf);
	text_ip(text, "address", addr);
	text_u64(text, "vni", vni);
	text_u64(text, "slot", slot);
	text_bool(text, "isGateway", is_gateway);
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u/%s", t->vrf, ip_format(addr, s));
	pub_set(p, pub, &t->audience, PLAN_KIND_LOCAL_ADDRESS, key, ref);
}

static void set_home(struct plan *p, struct tenant *t, struct tenant_slot *home)
{
	struct subnet *s;
	struct host *h;
	struct policy *policy;
	bool first = !t->home || !home;

	if (t->home == home)
		return;
	t->home = home;
	t->row_changed = true;
	plan_queue(p, WORK_TENANT, &t->todo);
	bgp_of_tenant(p, t);
	if (!t->network)
		return;
	TAILQ_FOREACH (s, &t->network->subnets, of_network)
		plan_queue(p, WORK_SUBNET, &s->todo);
	if (!first)
		return;
	TAILQ_FOREACH (h, &t->network->hosts, of_network)
		plan_queue(p, WORK_HOST, &h->todo);
	TAILQ_FOREACH (policy, &t->policies, of_tenant)
		plan_queue(p, WORK_POLICY, &policy->todo);
}

// Nobody will hold it until its pool has a gateway again: the holder was removed.
static bool is_orphan(const struct tenant_slot *ts)
{
	return !ts->slot->holder || !ts->slot->holder->defined;
}

static struct tenant_slot *first_served(const struct tenant *t)
{
	struct tenant_slot *ts;

	TAILQ_FOREACH (ts, &t->slots, of_tenant) {
		if (ts->connections_len && !is_orphan(ts) &&
			ts->slot->holder->in.health != PLAN_HEALTH_LOST)
			return ts;
	}
	return NULL;
}

// The first slot is home and stays it until it is empty; then the lowest takes over. Also where its
// pool has lost its last gateway by removal, and another of the tenant's slots is served.
void tenant_home(struct plan *p, struct tenant *t)
{
	struct tenant_slot *served;

	if (!t->home || !t->home->connections_len) {
		set_home(p, t, TAILQ_FIRST(&t->slots));
	} else if (is_orphan(t->home)) {
		served = first_served(t);
		if (served)
			set_home(p, t, served);
	}
}

// What remains is a name that others still mention. Its connections are no longer placed.
static void forget(struct plan *p, struct tenant *t)
{
	pub_clear(p, &t->pub);
	pub_clear(p, &t->router_pub);
	if (t->router_ip.family && t->network)
		network_release(t->network, &t->router_ip);
	t->router_ip = t->router_told = (struct ip_addr){0};
	set_network(p, t, NULL);
	rows_of_tenant(p, t, true);
	tenant_set_vrf(p, t, 0);
	if (!t->uses)
		tenant_free(p, t);
}

void tenant_work(struct plan *p, struct tenant *t)
{
	struct text *text = &p->text;
	char key[16];

	plan_read(p);
	if (!t->defined) {
		forget(p, t);
		return;
	}
	t->home_wanted = 0;
	tenant_home(p, t);
	bgp_tenant(p, t);
	if (t->row_changed)
		rows_of_tenant(p, t, false);
	t->row_changed = false;
	if (!t->home) {
		pub_clear(p, &t->pub);
		return;
	}
	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", t->vrf);
	text_str(text, "name", t->name);
	text_str(text, "rdid", t->in.rdid);
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u", t->vrf);
	pub_set(p, &t->pub, &t->audience, PLAN_KIND_VRF, key, t->in.ref);
}

// -- a tenant in a slot

// Locally administered, and a function of (VRF, slot): the same for life without being stored.
static struct mac_addr slot_mac(uint32_t vrf, uint16_t slot)
{
	uint32_t low = (vrf & 0xfffff) << 12 | slot;

	return (struct mac_addr){{0x0a, 0x49, (uint8_t)(low >> 24), (uint8_t)(low >> 16),
		(uint8_t)(low >> 8), (uint8_t)low}};
}

struct tenant_slot *tenant_slot_find(struct plan *p, struct tenant *t, const struct slot *s)
{
	struct tenant_slot *ts;

	TAILQ_FOREACH (ts, &t->slots, of_tenant) {
		plan_read(p);
		if (ts->slot == s)
			return ts;
	}
	return NULL;
}

static void insert_by_number(struct tenant *t, struct tenant_slot *ts)
{
	struct tenant_slot *before = TAILQ_LAST(&t->slots, tenant_slot_list);

	while (before && before->slot->number > ts->slot->number)
		before = TAILQ_PREV(before, tenant_slot_list, of_tenant);
	if (before)
		TAILQ_INSERT_AFTER(&t->slots, before, ts, of_tenant);
	else
		TAILQ_INSERT_HEAD(&t->slots, ts, of_tenant);
}

// NULL when the gateway subnet is unknown or full.
struct tenant_slot *tenant_slot_get(struct plan *p, struct tenant *t, struct slot *s)
{
	struct tenant_slot *ts = tenant_slot_find(p, t, s);

	if (ts)
		return ts;
	if (!t->vrf) {
		tenant_set_vrf(p, t, p->next_vrf++);
		t->row_changed = p->counters_changed = true;
		plan_queue(p, WORK_TENANT, &t->todo);
	}
	ts = xcalloc(1, sizeof(*ts));
	ts->tenant = t;
	ts->slot = s;
	if (!rows_load_tenant_slot(p, ts)) {
		if (!tenant_address_take(p, t, &ts->addr)) {
			free(ts);
			return NULL;
		}
		rows_of_tenant_slot(p, ts, false);
	}
	ts->mac = slot_mac(t->vrf, s->number);
	insert_by_number(t, ts);
	TAILQ_INSERT_TAIL(&s->tenant_slots, ts, of_slot);
	t->uses++;
	for (size_t i = 0; i < s->carriers.len; i++)
		audience_join(p, &t->audience, s->carriers.members[i].gateway);
	plan_queue(p, WORK_TENANT_SLOT, &ts->todo);
	bgp_of_tenant(p, t);
	if (t->home_wanted ? t->home_wanted == s->number : !t->home)
		set_home(p, t, ts);
	return ts;
}

void tenant_slot_put(struct plan *p, struct tenant_slot *ts)
{
	struct tenant *t = ts->tenant;

	if (ts->connections_len)
		return;
	TAILQ_REMOVE(&t->slots, ts, of_tenant);
	TAILQ_REMOVE(&ts->slot->tenant_slots, ts, of_slot);
	pub_clear(p, &ts->pub);
	pub_clear(p, &ts->addr_pub);
	pub_clear(p, &ts->bgp_pub);
	pub_clear(p, &ts->to_client);
	pub_clear(p, &ts->to_reflector);
	if (t->home == ts)
		set_home(p, t, TAILQ_FIRST(&t->slots));
	bgp_of_tenant(p, t);
	for (size_t i = 0; i < ts->slot->carriers.len; i++)
		audience_leave(p, &t->audience, ts->slot->carriers.members[i].gateway);
	if (t->network)
		network_release(t->network, &ts->addr);
	rows_of_tenant_slot(p, ts, true);
	plan_unqueue(p, WORK_TENANT_SLOT, &ts->todo);
	free(ts);
	plan_queue(p, WORK_TENANT, &t->todo);
	tenant_unref(p, t);
}

void tenant_slot_work(struct plan *p, struct tenant_slot *ts)
{
	struct tenant *t = ts->tenant;
	struct subnet *s = tenant_gateway_subnet(p, t);
	struct text *text = &p->text;
	uint32_t vni = s ? s->in.vni : 0;
	char key[24];

	plan_read(p);
	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", t->vrf);
	text_u64(text, "slot", ts->slot->number);
	text_mac(text, "mac", &ts->mac);
	text_u64(text, "vni", vni);
	text_ips(text, "pa", ts->slot->pa, 2);
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u/%u", t->vrf, ts->slot->number);
	pub_set(p, &ts->pub, &t->audience, PLAN_KIND_TENANT_SLOT, key, t->in.ref);
	tenant_tell_address(
		p, t, &ts->addr_pub, &ts->addr, vni, ts->slot->number, false, t->in.ref);
	bgp_tenant_slot(p, ts);
}

// -- prefixes, for the hosts

struct prefix *prefix_get(struct plan *p, struct tenant_slot *ts, const struct ip_prefix *prefix)
{
	struct prefix_key key = {ts->tenant->vrf, ts->slot->number, *prefix};
	struct prefix *x = map_find(&p->prefixes, &key, sizeof(key));

	plan_read(p);
	if (!x) {
		x = xcalloc(1, sizeof(*x));
		x->key = key;
		x->tenant = ts->tenant;
		x->tenant_slot = ts;
		TAILQ_INSERT_TAIL(&x->tenant->prefixes, x, of_tenant);
		map_set(&p->prefixes, &x->key, sizeof(x->key), x);
		plan_queue(p, WORK_PREFIX, &x->todo);
	}
	x->uses++;
	return x;
}

void prefix_put(struct plan *p, struct prefix *x)
{
	plan_read(p);
	if (--x->uses)
		return;
	pub_clear(p, &x->pub);
	plan_unqueue(p, WORK_PREFIX, &x->todo);
	TAILQ_REMOVE(&x->tenant->prefixes, x, of_tenant);
	map_del(&p->prefixes, &x->key, sizeof(x->key));
	free(x);
}

void prefix_work(struct plan *p, struct prefix *x)
{
	struct tenant_slot *ts = x->tenant_slot;
	struct text *text = &p->text;
	char s[PREFIX_TEXT_SIZE], key[PREFIX_TEXT_SIZE + 32];

	plan_read(p);
	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", x->key.vrf);
	text_prefix(text, "prefix", &x->key.prefix);
	text_ip(text, "via", &ts->addr);
	text_u64(text, "slot", ts->slot->number);
	text_mac(text, "mac", &ts->mac);
	text_ips(text, "pa", ts->slot->pa, 2);
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u/%s/%u", x->key.vrf, prefix_format(&x->key.prefix, s),
		ts->slot->number);
	pub_set(p, &x->pub, &p->hosts_audience, PLAN_KIND_HOST_ROUTE, key, x->tenant->in.ref);
}

int plan_tenant_status(
	const struct plan *p, const char *name, struct plan_tenant_status *ret_status)
{
	const struct tenant *t = tenant_find(p, name);

	if (!t || !t->defined)
		return -1;
	*ret_status = (struct plan_tenant_status){
		.vrf = t->vrf,
		.home = t->home ? t->home->slot->number : 0,
		.router_ip = t->router_told,
		.connections = t->connections_len,
		.waiting = t->waiting_len,
	};
	return 0;
}

const char *plan_reflector_holder(const struct plan *p, uint32_t vrf)
{
	const struct tenant *t = map_find(&p->vrfs, &vrf, sizeof(vrf));

	return t && t->home && t->home->slot->holder ? t->home->slot->holder->name : NULL;
}

bool plan_speaks_bgp(const struct plan *p, uint32_t vrf)
{
	const struct tenant *t = map_find(&p->vrfs, &vrf, sizeof(vrf));

	return t && bgp_router(t);
}

bool plan_way_next(const struct plan *p, size_t *at, struct plan_way *ret_way)
{
	const struct connection *c;

	while ((c = map_next(&p->connections, at))) {
		if (!c->tenant_slot || c->gone)
			continue;
		*ret_way = (struct plan_way){
			.vrf = c->tenant->vrf,
			.conn = c->id,
			.slot = c->slot->number,
			.via = c->tenant_slot->addr,
			.mac = c->tenant_slot->mac,
			.pa = {c->slot->pa[0], c->slot->pa[1]},
		};
		return true;
	}
	return false;
}
