// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// Connections as the agent wants them, with the credentials of each, and what is known of their
// state. Shared by libcharon's threads and the API thread: every function takes the table's lock,
// and hands out copies or counted references, never pointers into the table.
//
// Lookup is by (public address, remote address) and then by identity, each one hash step: the
// number of connections never shows in the cost of a handshake.

#include <library.h>
#include <config/peer_cfg.h>
#include <credentials/keys/shared_key.h>
#include <sa/ike_sa_id.h>

#include "ike.h"

#define CONN_NAME_SIZE 16 // "c" and the decimal id: the peer_cfg's name

void conn_table_init(void);
void conn_table_fini(void);

// Wanted state. 0 changed, 1 equal to what was there, or -errno with err filled.
int conn_set(const struct api_ike_conn *want, char *err, size_t err_size);
int conn_del(uint32_t conn);
int conn_credential_set(const struct api_ike_credential *want, char *err, size_t err_size);
int conn_credential_del(uint32_t conn, uint16_t type, uint16_t index);

// The connection a peer_cfg name stands for; 0 if none.
uint32_t conn_of_name(const char *name);
void conn_name(uint32_t conn, char name[CONN_NAME_SIZE]);

// Copies the wanted state; false if there is none.
bool conn_get(uint32_t conn, struct api_ike_conn *ret_conn);
// The slot for a datagram between these addresses: the connection's, the any-remote's, else 0.
uint16_t conn_slot(host_t *local, host_t *remote);

// No connection names that remote: the VIP's any-remote connections take what comes from it.
bool conn_is_any_remote(const struct ip_addr *local, const struct ip_addr *remote);

// A message from this connection's peer that names nobody we know could be meant for another
// tenant's connection: one of the same VIP and remote, or of any remote; for a connection of any
// remote, every other of the VIP.
bool conn_shares_address(uint32_t conn);

// Configurations for libcharon; references the caller destroys. NULL: nothing matches.
ike_cfg_t *conn_ike_cfg(host_t *local, host_t *remote);
peer_cfg_t *conn_peer_cfg(uint32_t conn);
child_cfg_t *conn_child_cfg(uint32_t conn);
// peer_cfg_t*, best first: those that may come from `remote` with the identity `id` (ID_ANY: all).
linked_list_t *conn_peer_cfgs(host_t *local, host_t *remote, identification_t *id);

// The connections a peer may mean that comes from `remote` as `id`, best first; returns how many.
#define CONN_CANDIDATES 8
size_t conn_candidates(
	host_t *local, host_t *remote, identification_t *id, uint32_t ret_conns[CONN_CANDIDATES]);
// Nobody but this connection's tenant can be meant by a peer that proved nothing.
bool conn_is_alone_meant(host_t *local, host_t *remote, identification_t *id, uint32_t conn);
// The suite that was agreed with this remote is not one of the connection it turned out to mean:
// its next attempt is offered this connection's first.
void conn_prefer(host_t *local, host_t *remote, uint32_t conn);

// A copy of the connection's secret; empty chunk if none. The caller wipes it.
chunk_t conn_psk(uint32_t conn);
// What authentication by `auth` (enum api_ike_auth) needs of ours is stored.
bool conn_has_credential(uint32_t conn, uint8_t auth);
// Certificates (CERTIFICATE and CA) and keys of a connection, as new references.
linked_list_t *conn_certificates(uint32_t conn, enum api_ike_credential_type type);
void *conn_private_key(uint32_t conn); // private_key_t*
// The certificate is among the CAs of the connection; the connection's own chain ends in it.
bool conn_trusts(uint32_t conn, void *ca);          // certificate_t*
bool conn_is_certified_by(uint32_t conn, void *ca); // certificate_t*

// The connection's IKE_SAs, so that nobody has to look through all tenants' for one's. The listener
// adds an IKE_SA when it is set up and takes it out when it is destroyed. At most CONN_IKE_SAS.
#define CONN_IKE_SAS 16
void conn_ike_sa_add(uint32_t conn, ike_sa_id_t *id); // id is copied; known already: nothing
void conn_ike_sa_del(uint32_t conn, ike_sa_id_t *id);
linked_list_t *conn_ike_sas(uint32_t conn); // ike_sa_id_t*, copies; the caller destroys all

void conn_each(void (*fn)(void *ctx, const struct api_ike_conn *conn), void *ctx);

// State, written by the listener. Each update marks the connection as changed.
void conn_state_update(
	uint32_t conn, void (*fn)(struct api_ike_state *state, void *ctx), void *ctx);
bool conn_state_get(uint32_t conn, struct api_ike_state *ret_state);
void conn_state_each(void (*fn)(void *ctx, const struct api_ike_state *state), void *ctx);
// The next connection whose state changed since it was last taken; 0: none.
uint32_t conn_state_take_changed(void);
