// SPDX-License-Identifier: GPL-3.0-or-later
// Which connections a peer may mean: by its address before it says who it is, by its identity then.
// More than one tenant may name the same address or identity, so that both only ever narrow the
// choice: what is proven decides (prove.c).
#include <daemon.h>

#include "address.h"
#include "conn_impl.h"
#include "proposal.h"
#include "xmalloc.h"

#define PREFERENCES 1024 // addresses; when there are more, all begin anew

struct preference {
	struct endpoint_key key;
	uint32_t conn;
};

static struct endpoint *endpoint_find(const struct ip_addr *local, const struct ip_addr *remote)
{
	struct endpoint_key key = {*local, *remote};

	return map_find(&conn_table.by_endpoint, &key, sizeof(key));
}

static struct endpoint *endpoint_of_any(const struct ip_addr *local)
{
	static const struct ip_addr any;

	return endpoint_find(local, &any);
}

// The endpoint of exactly this remote, else the one for any remote of that VIP.
static struct endpoint *endpoint_for(host_t *local, host_t *remote)
{
	struct ip_addr me = address_of(local), other = address_of(remote);
	struct endpoint *e = endpoint_find(&me, &other);

	return e ? e : endpoint_of_any(&me);
}

bool conn_is_any_remote(const struct ip_addr *local, const struct ip_addr *remote)
{
	bool found;

	conn_table.lock->read_lock(conn_table.lock);
	found = endpoint_find(local, remote);
	conn_table.lock->unlock(conn_table.lock);
	return !found;
}

static bool may_be_meant(const struct api_ike_conn *mine, const struct api_ike_conn *other)
{
	return ip_equal(&mine->local, &other->local) &&
	       (mine->remote.family == IP_NONE || other->remote.family == IP_NONE ||
		       ip_equal(&mine->remote, &other->remote));
}

bool conn_shares_address(uint32_t conn)
{
	struct conn *mine, *c;
	bool shares = false;
	size_t at = 0;

	conn_table.lock->read_lock(conn_table.lock);
	mine = map_find(&conn_table.by_id, &conn, sizeof(conn));
	while (mine && !shares && (c = map_next(&conn_table.by_id, &at)))
		shares = c->peer && c->want.vrf != mine->want.vrf &&
			 may_be_meant(&mine->want, &c->want);
	conn_table.lock->unlock(conn_table.lock);
	return shares;
}

uint16_t conn_slot(host_t *local, host_t *remote)
{
	struct endpoint *e;
	struct conn *c = NULL;
	uint16_t slot = 0;

	conn_table.lock->read_lock(conn_table.lock);
	e = endpoint_for(local, remote);
	if (e && e->conns->get_first(e->conns, (void **)&c) == SUCCESS)
		slot = c->want.slot;
	conn_table.lock->unlock(conn_table.lock);
	return slot;
}

// -- what is offered before the peer says who it is

static void offer_proposals(ike_cfg_t *offer, linked_list_t *proposals)
{
	proposal_t *p;

	while (proposals->remove_first(proposals, (void **)&p) == SUCCESS) {
		if (offer->has_proposal(offer, p, TRUE))
			p->destroy(p);
		else
			offer->add_proposal(offer, p);
	}
	proposals->destroy(proposals);
}

static void offer_connection(ike_cfg_t **offer, const struct conn *c)
{
	char err[API_IKE_ID_SIZE];

	if (!(c->want.flags & API_IKE_F_ENABLED))
		return;
	if (*offer)
		offer_proposals(*offer, c->ike->get_proposals(c->ike));
	else
		*offer = conn_make_ike_cfg(&c->want, err, sizeof(err));
}

static void offer_endpoint(ike_cfg_t **offer, struct endpoint *e)
{
	enumerator_t *conns = e->conns->create_enumerator(e->conns);
	struct conn *c;

	while (conns->enumerate(conns, &c))
		offer_connection(offer, c);
	conns->destroy(conns);
}

static ike_cfg_t *cached_offer(struct endpoint *e)
{
	if (!e->offer)
		offer_endpoint(&e->offer, e);
	return e->offer;
}

// The union over all that may be meant: `first`, those of the address, those of any address.
static ike_cfg_t *make_offer(struct endpoint *exact, struct endpoint *any, const struct conn *first)
{
	ike_cfg_t *offer = NULL, *rest = any ? cached_offer(any) : NULL;

	if (first)
		offer_connection(&offer, first);
	if (exact)
		offer_endpoint(&offer, exact);
	if (rest && offer)
		offer_proposals(offer, rest->get_proposals(rest));
	else if (rest)
		offer = rest->get_ref(rest);
	return offer;
}

static const struct conn *preferred(const struct endpoint_key *at)
{
	struct preference *p = map_find(&conn_table.preferences, at, sizeof(*at));
	struct conn *c = p ? map_find(&conn_table.by_id, &p->conn, sizeof(p->conn)) : NULL;
	struct api_ike_conn peer = {.local = at->local, .remote = at->remote};

	return c && c->peer && may_be_meant(&c->want, &peer) ? c : NULL;
}

ike_cfg_t *conn_ike_cfg(host_t *local, host_t *remote)
{
	struct endpoint_key at = {address_of(local), address_of(remote)};
	struct endpoint *exact, *any;
	const struct conn *first;
	ike_cfg_t *offer = NULL;

	conn_table.lock->write_lock(conn_table.lock);
	exact = endpoint_find(&at.local, &at.remote);
	any = endpoint_of_any(&at.local);
	first = preferred(&at);
	if (first) {
		offer = make_offer(exact, any, first);
	} else if (exact) {
		if (exact->offer && exact->any_generation != conn_table.any_generation) {
			exact->offer->destroy(exact->offer);
			exact->offer = NULL;
		}
		if (!exact->offer)
			exact->offer = make_offer(exact, any, NULL);
		exact->any_generation = conn_table.any_generation;
		offer = exact->offer ? exact->offer->get_ref(exact->offer) : NULL;
	} else if (any && cached_offer(any)) {
		offer = any->offer->get_ref(any->offer);
	}
	conn_table.lock->unlock(conn_table.lock);
	return offer;
}

void conn_preferences_forget(void)
{
	struct preference *p;
	size_t at = 0;

	while ((p = map_next(&conn_table.preferences, &at)))
		free(p);
	map_fini(&conn_table.preferences);
	map_init(&conn_table.preferences);
}

void conn_prefer(host_t *local, host_t *remote, uint32_t conn)
{
	struct preference *p = xcalloc(1, sizeof(*p));

	p->key = (struct endpoint_key){address_of(local), address_of(remote)};
	p->conn = conn;
	conn_table.lock->write_lock(conn_table.lock);
	if (conn_table.preferences.len >= PREFERENCES)
		conn_preferences_forget();
	free(map_del(&conn_table.preferences, &p->key, sizeof(p->key)));
	map_set(&conn_table.preferences, &p->key, sizeof(p->key), p);
	conn_table.lock->unlock(conn_table.lock);
}

// -- who is meant once the peer says who it is

struct gather {
	struct conn *list[CONN_CANDIDATES];
	size_t len;
};

static void gather_identity(struct gather *g, const struct ip_addr *local,
	const struct ip_addr *remote, identification_t *id)
{
	struct endpoint_key at = {*local, *remote};
	struct identity_key key;
	struct identity *i;
	enumerator_t *conns;
	struct conn *c;

	conn_identity_key(&key, &at, id);
	i = map_find(&conn_table.by_identity, &key, sizeof(key));
	if (!i)
		return;
	conns = i->conns->create_enumerator(i->conns);
	while (g->len < CONN_CANDIDATES && conns->enumerate(conns, &c)) {
		if (c->want.flags & API_IKE_F_ENABLED)
			g->list[g->len++] = c;
	}
	conns->destroy(conns);
}

// Who names the identity goes before who takes any, who names the address before who takes any.
static void gather(struct gather *g, host_t *local, host_t *remote, identification_t *id)
{
	struct ip_addr me = address_of(local), other = address_of(remote);
	static const struct ip_addr any;
	identification_t *anybody = identification_create_from_string("%any");

	gather_identity(g, &me, &other, id);
	gather_identity(g, &me, &any, id);
	if (!id->equals(id, anybody))
		gather_identity(g, &me, &other, anybody);
	anybody->destroy(anybody);
}

linked_list_t *conn_peer_cfgs(host_t *local, host_t *remote, identification_t *id)
{
	linked_list_t *list = linked_list_create();
	struct gather g = {.len = 0};

	conn_table.lock->read_lock(conn_table.lock);
	gather(&g, local, remote, id);
	for (size_t i = 0; i < g.len; i++)
		list->insert_last(list, g.list[i]->peer->get_ref(g.list[i]->peer));
	conn_table.lock->unlock(conn_table.lock);
	return list;
}

size_t conn_candidates(
	host_t *local, host_t *remote, identification_t *id, uint32_t ret_conns[CONN_CANDIDATES])
{
	struct gather g = {.len = 0};

	conn_table.lock->read_lock(conn_table.lock);
	gather(&g, local, remote, id);
	for (size_t i = 0; i < g.len; i++)
		ret_conns[i] = g.list[i]->want.conn;
	conn_table.lock->unlock(conn_table.lock);
	return g.len;
}

static bool has_another_tenants(struct endpoint *e, uint32_t vrf)
{
	enumerator_t *conns;
	struct conn *c;
	bool has = false;

	if (!e)
		return false;
	conns = e->conns->create_enumerator(e->conns);
	while (!has && conns->enumerate(conns, &c))
		has = c->want.vrf != vrf;
	conns->destroy(conns);
	return has;
}

bool conn_is_alone_meant(host_t *local, host_t *remote, identification_t *id, uint32_t conn)
{
	struct ip_addr me = address_of(local), other = address_of(remote);
	struct gather g = {.len = 0};
	struct conn *c;
	bool alone;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	alone = c && c->peer;
	if (alone)
		gather(&g, local, remote, id);
	for (size_t i = 0; alone && i < g.len; i++)
		alone = g.list[i]->want.vrf == c->want.vrf;
	// It takes any identity: this one may be another tenant's, written wrongly.
	if (alone && !c->want.remote_id[0])
		alone = !has_another_tenants(endpoint_find(&me, &other), c->want.vrf) &&
			!has_another_tenants(endpoint_of_any(&me), c->want.vrf);
	conn_table.lock->unlock(conn_table.lock);
	return alone;
}
