// SPDX-License-Identifier: GPL-3.0-or-later
#include "backend.h"

#include <daemon.h>

#include "conn.h"

static void peer_destroy(void *peer)
{
	((peer_cfg_t *)peer)->destroy(peer);
}

static void peers_destroy(void *list)
{
	((linked_list_t *)list)->destroy_function(list, peer_destroy);
}

static void ike_destroy(void *ike)
{
	((ike_cfg_t *)ike)->destroy(ike);
}

METHOD(backend_t, create_ike_cfg_enumerator, enumerator_t *, backend_t *this, host_t *me,
	host_t *other)
{
	ike_cfg_t *cfg = me && other ? conn_ike_cfg(me, other) : NULL;

	return cfg ? enumerator_create_single(cfg, ike_destroy) : NULL;
}

// libcharon leaves out whoever does not have the suite that was agreed; if that is everybody, the
// next attempt shall be offered what the first of them has.
static void prefer_if_none_has_the_suite(ike_sa_t *sa, linked_list_t *peers)
{
	enumerator_t *all = peers->create_enumerator(peers);
	proposal_t *agreed = sa->get_proposal(sa);
	peer_cfg_t *peer, *first = NULL;
	bool found = !agreed;

	while (!found && all->enumerate(all, &peer)) {
		ike_cfg_t *ike = peer->get_ike_cfg(peer);

		found = ike->has_proposal(ike, agreed, FALSE);
		if (!first)
			first = peer;
	}
	if (!found && first)
		conn_prefer(sa->get_my_host(sa), sa->get_other_host(sa),
			conn_of_name(first->get_name(first)));
	all->destroy(all);
}

METHOD(backend_t, create_peer_cfg_enumerator, enumerator_t *, backend_t *this, identification_t *me,
	identification_t *other)
{
	ike_sa_t *sa = charon->bus->get_sa(charon->bus);
	linked_list_t *list;

	// libcharon asks without addresses; the IKE_SA at hand has them.
	if (!sa || !other)
		return NULL;
	list = conn_peer_cfgs(sa->get_my_host(sa), sa->get_other_host(sa), other);
	prefer_if_none_has_the_suite(sa, list);
	return enumerator_create_cleaner(list->create_enumerator(list), peers_destroy, list);
}

METHOD(backend_t, get_peer_cfg_by_name, peer_cfg_t *, backend_t *this, char *name)
{
	return conn_peer_cfg(conn_of_name(name));
}

backend_t *backend_get(void)
{
	static backend_t backend;

	backend = (backend_t){
		.create_ike_cfg_enumerator = _create_ike_cfg_enumerator,
		.create_peer_cfg_enumerator = _create_peer_cfg_enumerator,
		.get_peer_cfg_by_name = _get_peer_cfg_by_name,
	};

	return &backend;
}
