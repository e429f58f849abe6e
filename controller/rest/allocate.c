// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// What the controller chooses when a client leaves the choice: MAC addresses, addresses of
// interfaces, public addresses, VSIDs. Every one given out or configured is claimed in the store
// under its owner's key; a freed one is held off before it goes to somebody else.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "nouns.h"
#include "space.h"

#define HOLD_OFF_S 60
#define VSID_FIRST 4096
#define VSID_LAST  16777214
#define VSID_TRIES 1000

struct range {
	struct ip_addr first, last;
};

// Documents are changed through these; the model's struct is for reading.
static void set_text(struct resource *r, const char *member, const char *text)
{
	json_object_set_new(json_object_get(r->doc, "properties"), member, json_string(text));
}

static const char *get_text(const json_t *doc, const char *member)
{
	return json_string_value(json_object_get(json_object_get(doc, "properties"), member));
}

static int64_t hold_until(void)
{
	return time(NULL) + HOLD_OFF_S;
}

static const char *owner_key(const struct resource *r, char *buf)
{
	return model_path_key(&r->path, buf);
}

// -- finding a free address

struct hole {
	struct ip_addr next; // candidate
	struct ip_addr last;
	bool past_end;
};

// Claims come in order: the first gap is the first candidate that a claim does not name.
static int step_over(void *arg, const char *value, const char *owner)
{
	struct hole *h = arg;
	char candidate[SPACE_VALUE_SIZE];

	if (strcmp(space_ip(&h->next, candidate), value))
		return 1;
	h->past_end = ip_add(&h->next, 1, &h->next) < 0 || ip_compare(&h->next, &h->last) > 0;
	return h->past_end;
}

static int claim_from_range(struct store *store, const char *space, const struct range *range,
	const char *owner, struct ip_addr *ret_addr)
{
	struct hole hole = {range->first, range->last, false};
	char from[SPACE_VALUE_SIZE], to[SPACE_VALUE_SIZE];
	int rc = store_claims(store, space, space_ip(&range->first, from),
		space_ip(&range->last, to), step_over, &hole);

	if (rc < 0)
		return rc;
	if (hole.past_end)
		return -ENOSPC;
	*ret_addr = hole.next;
	return store_claim(store, space, space_ip(&hole.next, from), owner);
}

// -- subnets

struct subnet {
	char key[MODEL_PATH_SIZE];
	char space[SPACE_SIZE];
	struct model_path path;
	struct ip_prefix prefix; // IP_NONE: has none
	bool is_virtual;
	struct resource resource;
	void *loaded;
};

static int subnet_open(const struct resource_store *rs, const char *ref, struct subnet *s)
{
	int rc;

	memset(s, 0, sizeof(*s));
	if (!model_ref_key(ref, s->key) || model_path_parse(ref, &s->path) < 0)
		return -ENOENT;
	rc = resource_get(rs, &s->path, &s->resource);
	if (rc < 0)
		return rc;
	s->loaded = model_load(s->path.type, s->resource.doc);
	s->is_virtual = s->path.type == &model_type_vsubnet;
	s->prefix = s->is_virtual ? ((struct model_vsubnet *)s->loaded)->address_prefix
				  : ((struct model_lsubnet *)s->loaded)->address_prefix;
	space_of_subnet(s->key, s->space);
	return 0;
}

static void subnet_close(struct subnet *s)
{
	model_free(s->loaded);
	resource_fini(&s->resource);
}

static struct ip_addr prefix_last(const struct ip_prefix *p)
{
	struct ip_addr last = p->addr;

	for (unsigned bit = p->len; bit < ip_bits(&p->addr); bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
	return last;
}

// Addresses that are nobody's: the network's own, broadcast, and its routers'. The first host of a
// virtual subnet is the router that every machine's default route names.
static bool is_reserved(const struct subnet *s, const struct ip_addr *addr)
{
	struct ip_addr last = prefix_last(&s->prefix), router;
	const struct model_lsubnet *ls = s->loaded;
	const struct ip_addr *gateways = s->is_virtual ? NULL : ls->default_gateways.items;
	bool small = s->prefix.len + 2u > ip_bits(&s->prefix.addr);

	if (!small && (ip_equal(addr, &s->prefix.addr) ||
			      (addr->family == IP_V4 && ip_equal(addr, &last))))
		return true;
	if (s->is_virtual)
		return !small && ip_add(&s->prefix.addr, 1, &router) == 0 &&
		       ip_equal(addr, &router);
	for (size_t i = 0; i < ls->default_gateways.len; i++) {
		if (ip_equal(addr, &gateways[i]))
			return true;
	}
	return false;
}

struct pool_walk {
	const struct resource_store *rs;
	struct subnet *subnet;
	const char *owner;
	uint8_t family; // IP_NONE: any
	struct ip_addr addr;
	int rc;
};

static int try_range(struct pool_walk *w, struct range range)
{
	for (;;) {
		w->rc = claim_from_range(
			w->rs->store, w->subnet->space, &range, w->owner, &w->addr);
		if (w->rc < 0 || !is_reserved(w->subnet, &w->addr))
			break;
		// Reserved ones are given back at once and passed by.
		char value[SPACE_VALUE_SIZE];

		store_claim_release(w->rs->store, w->subnet->space, space_ip(&w->addr, value), 0);
		if (ip_add(&w->addr, 1, &range.first) < 0 ||
			ip_compare(&range.first, &range.last) > 0) {
			w->rc = -ENOSPC;
			break;
		}
	}
	return w->rc == -ENOSPC ? 0 : 1;
}

static int try_pool(void *arg, const struct resource *resource)
{
	struct pool_walk *w = arg;
	struct model_ip_pool *pool;
	struct range range;

	if (resource->path.type != &model_type_ip_pool)
		return 0;
	pool = model_load(resource->path.type, resource->doc);
	range = (struct range){pool->start, pool->end};
	model_free(pool);
	if (w->family && range.first.family != w->family)
		return 0;
	return try_range(w, range);
}

// An address of the subnet, claimed. A virtual subnet gives from all of its prefix.
static int claim_dynamic(const struct resource_store *rs, struct subnet *s, const char *owner,
	struct ip_addr *ret_addr)
{
	struct pool_walk w = {rs, s, owner, IP_NONE, {0}, -ENOSPC};
	struct model_path pools;

	if (s->is_virtual) {
		try_range(&w, (struct range){s->prefix.addr, prefix_last(&s->prefix)});
	} else {
		pools = model_path_child(&s->path, &model_type_ip_pool, NULL);
		resource_each(rs, &pools, try_pool, &w);
	}
	if (!w.rc)
		*ret_addr = w.addr;
	return w.rc;
}

// -- interfaces' addresses

// Claims held under this owner that no longer apply go.
static void release_old(
	const struct resource_store *rs, const json_t *old, const char *member, const char *space)
{
	const char *text = get_text(old, member);
	char value[SPACE_VALUE_SIZE];
	struct ip_addr addr;

	if (text && ip_parse(text, &addr) == 0)
		store_claim_release(rs->store, space, space_ip(&addr, value), hold_until());
}

static void release_old_address(const struct resource_store *rs, const json_t *old)
{
	const json_t *ref = json_object_get(json_object_get(old, "properties"), "subnet");
	const char *text = json_string_value(json_object_get(ref, "resourceRef"));
	char key[MODEL_PATH_SIZE], space[SPACE_SIZE];

	if (text && model_ref_key(text, key))
		release_old(rs, old, "privateIPAddress", space_of_subnet(key, space));
}

static int claim_static(
	struct rest_request *req, struct subnet *s, const char *owner, const struct ip_addr *addr)
{
	char text[IP_TEXT_SIZE], value[SPACE_VALUE_SIZE];
	int rc;

	ip_format(addr, text);
	if (s->prefix.addr.family != IP_NONE && !prefix_contains(&s->prefix, addr))
		return rest_fail(req, 400, "PrivateIPAddressNotInSubnet",
			"properties.privateIPAddress", "%s is not in the subnet's prefix.", text);
	if (is_reserved(s, addr))
		return rest_fail(req, 400, "PrivateIPAddressInReservedRange",
			"properties.privateIPAddress",
			"%s is reserved in its subnet: network, broadcast or router.", text);
	rc = store_claim(req->rest->resources->store, s->space, space_ip(addr, value), owner);
	if (rc == -EEXIST)
		return rest_fail(req, 409, "PrivateIPAddressInUse", "properties.privateIPAddress",
			"%s is in use in its subnet, or was until just now.", text);
	return rc;
}

static bool same_subnet(const json_t *a, const json_t *b)
{
	const char *x = json_string_value(json_object_get(
		json_object_get(json_object_get(a, "properties"), "subnet"), "resourceRef"));
	const char *y = json_string_value(json_object_get(
		json_object_get(json_object_get(b, "properties"), "subnet"), "resourceRef"));

	return x && y && !strcasecmp(x, y);
}

static int place_address(struct rest_request *req, struct resource *r, const json_t *old,
	const struct model_ip_configuration *c, struct subnet *s)
{
	const struct resource_store *rs = req->rest->resources;
	bool dynamic = c->allocation == MODEL_ALLOCATION_DYNAMIC ||
		       (!c->allocation && c->address.family == IP_NONE);
	const char *had = same_subnet(old, r->doc) ? get_text(old, "privateIPAddress") : NULL;
	char owner[MODEL_PATH_SIZE], text[IP_TEXT_SIZE];
	struct ip_addr addr = c->address;
	int rc;

	if (!c->allocation)
		set_text(r, "privateIPAllocationMethod", dynamic ? "Dynamic" : "Static");
	if (dynamic && addr.family == IP_NONE && had)
		ip_parse(had, &addr);
	owner_key(r, owner);
	if (had && strcmp(had, ip_format(&addr, text)))
		release_old_address(rs, old);
	if (addr.family != IP_NONE) {
		set_text(r, "privateIPAddress", ip_format(&addr, text));
		return claim_static(req, s, owner, &addr);
	}
	rc = s->is_virtual && s->prefix.addr.family == IP_NONE ? -ENOSPC
							       : claim_dynamic(rs, s, owner, &addr);
	if (rc < 0)
		return rest_fail(req, 409, "SubnetIsFull", "properties.subnet",
			"%s has no free address left%s.", s->key,
			s->is_virtual ? "" : " in its ipPools");
	set_text(r, "privateIPAddress", ip_format(&addr, text));
	return 0;
}

static int allocate_ip_configuration(
	struct rest_request *req, struct resource *r, const json_t *old)
{
	struct model_ip_configuration *c = model_load(r->path.type, r->doc);
	struct subnet s;
	int rc;

	if (c->allocation == MODEL_ALLOCATION_UNMANAGED) {
		model_free(c);
		return 0;
	}
	if (subnet_open(req->rest->resources, c->subnet, &s) < 0) {
		rc = rest_fail(req, 400, "InvalidResourceReference", "properties.subnet",
			"%.200s does not exist.", c->subnet);
	} else {
		if (old && !same_subnet(old, r->doc))
			release_old_address(req->rest->resources, old);
		rc = place_address(req, r, old, c, &s);
		subnet_close(&s);
	}
	model_free(c);
	return rc;
}

// -- MAC addresses

static uint64_t mac_number(const struct mac_addr *mac)
{
	uint64_t v = 0;

	for (size_t i = 0; i < sizeof(mac->bytes); i++)
		v = v << 8 | mac->bytes[i];
	return v;
}

static struct mac_addr mac_from_number(uint64_t v)
{
	struct mac_addr mac;

	for (size_t i = sizeof(mac.bytes); i-- > 0; v >>= 8)
		mac.bytes[i] = (uint8_t)v;
	return mac;
}

struct mac_walk {
	struct store *store;
	const char *owner;
	struct mac_addr mac;
	uint64_t next, last;
	int rc;
};

static int step_over_mac(void *arg, const char *value, const char *owner)
{
	struct mac_walk *w = arg;
	struct mac_addr mac = mac_from_number(w->next);
	char candidate[SPACE_VALUE_SIZE];

	if (strcmp(space_mac(&mac, candidate), value))
		return 1;
	return ++w->next > w->last;
}

static int try_mac_pool(void *arg, const struct resource *resource)
{
	struct mac_walk *w = arg;
	struct model_mac_pool *pool = model_load(resource->path.type, resource->doc);
	char from[SPACE_VALUE_SIZE], to[SPACE_VALUE_SIZE];

	w->next = mac_number(&pool->start);
	w->last = mac_number(&pool->end);
	store_claims(w->store, SPACE_MAC, space_mac(&pool->start, from), space_mac(&pool->end, to),
		step_over_mac, w);
	model_free(pool);
	if (w->next > w->last)
		return 0;
	w->mac = mac_from_number(w->next);
	w->rc = store_claim(w->store, SPACE_MAC, space_mac(&w->mac, from), w->owner);
	return 1;
}

static void set_mac(struct resource *r, const struct mac_addr *mac)
{
	const uint8_t *b = mac->bytes;
	char text[MAC_TEXT_SIZE];

	snprintf(
		text, sizeof(text), "%02X%02X%02X%02X%02X%02X", b[0], b[1], b[2], b[3], b[4], b[5]);
	set_text(r, "privateMacAddress", text);
}

static int allocate_nic(struct rest_request *req, struct resource *r, const json_t *old)
{
	struct store *store = req->rest->resources->store;
	struct model_path pools = {.type = &model_type_mac_pool, .is_collection = true};
	char owner[MODEL_PATH_SIZE], value[SPACE_VALUE_SIZE];
	struct mac_walk w = {store, owner_key(r, owner), {{0}}, 0, 0, -ENOSPC};
	struct model_nic *nic = model_load(r->path.type, r->doc);
	bool given = mac_number(&nic->mac) != 0;
	bool dynamic =
		nic->mac_allocation == MODEL_ALLOCATION_DYNAMIC || (!nic->mac_allocation && !given);
	const char *had = get_text(old, "privateMacAddress");
	struct mac_addr mac = nic->mac;

	if (!nic->mac_allocation)
		set_text(r, "privateMacAllocationMethod", dynamic ? "Dynamic" : "Static");
	model_free(nic);
	if (!given && !dynamic)
		return rest_fail(req, 400, "PrivateMacAddressMissing",
			"properties.privateMacAddress",
			"A Static interface must say its 'privateMacAddress'.");
	if (!given && had && mac_parse(had, &mac) == 0) {
		set_mac(r, &mac);
		return 0;
	}
	if (given) {
		// Tenants may use equal ones in networks of their own: not an error.
		int rc = store_claim(store, SPACE_MAC, space_mac(&mac, value), owner);

		return rc == -EEXIST ? 0 : rc;
	}
	resource_each(req->rest->resources, &pools, try_mac_pool, &w);
	if (w.rc < 0)
		return rest_fail(req, 409, "PrivateMacAddressMissing",
			"properties.privateMacAddress",
			"No macPools has a free address for a Dynamic interface.");
	set_mac(r, &w.mac);
	return 0;
}

// -- public addresses

// The VIP pool that holds addr (family none: one with a free address, then claimed).
static int claim_vip(struct rest_request *req, const struct model_lb_manager *lb, const char *owner,
	uint8_t family, struct ip_addr *addr)
{
	char *const *refs = lb->vip_ip_pools.items;
	const struct resource_store *rs = req->rest->resources;

	for (size_t i = 0; i < lb->vip_ip_pools.len; i++) {
		struct pool_walk w = {rs, NULL, owner, family, {0}, -ENOSPC};
		struct model_path path, up;
		char ref[MODEL_PATH_SIZE];
		struct resource pool;
		struct subnet s;

		if (model_path_parse(refs[i], &path) < 0 || resource_get(rs, &path, &pool) < 0)
			continue;
		up = model_path_parent(&path);
		if (subnet_open(rs, model_path_format(&up, ref), &s) == 0) {
			struct model_ip_pool *p = model_load(path.type, pool.doc);
			char value[SPACE_VALUE_SIZE];

			w.subnet = &s;
			if (addr->family == IP_NONE)
				try_pool(&w, &pool);
			else if (addr->family == p->start.family &&
				 ip_compare(addr, &p->start) >= 0 && ip_compare(addr, &p->end) <= 0)
				w.rc = store_claim(
					rs->store, s.space, space_ip(addr, value), owner);
			if (!w.rc && addr->family == IP_NONE)
				*addr = w.addr;
			model_free(p);
			subnet_close(&s);
		}
		resource_fini(&pool);
		if (w.rc != -ENOSPC)
			return w.rc;
	}
	return -ENOSPC;
}

static int vip_failed(struct rest_request *req, int rc, bool dynamic, bool managed)
{
	if (rc == -EEXIST)
		return rest_fail(req, 409, "PublicIPAddressInUse", "properties.ipAddress",
			"The address is in use, or was until just now.");
	if (!managed)
		return rest_fail(req, 400, "LbManagerResourceNotConfigured", "properties.ipAddress",
			"A Dynamic address comes from the vipIpPools of "
			"loadBalancerManager/config: there are none.");
	if (dynamic)
		return rest_fail(req, 409, "SubnetIsFull", "properties.ipAddress",
			"No VIP pool has a free address.");
	return rest_fail(req, 400, "FrontEndIpNotInVipPool", "properties.ipAddress",
		"The address is in none of the vipIpPools of loadBalancerManager/config.");
}

static int allocate_public_ip(struct rest_request *req, struct resource *r, const json_t *old)
{
	const struct resource_store *rs = req->rest->resources;
	struct model_path path = {.type = &model_type_lb_manager, .depth = 1, .id = {"config"}};
	struct model_public_ip *p = model_load(r->path.type, r->doc);
	bool dynamic = p->allocation == MODEL_ALLOCATION_DYNAMIC;
	struct ip_addr addr = p->address;
	uint8_t family = p->version == 2 ? IP_V6 : IP_V4;
	const char *had = get_text(old, "ipAddress");
	char owner[MODEL_PATH_SIZE], text[IP_TEXT_SIZE], value[SPACE_VALUE_SIZE];
	struct model_lb_manager *lb = NULL;
	struct resource manager;
	bool managed = false;
	int rc;

	model_free(p);
	owner_key(r, owner);
	if (dynamic && addr.family == IP_NONE && had)
		ip_parse(had, &addr);
	if (had && !strcmp(had, ip_format(&addr, text))) {
		set_text(r, "ipAddress", text);
		return 0;
	}
	if (had)
		store_claim_release_owner(rs->store, owner, hold_until());
	if (resource_get(rs, &path, &manager) == 0) {
		lb = model_load(manager.path.type, manager.doc);
		managed = lb->vip_ip_pools.len > 0;
	}
	if (managed)
		rc = claim_vip(req, lb, owner, family, &addr);
	else if (dynamic && addr.family == IP_NONE)
		rc = -ENOSPC;
	else
		rc = store_claim(rs->store, "vip", space_ip(&addr, value), owner);
	if (lb) {
		model_free(lb);
		resource_fini(&manager);
	}
	if (rc < 0)
		return vip_failed(req, rc, dynamic, managed);
	set_text(r, "ipAddress", ip_format(&addr, text));
	return 0;
}

// -- VSIDs

static void vsid_range(const struct resource_store *rs, uint64_t *first, uint64_t *last)
{
	struct model_path path = {
		.type = &model_type_vnet_manager, .depth = 1, .id = {"configuration"}};
	struct model_vnet_manager *m;
	struct resource r;

	*first = VSID_FIRST;
	*last = VSID_LAST;
	if (resource_get(rs, &path, &r) < 0)
		return;
	m = model_load(r.path.type, r.doc);
	if (m->vsid_range) {
		*first = (uint64_t)m->vsid_range->start;
		*last = (uint64_t)m->vsid_range->end;
	}
	model_free(m);
	resource_fini(&r);
}

static int allocate_vsubnet(struct rest_request *req, struct resource *r, const json_t *old)
{
	struct store *store = req->rest->resources->store;
	struct model_vsubnet *s = model_load(r->path.type, r->doc);
	int64_t given = s->virtual_subnet_id;
	char owner[MODEL_PATH_SIZE], value[SPACE_VALUE_SIZE];
	uint64_t first, last, n;
	int rc = -ENOSPC;

	model_free(s);
	owner_key(r, owner);
	if (given != MODEL_ABSENT) {
		rc = store_claim(store, SPACE_VSID, space_number((uint64_t)given, value), owner);
		return rc == -EEXIST ? rest_fail(req, 409, "InvalidParameterValue",
					       "properties.virtualSubnetId",
					       "VSID %lld is another subnet's.", (long long)given)
				     : rc;
	}
	vsid_range(req->rest->resources, &first, &last);
	for (int i = 0; i < VSID_TRIES && rc; i++) {
		rc = store_counter_take(store, "vsid", 1, &n);
		if (rc < 0)
			return rc;
		n = first + (n - 1) % (last - first + 1);
		rc = store_claim(store, SPACE_VSID, space_number(n, value), owner);
	}
	if (rc < 0)
		return rest_fail(req, 409, "InvalidVsidRangeValues", "properties.virtualSubnetId",
			"No VSID of the virtualSubnetIdRange is free.");
	json_object_set_new(json_object_get(r->doc, "properties"), "virtualSubnetId",
		json_integer((json_int_t)n));
	return 0;
}

// -- by type

static const struct {
	const struct model_type *type;
	int (*run)(struct rest_request *req, struct resource *r, const json_t *old);
} allocators[] = {
	{&model_type_ip_configuration, allocate_ip_configuration},
	{&model_type_nic, allocate_nic},
	{&model_type_public_ip, allocate_public_ip},
	{&model_type_vsubnet, allocate_vsubnet},
};

int rest_allocate(struct rest_request *req, struct resource *r, const json_t *old)
{
	int rc = store_claim_expire(req->rest->resources->store, time(NULL));

	for (size_t i = 0; i < sizeof(allocators) / sizeof(allocators[0]) && !rc; i++) {
		if (allocators[i].type == r->path.type)
			rc = allocators[i].run(req, r, old);
	}
	if (rc < 0 && !req->fault.code)
		rc = rest_fail(req, 500, "InternalServerError", "store",
			"The store refused the change: %s.", strerror(-rc));
	return rc;
}

// -- how full pools are

static json_int_t range_size(const struct ip_addr *first, const struct ip_addr *last)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < ip_bits(first) / 8; i++) {
		if (n >> 54)
			return INT64_MAX; // more than can be said
		n = (n << 8) + last->bytes[i] - first->bytes[i];
	}
	return (json_int_t)n + 1;
}

static json_t *ip_pool_usage(const struct resource_store *rs, const struct resource *r)
{
	char key[MODEL_PATH_SIZE], space[SPACE_SIZE];
	char from[SPACE_VALUE_SIZE], to[SPACE_VALUE_SIZE];
	struct model_path subnet = model_path_parent(&r->path);
	struct model_ip_pool *pool = model_load(r->path.type, r->doc);
	json_int_t total = range_size(&pool->start, &pool->end);
	uint64_t used = 0, held = 0;

	space_of_subnet(model_path_key(&subnet, key), space);
	store_claim_count(rs->store, space, space_ip(&pool->start, from), space_ip(&pool->end, to),
		&used, &held);
	model_free(pool);
	// The published interface spells the second one so.
	return json_pack("{s:I, s:I, s:I}", "numberOfIPAddresses", total,
		"numberofIPAddressesAllocated", (json_int_t)used, "numberOfIPAddressesInTransition",
		(json_int_t)held);
}

static json_t *mac_pool_usage(const struct resource_store *rs, const struct resource *r)
{
	struct model_mac_pool *pool = model_load(r->path.type, r->doc);
	char from[SPACE_VALUE_SIZE], to[SPACE_VALUE_SIZE];
	uint64_t used = 0, total = mac_number(&pool->end) - mac_number(&pool->start) + 1;

	store_claim_count(rs->store, SPACE_MAC, space_mac(&pool->start, from),
		space_mac(&pool->end, to), &used, NULL);
	model_free(pool);
	return json_pack("{s:I, s:I}", "numberOfMacAddresses", (json_int_t)total,
		"numberofMacAddressesAllocated", (json_int_t)used);
}

json_t *rest_usage(const struct resource_store *rs, const struct resource *r)
{
	if (r->path.type == &model_type_ip_pool)
		return ip_pool_usage(rs, r);
	if (r->path.type == &model_type_mac_pool)
		return mac_pool_usage(rs, r);
	return NULL;
}
