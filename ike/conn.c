// SPDX-License-Identifier: GPL-3.0-or-later
// The connection table. One rwlock; three indices: by id, by (VIP, remote), by (VIP, remote, peer
// identity). libcharon objects are made once per change of a connection and counted from then on.
#include "conn.h"

#include <errno.h>
#include <stdio.h>

#include <daemon.h>
#include <credentials/certificates/certificate.h>
#include <credentials/keys/private_key.h>
#include <threading/rwlock.h>

#include "address.h"
#include "map.h"
#include "proposal.h"
#include "xmalloc.h"

#define CONN_CREDENTIALS 16 // of all types, a connection

struct credential {
	uint16_t type, index;
	chunk_t bytes; // PSK
	void *object;  // certificate_t or private_key_t
	struct credential *next;
};

struct endpoint_key {
	struct ip_addr local, remote;
};

struct identity_key {
	struct ip_addr local, remote;
	uint16_t id_type, id_size;
	uint8_t id[API_IKE_ID_SIZE];
};

struct conn;

// All connections of one (VIP, remote): what is offered before the identity is known.
struct endpoint {
	struct endpoint_key key;
	ike_cfg_t *offer; // union of the proposals; NULL: to be made
	linked_list_t *conns;
};

// Connections of one (VIP, remote, identity): more than one only by misconfiguration.
struct identity {
	struct identity_key key;
	linked_list_t *conns;
};

struct conn {
	struct api_ike_conn want;
	ike_cfg_t *ike;
	peer_cfg_t *peer;
	child_cfg_t *child;
	struct endpoint *endpoint;
	struct identity *identity;
	struct credential *credentials;
	struct api_ike_state state;
	bool is_changed;        // in table.changed
	linked_list_t *ike_sas; // ike_sa_id_t*, oldest first; NULL: none
};

static struct {
	rwlock_t *lock;
	struct map by_id;
	struct map by_endpoint;
	struct map by_identity;
	linked_list_t *changed; // connection ids, each at most once
} table;

static void identity_key_of(
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
	table.lock = rwlock_create(RWLOCK_TYPE_DEFAULT);
	map_init(&table.by_id);
	map_init(&table.by_endpoint);
	map_init(&table.by_identity);
	table.changed = linked_list_create();
}

void conn_name(uint32_t conn, char name[CONN_NAME_SIZE])
{
	snprintf(name, CONN_NAME_SIZE, "c%u", conn);
}

uint32_t conn_of_name(const char *name)
{
	return name && name[0] == 'c' ? (uint32_t)strtoul(name + 1, NULL, 10) : 0;
}

// -- libcharon objects of one connection

static ike_cfg_t *make_ike_cfg(const struct api_ike_conn *w, char *err, size_t err_size)
{
	char local[IP_TEXT_SIZE], remote[IP_TEXT_SIZE] = "%any";
	ike_cfg_create_t create = {
		.version = IKEV2,
		.local = local,
		.local_port = IKEV2_UDP_PORT,
		.remote = remote,
		.remote_port = IKEV2_UDP_PORT,
		.force_encap = w->flags & API_IKE_F_FORCE_ENCAP,
		.fragmentation = w->flags & API_IKE_F_NO_FRAGMENTATION ? FRAGMENTATION_ACCEPT
								       : FRAGMENTATION_YES,
		.no_certreq = w->auth != API_IKE_AUTH_CERTIFICATE,
	};
	ike_cfg_t *cfg;

	ip_format(&w->local, local);
	if (w->remote.family != IP_NONE)
		ip_format(&w->remote, remote);
	cfg = ike_cfg_create(&create);
	for (uint8_t i = 0; i < w->proposal_count; i++) {
		proposal_t *p = proposal_ike(&w->proposal[i], (uint8_t)(i + 1), err, err_size);

		if (!p) {
			cfg->destroy(cfg);
			return NULL;
		}
		cfg->add_proposal(cfg, p);
	}
	return cfg;
}

static identification_t *identity_or(const char *text, const struct ip_addr *addr)
{
	char host[IP_TEXT_SIZE];

	if (text[0])
		return identification_create_from_string((char *)text);
	if (addr->family == IP_NONE)
		return identification_create_from_string("%any");
	return identification_create_from_string((char *)ip_format(addr, host));
}

static auth_cfg_t *make_auth(const struct api_ike_conn *w, bool local)
{
	auth_cfg_t *auth = auth_cfg_create();
	static const struct ip_addr none;

	auth->add(auth, AUTH_RULE_AUTH_CLASS,
		w->auth == API_IKE_AUTH_CERTIFICATE ? AUTH_CLASS_PUBKEY : AUTH_CLASS_PSK);
	// An empty remote identity accepts any that proves the credential of this connection.
	auth->add(auth, AUTH_RULE_IDENTITY,
		local ? identity_or(w->local_id, &w->local) : identity_or(w->remote_id, &none));
	return auth;
}

static peer_cfg_t *make_peer_cfg(const struct api_ike_conn *w, ike_cfg_t *ike)
{
	char name[CONN_NAME_SIZE];
	uint32_t life = w->ike_life_s ? w->ike_life_s : 28800;
	peer_cfg_create_t create = {
		.cert_policy = CERT_ALWAYS_SEND,
		.unique = UNIQUE_NEVER, // superseding is by connection: see listener.c
		.keyingtries = 0,
		.rekey_time = life - life / 10,
		.jitter_time = life / 10,
		.over_time = life / 10,
		.no_mobike = w->flags & API_IKE_F_NO_MOBIKE,
		.dpd = w->dpd_s,
		.if_id_in = w->conn,
		.if_id_out = w->conn,
	};
	peer_cfg_t *peer;

	conn_name(w->conn, name);
	peer = peer_cfg_create(name, ike->get_ref(ike), &create);
	peer->add_auth_cfg(peer, make_auth(w, true), true);
	peer->add_auth_cfg(peer, make_auth(w, false), false);
	return peer;
}

static void add_selectors(
	child_cfg_t *child, bool local, const struct api_ike_selector *ts, uint8_t len)
{
	if (!len) {
		child->add_traffic_selector(
			child, local, traffic_selector_create_from_cidr("0.0.0.0/0", 0, 0, 65535));
		child->add_traffic_selector(
			child, local, traffic_selector_create_from_cidr("::/0", 0, 0, 65535));
		return;
	}
	for (uint8_t i = 0; i < len; i++) {
		size_t size = ip_bits(&ts[i].start) / 8;

		child->add_traffic_selector(child, local,
			traffic_selector_create_from_bytes(ts[i].protocol,
				ts[i].start.family == IP_V6 ? TS_IPV6_ADDR_RANGE
							    : TS_IPV4_ADDR_RANGE,
				chunk_create((u_char *)ts[i].start.bytes, size), ts[i].port_start,
				chunk_create((u_char *)ts[i].end.bytes, size), ts[i].port_end));
	}
}

static void transport_selectors(child_cfg_t *child)
{
	// GRE between the two outer addresses; libcharon fills in the hosts.
	child->add_traffic_selector(
		child, true, traffic_selector_create_dynamic(IPPROTO_GRE, 0, 65535));
	child->add_traffic_selector(
		child, false, traffic_selector_create_dynamic(IPPROTO_GRE, 0, 65535));
}

static child_cfg_t *make_child_cfg(const struct api_ike_conn *w, char *err, size_t err_size)
{
	char name[CONN_NAME_SIZE];
	uint64_t life = w->child_life_s ? w->child_life_s : 3600;
	uint64_t bytes = w->child_life_kb * 1024;
	bool initiate = w->flags & API_IKE_F_INITIATE;
	child_cfg_create_t create = {
		.if_id_in = w->conn,
		.if_id_out = w->conn,
		.mode = w->flags & API_IKE_F_TRANSPORT ? MODE_TRANSPORT : MODE_TUNNEL,
		.lifetime = {.time = {.life = life, .rekey = life - life / 10, .jitter = life / 10},
			.bytes = {.life = bytes,
				.rekey = bytes - bytes / 10,
				.jitter = bytes / 20}},
		.inactivity = w->idle_s,
		.dpd_action = initiate ? ACTION_START : ACTION_NONE,
		.close_action = initiate && !w->idle_s ? ACTION_START : ACTION_NONE,
		.copy_dscp = DSCP_COPY_OUT_ONLY,
	};
	child_cfg_t *child;

	conn_name(w->conn, name);
	child = child_cfg_create(name, &create);
	for (uint8_t i = 0; i < w->child_proposal_count; i++) {
		proposal_t *p = proposal_esp(&w->child_proposal[i], (uint8_t)(i + 1),
			w->flags & API_IKE_F_ESN, err, err_size);

		if (!p) {
			child->destroy(child);
			return NULL;
		}
		child->add_proposal(child, p);
	}
	if (w->flags & API_IKE_F_TRANSPORT) {
		transport_selectors(child);
	} else {
		add_selectors(child, true, w->local_ts, w->local_ts_count);
		add_selectors(child, false, w->remote_ts, w->remote_ts_count);
	}
	child->set_replay_window(child, w->replay_window ? w->replay_window : 1024);
	return child;
}

// -- indices

static void endpoint_unlink(struct conn *c)
{
	struct endpoint *e = c->endpoint;

	e->conns->remove(e->conns, c, NULL);
	DESTROY_IF(e->offer);
	e->offer = NULL;
	if (!e->conns->get_count(e->conns)) {
		map_del(&table.by_endpoint, &e->key, sizeof(e->key));
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
		map_del(&table.by_identity, &i->key, sizeof(i->key));
		i->conns->destroy(i->conns);
		free(i);
	}
	c->identity = NULL;
}

static void endpoint_link(struct conn *c, const struct endpoint_key *key)
{
	struct endpoint *e = map_find(&table.by_endpoint, key, sizeof(*key));

	if (!e) {
		e = xcalloc(1, sizeof(*e));
		e->key = *key;
		e->conns = linked_list_create();
		map_set(&table.by_endpoint, &e->key, sizeof(e->key), e);
	}
	DESTROY_IF(e->offer);
	e->offer = NULL;
	e->conns->insert_last(e->conns, c);
	c->endpoint = e;
}

static void identity_link(struct conn *c, const struct endpoint_key *at)
{
	static const struct ip_addr none;
	identification_t *id = identity_or(c->want.remote_id, &none);
	struct identity_key key;
	struct identity *i;

	identity_key_of(&key, at, id);
	id->destroy(id);
	i = map_find(&table.by_identity, &key, sizeof(key));
	if (!i) {
		i = xcalloc(1, sizeof(*i));
		i->key = key;
		i->conns = linked_list_create();
		map_set(&table.by_identity, &i->key, sizeof(i->key), i);
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

static void credential_free(struct credential *cred)
{
	chunk_clear(&cred->bytes);
	if (cred->type == API_IKE_CRED_KEY && cred->object)
		((private_key_t *)cred->object)->destroy(cred->object);
	else if (cred->object)
		((certificate_t *)cred->object)->destroy(cred->object);
	free(cred);
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

		credential_free(c->credentials);
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
	identification_t *id = identity_or(w->remote_id, &none);
	struct identity_key key;
	struct identity *i;
	struct conn *first;

	identity_key_of(&key, &at, id);
	id->destroy(id);
	i = map_find(&table.by_identity, &key, sizeof(key));
	if (!i || i->conns->get_first(i->conns, (void **)&first) != SUCCESS)
		return false;
	return first != c || i->conns->get_count(i->conns) > 1;
}

static int rebuild(struct conn *c, const struct api_ike_conn *w, char *err, size_t err_size)
{
	struct endpoint_key at = {w->local, w->remote};
	ike_cfg_t *ike = make_ike_cfg(w, err, err_size);
	child_cfg_t *child = ike ? make_child_cfg(w, err, err_size) : NULL;

	if (!child) {
		DESTROY_IF(ike);
		return -EINVAL;
	}
	conn_unlink(c);
	c->want = *w;
	c->ike = ike;
	c->child = child;
	c->peer = make_peer_cfg(w, ike);
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
	table.lock->write_lock(table.lock);
	c = map_find(&table.by_id, &w.conn, sizeof(w.conn));
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
			map_set(&table.by_id, &c->want.conn, sizeof(c->want.conn), c);
		}
		rc = rebuild(c, &w, err, err_size);
	}
	table.lock->unlock(table.lock);
	return rc;
}

int conn_del(uint32_t conn)
{
	struct conn *c;

	table.lock->write_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c) {
		conn_unlink(c);
		map_del(&table.by_id, &conn, sizeof(conn));
		conn_free(c);
	}
	table.lock->unlock(table.lock);
	return c ? 0 : 1;
}

// -- credentials

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
	struct conn *c = map_find(&table.by_id, &conn, sizeof(conn));

	if (!c) {
		c = xcalloc(1, sizeof(*c));
		c->want.conn = c->state.conn = conn;
		map_set(&table.by_id, &c->want.conn, sizeof(c->want.conn), c);
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
		credential_free(cred);
		return -EINVAL;
	}
	table.lock->write_lock(table.lock);
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
	table.lock->unlock(table.lock);
	if (cred)
		credential_free(cred);
	return rc;
}

int conn_credential_del(uint32_t conn, uint16_t type, uint16_t index)
{
	struct credential *cred = NULL;
	struct conn *c;

	table.lock->write_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c) {
		struct credential **at = credential_at(c, type, index);

		cred = *at;
		if (cred)
			*at = cred->next;
	}
	table.lock->unlock(table.lock);
	if (!cred)
		return 1;
	credential_free(cred);
	return 0;
}

chunk_t conn_psk(uint32_t conn)
{
	chunk_t psk = chunk_empty;
	struct conn *c;

	table.lock->read_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c) {
		struct credential *cred = *credential_at(c, API_IKE_CRED_PSK, 0);

		if (cred)
			psk = chunk_clone(cred->bytes);
	}
	table.lock->unlock(table.lock);
	return psk;
}

linked_list_t *conn_certificates(uint32_t conn, enum api_ike_credential_type type)
{
	linked_list_t *list = linked_list_create();
	struct conn *c;

	table.lock->read_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	for (struct credential *cred = c ? c->credentials : NULL; cred; cred = cred->next) {
		certificate_t *cert = cred->object;

		if (cred->type == type)
			list->insert_last(list, cert->get_ref(cert));
	}
	table.lock->unlock(table.lock);
	return list;
}

void *conn_private_key(uint32_t conn)
{
	private_key_t *key = NULL;
	struct conn *c;

	table.lock->read_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c) {
		struct credential *cred = *credential_at(c, API_IKE_CRED_KEY, 0);

		if (cred) {
			key = cred->object;
			key = key->get_ref(key);
		}
	}
	table.lock->unlock(table.lock);
	return key;
}

// -- look-ups for libcharon

bool conn_get(uint32_t conn, struct api_ike_conn *ret_conn)
{
	struct conn *c;

	table.lock->read_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c && c->peer)
		*ret_conn = c->want;
	table.lock->unlock(table.lock);
	return c && c->peer;
}

static struct endpoint *endpoint_find(const struct ip_addr *local, const struct ip_addr *remote)
{
	struct endpoint_key key = {*local, *remote};

	return map_find(&table.by_endpoint, &key, sizeof(key));
}

// The endpoint of exactly this remote, else the one for any remote of that VIP.
static struct endpoint *endpoint_for(host_t *local, host_t *remote)
{
	struct ip_addr me = address_of(local), other = address_of(remote);
	static const struct ip_addr any;
	struct endpoint *e = endpoint_find(&me, &other);

	return e ? e : endpoint_find(&me, &any);
}

uint16_t conn_slot(host_t *local, host_t *remote)
{
	struct endpoint *e;
	struct conn *c = NULL;
	uint16_t slot = 0;

	table.lock->read_lock(table.lock);
	e = endpoint_for(local, remote);
	if (e && e->conns->get_first(e->conns, (void **)&c) == SUCCESS)
		slot = c->want.slot;
	table.lock->unlock(table.lock);
	return slot;
}

// What may be offered before the peer says who it is: the union over the endpoint's connections.
static ike_cfg_t *make_offer(struct endpoint *e)
{
	enumerator_t *conns = e->conns->create_enumerator(e->conns);
	struct conn *c;
	ike_cfg_t *offer = NULL;

	while (conns->enumerate(conns, &c)) {
		char err[API_IKE_ID_SIZE];

		if (!(c->want.flags & API_IKE_F_ENABLED))
			continue;
		if (!offer) {
			offer = make_ike_cfg(&c->want, err, sizeof(err));
			continue;
		}
		for (uint8_t i = 0; i < c->want.proposal_count; i++) {
			proposal_t *p = proposal_ike(
				&c->want.proposal[i], (uint8_t)(i + 1), err, sizeof(err));

			if (p && offer->has_proposal(offer, p, TRUE))
				p->destroy(p);
			else if (p)
				offer->add_proposal(offer, p);
		}
	}
	conns->destroy(conns);
	return offer;
}

ike_cfg_t *conn_ike_cfg(host_t *local, host_t *remote)
{
	struct endpoint *e;
	ike_cfg_t *offer = NULL;

	table.lock->write_lock(table.lock);
	e = endpoint_for(local, remote);
	if (e && !e->offer)
		e->offer = make_offer(e);
	if (e && e->offer)
		offer = e->offer->get_ref(e->offer);
	table.lock->unlock(table.lock);
	return offer;
}

peer_cfg_t *conn_peer_cfg(uint32_t conn)
{
	peer_cfg_t *peer = NULL;
	struct conn *c;

	table.lock->read_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c && c->peer)
		peer = c->peer->get_ref(c->peer);
	table.lock->unlock(table.lock);
	return peer;
}

child_cfg_t *conn_child_cfg(uint32_t conn)
{
	child_cfg_t *child = NULL;
	struct conn *c;

	table.lock->read_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c && c->child)
		child = c->child->get_ref(c->child);
	table.lock->unlock(table.lock);
	return child;
}

static void append_identity(
	linked_list_t *list, const struct endpoint_key *at, identification_t *id)
{
	struct identity_key key;
	struct identity *i;
	enumerator_t *conns;
	struct conn *c;

	identity_key_of(&key, at, id);
	i = map_find(&table.by_identity, &key, sizeof(key));
	if (!i)
		return;
	conns = i->conns->create_enumerator(i->conns);
	while (conns->enumerate(conns, &c)) {
		if (c->want.flags & API_IKE_F_ENABLED)
			list->insert_last(list, c->peer->get_ref(c->peer));
	}
	conns->destroy(conns);
}

linked_list_t *conn_peer_cfgs(host_t *local, host_t *remote, identification_t *id)
{
	linked_list_t *list = linked_list_create();
	struct ip_addr me = address_of(local), other = address_of(remote);
	struct endpoint_key exact = {me, other}, any = {me, {0}};
	identification_t *anybody = identification_create_from_string("%any");

	// Exact remote and identity, exact remote with any identity, any remote with the identity.
	table.lock->read_lock(table.lock);
	append_identity(list, &exact, id);
	append_identity(list, &exact, anybody);
	append_identity(list, &any, id);
	table.lock->unlock(table.lock);
	anybody->destroy(anybody);
	return list;
}

// Takes the lock for writing when found: the caller unlocks.
static struct conn *lock_conn(uint32_t conn)
{
	struct conn *c;

	table.lock->write_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (!c)
		table.lock->unlock(table.lock);
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
	struct conn *c = lock_conn(conn);
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
	table.lock->unlock(table.lock);
}

void conn_ike_sa_del(uint32_t conn, ike_sa_id_t *id)
{
	struct conn *c = lock_conn(conn);

	if (!c)
		return;
	if (c->ike_sas)
		take_id(c->ike_sas, id);
	table.lock->unlock(table.lock);
}

linked_list_t *conn_ike_sas(uint32_t conn)
{
	linked_list_t *copy = linked_list_create();
	struct conn *c = lock_conn(conn);
	enumerator_t *all;
	ike_sa_id_t *id;

	if (!c)
		return copy;
	all = c->ike_sas ? c->ike_sas->create_enumerator(c->ike_sas) : enumerator_create_empty();
	while (all->enumerate(all, &id))
		copy->insert_last(copy, id->clone(id));
	all->destroy(all);
	table.lock->unlock(table.lock);
	return copy;
}

void conn_each(void (*fn)(void *ctx, const struct api_ike_conn *conn), void *ctx)
{
	struct conn *c;
	size_t at = 0;

	table.lock->read_lock(table.lock);
	while ((c = map_next(&table.by_id, &at))) {
		if (c->peer)
			fn(ctx, &c->want);
	}
	table.lock->unlock(table.lock);
}

// -- state

void conn_state_update(uint32_t conn, void (*fn)(struct api_ike_state *state, void *ctx), void *ctx)
{
	struct conn *c;

	table.lock->write_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c) {
		fn(&c->state, ctx);
		if (!c->is_changed)
			table.changed->insert_last(table.changed, (void *)(uintptr_t)conn);
		c->is_changed = true;
	}
	table.lock->unlock(table.lock);
}

uint32_t conn_state_take_changed(void)
{
	uint32_t conn = 0;
	struct conn *c;
	void *id;

	table.lock->write_lock(table.lock);
	if (table.changed->remove_first(table.changed, &id) == SUCCESS)
		conn = (uint32_t)(uintptr_t)id;
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c)
		c->is_changed = false;
	table.lock->unlock(table.lock);
	return conn;
}

bool conn_state_get(uint32_t conn, struct api_ike_state *ret_state)
{
	struct conn *c;

	table.lock->read_lock(table.lock);
	c = map_find(&table.by_id, &conn, sizeof(conn));
	if (c)
		*ret_state = c->state;
	table.lock->unlock(table.lock);
	return c;
}

void conn_state_each(void (*fn)(void *ctx, const struct api_ike_state *state), void *ctx)
{
	struct conn *c;
	size_t at = 0;

	table.lock->read_lock(table.lock);
	while ((c = map_next(&table.by_id, &at)))
		fn(ctx, &c->state);
	table.lock->unlock(table.lock);
}

void conn_table_fini(void)
{
	struct conn *c;
	size_t at = 0;

	while ((c = map_next(&table.by_id, &at))) {
		conn_unlink(c);
		conn_free(c);
	}
	map_fini(&table.by_id);
	map_fini(&table.by_endpoint);
	map_fini(&table.by_identity);
	table.changed->destroy(table.changed);
	table.lock->destroy(table.lock);
}
