// SPDX-License-Identifier: Apache-2.0
// The step: inputs have queued what they touched; each kind is worked off in the order in which
// results feed on each other.
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "state.h"
#include "xmalloc.h"

struct plan *plan_new(void)
{
	struct plan *p = xcalloc(1, sizeof(*p));

	for (int i = 0; i < WORK_KINDS; i++)
		TAILQ_INIT(&p->todo[i]);
	TAILQ_INIT(&p->settling);
	TAILQ_INIT(&p->relaying);
	audience_init(&p->hosts_audience);
	audience_join(p, &p->hosts_audience, NULL);
	p->next_vrf = p->next_connection = 1;
	p->next_epoch = 1;
	return p;
}

static void clear_result(struct plan *p)
{
	for (size_t i = 0; i < p->events_len; i++)
		plan_object_put(p->events[i].object);
	p->events_len = 0;
	for (size_t i = 0; i < p->rows_len; i++) {
		free((char *)(uintptr_t)p->rows[i].key);
		free((char *)(uintptr_t)p->rows[i].value);
	}
	p->rows_len = 0;
	p->changed_len = 0;
	for (size_t i = 0; i < p->garbage_len; i++)
		free(p->garbage[i]);
	p->garbage_len = 0;
}

static void free_all(struct plan *p)
{
	struct connection *c;
	struct tenant *t;
	struct gateway *g;
	struct pool *pool;
	size_t at = 0;

	while ((c = map_next(&p->connections, &at)))
		connection_free(p, c);
	bgp_fini(p);
	networks_fini(p);
	for (at = 0; (t = map_next(&p->tenants, &at));)
		tenant_free(p, t);
	for (int n = 1; n <= PLAN_SLOT_MAX; n++) {
		if (p->slots[n])
			slot_free(p, p->slots[n]);
	}
	for (at = 0; (g = map_next(&p->gateways, &at));)
		gateway_free(p, g);
	for (at = 0; (pool = map_next(&p->pools, &at));)
		pool_free(p, pool);
}

void plan_free(struct plan *p)
{
	struct map *maps[] = {&p->pools, &p->gateways, &p->networks, &p->tenants, &p->subnets,
		&p->hosts, &p->connections, &p->routers, &p->peers, &p->policies, &p->prefixes,
		&p->vrfs, &p->conn_keys};

	if (!p)
		return;
	free_all(p);
	clear_result(p);
	rows_fini(p);
	addresses_fini(p);
	vips_fini(p);
	audience_fini(&p->hosts_audience);
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		map_fini(maps[i]);
	text_fini(&p->text);
	text_fini(&p->key_text);
	free(p->events);
	free(p->rows);
	free(p->changed);
	free(p->garbage);
	free(p);
}

void plan_queue(struct plan *p, enum work work, struct todo *todo)
{
	if (todo->queued)
		return;
	todo->queued = true;
	TAILQ_INSERT_TAIL(&p->todo[work], todo, link);
}

void plan_unqueue(struct plan *p, enum work work, struct todo *todo)
{
	if (!todo->queued)
		return;
	todo->queued = false;
	TAILQ_REMOVE(&p->todo[work], todo, link);
}

void plan_discard(struct plan *p, void *memory)
{
	p->garbage = xgrow(p->garbage, &p->garbage_cap, p->garbage_len + 1, sizeof(*p->garbage));
	p->garbage[p->garbage_len++] = memory;
}

void plan_put_row(struct plan *p, const char *key, const char *value)
{
	p->rows = xgrow(p->rows, &p->rows_cap, p->rows_len + 1, sizeof(*p->rows));
	p->rows[p->rows_len++] = (struct plan_row){xstrdup(key), value ? xstrdup(value) : NULL};
}

void plan_changed(struct plan *p, const char *connection_key)
{
	p->changed = xgrow(p->changed, &p->changed_cap, p->changed_len + 1, sizeof(*p->changed));
	p->changed[p->changed_len++] = connection_key;
}

#define WORK_OFF(p, kind, type, work)                                           \
	while (!TAILQ_EMPTY(&(p)->todo[kind])) {                                \
		struct type *e_ = (struct type *)TAILQ_FIRST(&(p)->todo[kind]); \
		plan_unqueue(p, kind, &e_->todo);                               \
		work(p, e_);                                                    \
	}

// They stay queued: what depends on their connections is decided at the end.
void plan_slots_now(struct plan *p)
{
	struct todo *todo;

	TAILQ_FOREACH (todo, &p->todo[WORK_SLOT], link)
		slot_tell(p, (struct slot *)todo);
}

// What runs takes its place before anybody new does.
static void restore_connections(struct plan *p)
{
	struct todo *todo;

	TAILQ_FOREACH (todo, &p->todo[WORK_CONNECTION], link)
		connection_restore(p, (struct connection *)todo);
}

static void remove_connections(struct plan *p)
{
	struct todo *todo, *next;

	for (todo = TAILQ_FIRST(&p->todo[WORK_CONNECTION]); todo; todo = next) {
		struct connection *c = (struct connection *)todo;

		next = TAILQ_NEXT(todo, link);
		if (c->gone)
			connection_free(p, c);
	}
}

static void retry(struct plan *p)
{
	struct pool *pool;
	size_t at = 0;

	while ((pool = map_next(&p->pools, &at))) {
		if (pool->retry || pool->retry_left)
			place_retry(p, pool);
	}
}

// There is more to do at once.
static bool more_waits(const struct plan *p)
{
	const struct pool *pool;
	size_t at = 0;

	for (int i = 0; i < WORK_KINDS; i++) {
		if (!TAILQ_EMPTY(&p->todo[i]))
			return true;
	}
	while ((pool = map_next(&p->pools, &at))) {
		if (pool->waiting_len && (pool->retry || pool->retry_left))
			return true;
	}
	return false;
}

static void sooner(int64_t *next_ms, int64_t ms)
{
	if (*next_ms < 0 || ms < *next_ms)
		*next_ms = ms;
}

static int64_t next_time(const struct plan *p)
{
	int64_t next_ms = more_waits(p) ? p->now_ms : -1;
	const struct pool *pool;
	const struct slot *s;

	TAILQ_FOREACH (pool, &p->settling, of_settling)
		sooner(&next_ms, pool->settle_ms);
	TAILQ_FOREACH (s, &p->relaying, of_relaying)
		sooner(&next_ms, s->relay_ms);
	return next_ms;
}

static bool awaits_somebody(const struct plan *p)
{
	const struct gateway *g;
	const struct slot *s;
	size_t at = 0;

	if (!p->reports)
		return false;
	TAILQ_FOREACH (s, &p->relaying, of_relaying) {
		if (s->hand_over == HAND_OVER_TAKING)
			return true;
	}
	while ((g = map_next(&p->gateways, &at))) {
		if (g->incoming)
			return true;
	}
	return false;
}

static void tell_tenants(struct plan *p)
{
	WORK_OFF(p, WORK_TENANT, tenant, tenant_work)
	WORK_OFF(p, WORK_SUBNET, subnet, subnet_work)
	WORK_OFF(p, WORK_TENANT_SLOT, tenant_slot, tenant_slot_work)
	WORK_OFF(p, WORK_HOST, host, host_work)
	WORK_OFF(p, WORK_PREFIX, prefix, prefix_work)
	WORK_OFF(p, WORK_PEER, peer, peer_work)
	WORK_OFF(p, WORK_POLICY, policy, policy_work)
	// An address of the reflector that changed is news to the tenant's slots.
	WORK_OFF(p, WORK_TENANT, tenant, tenant_work)
	WORK_OFF(p, WORK_TENANT_SLOT, tenant_slot, tenant_slot_work)
	WORK_OFF(p, WORK_PEER, peer, peer_work)
}

struct plan_result plan_step(struct plan *p, int64_t now_ms)
{
	clear_result(p);
	p->now_ms = now_ms;
	p->steps++;
	slot_relay_over(p);
	remove_connections(p);
	if (!p->first_step_done)
		restore_connections(p);
	WORK_OFF(p, WORK_POOL, pool, pool_work)
	pools_settle(p);
	WORK_OFF(p, WORK_CONNECTION, connection, connection_work)
	retry(p);
	tell_tenants(p);
	WORK_OFF(p, WORK_SLOT, slot, slot_work)
	// Last: those that are gone were told so of everything first.
	WORK_OFF(p, WORK_GATEWAY, gateway, gateway_work)
	if (!p->first_step_done)
		rows_drop_unclaimed(p);
	p->first_step_done = true;
	if (p->counters_changed)
		rows_of_counters(p);
	p->counters_changed = false;
	return (struct plan_result){
		.events = p->events,
		.events_len = p->events_len,
		.rows = p->rows,
		.rows_len = p->rows_len,
		.connections = p->changed,
		.connections_len = p->changed_len,
		.next_epoch = p->next_epoch,
		.step = p->steps,
		.awaits = awaits_somebody(p),
		.next_ms = next_time(p),
	};
}

void plan_set_epoch(struct plan *p, uint64_t next)
{
	if (next > p->next_epoch)
		p->next_epoch = next;
}

uint64_t plan_reads(const struct plan *p)
{
	return p->reads;
}
