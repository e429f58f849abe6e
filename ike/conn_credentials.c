// SPDX-License-Identifier: GPL-3.0-or-later
// Key material of connections.
#include <errno.h>
#include <stdio.h>

#include <daemon.h>
#include <credentials/certificates/certificate.h>
#include <credentials/keys/private_key.h>

#include "conn_impl.h"
#include "xmalloc.h"

#define CONN_CREDENTIALS 16 // of all types, a connection

void conn_credential_free(struct credential *cred)
{
	chunk_clear(&cred->bytes);
	if (cred->type == API_IKE_CRED_KEY && cred->object)
		((private_key_t *)cred->object)->destroy(cred->object);
	else if (cred->object)
		((certificate_t *)cred->object)->destroy(cred->object);
	free(cred);
}

static void *parse_object(const struct api_ike_credential *want)
{
	chunk_t der = chunk_create((u_char *)want->secret, want->secret_size);

	if (want->type == API_IKE_CRED_KEY)
		return lib->creds->create(
			lib->creds, CRED_PRIVATE_KEY, KEY_ANY, BUILD_BLOB_ASN1_DER, der, BUILD_END);
	return lib->creds->create(lib->creds, CRED_CERTIFICATE,
		want->type == API_IKE_CRED_CRL ? CERT_X509_CRL : CERT_X509, BUILD_BLOB_ASN1_DER,
		der, BUILD_END);
}

static struct credential **credential_at(struct conn *c, uint16_t type, uint16_t index)
{
	struct credential **p = &c->credentials;

	while (*p && ((*p)->type != type || (*p)->index != index))
		p = &(*p)->next;
	return p;
}

static size_t credential_count(const struct conn *c)
{
	size_t n = 0;

	for (const struct credential *cred = c->credentials; cred; cred = cred->next)
		n++;
	return n;
}

// Credentials may come before their connection: it is then made without a configuration.
static struct conn *conn_for_credential(uint32_t conn)
{
	struct conn *c = map_find(&conn_table.by_id, &conn, sizeof(conn));

	if (!c) {
		c = xcalloc(1, sizeof(*c));
		c->want.conn = c->state.conn = conn;
		map_set(&conn_table.by_id, &c->want.conn, sizeof(c->want.conn), c);
	}
	return c;
}

int conn_credential_set(const struct api_ike_credential *want, char *err, size_t err_size)
{
	struct credential *cred, **at;
	struct conn *c;
	int rc = 0;

	if (!want->conn || want->type < API_IKE_CRED_PSK || want->type > API_IKE_CRED_CRL ||
		!want->secret_size || want->secret_size > API_IKE_SECRET_SIZE) {
		snprintf(err, err_size, "credential: conn, type and secret_size must be given");
		return -EINVAL;
	}
	cred = xcalloc(1, sizeof(*cred));
	cred->type = want->type;
	cred->index = want->index;
	cred->bytes = chunk_clone(chunk_create((u_char *)want->secret, want->secret_size));
	if (want->type != API_IKE_CRED_PSK && !(cred->object = parse_object(want))) {
		snprintf(err, err_size,
			"secret: not DER of this type, or an algorithm not known here");
		conn_credential_free(cred);
		return -EINVAL;
	}
	conn_table.lock->write_lock(conn_table.lock);
	c = conn_for_credential(want->conn);
	at = credential_at(c, want->type, want->index);
	if (*at && chunk_equals_const((*at)->bytes, cred->bytes)) {
		rc = 1;
	} else if (!*at && credential_count(c) >= CONN_CREDENTIALS) {
		snprintf(err, err_size, "index: at most %d credentials a connection",
			CONN_CREDENTIALS);
		rc = -ENOSPC;
	} else {
		struct credential *old = *at;

		cred->next = old ? old->next : NULL;
		*at = cred;
		cred = old;
	}
	conn_table.lock->unlock(conn_table.lock);
	if (cred)
		conn_credential_free(cred);
	return rc;
}

int conn_credential_del(uint32_t conn, uint16_t type, uint16_t index)
{
	struct credential *cred = NULL;
	struct conn *c;

	conn_table.lock->write_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c) {
		struct credential **at = credential_at(c, type, index);

		cred = *at;
		if (cred)
			*at = cred->next;
	}
	conn_table.lock->unlock(conn_table.lock);
	if (!cred)
		return 1;
	conn_credential_free(cred);
	return 0;
}

chunk_t conn_psk(uint32_t conn)
{
	chunk_t psk = chunk_empty;
	struct conn *c;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c) {
		struct credential *cred = *credential_at(c, API_IKE_CRED_PSK, 0);

		if (cred)
			psk = chunk_clone(cred->bytes);
	}
	conn_table.lock->unlock(conn_table.lock);
	return psk;
}

bool conn_has_credential(uint32_t conn, uint8_t auth)
{
	struct conn *c;
	bool has;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (auth == API_IKE_AUTH_PSK)
		has = c && *credential_at(c, API_IKE_CRED_PSK, 0);
	else
		has = c && *credential_at(c, API_IKE_CRED_KEY, 0) &&
		      *credential_at(c, API_IKE_CRED_CERTIFICATE, 0);
	conn_table.lock->unlock(conn_table.lock);
	return has;
}

linked_list_t *conn_certificates(uint32_t conn, enum api_ike_credential_type type)
{
	linked_list_t *list = linked_list_create();
	struct conn *c;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	for (struct credential *cred = c ? c->credentials : NULL; cred; cred = cred->next) {
		certificate_t *cert = cred->object;

		if (cred->type == type)
			list->insert_last(list, cert->get_ref(cert));
	}
	conn_table.lock->unlock(conn_table.lock);
	return list;
}

void *conn_private_key(uint32_t conn)
{
	private_key_t *key = NULL;
	struct conn *c;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	if (c) {
		struct credential *cred = *credential_at(c, API_IKE_CRED_KEY, 0);

		if (cred) {
			key = cred->object;
			key = key->get_ref(key);
		}
	}
	conn_table.lock->unlock(conn_table.lock);
	return key;
}

bool conn_trusts(uint32_t conn, void *ca)
{
	certificate_t *cert = ca;
	bool trusts = false;
	struct conn *c;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	for (struct credential *cred = c ? c->credentials : NULL; cred && !trusts;
		cred = cred->next)
		trusts = cred->type == API_IKE_CRED_CA && cert->equals(cert, cred->object);
	conn_table.lock->unlock(conn_table.lock);
	return trusts;
}

static bool issued(certificate_t *cert, certificate_t *issuer)
{
	return !cert->equals(cert, issuer) && cert->issued_by(cert, issuer, NULL);
}

static certificate_t *issuer_among(struct conn *c, certificate_t *cert)
{
	for (struct credential *cred = c->credentials; cred; cred = cred->next) {
		if (cred->type == API_IKE_CRED_CERTIFICATE && issued(cert, cred->object))
			return cred->object;
	}
	return NULL;
}

bool conn_is_certified_by(uint32_t conn, void *ca)
{
	struct credential *own;
	certificate_t *cert = NULL;
	bool is = false;
	struct conn *c;

	conn_table.lock->read_lock(conn_table.lock);
	c = map_find(&conn_table.by_id, &conn, sizeof(conn));
	own = c ? *credential_at(c, API_IKE_CRED_CERTIFICATE, 0) : NULL;
	if (own)
		cert = own->object;
	// A chain is no longer than the credentials that a connection may have.
	for (int i = 0; cert && !is && i < CONN_CREDENTIALS; i++) {
		is = issued(cert, ca);
		cert = issuer_among(c, cert);
	}
	conn_table.lock->unlock(conn_table.lock);
	return is;
}
