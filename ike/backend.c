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

METHOD(backend_t, create_peer_cfg_enumerator, enumerator_t *, backend_t *this, identification_t *me,
	identification_t *other)
{
	ike_sa_t *sa = charon->bus->get_sa(charon->bus);
	linked_list_t *list;

	// libcharon asks without addresses; the IKE_SA at hand has them.
	if (!sa || !other)
		return NULL;
	list = conn_peer_cfgs(sa->get_my_host(sa), sa->get_other_host(sa), other);
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
