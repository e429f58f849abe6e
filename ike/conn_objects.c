// SPDX-License-Identifier: GPL-3.0-or-later
// What libcharon is shown of one connection: ike_cfg, peer_cfg, child_cfg.
#include <daemon.h>

#include "conn_impl.h"
#include "proposal.h"
#include "prove.h"

ike_cfg_t *conn_make_ike_cfg(const struct api_ike_conn *w, char *err, size_t err_size)
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

identification_t *conn_identity(const char *text, const struct ip_addr *addr)
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
		local ? conn_identity(w->local_id, &w->local) : conn_identity(w->remote_id, &none));
	if (!local)
		auth->add(auth, AUTH_RULE_GROUP, prove_mark(w->conn));
	return auth;
}

// A rekeying that the peer had no time for is tried again after up to 15 s, and its messages may be
// lost: an IKE_SA is not given up before.
#define IKE_OVER_MIN_S 30

peer_cfg_t *conn_make_peer_cfg(const struct api_ike_conn *w, ike_cfg_t *ike)
{
	char name[CONN_NAME_SIZE];
	uint32_t life = w->ike_life_s ? w->ike_life_s : 28800;
	peer_cfg_create_t create = {
		.cert_policy = CERT_ALWAYS_SEND,
		.unique = UNIQUE_NEVER, // superseding is by connection: see listener.c
		.keyingtries = 0,
		.rekey_time = life - life / 10,
		.jitter_time = life / 10,
		.over_time = life / 10 > IKE_OVER_MIN_S ? life / 10 : IKE_OVER_MIN_S,
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

child_cfg_t *conn_make_child_cfg(const struct api_ike_conn *w, char *err, size_t err_size)
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
