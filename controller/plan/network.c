// SPDX-License-Identifier: Apache-2.0
// Virtual networks: subnets, hosts (CA to PA), and who uses which address in them. They are told to
// the audience of the network's tenant, if it has a virtual gateway.
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"

struct network *network_ref(struct plan *p, const char *name)
{
	struct network *n = map_find_str(&p->networks, name);

	if (!n) {
		n = xcalloc(1, sizeof(*n));
		n->name = xstrdup(name);
		TAILQ_INIT(&n->subnets);
		TAILQ_INIT(&n->hosts);
		map_set_str(&p->networks, n->name, n);
	}
	n->uses++;
	return n;
}

void network_unref(struct plan *p, struct network *n)
{
	struct net_addr *a;
	size_t at = 0;

	if (--n->uses)
		return;
	map_del_str(&p->networks, n->name);
	while ((a = map_next(&n->taken, &at)))
		free(a);
	map_fini(&n->taken);
	free(n->name);
	free(n);
}

void network_claim(struct network *n, const struct ip_addr *addr)
{
	struct net_addr *a;

	if (addr->family == IP_NONE)
		return;
	a = map_find(&n->taken, addr, sizeof(*addr));
	if (a) {
		a->uses++;
		return;
	}
	a = xmalloc(sizeof(*a));
	*a = (struct net_addr){*addr, 1};
	map_set(&n->taken, &a->addr, sizeof(a->addr), a);
}

void network_release(struct network *n, const struct ip_addr *addr)
{
	struct net_addr *a = map_find(&n->taken, addr, sizeof(*addr));

	if (!a || --a->uses)
		return;
	map_del(&n->taken, &a->addr, sizeof(a->addr));
	free(a);
}

// -- subnets

static char *join_key(const char *a, const char *b)
{
	return xasprintf("%s/%s", a, b);
}

// The default gateway of a subnet: its lowest host address.
static struct ip_addr first_host(const struct ip_prefix *prefix)
{
	struct ip_addr addr = prefix->addr;

	if (prefix->len < ip_bits(&addr) - 1)
		ip_add(&prefix->addr, 1, &addr);
	return addr;
}

static void subnet_clear(struct subnet *s)
{
	for (size_t i = 0; i < s->in.prefix_len; i++) {
		struct ip_addr addr = first_host(&s->in.prefix[i]);

		network_release(s->network, &addr);
	}
	copy_free(s->in.network, s->in.name, s->in.ref, s->in.prefix);
	s->in = (struct plan_subnet){0};
}

static void subnet_fill(struct subnet *s, const struct plan_subnet *in)
{
	s->in = *in;
	s->in.network = copy_text(in->network);
	s->in.name = copy_text(in->name);
	s->in.ref = copy_text(in->ref);
	s->in.prefix = copy_bytes(in->prefix, in->prefix_len * sizeof(*in->prefix));
	for (size_t i = 0; i < in->prefix_len; i++) {
		struct ip_addr addr = first_host(&in->prefix[i]);

		network_claim(s->network, &addr);
	}
}

// A gateway subnet that changes is news to all of the tenant.
static void gateway_subnet_changed(struct plan *p, struct subnet *s)
{
	struct tenant *t = s->network->tenant;
	struct tenant_slot *ts;
	struct connection *c;

	if (!t || !t->in.gateway_subnet || strcmp(t->in.gateway_subnet, s->in.name))
		return;
	TAILQ_FOREACH (ts, &t->slots, of_tenant)
		plan_queue(p, WORK_TENANT_SLOT, &ts->todo);
	if (!t->waiting_len)
		return;
	TAILQ_FOREACH (c, &t->connections, of_tenant)
		plan_queue(p, WORK_CONNECTION, &c->todo);
}

void plan_set_subnet(struct plan *p, const struct plan_subnet *in)
{
	char *key = join_key(in->network, in->name);
	struct subnet *s = map_find_str(&p->subnets, key);

	if (!s) {
		s = xcalloc(1, sizeof(*s));
		s->key = key;
		s->network = network_ref(p, in->network);
		TAILQ_INSERT_TAIL(&s->network->subnets, s, of_network);
		map_set_str(&p->subnets, s->key, s);
	} else {
		free(key);
	}
	subnet_clear(s);
	subnet_fill(s, in);
	s->gone = false;
	gateway_subnet_changed(p, s);
	plan_queue(p, WORK_SUBNET, &s->todo);
}

void plan_del_subnet(struct plan *p, const char *network, const char *name)
{
	char *key = join_key(network, name);
	struct subnet *s = map_find_str(&p->subnets, key);

	free(key);
	if (!s)
		return;
	s->gone = true;
	plan_queue(p, WORK_SUBNET, &s->todo);
}

static void untell_gateways(struct plan *p, struct subnet *s)
{
	for (size_t i = 0; i < s->gateway_pubs_len; i++)
		pub_clear(p, &s->gateway_pubs[i]);
	free(s->gateway_pubs);
	s->gateway_pubs = NULL;
	s->gateway_pubs_len = 0;
}

static void subnet_free(struct plan *p, struct subnet *s)
{
	pub_clear(p, &s->pub);
	pub_clear(p, &s->hosts_pub);
	untell_gateways(p, s);
	plan_unqueue(p, WORK_SUBNET, &s->todo);
	subnet_clear(s);
	TAILQ_REMOVE(&s->network->subnets, s, of_network);
	map_del_str(&p->subnets, s->key);
	network_unref(p, s->network);
	free(s->key);
	free(s);
}

static void tell_subnet(struct plan *p, struct subnet *s, struct tenant *t)
{
	struct text *text = &p->text;
	char key[16];

	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vni", s->in.vni);
	text_u64(text, "vrf", t->vrf);
	text_str(text, "encap", s->in.encap == PLAN_ENCAP_NVGRE ? "NVGRE" : "VXLAN");
	text_open(text, "prefixes", '[');
	for (size_t i = 0; i < s->in.prefix_len; i++)
		text_prefix(text, NULL, &s->in.prefix[i]);
	text_close(text, ']');
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u", s->in.vni);
	pub_set(p, &s->pub, &t->audience, PLAN_KIND_SUBNET, key, s->in.ref);
}

static void tell_gateways(struct plan *p, struct subnet *s, struct tenant *t)
{
	if (s->gateway_pubs_len != s->in.prefix_len) {
		untell_gateways(p, s);
		s->gateway_pubs = xcalloc(s->in.prefix_len, sizeof(*s->gateway_pubs));
		s->gateway_pubs_len = s->in.prefix_len;
	}
	for (size_t i = 0; i < s->in.prefix_len; i++) {
		struct ip_addr addr = first_host(&s->in.prefix[i]);

		tenant_tell_address(p, t, &s->gateway_pubs[i], &addr, s->in.vni,
			t->home->slot->number, true, s->in.ref);
	}
}

// What hosts with machines in the subnet need: the tenant's default gateway there.
static void tell_hosts(struct plan *p, struct subnet *s, struct tenant *t)
{
	struct text *text = &p->text;
	char key[16];

	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vni", s->in.vni);
	text_u64(text, "vrf", t->vrf);
	text_str(text, "rdid", t->in.rdid);
	text_str(text, "subnet", s->in.ref);
	text_str(text, "encap", s->in.encap == PLAN_ENCAP_NVGRE ? "NVGRE" : "VXLAN");
	text_open(text, "prefixes", '[');
	for (size_t i = 0; i < s->in.prefix_len; i++)
		text_prefix(text, NULL, &s->in.prefix[i]);
	text_close(text, ']');
	text_open(text, "gateways", '[');
	for (size_t i = 0; i < s->in.prefix_len; i++) {
		struct ip_addr addr = first_host(&s->in.prefix[i]);

		text_open(text, NULL, '{');
		text_ip(text, "address", &addr);
		text_mac(text, "mac", &t->home->mac);
		text_u64(text, "slot", t->home->slot->number);
		text_ips(text, "pa", t->home->slot->pa, 2);
		text_close(text, '}');
	}
	text_close(text, ']');
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u", s->in.vni);
	pub_set(p, &s->hosts_pub, &p->hosts_audience, PLAN_KIND_HOST_SUBNET, key, s->in.ref);
}

void subnet_work(struct plan *p, struct subnet *s)
{
	struct tenant *t = s->network->tenant;

	plan_read(p);
	if (s->gone) {
		subnet_free(p, s);
	} else if (!t || !t->home) {
		pub_clear(p, &s->pub);
		pub_clear(p, &s->hosts_pub);
		untell_gateways(p, s);
	} else {
		tell_subnet(p, s, t);
		tell_gateways(p, s, t);
		tell_hosts(p, s, t);
	}
}

// -- hosts

static void host_clear(struct host *h)
{
	if (h->in.addr.family != IP_NONE)
		network_release(h->network, &h->in.addr);
	copy_free(h->in.network, h->in.name, h->in.ref);
	h->in = (struct plan_host){0};
}

static void host_leave(struct plan *p, struct host *h)
{
	if (!h->network)
		return;
	host_clear(h);
	TAILQ_REMOVE(&h->network->hosts, h, of_network);
	network_unref(p, h->network);
	h->network = NULL;
}

void plan_set_host(struct plan *p, const struct plan_host *in)
{
	struct host *h = map_find_str(&p->hosts, in->name);

	if (!h) {
		h = xcalloc(1, sizeof(*h));
		h->key = xstrdup(in->name);
		map_set_str(&p->hosts, h->key, h);
	}
	if (!h->network || strcmp(h->network->name, in->network)) {
		host_leave(p, h);
		h->network = network_ref(p, in->network);
		TAILQ_INSERT_TAIL(&h->network->hosts, h, of_network);
	}
	host_clear(h);
	h->in = *in;
	h->in.network = copy_text(in->network);
	h->in.name = copy_text(in->name);
	h->in.ref = copy_text(in->ref);
	network_claim(h->network, &h->in.addr);
	h->gone = false;
	plan_queue(p, WORK_HOST, &h->todo);
}

void plan_del_host(struct plan *p, const char *name)
{
	struct host *h = map_find_str(&p->hosts, name);

	if (!h)
		return;
	h->gone = true;
	plan_queue(p, WORK_HOST, &h->todo);
}

static void host_free(struct plan *p, struct host *h)
{
	pub_clear(p, &h->pub);
	plan_unqueue(p, WORK_HOST, &h->todo);
	host_leave(p, h);
	map_del_str(&p->hosts, h->key);
	free(h->key);
	free(h);
}

void host_work(struct plan *p, struct host *h)
{
	struct tenant *t = h->network->tenant;
	struct text *text = &p->text;
	char addr[IP_TEXT_SIZE], key[IP_TEXT_SIZE + 16];

	plan_read(p);
	if (h->gone) {
		host_free(p, h);
		return;
	}
	if (!t || !t->home || !h->in.vni || h->in.pa[0].family + h->in.pa[1].family == 0) {
		pub_clear(p, &h->pub);
		return;
	}
	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", t->vrf);
	text_ip(text, "address", &h->in.addr);
	text_u64(text, "vni", h->in.vni);
	text_mac(text, "mac", &h->in.mac);
	text_ips(text, "pa", h->in.pa, 2);
	text_close(text, '}');
	snprintf(key, sizeof(key), "%u/%s", t->vrf, ip_format(&h->in.addr, addr));
	pub_set(p, &h->pub, &t->audience, PLAN_KIND_HOST, key, h->in.ref);
}

void networks_fini(struct plan *p)
{
	struct subnet *s;
	struct host *h;
	size_t at = 0;

	while ((s = map_next(&p->subnets, &at)))
		subnet_free(p, s);
	for (at = 0; (h = map_next(&p->hosts, &at));)
		host_free(p, h);
}
