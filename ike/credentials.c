// SPDX-License-Identifier: GPL-3.0-or-later
// The credential set: what it yields depends on the connection of the IKE_SA at hand and on nothing
// else. libcharon's own sets match by identity, so that any tenant's secret could prove any
// tenant's name. While it is open whose peer this is, the secrets and CAs of all that may be meant
// are tried, and the one that serves decides (prove.c); what is ours is the connection's alone.
#include "backend.h"

#include <daemon.h>

#include "conn.h"
#include "prove.h"

// The connection this thread is working for; 0 outside an IKE_SA.
static uint32_t conn_at_hand(void)
{
	ike_sa_t *sa = charon->bus->get_sa(charon->bus);
	peer_cfg_t *peer = sa ? sa->get_peer_cfg(sa) : NULL;

	return peer ? conn_of_name(peer->get_name(peer)) : 0;
}

struct shared_enumerator {
	enumerator_t public;
	shared_key_t *key;
	uint32_t conns[CONN_CANDIDATES];
	size_t len, next;
};

static shared_key_t *secret_of(uint32_t conn)
{
	struct api_ike_conn want;
	chunk_t psk;

	if (!conn_get(conn, &want) || want.auth != API_IKE_AUTH_PSK)
		return NULL;
	psk = conn_psk(conn);
	return psk.ptr ? shared_key_create(SHARED_IKE, psk) : NULL;
}

METHOD(enumerator_t, shared_enumerate, bool, struct shared_enumerator *this, va_list args)
{
	shared_key_t **key;
	id_match_t *me, *other;

	VA_ARGS_VGET(args, key, me, other);
	DESTROY_IF(this->key);
	this->key = NULL;
	while (!this->key && this->next < this->len)
		this->key = secret_of(this->conns[this->next++]);
	if (!this->key)
		return FALSE;
	prove_trying(this->conns[this->next - 1]);
	*key = this->key;
	if (me)
		*me = ID_MATCH_PERFECT;
	if (other)
		*other = ID_MATCH_PERFECT;
	return TRUE;
}

METHOD(enumerator_t, shared_destroy, void, struct shared_enumerator *this)
{
	DESTROY_IF(this->key);
	free(this);
}

METHOD(credential_set_t, create_shared_enumerator, enumerator_t *, credential_set_t *this,
	shared_key_type_t type, identification_t *me, identification_t *other)
{
	struct shared_enumerator *e;

	if (type != SHARED_IKE)
		return NULL;
	INIT(e,
		.public = {.enumerate = enumerator_enumerate_default,
			.venumerate = _shared_enumerate,
			.destroy = _shared_destroy}, );
	e->len = prove_candidates(e->conns);
	return &e->public;
}

static void key_destroy(void *key)
{
	((private_key_t *)key)->destroy(key);
}

METHOD(credential_set_t, create_private_enumerator, enumerator_t *, credential_set_t *this,
	key_type_t type, identification_t *id)
{
	private_key_t *key = conn_private_key(conn_at_hand());

	if (!key)
		return NULL;
	if ((type != KEY_ANY && key->get_type(key) != type) ||
		(id && id->get_type(id) == ID_KEY_ID &&
			!key->has_fingerprint(key, id->get_encoding(id)))) {
		key->destroy(key);
		return NULL;
	}
	return enumerator_create_single(key, key_destroy);
}

static void cert_destroy(void *cert)
{
	((certificate_t *)cert)->destroy(cert);
}

static void certs_destroy(void *list)
{
	((linked_list_t *)list)->destroy_function(list, cert_destroy);
}

static bool cert_fits(
	certificate_t *cert, certificate_type_t type, key_type_t key, identification_t *id)
{
	public_key_t *public;
	bool fits = true;

	if (type != CERT_ANY && cert->get_type(cert) != type)
		return false;
	if (id && cert->get_type(cert) == CERT_X509 && !cert->has_subject(cert, id))
		return false;
	if (id && cert->get_type(cert) == CERT_X509_CRL && !cert->has_issuer(cert, id))
		return false;
	if (key == KEY_ANY || cert->get_type(cert) != CERT_X509)
		return true;
	public = cert->get_public_key(cert);
	fits = public && public->get_type(public) == key;
	DESTROY_IF(public);
	return fits;
}

static void collect(linked_list_t *into, uint32_t conn, enum api_ike_credential_type kind,
	certificate_type_t type, key_type_t key, identification_t *id)
{
	linked_list_t *all = conn_certificates(conn, kind);
	certificate_t *cert;

	while (all->remove_first(all, (void **)&cert) == SUCCESS) {
		if (cert_fits(cert, type, key, id))
			into->insert_last(into, cert);
		else
			cert->destroy(cert);
	}
	all->destroy(all);
}

METHOD(credential_set_t, create_cert_enumerator, enumerator_t *, credential_set_t *this,
	certificate_type_t cert, key_type_t key, identification_t *id, bool trusted)
{
	uint32_t conns[CONN_CANDIDATES], conn = conn_at_hand();
	size_t len = prove_candidates(conns);
	linked_list_t *list;

	if (!len)
		return NULL;
	list = linked_list_create();
	for (size_t i = 0; i < len; i++) {
		collect(list, conns[i], API_IKE_CRED_CA, cert, key, id);
		if (!trusted)
			collect(list, conns[i], API_IKE_CRED_CRL, cert, key, id);
	}
	if (!trusted)
		collect(list, conn, API_IKE_CRED_CERTIFICATE, cert, key, id);
	return enumerator_create_cleaner(list->create_enumerator(list), certs_destroy, list);
}

METHOD(credential_set_t, create_cdp_enumerator, enumerator_t *, credential_set_t *this,
	certificate_type_t type, identification_t *id)
{
	return NULL; // CRLs are given, never fetched: no tenant makes this process connect anywhere
}

METHOD(credential_set_t, cache_cert, void, credential_set_t *this, certificate_t *cert)
{
}

credential_set_t *credentials_get(void)
{
	static credential_set_t set;

	set = (credential_set_t){
		.create_private_enumerator = _create_private_enumerator,
		.create_cert_enumerator = _create_cert_enumerator,
		.create_shared_enumerator = _create_shared_enumerator,
		.create_cdp_enumerator = _create_cdp_enumerator,
		.cache_cert = _cache_cert,
	};

	return &set;
}
