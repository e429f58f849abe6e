// SPDX-License-Identifier: GPL-3.0-or-later
// What is known of connections: their IKE_SAs and their state.
#include <daemon.h>

#include "conn_impl.h"

struct conn *conn_lock(uint32_t conn)
{
	struct conn *c;

	conn_table.lock->write_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (!c)
		conn_table.lock->unlock(conn_table.lock);
	return c;
}

static bool take_id(linked_list_t *list, ike_sa_id_t *id)
{
	enumerator_t *all = list->create_enumerator(list);
	ike_sa_id_t *known;
	bool found = false;

	while (!found && all->enumerate(all, &known)) {
		// The responder's SPI comes later, so the initiator's names the IKE_SA here.
		found = known->get_initiator_spi(known) == id->get_initiator_spi(id);
		if (found) {
			list->remove_at(list, all);
			known->destroy(known);
		}
	}
	all->destroy(all);
	return found;
}

void conn_ike_sa_add(uint32_t conn, ike_sa_id_t *id)
{
	struct conn *c = conn_lock(conn);
	ike_sa_id_t *oldest;

	if (!c)
		return;
	if (!c->ike_sas)
		c->ike_sas = linked_list_create();
	take_id(c->ike_sas, id);
	c->ike_sas->insert_last(c->ike_sas, id->clone(id));
	if (c->ike_sas->get_count(c->ike_sas) > CONN_IKE_SAS &&
		c->ike_sas->remove_first(c->ike_sas, (void **)&oldest) == SUCCESS)
		oldest->destroy(oldest);
	conn_table.lock->unlock(conn_table.lock);
}

void conn_ike_sa_del(uint32_t conn, ike_sa_id_t *id)
{
	struct conn *c = conn_lock(conn);

	if (!c)
		return;
	if (c->ike_sas)
		take_id(c->ike_sas, id);
	conn_table.lock->unlock(conn_table.lock);
}

linked_list_t *conn_ike_sas(uint32_t conn)
{
	linked_list_t *copy = linked_list_create();
	struct conn *c = conn_lock(conn);
	enumerator_t *all;
	ike_sa_id_t *id;

	if (!c)
		return copy;
	all = c->ike_sas ? c->ike_sas->create_enumerator(c->ike_sas) : enumerator_create_empty();
	while (all->enumerate(all, &id))
		copy->insert_last(copy, id->clone(id));
	all->destroy(all);
	conn_table.lock->unlock(conn_table.lock);
	return copy;
}

void conn_state_update(uint32_t conn, void (*fn)(struct api_ike_state *state, void *ctx), void *ctx)
{
	struct conn *c;

	conn_table.lock->write_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c) {
		fn(&c->state, ctx);
		if (!c->is_changed)
			conn_table.changed->insert_last(
				conn_table.changed, (void *)(uintptr_t)conn);
		c->is_changed = true;
	}
	conn_table.lock->unlock(conn_table.lock);
}

uint32_t conn_state_take_changed(void)
{
	uint32_t conn = 0;
	struct conn *c;
	void *id;

	conn_table.lock->write_lock(conn_table.lock);
	if (conn_table.changed->remove_first(conn_table.changed, &id) == SUCCESS)
		conn = (uint32_t)(uintptr_t)id;
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c)
		c->is_changed = false;
	conn_table.lock->unlock(conn_table.lock);
	return conn;
}

bool conn_state_get(uint32_t conn, struct api_ike_state *ret_state)
{
	struct conn *c;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c)
		*ret_state = c->state;
	conn_table.lock->unlock(conn_table.lock);
	return c;
}

void conn_state_each(void (*fn)(void *ctx, const struct api_ike_state *state), void *ctx)
{
	struct conn *c;
	size_t at = 0;

	conn_table.lock->read_lock(conn_table.lock);
	while ((c = map_next(&conn_table.by_id, &at)))
		fn(ctx, &c->state);
	conn_table.lock->unlock(conn_table.lock);
}
