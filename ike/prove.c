// SPDX-License-Identifier: GPL-3.0-or-later
#include "prove.h"

#include <daemon.h>

static __thread uint32_t trying; // the connection of the secret that was handed out last

static uint32_t conn_of_peer(ike_sa_t *sa)
{
	peer_cfg_t *peer = sa ? sa->get_peer_cfg(sa) : NULL;

	return peer ? conn_of_name(peer->get_name(peer)) : 0;
}

static bool is_initiator(ike_sa_t *sa)
{
	ike_sa_id_t *id = sa->get_id(sa);

	return id->is_initiator(id);
}

identification_t *prove_mark(uint32_t conn)
{
	char name[CONN_NAME_SIZE];

	conn_name(conn, name);
	return identification_create_from_string(name);
}

static uint32_t conn_of_mark(auth_cfg_t *auth)
{
	identification_t *mark = auth->get(auth, AUTH_RULE_GROUP);
	char name[CONN_NAME_SIZE];

	if (!mark)
		return 0;
	snprintf(name, sizeof(name), "%Y", mark);
	return conn_of_name(name);
}

// The connection the peer proved itself to; 0: it did not (yet).
static uint32_t proven(ike_sa_t *sa)
{
	enumerator_t *rounds = sa->create_auth_cfg_enumerator(sa, FALSE);
	uint32_t conn = 0;
	auth_cfg_t *auth;

	while (!conn && rounds->enumerate(rounds, &auth))
		conn = conn_of_mark(auth);
	rounds->destroy(rounds);
	return conn;
}

size_t prove_candidates(uint32_t ret_conns[CONN_CANDIDATES])
{
	ike_sa_t *sa = charon->bus->get_sa(charon->bus);
	uint32_t conn = conn_of_peer(sa);

	if (!conn)
		return 0;
	if (!is_initiator(sa) && !proven(sa))
		return conn_candidates(sa->get_my_host(sa), sa->get_other_host(sa),
			sa->get_other_id(sa), ret_conns);
	ret_conns[0] = conn;
	return 1;
}

void prove_trying(uint32_t conn)
{
	trying = conn;
}

// A CA that many trust proves nothing about which of them is meant; but the peer will accept the
// gateway as the one only whose own certificate comes from there, and that cannot be had by wish.
static uint32_t conn_of_certificate(ike_sa_t *sa, certificate_t *ca)
{
	uint32_t conns[CONN_CANDIDATES], found = 0;
	size_t len = ca ? conn_candidates(sa->get_my_host(sa), sa->get_other_host(sa),
				  sa->get_other_id(sa), conns)
			: 0;

	for (size_t i = 0; i < len; i++) {
		if (!conn_trusts(conns[i], ca))
			continue;
		if (conn_is_certified_by(conns[i], ca))
			return conns[i];
		if (!found)
			found = conns[i];
	}
	return found;
}

static uint32_t conn_of_proof(ike_sa_t *sa, auth_cfg_t *auth)
{
	if (is_initiator(sa) || proven(sa))
		return conn_of_peer(sa);
	if ((uintptr_t)auth->get(auth, AUTH_RULE_AUTH_CLASS) == AUTH_CLASS_PSK)
		return trying;
	return conn_of_certificate(sa, auth->get(auth, AUTH_RULE_CA_CERT));
}

static bool has_its_suite(ike_sa_t *sa, uint32_t conn)
{
	peer_cfg_t *peer = conn_peer_cfg(conn);
	ike_cfg_t *ike = peer ? peer->get_ike_cfg(peer) : NULL;
	bool has = ike && ike->has_proposal(ike, sa->get_proposal(sa), FALSE);

	DESTROY_IF(peer);
	return has;
}

bool prove_authorize(listener_t *this, ike_sa_t *sa, bool final, bool *success)
{
	auth_cfg_t *auth = sa->get_auth_cfg(sa, FALSE);
	uint32_t conn;

	if (final) {
		*success = *success && proven(sa) && proven(sa) == conn_of_peer(sa);
		return TRUE;
	}
	conn = conn_of_proof(sa, auth);
	trying = 0;
	if (!conn) {
		*success = FALSE;
		return TRUE;
	}
	auth->add(auth, AUTH_RULE_GROUP, prove_mark(conn));
	if (!has_its_suite(sa, conn))
		conn_prefer(sa->get_my_host(sa), sa->get_other_host(sa), conn);
	return TRUE;
}

uint32_t prove_shown_to(ike_sa_t *sa)
{
	uint32_t conn = conn_of_peer(sa), by_proof;

	if (!conn || is_initiator(sa))
		return conn;
	by_proof = proven(sa);
	if (by_proof)
		return by_proof;
	return conn_is_alone_meant(
		       sa->get_my_host(sa), sa->get_other_host(sa), sa->get_other_id(sa), conn)
		       ? conn
		       : 0;
}

uint32_t prove_wrong_suite(ike_sa_t *sa)
{
	uint32_t conn = is_initiator(sa) ? 0 : proven(sa);

	return conn && conn != conn_of_peer(sa) ? conn : 0;
}
