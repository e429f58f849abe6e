// SPDX-License-Identifier: Apache-2.0
// Allocations as rows of text: ids, addresses, who is where. Keys are
//   pools:        pool/NAME                gateways:    gateway/NAME
//   their slots:  slot/NUMBER
//   tenants:      tenant/NAME, tenantSlot/VRF/SLOT
//   connections:  connection/TENANT/NAME   counters:    counters
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "xmalloc.h"

struct row {
	char *key;
	json_t *value;
};

static json_t *take_loaded(struct plan *p, const char *key)
{
	struct row *row = map_del_str(&p->loaded, key);
	json_t *value;

	if (!row)
		return NULL;
	value = row->value;
	free(row->key);
	free(row);
	return value;
}

static uint64_t get_u64(const json_t *row, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(row, name));
}

static struct ip_addr get_ip(const json_t *row, const char *name)
{
	const char *s = json_string_value(json_object_get(row, name));
	struct ip_addr addr = {0};

	if (s)
		ip_parse(s, &addr);
	return addr;
}

static void get_ips(const json_t *row, const char *name, struct ip_addr ret_addr[2])
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(row, name), i, item) {
		struct ip_addr addr;

		if (json_is_string(item) && !ip_parse(json_string_value(item), &addr))
			ret_addr[addr.family == IP_V6] = addr;
	}
}

static void load_counters(struct plan *p, const json_t *row)
{
	p->next_vrf = (uint32_t)get_u64(row, "vrf");
	p->next_connection = (uint32_t)get_u64(row, "connection");
}

static int load_slot(struct plan *p, const char *number, const json_t *row)
{
	unsigned long n = strtoul(number, NULL, 10);
	const char *pool_name = json_string_value(json_object_get(row, "pool"));
	const char *holder = json_string_value(json_object_get(row, "holder"));
	struct pool *pool;
	struct slot *s;

	if (!n || n > PLAN_SLOT_MAX || !pool_name || p->slots[n])
		return -1;
	pool = pool_ref(p, pool_name);
	s = slot_new(p, pool, (uint16_t)n);
	pool_unref(p, pool);
	s->epoch = get_u64(row, "epoch");
	get_ips(row, "pa", s->pa);
	get_ips(row, "greVip", s->gre_vip);
	for (int i = 0; i < 2; i++) {
		address_claim(p, &s->pa[i], true);
		address_claim(p, &s->gre_vip[i], true);
	}
	if (holder)
		slot_attach(s, gateway_get(p, holder));
	return 0;
}

int plan_load(struct plan *p, const char *key, const char *value)
{
	json_t *json = json_loads(value, 0, NULL);
	struct row *row;
	int err = 0;

	if (!json_is_object(json)) {
		json_decref(json);
		return -1;
	}
	if (!strcmp(key, "counters")) {
		load_counters(p, json);
	} else if (!strncmp(key, "slot/", 5)) {
		err = load_slot(p, key + 5, json);
	} else {
		row = xmalloc(sizeof(*row));
		*row = (struct row){xstrdup(key), json_incref(json)};
		map_set_str(&p->loaded, row->key, row);
	}
	json_decref(json);
	return err;
}

// -- out

static void put(struct plan *p, bool gone)
{
	plan_put_row(p, p->key_text.s, gone ? NULL : p->text.s);
}

static void make_key(struct plan *p, const char *kind, const char *name)
{
	char *key = xasprintf("%s/%s", kind, name);

	text_reset(&p->key_text);
	text_raw(&p->key_text, NULL, key);
	free(key);
}

void rows_of_slot(struct plan *p, struct slot *s, bool gone)
{
	struct text *t = &p->text;
	char number[8];

	snprintf(number, sizeof(number), "%u", s->number);
	make_key(p, "slot", number);
	text_reset(t);
	text_open(t, NULL, '{');
	text_str(t, "pool", s->pool->name);
	text_str(t, "holder", s->holder ? s->holder->name : NULL);
	text_u64(t, "epoch", s->epoch);
	text_ips(t, "pa", s->pa, 2);
	text_ips(t, "greVip", s->gre_vip, 2);
	text_close(t, '}');
	put(p, gone);
}

void rows_of_pool(struct plan *p, struct pool *pool)
{
	struct text *t = &p->text;

	make_key(p, "pool", pool->name);
	text_reset(t);
	text_open(t, NULL, '{');
	text_u64(t, "rebalanced", pool->rebalanced);
	text_close(t, '}');
	put(p, !pool->rebalanced);
}

void rows_load_pool(struct plan *p, struct pool *pool)
{
	json_t *row;

	make_key(p, "pool", pool->name);
	row = take_loaded(p, p->key_text.s);
	if (!row)
		return;
	pool->rebalanced = get_u64(row, "rebalanced");
	json_decref(row);
}

void rows_of_gateway(struct plan *p, struct gateway *g, bool gone)
{
	struct text *t = &p->text;

	if (!g->iv_first)
		return;
	make_key(p, "gateway", g->name);
	text_reset(t);
	text_open(t, NULL, '{');
	text_u64(t, "iv", g->iv_first);
	text_close(t, '}');
	put(p, gone);
}

void rows_load_gateway(struct plan *p, struct gateway *g)
{
	json_t *row;

	make_key(p, "gateway", g->name);
	row = take_loaded(p, p->key_text.s);
	if (!row)
		return;
	g->iv_first = get_u64(row, "iv");
	json_decref(row);
}

void rows_of_tenant(struct plan *p, struct tenant *t, bool gone)
{
	struct text *text = &p->text;

	if (!t->vrf)
		return;
	make_key(p, "tenant", t->name);
	text_reset(text);
	text_open(text, NULL, '{');
	text_u64(text, "vrf", t->vrf);
	text_u64(text, "home", t->home ? t->home->slot->number : 0);
	if (t->router_ip.family)
		text_ip(text, "routerIp", &t->router_ip);
	text_close(text, '}');
	put(p, gone);
}

bool rows_load_tenant(struct plan *p, struct tenant *t)
{
	json_t *row;

	make_key(p, "tenant", t->name);
	row = take_loaded(p, p->key_text.s);
	if (!row)
		return false;
	tenant_set_vrf(p, t, (uint32_t)get_u64(row, "vrf"));
	t->home_wanted = (uint16_t)get_u64(row, "home");
	t->router_ip = get_ip(row, "routerIp");
	json_decref(row);
	return true;
}

static void tenant_slot_key(struct plan *p, const struct tenant_slot *ts)
{
	char key[24];

	snprintf(key, sizeof(key), "%u/%u", ts->tenant->vrf, ts->slot->number);
	make_key(p, "tenantSlot", key);
}

void rows_of_tenant_slot(struct plan *p, struct tenant_slot *ts, bool gone)
{
	struct text *t = &p->text;

	tenant_slot_key(p, ts);
	text_reset(t);
	text_open(t, NULL, '{');
	text_ip(t, "address", &ts->addr);
	text_close(t, '}');
	put(p, gone);
}

bool rows_load_tenant_slot(struct plan *p, struct tenant_slot *ts)
{
	json_t *row;

	tenant_slot_key(p, ts);
	row = take_loaded(p, p->key_text.s);
	if (!row)
		return false;
	ts->addr = get_ip(row, "address");
	json_decref(row);
	if (ts->tenant->network)
		network_claim(ts->tenant->network, &ts->addr);
	return ts->addr.family != IP_NONE;
}

void rows_of_connection(struct plan *p, struct connection *c, bool gone)
{
	struct text *t = &p->text;

	if (!c->id)
		return;
	make_key(p, "connection", c->key);
	text_reset(t);
	text_open(t, NULL, '{');
	text_u64(t, "id", c->id);
	text_u64(t, "slot", c->slot ? c->slot->number : 0);
	text_u64(t, "in", c->in_kbps);
	text_u64(t, "out", c->out_kbps);
	text_close(t, '}');
	put(p, gone);
}

bool rows_load_connection(struct plan *p, struct connection *c, struct slot **ret_slot)
{
	json_t *row;
	uint64_t slot;

	make_key(p, "connection", c->key);
	row = take_loaded(p, p->key_text.s);
	if (!row)
		return false;
	c->id = (uint32_t)get_u64(row, "id");
	c->in_kbps = get_u64(row, "in");
	c->out_kbps = get_u64(row, "out");
	slot = get_u64(row, "slot");
	*ret_slot = slot && slot <= PLAN_SLOT_MAX ? p->slots[slot] : NULL;
	json_decref(row);
	return true;
}

void rows_of_counters(struct plan *p)
{
	struct text *t = &p->text;

	text_reset(t);
	text_open(t, NULL, '{');
	text_u64(t, "vrf", p->next_vrf);
	text_u64(t, "connection", p->next_connection);
	text_close(t, '}');
	plan_put_row(p, "counters", t->s);
}

// Allocations of what is no longer there.
void rows_drop_unclaimed(struct plan *p)
{
	struct row *row;
	size_t at = 0;

	while ((row = map_next(&p->loaded, &at)))
		plan_put_row(p, row->key, NULL);
	rows_fini(p);
}

void rows_fini(struct plan *p)
{
	struct row *row;
	size_t at = 0;

	while ((row = map_next(&p->loaded, &at))) {
		free(row->key);
		json_decref(row->value);
		free(row);
	}
	map_fini(&p->loaded);
}
