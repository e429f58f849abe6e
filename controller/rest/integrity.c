// SPDX-License-Identifier: Apache-2.0
#include "request.h"

// Checks that need more than one resource. All run within the open transaction, when everything
// that the request stores is already there; a failure rolls all of it back.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nouns.h"

// -- references

struct ref_check {
	struct rest_request *req;
	int rc;
};

static void check_ref(void *arg, const struct model_field *field, const char *where, json_t *object)
{
	struct ref_check *c = arg;
	const char *ref = json_string_value(json_object_get(object, "resourceRef"));
	char key[MODEL_PATH_SIZE];
	struct model_path path;

	if (c->rc)
		return;
	if (model_ref_key(ref, key) && resource_path(c->req->rest->resources, key, &path) == 0) {
		json_object_set_new(
			object, "resourceRef", json_string(model_path_format(&path, key)));
		return;
	}
	c->rc = rest_fail(c->req, 400, field->code ? field->code : "InvalidResourceReference",
		where, "%.200s does not exist.", ref);
}

// -- siblings that must not overlap

struct overlap {
	const struct resource *self;
	struct ip_addr first, last;
	bool (*range)(const struct resource *r, struct ip_addr *first, struct ip_addr *last);
	char found[MODEL_ID_SIZE];
};

static struct ip_addr last_of(const struct ip_prefix *p)
{
	struct ip_addr last = p->addr;

	for (unsigned bit = p->len; bit < ip_bits(&p->addr); bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
	return last;
}

static bool prefix_range(const struct ip_prefix *p, struct ip_addr *first, struct ip_addr *last)
{
	*first = p->addr;
	*last = last_of(p);
	return p->addr.family != IP_NONE;
}

static bool lsubnet_range(const struct resource *r, struct ip_addr *first, struct ip_addr *last)
{
	struct model_lsubnet *s = model_load(r->path.type, r->doc);
	bool is = prefix_range(&s->address_prefix, first, last);

	model_free(s);
	return is;
}

static bool vsubnet_range(const struct resource *r, struct ip_addr *first, struct ip_addr *last)
{
	struct model_vsubnet *s = model_load(r->path.type, r->doc);
	bool is = prefix_range(&s->address_prefix, first, last);

	model_free(s);
	return is;
}

static bool pool_range(const struct resource *r, struct ip_addr *first, struct ip_addr *last)
{
	struct model_ip_pool *p = model_load(r->path.type, r->doc);

	*first = p->start;
	*last = p->end;
	model_free(p);
	return true;
}

static int compare_sibling(void *arg, const struct resource *r)
{
	struct overlap *o = arg;
	char a[MODEL_PATH_SIZE], b[MODEL_PATH_SIZE];
	struct ip_addr first, last;

	if (r->path.type != o->self->path.type ||
		!strcmp(model_path_key(&r->path, a), model_path_key(&o->self->path, b)))
		return 0;
	if (!o->range(r, &first, &last) || first.family != o->first.family ||
		ip_compare(&first, &o->last) > 0 || ip_compare(&last, &o->first) < 0)
		return 0;
	snprintf(o->found, sizeof(o->found), "%s", r->path.id[r->path.depth - 1]);
	return 1;
}

static int check_overlap(struct rest_request *req, const struct resource *r,
	bool (*range)(const struct resource *r, struct ip_addr *first, struct ip_addr *last),
	const char *code, const char *target)
{
	struct overlap o = {.self = r, .range = range};
	struct model_path siblings = r->path;

	if (!range(r, &o.first, &o.last))
		return 0;
	siblings.is_collection = true;
	siblings.depth--;
	resource_each(req->rest->resources, &siblings, compare_sibling, &o);
	if (!o.found[0])
		return 0;
	return rest_fail(req, 400, code, target, "The %s '%s' overlaps with '%s'.",
		r->path.type->noun, r->path.id[r->path.depth - 1], o.found);
}

// -- subnets and pools

static int get_parent(struct rest_request *req, const struct resource *r, struct resource *ret)
{
	struct model_path up = model_path_parent(&r->path);
	int rc = resource_get(req->rest->resources, &up, ret);

	return rc == -ENOENT ? rest_fail(req, 404, "NotFound", up.type->noun,
				       "The %s does not exist.", up.type->noun)
			     : rc;
}

static int stop_at_first(void *arg, const char *from, const char *to)
{
	snprintf(arg, MODEL_PATH_SIZE, "%s", from);
	return 1;
}

// Who refers to it, or "".
static void find_user(struct rest_request *req, const struct resource *r, char *user)
{
	char key[MODEL_PATH_SIZE];

	user[0] = '\0';
	store_referrers(req->rest->resources->store, model_path_key(&r->path, key), false,
		stop_at_first, user);
}

// A prefix that others have addresses in stays.
static int check_prefix_kept(struct rest_request *req, const struct resource *r, const json_t *old)
{
	const json_t *a = json_object_get(json_object_get(old, "properties"), "addressPrefix");
	const json_t *b = json_object_get(json_object_get(r->doc, "properties"), "addressPrefix");
	char user[MODEL_PATH_SIZE];

	if (!a || json_equal((json_t *)a, (json_t *)b))
		return 0;
	find_user(req, r, user);
	return *user ? rest_fail(req, 409, "InUseSubnetCannotBeUpdated", "SubnetAddress",
			       "The prefix cannot change while %.200s uses the subnet.", user)
		     : 0;
}

static int check_lsubnet(struct rest_request *req, struct resource *r, const json_t *old)
{
	int rc = check_prefix_kept(req, r, old);

	return rc ? rc : check_overlap(req, r, lsubnet_range, "InvalidSubnet", "SubnetAddress");
}

static bool space_covers(const struct model_virtual_network *v, const struct ip_prefix *prefix)
{
	const struct ip_prefix *p = v->address_space->prefixes.items;

	for (size_t i = 0; i < v->address_space->prefixes.len; i++) {
		if (prefix_covers(&p[i], prefix))
			return true;
	}
	return false;
}

static int check_vsubnet(struct rest_request *req, struct resource *r, const json_t *old)
{
	struct model_virtual_network *vnet;
	struct model_vsubnet *subnet;
	struct resource parent;
	bool covered;
	int rc = check_prefix_kept(req, r, old);

	if (!rc)
		rc = get_parent(req, r, &parent);
	if (rc < 0)
		return rc;
	vnet = model_load(parent.path.type, parent.doc);
	subnet = model_load(r->path.type, r->doc);
	covered = space_covers(vnet, &subnet->address_prefix);
	model_free(vnet);
	model_free(subnet);
	resource_fini(&parent);
	if (!covered)
		return rest_fail(req, 400, "InvalidSubnet", "SubnetAddress",
			"The subnet's addressPrefix lies outside the virtual network's "
			"addressSpace.");
	return check_overlap(req, r, vsubnet_range, "InvalidSubnet", "SubnetAddress");
}

struct vnet_check {
	const struct model_virtual_network *vnet;
	char outside[MODEL_ID_SIZE];
};

static int find_outside(void *arg, const struct resource *r)
{
	struct vnet_check *c = arg;
	struct model_vsubnet *s;
	bool inside;

	if (r->path.type != &model_type_vsubnet)
		return 0;
	s = model_load(r->path.type, r->doc);
	inside = space_covers(c->vnet, &s->address_prefix);
	model_free(s);
	if (!inside)
		snprintf(c->outside, sizeof(c->outside), "%s", r->path.id[r->path.depth - 1]);
	return !inside;
}

static int check_virtual_network(struct rest_request *req, struct resource *r, const json_t *old)
{
	struct model_virtual_network *vnet = model_load(r->path.type, r->doc);
	struct vnet_check c = {.vnet = vnet};

	if (old)
		resource_each(req->rest->resources, &r->path, find_outside, &c);
	model_free(vnet);
	return c.outside[0]
		       ? rest_fail(req, 409, "VnetInUse", "properties.addressSpace",
				 "The subnet '%s' lies outside the new addressSpace.", c.outside)
		       : 0;
}

static int check_ip_pool(struct rest_request *req, struct resource *r, const json_t *old)
{
	struct model_lsubnet *subnet;
	struct model_ip_pool *pool;
	struct resource parent;
	bool inside;
	int rc = get_parent(req, r, &parent);

	if (rc < 0)
		return rc;
	subnet = model_load(parent.path.type, parent.doc);
	pool = model_load(r->path.type, r->doc);
	inside = subnet->address_prefix.addr.family == IP_NONE ||
		 (prefix_contains(&subnet->address_prefix, &pool->start) &&
			 prefix_contains(&subnet->address_prefix, &pool->end));
	model_free(subnet);
	model_free(pool);
	resource_fini(&parent);
	if (!inside)
		return rest_fail(req, 400, "InvalidParameterValue", "properties.startIpAddress",
			"The IP pool reaches beyond its subnet's addressPrefix.");
	return check_overlap(
		req, r, pool_range, "InvalidParameterValue", "properties.startIpAddress");
}

static int check_public_ip(struct rest_request *req, struct resource *r, const json_t *old)
{
	const json_t *a = json_object_get(json_object_get(old, "properties"), "ipAddress");
	const json_t *b = json_object_get(json_object_get(r->doc, "properties"), "ipAddress");
	char user[MODEL_PATH_SIZE];

	if (!a || json_equal((json_t *)a, (json_t *)b))
		return 0;
	find_user(req, r, user);
	return *user ? rest_fail(req, 409, "PublicIPAddressInUseCannotUpdate",
			       "properties.ipAddress",
			       "The address cannot change while %.200s uses it.", user)
		     : 0;
}

// -- gateways

struct count {
	size_t len;
	bool on_logical;
};

static int count_configuration(void *arg, const struct resource *r)
{
	struct count *c = arg;
	struct model_ip_configuration *ip;
	struct model_path subnet;

	if (r->path.type != &model_type_ip_configuration)
		return 0;
	ip = model_load(r->path.type, r->doc);
	c->len++;
	c->on_logical = ip->subnet && model_path_parse(ip->subnet, &subnet) == 0 &&
			subnet.type == &model_type_lsubnet;
	model_free(ip);
	return 0;
}

static struct count count_configurations(struct rest_request *req, const char *nic)
{
	struct count c = {0};
	struct model_path path;

	if (nic && model_path_parse(nic, &path) == 0)
		resource_each(req->rest->resources, &path, count_configuration, &c);
	return c;
}

static int check_gateway(struct rest_request *req, struct resource *r, const json_t *old)
{
	struct model_gateway *g = model_load(r->path.type, r->doc);
	struct count external = count_configurations(req, g->network_interfaces->external);
	struct count internal = count_configurations(req, g->network_interfaces->internal);

	model_free(g);
	if (external.len != 1 || !external.on_logical)
		return rest_fail(req, 400, "InvalidNetworkInterfaceReference",
			"properties.networkInterfaces.externalNetworkInterface",
			"The external interface needs exactly one ipConfiguration, on a logical "
			"network; it has %zu.",
			external.len);
	if (internal.len)
		return rest_fail(req, 400, "InvalidNetworkInterfaceReference",
			"properties.networkInterfaces.internalNetworkInterface",
			"The internal interface must have no ipConfiguration.");
	return 0;
}

// One pool of each kind, or one of type All.
static int check_pools(struct rest_request *req, const struct model_virtual_gateway *v)
{
	char *const *refs = v->gateway_pools.items;
	unsigned seen = 0;

	for (size_t i = 0; i < v->gateway_pools.len; i++) {
		struct model_gateway_pool *pool;
		struct model_path path;
		struct resource r;
		unsigned type;

		if (model_path_parse(refs[i], &path) < 0 ||
			resource_get(req->rest->resources, &path, &r) < 0)
			continue;
		pool = model_load(r.path.type, r.doc);
		type = 1u << pool->type;
		model_free(pool);
		resource_fini(&r);
		if (seen & type || (seen && (seen | type) & 1u << MODEL_POOL_ALL))
			return rest_fail(req, 400, "InvalidParameterValue",
				"properties.gatewayPools",
				"A virtual gateway takes one pool of type All, or at most one of "
				"each other type.");
		seen |= type;
	}
	return 0;
}

struct vnet_gateways {
	const struct resource *self;
	char other[MODEL_PATH_SIZE];
};

static int find_other_gateway(void *arg, const char *from, const char *to)
{
	struct vnet_gateways *g = arg;
	char key[MODEL_PATH_SIZE];
	struct model_path path;

	if (model_path_parse(from, &path) < 0 || path.type != &model_type_virtual_gateway ||
		!strcmp(model_path_key(&g->self->path, key), from))
		return 0;
	snprintf(g->other, sizeof(g->other), "%s", from);
	return 1;
}

static int check_virtual_gateway(struct rest_request *req, struct resource *r, const json_t *old)
{
	struct model_virtual_gateway *v = model_load(r->path.type, r->doc);
	char *const *subnets = v->gateway_subnets.items;
	struct vnet_gateways g = {.self = r};
	char key[MODEL_PATH_SIZE];
	int rc = check_pools(req, v);

	for (size_t i = 0; i < v->gateway_subnets.len && !rc; i++) {
		struct model_path path;

		if (model_path_parse(subnets[i], &path) < 0)
			continue;
		path = model_path_parent(&path);
		store_referrers(req->rest->resources->store, model_path_key(&path, key), true,
			find_other_gateway, &g);
		if (g.other[0])
			rc = rest_fail(req, 409, "MultipleGatwaysUseSameVnet",
				"properties.gatewaySubnets",
				"%.200s is in this virtual network already.", g.other);
	}
	model_free(v);
	return rc;
}

// -- by type

static const struct {
	const struct model_type *type;
	int (*run)(struct rest_request *req, struct resource *r, const json_t *old);
} checks[] = {
	{&model_type_lsubnet, check_lsubnet},
	{&model_type_vsubnet, check_vsubnet},
	{&model_type_virtual_network, check_virtual_network},
	{&model_type_ip_pool, check_ip_pool},
	{&model_type_public_ip, check_public_ip},
	{&model_type_gateway, check_gateway},
	{&model_type_virtual_gateway, check_virtual_gateway},
};

int rest_check_put(struct rest_request *req, struct resource *r, const json_t *old)
{
	struct ref_check refs = {req, 0};
	int rc;

	model_each_ref_object(r->path.type, r->doc, check_ref, &refs);
	rc = refs.rc;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !rc; i++) {
		if (checks[i].type == r->path.type)
			rc = checks[i].run(req, r, old);
	}
	return rc;
}

struct users {
	const char *top; // key of what goes
	char user[MODEL_PATH_SIZE], used[MODEL_PATH_SIZE];
};

static int find_outer_user(void *arg, const char *from, const char *to)
{
	struct users *u = arg;
	size_t n = strlen(u->top);

	if (!strncmp(from, u->top, n) && (from[n] == '/' || !from[n]))
		return 0; // goes with it
	snprintf(u->user, sizeof(u->user), "%s", from);
	snprintf(u->used, sizeof(u->used), "%s", to);
	return 1;
}

int rest_check_delete(struct rest_request *req, const struct model_path *path)
{
	char key[MODEL_PATH_SIZE];
	struct users u = {.top = model_path_key(path, key)};
	struct model_path used;
	const char *code;

	store_referrers(req->rest->resources->store, key, true, find_outer_user, &u);
	if (!u.user[0] || model_path_parse(u.used, &used) < 0)
		return 0;
	code = used.type->in_use_code;
	return rest_fail(req, 409, code ? code : "ResourceInUse", path->type->noun,
		"%.160s cannot be deleted: %.160s refers to it.", u.used, u.user);
}
