// SPDX-License-Identifier: Apache-2.0
// Public addresses for IKE and ESP. One without a mux belongs to the lowest slot in use of all
// pools behind it. Whoever carries that slot is told where the others are, and which of them a
// first message from a known remote address is for, so that it can relay to them.
#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "xmalloc.h"

static struct vip *vip_get(struct plan *p, const struct ip_addr *addr)
{
	struct vip *v = map_find(&p->vips, addr, sizeof(*addr));

	if (v)
		return v;
	v = xcalloc(1, sizeof(*v));
	v->addr = *addr;
	audience_init(&v->audience);
	map_set(&p->vips, &v->addr, sizeof(v->addr), v);
	return v;
}

void vips_fini(struct plan *p)
{
	struct vip *v;
	size_t at = 0;

	while ((v = map_next(&p->vips, &at))) {
		audience_fini(&v->audience);
		free(v);
	}
	map_fini(&p->vips);
}

// -- who answers for it

static void carriers_leave(struct plan *p, struct slot *s, int i)
{
	for (size_t m = 0; s->vip[i].family && m < s->carriers.len; m++)
		audience_leave(
			p, &vip_get(p, &s->vip[i])->audience, s->carriers.members[m].gateway);
}

void vips_join(struct plan *p, struct slot *s, struct gateway *g)
{
	for (int i = 0; i < 2; i++) {
		if (s->vip[i].family)
			audience_join(p, &vip_get(p, &s->vip[i])->audience, g);
	}
}

void vips_leave(struct plan *p, struct slot *s, struct gateway *g)
{
	for (int i = 0; i < 2; i++) {
		if (s->vip[i].family)
			audience_leave(p, &vip_get(p, &s->vip[i])->audience, g);
	}
}

void vips_drop(struct plan *p, struct slot *s)
{
	for (int i = 0; i < 2; i++) {
		pub_clear(p, &s->vip_pub[i]);
		carriers_leave(p, s, i);
		s->vip[i] = (struct ip_addr){0};
	}
}

static bool has_vip(const struct pool *pool, const struct ip_addr *vip)
{
	for (size_t i = 0; i < pool->in.vip_len; i++) {
		if (ip_equal(&pool->in.vip[i], vip))
			return true;
	}
	return false;
}

// The lowest slot in use of all pools behind that address.
static struct slot *vip_slot(struct plan *p, const struct ip_addr *vip)
{
	struct slot *s, *best = NULL;
	struct pool *pool;
	size_t at = 0;

	while ((pool = map_next(&p->pools, &at))) {
		if (!has_vip(pool, vip))
			continue;
		TAILQ_FOREACH (s, &pool->slots, of_pool) {
			plan_read(p);
			if (s->connections_len)
				break;
		}
		if (s && (!best || s->number < best->number))
			best = s;
	}
	return best;
}

static void give_vip(struct plan *p, struct slot *s, const struct ip_addr *vip)
{
	int i = vip->family == IP_V6;

	if (ip_equal(&s->vip[i], vip))
		return;
	carriers_leave(p, s, i);
	s->vip[i] = *vip;
	for (size_t m = 0; m < s->carriers.len; m++)
		audience_join(p, &vip_get(p, vip)->audience, s->carriers.members[m].gateway);
	plan_queue(p, WORK_SLOT, &s->todo);
}

static void take_vip(
	struct plan *p, struct pool *pool, const struct ip_addr *vip, const struct slot *except)
{
	int i = vip->family == IP_V6;
	struct slot *s;

	TAILQ_FOREACH (s, &pool->slots, of_pool) {
		plan_read(p);
		if (s == except || !ip_equal(&s->vip[i], vip))
			continue;
		carriers_leave(p, s, i);
		s->vip[i] = (struct ip_addr){0};
		plan_queue(p, WORK_SLOT, &s->todo);
	}
}

void pool_vips(struct plan *p, struct pool *pool)
{
	for (size_t i = 0; i < pool->in.vip_len; i++) {
		const struct ip_addr *vip = &pool->in.vip[i];
		struct slot *s = vip_slot(p, vip);
		struct pool *other;
		size_t at = 0;

		while ((other = map_next(&p->pools, &at)))
			take_vip(p, other, vip, s);
		if (s)
			give_vip(p, s, vip);
	}
}

// -- what it is told

// The first of each IP version is what connections use.
struct ip_addr vip_of(const struct pool *pool, uint8_t family)
{
	for (size_t i = 0; i < pool->in.vip_len; i++) {
		if (family == IP_NONE || pool->in.vip[i].family == family)
			return pool->in.vip[i];
	}
	return (struct ip_addr){0};
}

bool vip_used(const struct slot *s, struct ip_addr ret_vip[2])
{
	bool any = s->of_type[PLAN_CONN_IPSEC];

	ret_vip[0] = any ? vip_of(s->pool, IP_V4) : (struct ip_addr){0};
	ret_vip[1] = any ? vip_of(s->pool, IP_V6) : (struct ip_addr){0};
	return ret_vip[0].family || ret_vip[1].family;
}

static void tell_where(struct plan *p, struct slot *s, const struct ip_addr *vip, struct pub *pub)
{
	bool is_v6 = vip->family == IP_V6;
	const struct ip_addr *pa = s->pa[is_v6].family ? &s->pa[is_v6] : &s->pa[!is_v6];
	char key[IP_TEXT_SIZE + 8], text[IP_TEXT_SIZE];
	struct text *t = &p->text;

	if (!vip->family || !pa->family) {
		pub_clear(p, pub);
		return;
	}
	text_reset(t);
	text_open(t, NULL, '{');
	text_ip(t, "vip", vip);
	text_u64(t, "slot", s->number);
	text_u64(t, "port", s->pool->in.port);
	text_u64(t, "vlan", s->pool->in.vlan);
	text_ip(t, "pa", pa);
	text_close(t, '}');
	snprintf(key, sizeof(key), "%s/%u", ip_format(vip, text), s->number);
	pub_set(p, pub, &vip_get(p, vip)->audience, PLAN_KIND_VIP_SLOT, key, "");
}

void vips_tell_slot(struct plan *p, struct slot *s)
{
	struct ip_addr vip[2];

	vip_used(s, vip);
	for (int i = 0; i < 2; i++)
		tell_where(p, s, &vip[i], &s->vip_pub[i]);
}

void vips_tell_remote(struct plan *p, struct conn_key *k)
{
	char key[2 * IP_TEXT_SIZE], vip[IP_TEXT_SIZE], remote[IP_TEXT_SIZE] = "any";
	struct text *t = &p->text;

	text_reset(t);
	text_open(t, NULL, '{');
	text_ip(t, "vip", &k->key.vip);
	if (k->key.remote.family) {
		text_ip(t, "remote", &k->key.remote);
		ip_format(&k->key.remote, remote);
	}
	text_u64(t, "slot", k->slot->number);
	text_close(t, '}');
	snprintf(key, sizeof(key), "%s/%s", ip_format(&k->key.vip, vip), remote);
	pub_set(p, &k->pub, &vip_get(p, &k->key.vip)->audience, PLAN_KIND_VIP_REMOTE, key, "");
}
