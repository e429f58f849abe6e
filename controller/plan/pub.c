// SPDX-License-Identifier: Apache-2.0
// Who is told what. An object is told to its whole audience when it changes, and all objects of an
// audience to whoever joins it.
#include "state.h"

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

static const char *const kind_names[PLAN_KINDS] = {
	[PLAN_KIND_GATEWAY] = "gateway",
	[PLAN_KIND_SLOT] = "slot",
	[PLAN_KIND_VRF] = "vrf",
	[PLAN_KIND_SUBNET] = "subnet",
	[PLAN_KIND_TENANT_SLOT] = "tenantSlot",
	[PLAN_KIND_LOCAL_ADDRESS] = "localAddress",
	[PLAN_KIND_HOST] = "host",
	[PLAN_KIND_CONNECTION] = "connection",
	[PLAN_KIND_ROUTES] = "routes",
	[PLAN_KIND_BGP_ROUTER] = "bgpRouter",
	[PLAN_KIND_BGP_PEER] = "bgpPeer",
	[PLAN_KIND_POLICY_MAP] = "policyMap",
	[PLAN_KIND_CREDENTIAL] = "credential",
	[PLAN_KIND_WATCH] = "watch",
	[PLAN_KIND_VIP_SLOT] = "vipSlot",
	[PLAN_KIND_VIP_REMOTE] = "vipRemote",
	[PLAN_KIND_HOST_SUBNET] = "hostSubnet",
	[PLAN_KIND_HOST_ROUTE] = "hostRoute",
};

const char *plan_kind_name(enum plan_kind kind)
{
	return kind < PLAN_KINDS ? kind_names[kind] : "unknown";
}

struct plan_object *object_new(
	enum plan_kind kind, const char *key, const char *text, const char *ref)
{
	size_t key_size = strlen(key) + 1, text_size = strlen(text) + 1, ref_size;
	struct plan_object *o;
	char *at;

	if (!ref)
		ref = "";
	ref_size = strlen(ref) + 1;
	o = xmalloc(sizeof(*o) + key_size + text_size + ref_size);
	at = (char *)(o + 1);
	*o = (struct plan_object){.refs = 1, .kind = kind, .key = at};
	memcpy(at, key, key_size);
	at += key_size;
	o->text = memcpy(at, text, text_size);
	at += text_size;
	o->ref = memcpy(at, ref, ref_size);
	return o;
}

struct plan_object *plan_object_get(struct plan_object *o)
{
	o->refs++;
	return o;
}

void plan_object_put(struct plan_object *o)
{
	if (o && !--o->refs)
		free(o);
}

void audience_init(struct audience *a)
{
	*a = (struct audience){0};
	TAILQ_INIT(&a->pubs);
}

void audience_fini(struct audience *a)
{
	free(a->members);
	a->members = NULL;
	a->len = a->cap = 0;
}

static struct member *member_find(const struct audience *a, const struct gateway *gateway)
{
	for (size_t i = 0; i < a->len; i++) {
		if (a->members[i].gateway == gateway)
			return &a->members[i];
	}
	return NULL;
}

bool audience_has(const struct audience *a, const struct gateway *gateway)
{
	return member_find(a, gateway);
}

void plan_tell(struct plan *p, struct gateway *to, struct plan_object *o, bool gone)
{
	p->events = xgrow(p->events, &p->events_cap, p->events_len + 1, sizeof(*p->events));
	p->events[p->events_len++] = (struct plan_event){
		.view = to ? to->name : PLAN_HOSTS,
		.object = plan_object_get(o),
		.gone = gone,
	};
}

static void tell_all_pubs(struct plan *p, struct audience *a, struct gateway *to, bool gone)
{
	struct pub *pub;

	TAILQ_FOREACH (pub, &a->pubs, link) {
		plan_read(p);
		plan_tell(p, to, pub->object, gone);
	}
}

void audience_join(struct plan *p, struct audience *a, struct gateway *gateway)
{
	struct member *m = member_find(a, gateway);

	if (m) {
		m->count++;
		return;
	}
	a->members = xgrow(a->members, &a->cap, a->len + 1, sizeof(*a->members));
	a->members[a->len++] = (struct member){gateway, 1};
	tell_all_pubs(p, a, gateway, false);
}

void audience_leave(struct plan *p, struct audience *a, struct gateway *gateway)
{
	struct member *m = member_find(a, gateway);

	if (!m || --m->count)
		return;
	tell_all_pubs(p, a, gateway, true);
	memmove(m, m + 1, (size_t)(a->members + a->len - (m + 1)) * sizeof(*m));
	a->len--;
}

static void tell_members(struct plan *p, struct audience *a, struct plan_object *o, bool gone)
{
	for (size_t i = 0; i < a->len; i++)
		plan_tell(p, a->members[i].gateway, o, gone);
}

void pub_set(struct plan *p, struct pub *pub, struct audience *to, enum plan_kind kind,
	const char *key, const char *ref)
{
	struct plan_object *old = pub->object;
	bool same_key = old && old->kind == kind && !strcmp(old->key, key);

	if (same_key && pub->to == to && !strcmp(old->text, p->text.s) &&
		!strcmp(old->ref, ref ? ref : ""))
		return;
	if (old && (!same_key || pub->to != to)) {
		pub_clear(p, pub);
		old = NULL;
	}
	pub->object = object_new(kind, key, p->text.s, ref);
	plan_object_put(old);
	if (!pub->to)
		TAILQ_INSERT_TAIL(&to->pubs, pub, link);
	pub->to = to;
	tell_members(p, to, pub->object, false);
}

void pub_clear(struct plan *p, struct pub *pub)
{
	if (!pub->to)
		return;
	tell_members(p, pub->to, pub->object, true);
	TAILQ_REMOVE(&pub->to->pubs, pub, link);
	plan_object_put(pub->object);
	pub->object = NULL;
	pub->to = NULL;
}
