// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// Inside the connection table (conn.c, conn_match.c, conn_objects.c, conn_credentials.c,
// conn_state.c).
//
// One rwlock; three indices: by id, by (VIP, remote), by (VIP, remote, peer identity). libcharon
// objects are made once per change of a connection and counted from then on.

#include <threading/rwlock.h>

#include "conn.h"
#include "map.h"

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
	ike_cfg_t *offer;        // union of the proposals; NULL: to be made
	uint64_t any_generation; // of an exact remote: with those of any remote as of then
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

struct conn_table {
	rwlock_t *lock;
	struct map by_id;
	struct map by_endpoint;
	struct map by_identity;
	linked_list_t *changed;  // connection ids, each at most once
	struct map preferences;  // by (VIP, remote): conn_match.c
	uint64_t any_generation; // changes with the connections of any remote
};

extern struct conn_table conn_table;

// conn_objects.c: new objects, NULL with err filled.
ike_cfg_t *conn_make_ike_cfg(const struct api_ike_conn *w, char *err, size_t err_size);
peer_cfg_t *conn_make_peer_cfg(const struct api_ike_conn *w, ike_cfg_t *ike);
child_cfg_t *conn_make_child_cfg(const struct api_ike_conn *w, char *err, size_t err_size);
// The identity a text names; empty: the address, or anybody if it is IP_NONE.
identification_t *conn_identity(const char *text, const struct ip_addr *addr);

void conn_identity_key(
	struct identity_key *key, const struct endpoint_key *at, identification_t *id);

// conn_match.c
void conn_preferences_forget(void);

// conn_credentials.c
void conn_credential_free(struct credential *cred);

// Takes the lock for writing when the connection is found: the caller unlocks. NULL: not locked.
struct conn *conn_lock(uint32_t conn);
