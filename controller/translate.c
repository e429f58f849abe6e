// SPDX-License-Identifier: Apache-2.0
#include "translate.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nouns.h"
#include "text.h"
#include "xmalloc.h"

// A resource with its loaded properties.
struct loaded {
	struct resource res;
	void *properties;
};

static bool load(const struct translate *t, const struct model_path *path, struct loaded *ret)
{
	*ret = (struct loaded){0};
	if (path->is_collection || resource_get(t->resources, path, &ret->res) < 0)
		return false;
	ret->properties = model_load(path->type, ret->res.doc);
	return true;
}

// By a resourceRef; false also when it names another type.
static bool load_ref(const struct translate *t, const char *ref, const struct model_type *type,
	struct loaded *ret)
{
	struct model_path path;

	*ret = (struct loaded){0};
	return ref && !model_path_parse(ref, &path) && path.type == type && load(t, &path, ret);
}

static void unload(struct loaded *l)
{
	if (l->properties)
		model_free(l->properties);
	resource_fini(&l->res);
	*l = (struct loaded){0};
}

static char *lower(char *s)
{
	for (char *c = s; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return s;
}

// One id of a reference, in lower case; "" if there is none.
static const char *ref_id(const char *ref, size_t level, char buf[MODEL_ID_SIZE])
{
	struct model_path path;

	buf[0] = '\0';
	if (ref && !model_path_parse(ref, &path) && level < path.depth)
		snprintf(buf, MODEL_ID_SIZE, "%s", path.id[level]);
	return lower(buf);
}

static void lower_ids(struct model_path *path)
{
	for (size_t i = 0; i < path->depth; i++)
		lower(path->id[i]);
}

// The i-th text or reference of a list.
static const char *text_at(const struct model_list *list, size_t i)
{
	return ((char **)list->items)[i];
}

// -- ranges: the ipPools of a logical subnet

struct ranges {
	struct plan_range *v;
	size_t len, cap;
	const struct translate *t;
};

static int add_pool_range(void *arg, const struct resource *res)
{
	struct ranges *r = arg;
	const struct model_ip_pool *pool;
	void *properties;

	if (res->path.type != &model_type_ip_pool)
		return 0;
	pool = properties = model_load(&model_type_ip_pool, res->doc);
	r->v = xgrow(r->v, &r->cap, r->len + 1, sizeof(*r->v));
	r->v[r->len++] = (struct plan_range){pool->start, pool->end};
	model_free(properties);
	return 0;
}

static void add_ranges(struct ranges *r, const char *subnet_ref)
{
	struct model_path path;

	if (subnet_ref && !model_path_parse(subnet_ref, &path) && path.type == &model_type_lsubnet)
		resource_each(r->t->resources, &path, add_pool_range, r);
}

// -- interfaces

// The only ipConfiguration of an interface of a gateway.
struct first_config {
	struct model_path path;
	bool found;
};

static int note_config(void *arg, const struct resource *res)
{
	struct first_config *f = arg;

	if (res->path.type != &model_type_ip_configuration)
		return 0;
	f->path = res->path;
	f->found = true;
	return 1;
}

static bool load_nic_config(const struct translate *t, const char *nic_ref, struct loaded *ret)
{
	struct first_config f = {0};
	struct model_path path;

	*ret = (struct loaded){0};
	if (!nic_ref || model_path_parse(nic_ref, &path) || path.type != &model_type_nic)
		return false;
	resource_each(t->resources, &path, note_config, &f);
	return f.found && load(t, &f.path, ret);
}

// -- gateways

#define PROVIDER_PEERS 64 // as many as the model lets through

// In clouds that use it, bgpConfig without peers is common: then there is nobody to speak to.
static void feed_provider_peers(const struct model_gateway *g, struct plan_gateway *in,
	struct plan_provider_peer peers[PROVIDER_PEERS])
{
	const struct model_gateway_bgp *bgp = g->bgp_config;

	if (!bgp || !bgp->asn)
		return;
	for (size_t i = 0; i < bgp->peers.len && in->bgp_peer_len < PROVIDER_PEERS; i++) {
		const struct model_gateway_peer *x =
			((struct model_gateway_peer **)bgp->peers.items)[i];

		if (x->address.family && x->asn)
			peers[in->bgp_peer_len++] = (struct plan_provider_peer){x->address, x->asn};
	}
	in->bgp_peer = peers;
	in->asn = in->bgp_peer_len ? bgp->asn : 0;
}

static void feed_gateway(struct translate *t, const struct model_path *path)
{
	struct loaded l, config = {0}, subnet = {0};
	char name[MODEL_ID_SIZE], pool[MODEL_ID_SIZE], ref[MODEL_PATH_SIZE];
	struct plan_underlay underlay = {0};
	struct plan_gateway in = {.name = name, .pool = pool, .ref = ref};
	struct plan_provider_peer peers[PROVIDER_PEERS];
	const struct model_gateway *g;

	if (!load(t, path, &l))
		return;
	g = l.properties;
	snprintf(name, sizeof(name), "%s", path->id[0]);
	lower(name);
	ref_id(g->pool, 0, pool);
	model_path_format(&l.res.path, ref);
	if (g->isthmus)
		in.l3_port = (uint16_t)g->isthmus->l3_port;
	feed_provider_peers(g, &in, peers);
	if (g->network_interfaces && load_nic_config(t, g->network_interfaces->external, &config)) {
		const struct model_ip_configuration *c = config.properties;

		underlay.addr = c->address;
		underlay.port = g->isthmus ? (uint16_t)g->isthmus->underlay_port : 0;
		underlay.prefix_len = (uint8_t)ip_bits(&c->address);
		if (load_ref(t, c->subnet, &model_type_lsubnet, &subnet)) {
			const struct model_lsubnet *s = subnet.properties;

			underlay.prefix_len = s->address_prefix.len;
			underlay.vlan = (uint16_t)s->vlan_id;
			in.default_gateway = s->default_gateways.items;
			in.default_gateway_len = s->default_gateways.len;
		}
		in.underlay = &underlay;
		in.underlay_len = 1;
	}
	in.health = fleet_health(t->fleet, name);
	fleet_add(t->fleet, name, pool);
	plan_set_gateway(t->plan, &in);
	plan_set_drain(t->plan, name, g->isthmus && g->isthmus->drain);
	unload(&subnet);
	unload(&config);
	unload(&l);
}

// -- pools

struct pool_feed {
	struct translate *t;
	const char *pool;
	struct ranges pa;
	struct plan_pool *in;
};

// Slots take addresses of the subnet that the gateways' external interfaces are on.
static int add_front_end(void *arg, const struct resource *res)
{
	struct pool_feed *f = arg;
	char pool[MODEL_ID_SIZE];
	const struct model_gateway *g;
	struct loaded config, subnet;
	void *properties;

	if (res->path.type != &model_type_gateway || f->pa.len)
		return 0;
	g = properties = model_load(&model_type_gateway, res->doc);
	if (!strcmp(ref_id(g->pool, 0, pool), f->pool) && g->network_interfaces &&
		load_nic_config(f->t, g->network_interfaces->external, &config)) {
		const struct model_ip_configuration *c = config.properties;

		add_ranges(&f->pa, c->subnet);
		if (load_ref(f->t, c->subnet, &model_type_lsubnet, &subnet)) {
			f->in->vlan =
				(uint16_t)((struct model_lsubnet *)subnet.properties)->vlan_id;
			unload(&subnet);
		}
		f->in->port = g->isthmus ? (uint16_t)g->isthmus->underlay_port : 0;
		unload(&config);
	}
	model_free(properties);
	return 0;
}

static const enum plan_pool_type pool_types[] = {
	[MODEL_POOL_IPSEC] = PLAN_POOL_IPSEC,
	[MODEL_POOL_GRE] = PLAN_POOL_GRE,
	[MODEL_POOL_L3] = PLAN_POOL_FORWARDING,
	[MODEL_POOL_ALL] = PLAN_POOL_ALL,
};

static const enum plan_capacity_rule capacity_rules[] = {
	[MODEL_CAPACITY_2019] = PLAN_CAPACITY_2019,
	[MODEL_CAPACITY_2016] = PLAN_CAPACITY_2016,
};

#define VIPS_MAX 8

static void add_vip(const struct translate *t, const char *ref, struct ip_addr *vip, size_t *len)
{
	struct loaded l;

	if (*len == VIPS_MAX || !load_ref(t, ref, &model_type_public_ip, &l))
		return;
	vip[*len] = ((struct model_public_ip *)l.properties)->address;
	*len += vip[*len].family != IP_NONE;
	unload(&l);
}

static void feed_pool(struct translate *t, const struct model_path *path)
{
	struct loaded l;
	char name[MODEL_ID_SIZE], ref[MODEL_PATH_SIZE];
	struct plan_pool in = {.name = name, .ref = ref};
	struct ranges gre = {.t = t};
	struct pool_feed feed = {.t = t, .pool = name, .pa = {.t = t}, .in = &in};
	struct ip_addr vip[VIPS_MAX];
	const struct model_gateway_pool *p;
	struct model_path gateways;

	if (!load(t, path, &l))
		return;
	p = l.properties;
	snprintf(name, sizeof(name), "%s", path->id[0]);
	lower(name);
	model_path_format(&l.res.path, ref);
	in.type = pool_types[p->type ? p->type : MODEL_POOL_ALL];
	in.redundant_count = (uint32_t)p->redundant_gateway_count;
	in.capacity_kbps = (uint64_t)p->gateway_capacity_kbps;
	if (p->isthmus) {
		in.slots_per_active = (uint32_t)p->isthmus->slots_per_gateway;
		in.rule = capacity_rules[p->isthmus->capacity_rule];
		in.rebalance = (uint64_t)p->isthmus->rebalance;
		in.refuse_weak = p->isthmus->refuse_weak;
	}
	if (p->ip_configuration) {
		const struct model_pool_ip_configuration *ip = p->ip_configuration;

		for (size_t i = 0; i < ip->gre_vip_subnets.len; i++)
			add_ranges(&gre, text_at(&ip->gre_vip_subnets, i));
		for (size_t i = 0; i < ip->public_ip_addresses.len; i++)
			add_vip(t, text_at(&ip->public_ip_addresses, i), vip, &in.vip_len);
	}
	if (!model_path_parse("/gateways", &gateways))
		resource_each(t->resources, &gateways, add_front_end, &feed);
	in.pa = feed.pa.v;
	in.pa_len = feed.pa.len;
	in.gre = gre.v;
	in.gre_len = gre.len;
	in.vip = vip;
	plan_set_pool(t->plan, &in);
	fleet_spare(t->fleet, name, in.redundant_count);
	free(gre.v);
	free(feed.pa.v);
	unload(&l);
}

static int feed_provider_one(void *arg, const struct resource *res)
{
	struct translate *t = arg;

	if (res->path.type == &model_type_gateway_pool)
		feed_pool(t, &res->path);
	else if (res->path.type == &model_type_gateway)
		feed_gateway(t, &res->path);
	return 0;
}

// Provider networks, pools and gateways are few and hang together: they are fed anew together.
static void feed_provider(struct translate *t)
{
	struct model_path path;

	if (!model_path_parse("/gatewayPools", &path))
		resource_each(t->resources, &path, feed_provider_one, t);
	if (!model_path_parse("/gateways", &path))
		resource_each(t->resources, &path, feed_provider_one, t);
}

// -- virtual networks

static enum plan_encap encap_of(const struct translate *t)
{
	struct loaded l;
	enum plan_encap encap = PLAN_ENCAP_VXLAN;

	if (load_ref(t, "/virtualNetworkManager/configuration", &model_type_vnet_manager, &l)) {
		if (((struct model_vnet_manager *)l.properties)->protocol == MODEL_ENCAP_NVGRE)
			encap = PLAN_ENCAP_NVGRE;
		unload(&l);
	}
	return encap;
}

static void feed_vsubnet(struct translate *t, const struct model_path *path)
{
	struct model_path low = *path;
	char ref[MODEL_PATH_SIZE];
	struct loaded l;
	const struct model_vsubnet *s;

	if (!load(t, path, &l))
		return;
	lower_ids(&low);
	s = l.properties;
	plan_set_subnet(t->plan,
		&(struct plan_subnet){
			.network = low.id[0],
			.name = low.id[1],
			.ref = model_path_format(&l.res.path, ref),
			.vni = s->virtual_subnet_id > 0 ? (uint32_t)s->virtual_subnet_id : 0,
			.encap = encap_of(t),
			.prefix = &s->address_prefix,
			.prefix_len = s->address_prefix.addr.family != IP_NONE,
		});
	unload(&l);
}

static void host_pas(const struct translate *t, const char *server_ref, struct ip_addr pa[2])
{
	const struct model_server *s;
	struct loaded l;

	if (!load_ref(t, server_ref, &model_type_server, &l))
		return;
	s = l.properties;
	for (size_t i = 0; s->isthmus && i < s->isthmus->provider_addresses.len; i++) {
		struct ip_addr addr = ((struct ip_addr *)s->isthmus->provider_addresses.items)[i];

		if (!pa[addr.family == IP_V6].family)
			pa[addr.family == IP_V6] = addr;
	}
	unload(&l);
}

// An ipConfiguration on a virtual network is a CA; on a provider network it takes an address there.
static void feed_ip_configuration(struct translate *t, const struct model_path *path)
{
	struct model_path nic_path = model_path_parent(path), low = *path;
	char network[MODEL_ID_SIZE], ref[MODEL_PATH_SIZE], name[2 * MODEL_ID_SIZE];
	struct loaded l, nic, subnet;
	const struct model_ip_configuration *c;
	struct plan_host in = {.network = network, .name = name, .ref = ref};

	if (!load(t, path, &l))
		return;
	c = l.properties;
	lower_ids(&low);
	snprintf(name, sizeof(name), "%s/%s", low.id[0], low.id[1]);
	if (load_ref(t, c->subnet, &model_type_vsubnet, &subnet)) {
		if (load(t, &nic_path, &nic)) {
			const struct model_nic *n = nic.properties;

			ref_id(c->subnet, 0, network);
			model_path_format(&nic.res.path, ref);
			in.addr = c->address;
			in.mac = n->mac;
			in.vni = (uint32_t)((struct model_vsubnet *)subnet.properties)
					 ->virtual_subnet_id;
			if (n->isthmus)
				host_pas(t, n->isthmus->server, in.pa);
			plan_set_host(t->plan, &in);
			unload(&nic);
		}
		unload(&subnet);
		plan_unreserve(t->plan, name);
	} else {
		plan_reserve(t->plan, name, &c->address);
	}
	unload(&l);
}

static int feed_config_one(void *arg, const struct resource *res)
{
	if (res->path.type == &model_type_ip_configuration)
		feed_ip_configuration(arg, &res->path);
	return 0;
}

static void feed_nic(struct translate *t, const struct model_path *path)
{
	resource_each(t->resources, path, feed_config_one, t);
}

static int feed_referrer(void *arg, const char *from, const char *to)
{
	struct translate *t = arg;
	struct model_path path;

	if (model_path_parse(from, &path))
		return 0;
	if (path.type == &model_type_nic)
		feed_nic(t, &path);
	return 0;
}

static void feed_server(struct translate *t, const struct model_path *path)
{
	char key[MODEL_PATH_SIZE];

	store_referrers(t->resources->store, model_path_key(path, key), false, feed_referrer, t);
}

// -- virtual gateways

static void feed_tenant(struct translate *t, const struct model_path *path)
{
	char name[MODEL_ID_SIZE], ref[MODEL_PATH_SIZE], network[MODEL_ID_SIZE] = "",
							subnet[MODEL_ID_SIZE] = "",
							rdid[RESOURCE_ETAG_SIZE] = "";
	const struct model_virtual_gateway *v;
	struct model_path net;
	struct loaded l;
	struct resource res;
	char **pools;
	size_t len = 0;

	if (!load(t, path, &l))
		return;
	v = l.properties;
	snprintf(name, sizeof(name), "%s", path->id[0]);
	lower(name);
	pools = xcalloc(v->gateway_pools.len + 1, sizeof(*pools));
	for (; len < v->gateway_pools.len; len++) {
		pools[len] = xcalloc(1, MODEL_ID_SIZE);
		ref_id(text_at(&v->gateway_pools, len), 0, pools[len]);
	}
	if (v->gateway_subnets.len) {
		const char *first = ((char **)v->gateway_subnets.items)[0];

		ref_id(first, 0, network);
		ref_id(first, 1, subnet);
		if (!model_path_parse(first, &net)) {
			net = model_path_parent(&net);
			if (!resource_get(t->resources, &net, &res)) {
				snprintf(rdid, sizeof(rdid), "%s", res.instance_id);
				resource_fini(&res);
			}
		}
	}
	plan_set_tenant(t->plan, &(struct plan_tenant){
					 .name = name,
					 .ref = model_path_format(&l.res.path, ref),
					 .rdid = rdid,
					 .network = *network ? network : NULL,
					 .gateway_subnet = *subnet ? subnet : NULL,
					 .pools = (const char *const *)pools,
					 .pools_len = len,
				 });
	while (len)
		free(pools[--len]);
	free(pools);
	unload(&l);
}

static const enum plan_conn_type conn_types[] = {
	[MODEL_CONNECTION_IPSEC] = PLAN_CONN_IPSEC,
	[MODEL_CONNECTION_GRE] = PLAN_CONN_GRE,
	[MODEL_CONNECTION_L3] = PLAN_CONN_L3,
};

static uint64_t at_least_0(int64_t v)
{
	return v > 0 ? (uint64_t)v : 0;
}

static uint16_t vlan_of(const struct translate *t, const char *subnet_ref)
{
	struct loaded l;
	uint16_t vlan = 0;

	if (load_ref(t, subnet_ref, &model_type_lsubnet, &l)) {
		vlan = (uint16_t)((struct model_lsubnet *)l.properties)->vlan_id;
		unload(&l);
	}
	return vlan;
}

static void fill_extension(struct plan_connection *in, const struct model_connection_isthmus *x)
{
	if (!x)
		return;
	in->weight = (uint8_t)at_least_0(x->weight);
	in->mtu = (uint16_t)at_least_0(x->mtu);
	in->shed_priority = (uint8_t)at_least_0(x->shed_priority);
	if (x->gre_keepalive) {
		in->keepalive_ms = (uint32_t)at_least_0(x->gre_keepalive->interval_ms);
		in->keepalive_retries = (uint32_t)at_least_0(x->gre_keepalive->retries);
	}
}

static struct plan_route *make_routes(const struct model_connection *c)
{
	struct plan_route *routes = xcalloc(c->routes.len + 1, sizeof(*routes));

	for (size_t i = 0; i < c->routes.len; i++) {
		const struct model_route *r = ((struct model_route **)c->routes.items)[i];

		routes[i].prefix = r->destination_prefix;
		routes[i].metric = (uint32_t)at_least_0(r->metric);
		if (!ip_is_zero(&r->next_hop))
			routes[i].via = r->next_hop;
	}
	return routes;
}

static struct plan_conn_addr *make_addresses(const struct model_connection *c)
{
	struct plan_conn_addr *addrs = xcalloc(c->ip_addresses.len + 1, sizeof(*addrs));

	for (size_t i = 0; i < c->ip_addresses.len; i++) {
		const struct model_interface_address *a =
			((struct model_interface_address **)c->ip_addresses.items)[i];

		addrs[i] = (struct plan_conn_addr){a->address, (uint8_t)at_least_0(a->prefix_len)};
	}
	return addrs;
}

// What ike must know beyond addresses: the configuration as the API spells it, without its secret.
static char *ipsec_text(const struct model_connection *c, const json_t *doc)
{
	const json_t *properties = json_object_get(doc, "properties");
	json_t *copy;
	char *text;

	if (c->type != MODEL_CONNECTION_IPSEC)
		return NULL;
	copy = json_deep_copy(json_object_get(properties, "ipSecConfiguration"));
	if (!copy)
		copy = json_object();
	json_object_del(copy, "sharedSecret");
	if (c->isthmus && c->isthmus->local_identity)
		json_object_set_new(copy, "localIdentity", json_string(c->isthmus->local_identity));
	if (c->isthmus && c->isthmus->peer_identity)
		json_object_set_new(copy, "peerIdentity", json_string(c->isthmus->peer_identity));
	text = json_dumps(copy, JSON_COMPACT);
	json_decref(copy);
	return text;
}

// A connection's own certificate and key, and whom it trusts.
static void write_certificate(const struct translate *t, struct text *to, const char *ref)
{
	const struct model_credential_isthmus *x;
	struct loaded l;

	if (!load_ref(t, ref, &model_type_credential, &l))
		return;
	x = ((struct model_credential *)l.properties)->isthmus;
	if (x && x->certificates)
		text_str(to, "certificates", x->certificates);
	if (x && x->private_key)
		text_str(to, "privateKey", x->private_key);
	unload(&l);
}

static void write_authorities(
	const struct translate *t, struct text *to, const struct model_list *refs, bool lists)
{
	text_open(to, lists ? "revocationLists" : "authorities", '[');
	for (size_t i = 0; i < refs->len; i++) {
		const struct model_credential_isthmus *x;
		struct loaded l;
		const char *pem;

		if (!load_ref(t, text_at(refs, i), &model_type_credential, &l))
			continue;
		x = ((struct model_credential *)l.properties)->isthmus;
		pem = !x ? NULL : lists ? x->revocation_lists : x->certificates;
		if (pem)
			text_str(to, NULL, pem);
		unload(&l);
	}
	text_close(to, ']');
}

static char *certificates_text(const struct translate *t, const struct model_connection *c)
{
	struct text to = {0};

	if (!c->isthmus || (!c->isthmus->certificate && !c->isthmus->peer_authorities.len))
		return NULL;
	text_open(&to, NULL, '{');
	text_str(&to, "type", "X509");
	write_certificate(t, &to, c->isthmus->certificate);
	write_authorities(t, &to, &c->isthmus->peer_authorities, false);
	write_authorities(t, &to, &c->isthmus->peer_authorities, true);
	text_close(&to, '}');
	return to.s;
}

static char *credential_text(const struct translate *tr, const struct model_connection *c)
{
	struct text t = {0};

	if (c->type == MODEL_CONNECTION_IPSEC && c->ipsec && c->ipsec->authentication_method == 2)
		return certificates_text(tr, c);
	if (c->type != MODEL_CONNECTION_IPSEC || !c->ipsec || !c->ipsec->shared_secret)
		return NULL;
	text_open(&t, NULL, '{');
	text_str(&t, "type", "PSK");
	text_str(&t, "secret", c->ipsec->shared_secret);
	text_close(&t, '}');
	return t.s;
}

static void feed_connection(struct translate *t, const struct model_path *path)
{
	struct model_path low = *path;
	char ref[MODEL_PATH_SIZE];
	const struct model_connection *c;
	struct plan_connection in;
	struct loaded l;

	if (!load(t, path, &l))
		return;
	c = l.properties;
	lower_ids(&low);
	in = (struct plan_connection){
		.tenant = low.id[0],
		.name = low.id[1],
		.ref = model_path_format(&l.res.path, ref),
		.type = conn_types[c->type ? c->type : MODEL_CONNECTION_GRE],
		.enabled = c->connection_status != 2,
		.remote = c->destination_address,
		.in_kbps = at_least_0(c->inbound_kbps),
		.out_kbps = at_least_0(c->outbound_kbps),
		.addr = make_addresses(c),
		.addr_len = c->ip_addresses.len,
		.peer = c->peer_ip_addresses.items,
		.peer_len = c->peer_ip_addresses.len,
		.route = make_routes(c),
		.route_len = c->routes.len,
		.ipsec_json = ipsec_text(c, l.res.doc),
		.credential_json = credential_text(t, c),
	};
	if (c->gre && c->gre->key != MODEL_ABSENT) {
		in.has_key = true;
		in.gre_key = (uint32_t)c->gre->key;
	}
	if (c->l3)
		in.l3_vlan = vlan_of(t, c->l3->vlan_subnet);
	fill_extension(&in, c->isthmus);
	plan_set_connection(t->plan, &in);
	free((void *)(uintptr_t)in.addr);
	free((void *)(uintptr_t)in.route);
	free((void *)(uintptr_t)in.ipsec_json);
	free((void *)(uintptr_t)in.credential_json);
	unload(&l);
}

static void feed_bgp_router(struct translate *t, const struct model_path *path)
{
	struct model_path low = *path;
	char ref[MODEL_PATH_SIZE];
	const struct model_bgp_router *r;
	struct plan_bgp_router in;
	struct loaded l;

	if (!load(t, path, &l))
		return;
	r = l.properties;
	lower_ids(&low);
	in = (struct plan_bgp_router){
		.tenant = low.id[0],
		.name = low.id[1],
		.ref = model_path_format(&l.res.path, ref),
		.asn = r->asn,
		.router_id = r->router_id,
	};
	if (r->router_ip.len)
		in.address = ((struct ip_addr *)r->router_ip.items)[0];
	plan_set_bgp_router(t->plan, &in);
	unload(&l);
}

static char *text_of(const json_t *value, const char *absent)
{
	return value ? json_dumps(value, JSON_COMPACT) : absent ? xstrdup(absent) : NULL;
}

static void feed_bgp_peer(struct translate *t, const struct model_path *path)
{
	struct model_path low = *path;
	char ref[MODEL_PATH_SIZE], name[2 * MODEL_ID_SIZE], in_map[MODEL_ID_SIZE],
		out_map[MODEL_ID_SIZE];
	const struct model_bgp_peer *x;
	struct loaded l;
	char *options;

	if (!load(t, path, &l))
		return;
	x = l.properties;
	lower_ids(&low);
	snprintf(name, sizeof(name), "%s/%s", low.id[1], low.id[2]);
	ref_id(x->policy_map_in, 1, in_map);
	ref_id(x->policy_map_out, 1, out_map);
	options =
		text_of(json_object_get(json_object_get(l.res.doc, "properties"), "isthmus"), NULL);
	plan_set_bgp_peer(t->plan, &(struct plan_bgp_peer){
					   .tenant = low.id[0],
					   .name = name,
					   .ref = model_path_format(&l.res.path, ref),
					   .address = x->address,
					   .asn = x->asn,
					   .policy_in = *in_map ? in_map : NULL,
					   .policy_out = *out_map ? out_map : NULL,
					   .options_json = options,
				   });
	free(options);
	unload(&l);
}

static void feed_policy_map(struct translate *t, const struct model_path *path)
{
	struct model_path low = *path;
	char ref[MODEL_PATH_SIZE];
	struct loaded l;
	char *entries;

	if (!load(t, path, &l))
		return;
	lower_ids(&low);
	entries = text_of(
		json_object_get(json_object_get(l.res.doc, "properties"), "policyMapEntryList"),
		"[]");
	plan_set_policy_map(t->plan, &(struct plan_policy_map){
					     .tenant = low.id[0],
					     .name = low.id[1],
					     .ref = model_path_format(&l.res.path, ref),
					     .entries_json = entries,
				     });
	free(entries);
	unload(&l);
}

// -- deletions

static void drop_pool(struct translate *t, const struct model_path *path)
{
	plan_del_pool(t->plan, path->id[0]);
}

static void drop_gateway(struct translate *t, const struct model_path *path)
{
	plan_del_gateway(t->plan, path->id[0]);
	fleet_remove(t->fleet, path->id[0]);
}

static void drop_vsubnet(struct translate *t, const struct model_path *path)
{
	plan_del_subnet(t->plan, path->id[0], path->id[1]);
}

static void drop_ip_configuration(struct translate *t, const struct model_path *path)
{
	char name[2 * MODEL_ID_SIZE];

	snprintf(name, sizeof(name), "%s/%s", path->id[0], path->id[1]);
	plan_del_host(t->plan, name);
	plan_unreserve(t->plan, name);
}

static void drop_tenant(struct translate *t, const struct model_path *path)
{
	plan_del_tenant(t->plan, path->id[0]);
}

static void drop_connection(struct translate *t, const struct model_path *path)
{
	plan_del_connection(t->plan, path->id[0], path->id[1]);
}

static void drop_bgp_router(struct translate *t, const struct model_path *path)
{
	plan_del_bgp_router(t->plan, path->id[0], path->id[1]);
}

static void drop_bgp_peer(struct translate *t, const struct model_path *path)
{
	char name[2 * MODEL_ID_SIZE];

	snprintf(name, sizeof(name), "%s/%s", path->id[1], path->id[2]);
	plan_del_bgp_peer(t->plan, path->id[0], name);
}

static void drop_policy_map(struct translate *t, const struct model_path *path)
{
	plan_del_policy_map(t->plan, path->id[0], path->id[1]);
}

// -- the table

static void feed_provider_of(struct translate *t, const struct model_path *path)
{
	feed_provider(t);
}

static int feed_connections_on(void *arg, const char *from, const char *to)
{
	struct model_path path;

	if (!model_path_parse(from, &path) && path.type == &model_type_connection)
		feed_connection(arg, &path);
	return 0;
}

// Also what L3 connections on its VLAN are told.
static void feed_lsubnet(struct translate *t, const struct model_path *path)
{
	char key[MODEL_PATH_SIZE];

	feed_provider(t);
	store_referrers(
		t->resources->store, model_path_key(path, key), false, feed_connections_on, t);
}

// Connections that name the certificate.
static void feed_credential(struct translate *t, const struct model_path *path)
{
	char key[MODEL_PATH_SIZE];

	store_referrers(
		t->resources->store, model_path_key(path, key), false, feed_connections_on, t);
}

static int feed_vsubnet_one(void *arg, const struct resource *res)
{
	if (res->path.type == &model_type_vsubnet)
		feed_vsubnet(arg, &res->path);
	return 0;
}

static void feed_encapsulation(struct translate *t, const struct model_path *path)
{
	struct model_path networks;

	if (!model_path_parse("/virtualNetworks", &networks))
		resource_each(t->resources, &networks, feed_vsubnet_one, t);
}

typedef void feed_fn(struct translate *t, const struct model_path *path);

static const struct rule {
	const struct model_type *type;
	feed_fn *put, *del; // del gets ids in lower case
	bool provider;      // is fed once for all at the start
} rules[] = {
	{&model_type_gateway_pool, feed_provider_of, drop_pool, true},
	{&model_type_gateway, feed_provider_of, drop_gateway, true},
	{&model_type_lsubnet, feed_lsubnet, feed_provider_of, true},
	{&model_type_ip_pool, feed_provider_of, feed_provider_of, true},
	{&model_type_public_ip, feed_provider_of, feed_provider_of, true},
	{&model_type_credential, feed_credential, NULL, true},
	{&model_type_vnet_manager, feed_encapsulation, feed_encapsulation, true},
	{&model_type_vsubnet, feed_vsubnet, drop_vsubnet, false},
	{&model_type_server, feed_server, NULL, true},
	{&model_type_nic, feed_nic, NULL, true},
	{&model_type_ip_configuration, feed_ip_configuration, drop_ip_configuration, false},
	{&model_type_virtual_gateway, feed_tenant, drop_tenant, false},
	{&model_type_connection, feed_connection, drop_connection, false},
	{&model_type_bgp_router, feed_bgp_router, drop_bgp_router, false},
	{&model_type_bgp_peer, feed_bgp_peer, drop_bgp_peer, false},
	{&model_type_policy_map, feed_policy_map, drop_policy_map, false},
};

static const struct rule *rule_find(const struct model_type *type)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		if (rules[i].type == type)
			return &rules[i];
	}
	return NULL;
}

void translate_change(struct translate *t, const char *key, bool deleted)
{
	struct model_path path;
	const struct rule *rule;

	if (key[0] != '/' || model_path_parse(key, &path))
		return;
	rule = rule_find(path.type);
	if (!rule)
		return;
	if (!deleted) {
		rule->put(t, &path);
	} else if (rule->del) {
		lower_ids(&path);
		rule->del(t, &path);
	}
}

static int feed_one(void *arg, const struct resource *res)
{
	const struct rule *rule = rule_find(res->path.type);

	if (rule && !rule->provider)
		rule->put(arg, &res->path);
	return 0;
}

void translate_all(struct translate *t)
{
	feed_provider(t);
	resource_each(t->resources, NULL, feed_one, t);
}
