// SPDX-License-Identifier: GPL-3.0-or-later
// The connection table: wanted state and its indices.
#include <errno.h>
#include <stdio.h>

#include <daemon.h>

#include "address.h"
#include "conn_impl.h"
#include "proposal.h"
#include "xmalloc.h"

struct conn_table conn_table;

void conn_identity_key(
	struct identity_key *key, const struct endpoint_key *at, identification_t *id)
{
	chunk_t encoding = id->get_encoding(id);
	size_t n = min(encoding.len, sizeof(key->id));

	memset(key, 0, sizeof(*key));
	key->local = at->local;
	key->remote = at->remote;
	key->id_type = (uint16_t)id->get_type(id);
	key->id_size = (uint16_t)encoding.len;
	memcpy(key->id, encoding.ptr, n);
}

void conn_table_init(void)
{
	conn_table.lock = rwlock_create(RWLOCK_TYPE_DEFAULT);
	map_init(&conn_table.by_id);
	map_init(&conn_table.by_endpoint);
	map_init(&conn_table.by_identity);
	map_init(&conn_table.preferences);
	conn_table.changed = linked_list_create();
}

void conn_name(uint32_t conn, char name[CONN_NAME_SIZE])
{
	snprintf(name, CONN_NAME_SIZE, "c%u", conn);
}

uint32_t conn_of_name(const char *name)
{
	return name && name[0] == 'c' ? (uint32_t)strtoul(name + 1, NULL, 10) : 0;
}

static void endpoint_changed(struct endpoint *e)
{
	DESTROY_IF(e->offer);
	e->offer = NULL;
	if (e->key.remote.family == IP_NONE)
		conn_table.any_generation++;
}

static void endpoint_unlink(struct conn *c)
{
	struct endpoint *e = c->endpoint;

	e->conns->remove(e->conns, c, NULL);
	endpoint_changed(e);
	if (!e->conns->get_count(e->conns)) {
		map_del(&conn_table.by_endpoint, &e->key, sizeof(e->key));
		e->conns->destroy(e->conns);
		free(e);
	}
	c->endpoint = NULL;
}

static void identity_unlink(struct conn *c)
{
	struct identity *i = c->identity;

	i->conns->remove(i->conns, c, NULL);
	if (!i->conns->get_count(i->conns)) {
		map_del(&conn_table.by_identity, &i->key, sizeof(i->key));
		i->conns->destroy(i->conns);
		free(i);
	}
	c->identity = NULL;
}

static void endpoint_link(struct conn *c, const struct endpoint_key *key)
{
	struct endpoint *e = map_find(&conn_table.by_endpoint, key, sizeof(*key));

	if (!e) {
		e = xcalloc(1, sizeof(*e));
		e->key = *key;
		e->conns = linked_list_create();
		map_set(&conn_table.by_endpoint, &e->key, sizeof(e->key), e);
	}
	endpoint_changed(e);
	e->conns->insert_last(e->conns, c);
	c->endpoint = e;
}

static void identity_link(struct conn *c, const struct endpoint_key *at)
{
	static const struct ip_addr none;
	identification_t *id = conn_identity(c->want.remote_id, &none);
	struct identity_key key;
	struct identity *i;

	conn_identity_key(&key, at, id);
	id->destroy(id);
	i = map_find(&conn_table.by_identity, &key, sizeof(key));
	if (!i) {
		i = xcalloc(1, sizeof(*i));
		i->key = key;
		i->conns = linked_list_create();
		map_set(&conn_table.by_identity, &i->key, sizeof(i->key), i);
	}
	i->conns->insert_last(i->conns, c);
	c->identity = i;
}

static void objects_release(struct conn *c)
{
	DESTROY_IF(c->child);
	DESTROY_IF(c->peer);
	DESTROY_IF(c->ike);
	c->child = NULL;
	c->peer = NULL;
	c->ike = NULL;
}

static void conn_unlink(struct conn *c)
{
	if (c->endpoint)
		endpoint_unlink(c);
	if (c->identity)
		identity_unlink(c);
	objects_release(c);
}

static void id_destroy(void *id)
{
	((ike_sa_id_t *)id)->destroy(id);
}

static void conn_free(struct conn *c)
{
	if (c->ike_sas)
		c->ike_sas->destroy_function(c->ike_sas, id_destroy);
	while (c->credentials) {
		struct credential *next = c->credentials->next;

		conn_credential_free(c->credentials);
		c->credentials = next;
	}
	free(c);
}

static int check(const struct api_ike_conn *w, char *err, size_t err_size)
{
	if (!w->conn) {
		snprintf(err, err_size, "conn: must not be 0");
	} else if (w->local.family == IP_NONE) {
		snprintf(err, err_size, "local: a connection needs the gateway's public address");
	} else if (w->remote.family != IP_NONE && w->remote.family != w->local.family) {
		snprintf(err, err_size, "remote: not of the IP version of local");
	} else if (w->remote.family == IP_NONE && !w->remote_id[0]) {
		snprintf(err, err_size, "remote_id: needed when the peer may come from anywhere");
	} else if (!w->slot || w->slot > 4095) {
		snprintf(err, err_size, "slot: %u is outside 1..4095", w->slot);
	} else if (!w->proposal_count || w->proposal_count > API_IKE_PROPOSALS ||
		   !w->child_proposal_count || w->child_proposal_count > API_IKE_PROPOSALS) {
		snprintf(err, err_size, "proposal_count: 1..%u of each kind", API_IKE_PROPOSALS);
	} else if (w->local_ts_count > API_IKE_SELECTORS ||
		   w->remote_ts_count > API_IKE_SELECTORS) {
		snprintf(err, err_size, "local_ts_count, remote_ts_count: at most %u",
			API_IKE_SELECTORS);
	} else {
		return 0;
	}
	return -EINVAL;
}

// Two connections that no message could tell apart: same addresses, same identity (RFC 7296 has
// nothing else before the credential is checked).
static bool indistinguishable(const struct conn *c, const struct api_ike_conn *w)
{
	struct endpoint_key at = {w->local, w->remote};
	static const struct ip_addr none;
	identification_t *id = conn_identity(w->remote_id, &none);
	struct identity_key key;
	struct identity *i;
	struct conn *first;

	conn_identity_key(&key, &at, id);
	id->destroy(id);
	i = map_find(&conn_table.by_identity, &key, sizeof(key));
	if (!i || i->conns->get_first(i->conns, (void **)&first) != SUCCESS)
		return false;
	return first != c || i->conns->get_count(i->conns) > 1;
}

static int rebuild(struct conn *c, const struct api_ike_conn *w, char *err, size_t err_size)
{
	struct endpoint_key at = {w->local, w->remote};
	ike_cfg_t *ike = conn_make_ike_cfg(w, err, err_size);
	child_cfg_t *child = ike ? conn_make_child_cfg(w, err, err_size) : NULL;

	if (!child) {
		DESTROY_IF(ike);
		return -EINVAL;
	}
	conn_unlink(c);
	c->want = *w;
	c->ike = ike;
	c->child = child;
	c->peer = conn_make_peer_cfg(w, ike);
	c->peer->add_child_cfg(c->peer, child->get_ref(child));
	endpoint_link(c, &at);
	identity_link(c, &at);
	return 0;
}

int conn_set(const struct api_ike_conn *want, char *err, size_t err_size)
{
	struct api_ike_conn w = *want;
	struct conn *c;
	int rc = check(want, err, err_size);

	if (rc < 0)
		return rc;
	w.local_id[API_IKE_ID_SIZE - 1] = w.remote_id[API_IKE_ID_SIZE - 1] = '\0';
	conn_table.lock->write_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &w.conn, sizeof(w.conn));
	if (c && c->peer && !memcmp(&c->want, &w, sizeof(w))) {
		rc = 1;
	} else if (indistinguishable(c, &w)) {
		snprintf(err, err_size,
			"remote_id: another connection has this address and identity; give each "
			"its own");
		rc = -EEXIST;
	} else {
		if (!c) {
			c = xcalloc(1, sizeof(*c));
			c->want.conn = c->state.conn = w.conn;
			map_set(&conn_table.by_id, &c->want.conn, sizeof(c->want.conn), c);
		}
		rc = rebuild(c, &w, err, err_size);
	}
	conn_table.lock->unlock(conn_table.lock);
	return rc;
}

int conn_del(uint32_t conn)
{
	struct conn *c;

	conn_table.lock->write_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c) {
		conn_unlink(c);
		map_del(&conn_table.by_id, &conn, sizeof(conn));
		conn_free(c);
	}
	conn_table.lock->unlock(conn_table.lock);
	return c ? 0 : 1;
}

// -- look-ups for libcharon

bool conn_get(uint32_t conn, struct api_ike_conn *ret_conn)
{
	struct conn *c;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c && c->peer)
		*ret_conn = c->want;
	conn_table.lock->unlock(conn_table.lock);
	return c && c->peer;
}

peer_cfg_t *conn_peer_cfg(uint32_t conn)
{
	peer_cfg_t *peer = NULL;
	struct conn *c;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c && c->peer)
		peer = c->peer->get_ref(c->peer);
	conn_table.lock->unlock(conn_table.lock);
	return peer;
}

child_cfg_t *conn_child_cfg(uint32_t conn)
{
	child_cfg_t *child = NULL;
	struct conn *c;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c && c->child)
		child = c->child->get_ref(c->child);
	conn_table.lock->unlock(conn_table.lock);
	return child;
}

void conn_each(void (*fn)(void *ctx, const struct api_ike_conn *conn), void *ctx)
{
	struct conn *c;
	size_t at = 0;

	conn_table.lock->read_lock(conn_table.lock);
	while ((c = map_next(&conn_table.by_id, &at))) {
		if (c->peer)
			fn(ctx, &c->want);
	}
	conn_table.lock->unlock(conn_table.lock);
}

void conn_table_fini(void)
{
	struct conn *c;
	size_t at = 0;

	while ((c = map_next(&conn_table.by_id, &at))) {
		conn_unlink(c);
		conn_free(c);
	}
	map_fini(&conn_table.by_id);
	map_fini(&conn_table.by_endpoint);
	map_fini(&conn_table.by_identity);
	conn_preferences_forget();
	map_fini(&conn_table.preferences);
	conn_table.changed->destroy(conn_table.changed);
	conn_table.lock->destroy(conn_table.lock);
}
