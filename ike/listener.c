// SPDX-License-Identifier: GPL-3.0-or-later
#include "listener.h"

#include <stdio.h>

#include <daemon.h>
#include <encoding/payloads/notify_payload.h>
#include <processing/jobs/callback_job.h>
#include <processing/jobs/delete_ike_sa_job.h>

#include "address.h"
#include "conn.h"
#include "dial.h"
#include "exchange_decode.h"
#include "prove.h"

// What RAS reports when a peer does not answer (connectionErrorReason).
#define ERROR_NO_ANSWER 809

// An IKE_SA this young is the other half of a simultaneous initiation, not a leftover.
#define SUPERSEDE_MIN_AGE_S 5

static uint32_t conn_of_sa(ike_sa_t *sa)
{
	peer_cfg_t *peer = sa ? sa->get_peer_cfg(sa) : NULL;

	return peer ? conn_of_name(peer->get_name(peer)) : 0;
}

// -- reasons

struct failure {
	uint32_t error;
	const char *reason;
};

static void note_failure(struct api_ike_state *state, void *ctx)
{
	const struct failure *f = ctx;

	state->error = f->error;
	snprintf(state->reason, sizeof(state->reason), "%s", f->reason);
}

static void fail(ike_sa_t *sa, uint32_t error, const char *reason)
{
	struct failure f = {error, reason};

	conn_state_update(prove_shown_to(sa), note_failure, &f);
}

static const struct {
	alert_t alert;
	uint32_t error;
	const char *reason;
} alerts[] = {
	{ALERT_LOCAL_AUTH_FAILED, AUTHENTICATION_FAILED,
		"the peer refused our authentication: its key for us, or our identity, differs"},
	{ALERT_PEER_AUTH_FAILED, AUTHENTICATION_FAILED,
		"the peer's authentication is wrong: its pre-shared key, certificate or identity "
		"differs"},
	{ALERT_PEER_ADDR_FAILED, ERROR_NO_ANSWER, "the peer's address could not be used"},
	{ALERT_PEER_INIT_UNREACHABLE, ERROR_NO_ANSWER, "the peer does not answer"},
	{ALERT_RETRANSMIT_SEND_TIMEOUT, ERROR_NO_ANSWER, "the peer stopped answering"},
	{ALERT_HALF_OPEN_TIMEOUT, ERROR_NO_ANSWER,
		"the peer began an exchange and did not finish it"},
	{ALERT_PROPOSAL_MISMATCH_IKE, NO_PROPOSAL_CHOSEN,
		"no common IKE proposal: compare mainMode with what the peer offers"},
	{ALERT_PROPOSAL_MISMATCH_CHILD, NO_PROPOSAL_CHOSEN,
		"no common ESP proposal: compare quickMode with what the peer offers"},
	{ALERT_TS_MISMATCH, TS_UNACCEPTABLE, "no common traffic selectors"},
	{ALERT_INSTALL_CHILD_SA_FAILED, TEMPORARY_FAILURE, "the forwarder did not take the SA"},
	{ALERT_CERT_EXPIRED, AUTHENTICATION_FAILED, "the peer's certificate has expired"},
	{ALERT_CERT_REVOKED, AUTHENTICATION_FAILED, "the peer's certificate is revoked"},
	{ALERT_CERT_NO_ISSUER, AUTHENTICATION_FAILED,
		"no trusted CA of this connection issued the peer's certificate"},
	{ALERT_CERT_UNTRUSTED_ROOT, AUTHENTICATION_FAILED,
		"the peer's certificate ends in a CA this connection does not trust"},
};

// The peer offers suites of several connections at its address, and named itself only afterwards.
static const char wrong_suite[] =
	"the suite agreed before the peer named itself is another connection's at its address; the "
	"next attempt is offered this one's";

// What is wrong with a certificate is said before the authentication is said to have failed, by the
// same thread: the first says more.
static const char *certificate_reason(ike_sa_t *sa, alert_t alert, const char *reason)
{
	static __thread struct {
		uint32_t ike_sa;
		const char *reason;
	} last;
	uint32_t id = sa->get_unique_id(sa);

	if (alert == ALERT_PEER_AUTH_FAILED)
		return last.reason && last.ike_sa == id ? last.reason : reason;
	if (alert == ALERT_CERT_EXPIRED || alert == ALERT_CERT_REVOKED ||
		alert == ALERT_CERT_NO_ISSUER || alert == ALERT_CERT_UNTRUSTED_ROOT) {
		last.ike_sa = id;
		last.reason = reason;
	}
	return reason;
}

METHOD(listener_t, alert, bool, listener_t *this, ike_sa_t *sa, alert_t alert, va_list args)
{
	if (alert == ALERT_PEER_AUTH_FAILED && sa && prove_wrong_suite(sa)) {
		fail(sa, NO_PROPOSAL_CHOSEN, wrong_suite);
		return TRUE;
	}
	for (size_t i = 0; sa && i < countof(alerts); i++) {
		if (alerts[i].alert == alert) {
			fail(sa, alerts[i].error, certificate_reason(sa, alert, alerts[i].reason));
			break;
		}
	}
	return TRUE;
}

// Errors the peer names in words of the protocol.
static const struct {
	notify_type_t notify;
	const char *reason;
} notifies[] = {
	{NO_PROPOSAL_CHOSEN, "the peer accepts none of our proposals"},
	{AUTHENTICATION_FAILED, "the peer says authentication failed"},
	{TS_UNACCEPTABLE, "the peer accepts none of our traffic selectors"},
	{INVALID_KE_PAYLOAD, "the peer demands another Diffie-Hellman group"},
	{INVALID_SYNTAX, "the peer says a message of ours is malformed"},
	{INTERNAL_ADDRESS_FAILURE, "the peer could not assign an address"},
	{FAILED_CP_REQUIRED, "the peer demands a configuration request"},
};

static void note_notifies(ike_sa_t *sa, message_t *message)
{
	enumerator_t *payloads = message->create_payload_enumerator(message);
	payload_t *payload;

	while (payloads->enumerate(payloads, &payload)) {
		notify_payload_t *n = (notify_payload_t *)payload;

		if (payload->get_type(payload) != PLV2_NOTIFY)
			continue;
		for (size_t i = 0; i < countof(notifies); i++) {
			if (n->get_notify_type(n) == notifies[i].notify)
				fail(sa, notifies[i].notify, notifies[i].reason);
		}
	}
	payloads->destroy(payloads);
}

// With unique=never libcharon neither sends nor obeys INITIAL_CONTACT: both go by identity there.
// We send it when the connection has no other established IKE_SA.
static bool is_first_contact(ike_sa_t *sa)
{
	struct api_ike_state state;

	return conn_state_get(conn_of_sa(sa), &state) && state.state != API_IKE_UP;
}

METHOD(listener_t, message, bool, listener_t *this, ike_sa_t *sa, message_t *message, bool incoming,
	bool plain)
{
	if (!plain || !sa)
		return TRUE;
	if (!incoming && message->get_exchange_type(message) == IKE_AUTH &&
		message->get_request(message) && message->get_message_id(message) == 1 &&
		is_first_contact(sa))
		message->add_notify(message, FALSE, INITIAL_CONTACT, chunk_empty);
	if (incoming && !message->get_request(message))
		note_notifies(sa, message);
	exchange_decode_and_note(prove_shown_to(sa), message, incoming);
	return TRUE;
}

// -- superseding

// Deletes what the connection had before: established well before `keep`, so no half of a
// simultaneous initiation. Runs as a job of its own, since it checks IKE_SAs out.
static job_requeue_t supersede(void *data)
{
	ike_sa_manager_t *m = charon->ike_sa_manager;
	ike_sa_id_t *keep = data, *id;
	ike_sa_t *sa = m->checkout(m, keep);
	linked_list_t *others;
	time_t now = time_monotonic(NULL);

	if (!sa)
		return JOB_REQUEUE_NONE;
	others = conn_ike_sas(conn_of_sa(sa));
	m->checkin(m, sa);
	while (others->remove_first(others, (void **)&id) == SUCCESS) {
		bool old = false;

		sa = id->equals(id, keep) ? NULL : m->checkout(m, id);
		if (sa) {
			old = sa->get_state(sa) == IKE_ESTABLISHED &&
			      now - (time_t)sa->get_statistic(sa, STAT_ESTABLISHED) >=
				      SUPERSEDE_MIN_AGE_S;
			m->checkin(m, sa);
		}
		if (old)
			lib->processor->queue_job(
				lib->processor, (job_t *)delete_ike_sa_job_create(id, TRUE));
		id->destroy(id);
	}
	others->destroy(others);
	return JOB_REQUEUE_NONE;
}

static void id_destroy(void *id)
{
	((ike_sa_id_t *)id)->destroy(id);
}

static void queue_supersede(ike_sa_t *sa)
{
	ike_sa_id_t *id = sa->get_id(sa);

	lib->processor->queue_job(lib->processor,
		(job_t *)callback_job_create(supersede, id->clone(id), id_destroy, NULL));
}

// -- states

static void describe(char *text, size_t size, proposal_t *proposal)
{
	if (proposal)
		snprintf(text, size, "%P", proposal);
}

static void note_up(struct api_ike_state *s, void *ctx)
{
	ike_sa_t *sa = ctx;
	ike_sa_id_t *id = sa->get_id(sa);
	host_t *peer = sa->get_other_host(sa);

	s->initiator = id->is_initiator(id);
	s->nat_local = sa->has_condition(sa, COND_NAT_HERE);
	s->nat_remote = sa->has_condition(sa, COND_NAT_THERE);
	s->peer = address_of(peer);
	s->peer_port = peer->get_port(peer);
	s->spi_initiator = be64toh(id->get_initiator_spi(id));
	s->spi_responder = be64toh(id->get_responder_spi(id));
	snprintf(s->peer_id, sizeof(s->peer_id), "%Y", sa->get_other_id(sa));
	describe(s->ike_proposal, sizeof(s->ike_proposal), sa->get_proposal(sa));
}

METHOD(listener_t, ike_updown, bool, listener_t *this, ike_sa_t *sa, bool up)
{
	if (up) {
		conn_ike_sa_add(conn_of_sa(sa), sa->get_id(sa));
		conn_state_update(conn_of_sa(sa), note_up, sa);
		queue_supersede(sa);
	}
	return TRUE;
}

static void note_ike_rekeyed(struct api_ike_state *s, void *ctx)
{
	note_up(s, ctx);
	s->rekeys_ike++;
}

METHOD(listener_t, ike_rekey, bool, listener_t *this, ike_sa_t *old, ike_sa_t *new)
{
	conn_ike_sa_add(conn_of_sa(new), new->get_id(new));
	conn_state_update(conn_of_sa(new), note_ike_rekeyed, new);
	return TRUE;
}

static void note_child_up(struct api_ike_state *s, void *ctx)
{
	child_sa_t *child = ctx;

	if (!s->child_count++)
		s->up_s = (uint32_t)time_monotonic(NULL);
	s->state = API_IKE_UP;
	s->error = 0;
	s->attempts = 0;
	s->reason[0] = '\0';
	describe(s->child_proposal, sizeof(s->child_proposal), child->get_proposal(child));
}

// ctx: how many child SAs the IKE_SA has left. One that was rekeyed may be left alone with the
// traffic: its peer gave up the rekeying and deleted what came of it.
static void note_child_down(struct api_ike_state *s, void *ctx)
{
	const uint32_t *left = ctx;

	if (!s->child_count)
		return;
	s->child_count--;
	if (s->child_count < *left)
		s->child_count = *left;
	if (!s->child_count) {
		s->state = API_IKE_DOWN;
		s->up_s = 0;
	}
}

static void note_nothing_left(struct api_ike_state *s, void *ctx)
{
	if (s->child_count)
		s->child_count = 1;
	note_child_down(s, &(uint32_t){0});
}

static bool is_installed(child_sa_t *child)
{
	switch (child->get_state(child)) {
	case CHILD_INSTALLED:
	case CHILD_UPDATING:
	case CHILD_REKEYING:
	case CHILD_REKEYED: return true;
	default: return false;
	}
}

static uint32_t children_beside(ike_sa_t *sa, child_sa_t *gone)
{
	enumerator_t *all = sa->create_child_sa_enumerator(sa);
	child_sa_t *child;
	uint32_t count = 0;

	while (all->enumerate(all, &child))
		count += child != gone && is_installed(child);
	all->destroy(all);
	return count;
}

static int ike_sas_of(uint32_t conn)
{
	linked_list_t *all = conn_ike_sas(conn);
	int count = all->get_count(all);

	all->destroy_offset(all, offsetof(ike_sa_id_t, destroy));
	return count;
}

METHOD(listener_t, child_updown, bool, listener_t *this, ike_sa_t *sa, child_sa_t *child, bool up)
{
	uint32_t left = up ? 0 : children_beside(sa, child);

	conn_state_update(conn_of_sa(sa), up ? note_child_up : note_child_down,
		up ? (void *)child : (void *)&left);
	if (up)
		dial_settled(conn_of_sa(sa));
	return TRUE;
}

// The end of one that was rekeyed is no event of child_updown.
METHOD(listener_t, child_state_change, bool, listener_t *this, ike_sa_t *sa, child_sa_t *child,
	child_sa_state_t state)
{
	if (sa && state == CHILD_DELETED && !children_beside(sa, child) &&
		ike_sas_of(conn_of_sa(sa)) <= 1)
		conn_state_update(conn_of_sa(sa), note_nothing_left, NULL);
	return TRUE;
}

static void note_rekeyed(struct api_ike_state *s, void *ctx)
{
	s->rekeys_child++;
}

METHOD(listener_t, child_rekey, bool, listener_t *this, ike_sa_t *sa, child_sa_t *old,
	child_sa_t *new)
{
	conn_state_update(conn_of_sa(sa), note_rekeyed, NULL);
	return TRUE;
}

METHOD(listener_t, ike_state_change, bool, listener_t *this, ike_sa_t *sa, ike_sa_state_t state)
{
	if (state == IKE_CONNECTING)
		conn_ike_sa_add(conn_of_sa(sa), sa->get_id(sa));
	if (state == IKE_DESTROYING) {
		conn_ike_sa_del(conn_of_sa(sa), sa->get_id(sa));
		if (!ike_sas_of(conn_of_sa(sa)))
			conn_state_update(conn_of_sa(sa), note_nothing_left, NULL);
		dial_settled(conn_of_sa(sa));
		dial_later(prove_shown_to(sa));
	}
	return TRUE;
}

listener_t *listener_get(void)
{
	static listener_t listener;

	listener = (listener_t){
		.alert = _alert,
		.authorize = prove_authorize,
		.message = _message,
		.ike_updown = _ike_updown,
		.ike_rekey = _ike_rekey,
		.ike_state_change = _ike_state_change,
		.child_updown = _child_updown,
		.child_state_change = _child_state_change,
		.child_rekey = _child_rekey,
	};

	return &listener;
}
