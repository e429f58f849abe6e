// SPDX-License-Identifier: GPL-3.0-or-later
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "doctor_compare.h"
#include "words.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))

// Notify types, RFC 7296 section 3.10.1
enum {
	NO_PROPOSAL = 14,
	INVALID_KE = 17,
	AUTH_FAILED = 24,
	TEMPORARY_FAILURE = 43,
	TS_UNACCEPTABLE = 38,
	ERRORS_END = 16384,
	USE_TRANSPORT = 16391,
};

// -- messages

// The other half of the same exchange.
static const struct exchange *counterpart(const struct doctor_case *c, const struct exchange *m)
{
	for (size_t i = c->len; i-- > 0;) {
		const struct exchange *e = c->exchanges[i];

		if (e->spi == m->spi && e->exchange == m->exchange &&
			e->message_id == m->message_id && e->request != m->request &&
			e->inbound != m->inbound)
			return e;
	}
	return NULL;
}

static const struct exchange *find(
	const struct doctor_case *c, uint64_t spi, uint16_t exchange, bool request)
{
	for (size_t i = c->len; i-- > 0;) {
		const struct exchange *e = c->exchanges[i];

		if (e->spi == spi && e->exchange == exchange && e->request == request)
			return e;
	}
	return NULL;
}

static uint16_t error_of(const struct exchange *e)
{
	for (size_t i = 0; i < e->notify_count; i++) {
		if (e->notify[i].type < ERRORS_END)
			return e->notify[i].type;
	}
	return 0;
}

// -- whose identity

// As libcharon writes and reads them: an FQDN may carry a leading '@'.
static bool same_identity(const char *a, const char *b)
{
	return !strcasecmp(a + (*a == '@'), b + (*b == '@'));
}

static bool check_peer_identity(
	struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	const char *id = m->request ? m->id_i : m->id_r;

	if (!id || !c->want->remote_id[0] || same_identity(id, c->want->remote_id))
		return false;
	verdict_add(v, API_IKE_VERDICT_PEER_IDENTITY, m, true, "isthmus.peerIdentity",
		"the peer calls itself '%s'; this connection expects '%s': set "
		"isthmus.peerIdentity or change the peer's own identity",
		id, c->want->remote_id);
	return true;
}

static const char *our_identity(const struct doctor_case *c, char text[IP_TEXT_SIZE])
{
	return c->want->local_id[0] ? c->want->local_id : ip_format(&c->want->local, text);
}

static bool check_our_identity(
	struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	char text[IP_TEXT_SIZE];
	const char *ours = our_identity(c, text);

	if (!m->request || !m->id_r || same_identity(m->id_r, ours))
		return false;
	verdict_add(v, API_IKE_VERDICT_OUR_IDENTITY, m, true, "isthmus.localIdentity",
		"the peer expects the gateway to be '%s'; it is '%s': set isthmus.localIdentity or "
		"change the identity the peer expects",
		m->id_r, ours);
	return true;
}

static bool check_method(struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	bool psk = c->want->auth == API_IKE_AUTH_PSK;

	if (psk ? m->auth_method == 2 : m->auth_method && m->auth_method != 2)
		return false;
	verdict_add(v, API_IKE_VERDICT_AUTH_METHOD, m, true, "authenticationMethod",
		"the peer authenticates by %s; this connection demands %s: set "
		"authenticationMethod or change the peer",
		word_auth(m->auth_method), psk ? "PSK" : "Certificates");
	return true;
}

// -- what was refused, and by whom

// Their certificate or secret does not prove who they are.
static void add_proof(struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	if (c->want->auth == API_IKE_AUTH_PSK)
		verdict_add(v, API_IKE_VERDICT_KEY, m, true, "sharedSecret",
			"identities and proposals agree and the peer's proof is wrong: the shared "
			"secrets differ: set sharedSecret to the peer's or change the peer");
	else
		verdict_add(v, API_IKE_VERDICT_CERTIFICATE, m, true, "credentials",
			"the peer's certificate does not prove its identity: %s",
			c->state->reason[0] ? c->state->reason
					    : "check its issuer, dates and names");
}

static void we_refused_authentication(
	struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	// Ours may be the answer to their IKE_AUTH, or an exchange of its own after it.
	const struct exchange *theirs = find(c, m->spi, EXCHANGE_AUTH, !m->request);
	const struct exchange *init = find(c, m->spi, EXCHANGE_INIT, true);
	bool found;

	if (!theirs || !theirs->inbound)
		theirs = m;
	found = check_peer_identity(v, c, theirs);
	found |= check_our_identity(v, c, theirs);
	found |= theirs != m && check_method(v, c, theirs);
	// Several connections may share an address: what another of them allows was agreed first.
	if (!found && init && init->inbound)
		found = compare_proposals(v, c->want, init, PROTOCOL_IKE, true);
	if (!found)
		add_proof(v, c, theirs);
}

static void peer_refused_authentication(
	struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	char text[IP_TEXT_SIZE];
	bool psk = c->want->auth == API_IKE_AUTH_PSK;

	verdict_add(v, psk ? API_IKE_VERDICT_KEY : API_IKE_VERDICT_CERTIFICATE, m, false,
		psk ? "sharedSecret" : "credentials",
		"the peer refuses our authentication and may not say why: most often %s",
		psk ? "the shared secrets differ: set sharedSecret to the peer's"
		    : "it does not trust the issuer of our certificate");
	verdict_add(v, API_IKE_VERDICT_OUR_IDENTITY, m, false, "isthmus.localIdentity",
		"or it does not know us as '%s': set isthmus.localIdentity to what it expects",
		our_identity(c, text));
	verdict_add(v, API_IKE_VERDICT_PEER_IDENTITY, m, false, "isthmus.peerIdentity",
		"or it is not '%s', as this connection asks it to be",
		c->want->remote_id[0] ? c->want->remote_id : "anybody");
	verdict_add(v, API_IKE_VERDICT_AUTH_METHOD, m, false, "authenticationMethod",
		"or it does not accept %s", psk ? "PSK" : "certificates");
}

static void on_auth_failed(
	struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	if (m->inbound)
		peer_refused_authentication(v, c, m);
	else
		we_refused_authentication(v, c, m);
}

static bool wants_transport(const struct doctor_case *c)
{
	return c->want->flags & API_IKE_F_TRANSPORT;
}

static bool check_mode(struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	bool theirs = exchange_has_notify(m, USE_TRANSPORT);

	if (theirs == wants_transport(c))
		return false;
	verdict_add(v, API_IKE_VERDICT_MODE, m, true, "connectionType",
		"the peer asks for %s mode; this connection is for %s mode: change the peer",
		theirs ? "transport" : "tunnel", theirs ? "tunnel" : "transport");
	return true;
}

static void on_no_proposal(
	struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	const struct exchange *request = m->request ? NULL : counterpart(c, m);
	uint8_t protocol = m->exchange == EXCHANGE_INIT ? PROTOCOL_IKE : PROTOCOL_ESP;
	bool with_group = m->exchange != EXCHANGE_AUTH;
	bool found = false;

	if (m->inbound) {
		refused_proposals(v, c->want, m, protocol, with_group);
		return;
	}
	if (request)
		found = compare_proposals(v, c->want, request, protocol, with_group);
	if (request && protocol == PROTOCOL_ESP)
		found |= check_mode(v, c, request);
	if (!found && protocol == PROTOCOL_IKE)
		verdict_add(v, API_IKE_VERDICT_NO_CONFIG, m, false, "connectionStatus",
			"no enabled connection took the peer's first message: another change may "
			"be under way");
	else if (!found)
		verdict_add(v, API_IKE_VERDICT_ESP_PROPOSAL, m, false, "quickMode",
			"no common proposal for child SAs: compare quickMode with the peer's");
}

static bool allows_group(const struct doctor_case *c, uint16_t group, bool is_ike)
{
	const struct api_ike_proposal *p = is_ike ? c->want->proposal : c->want->child_proposal;
	uint8_t len = is_ike ? c->want->proposal_count : c->want->child_proposal_count;

	for (uint8_t i = 0; i < len; i++) {
		if (p[i].dh == group)
			return true;
	}
	return false;
}

static void on_invalid_ke(struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	bool is_ike = m->exchange == EXCHANGE_INIT;
	uint16_t group = 0;

	for (size_t i = 0; i < m->notify_count; i++) {
		if (m->notify[i].type == INVALID_KE)
			group = m->notify[i].value;
	}
	// A group both know is merely tried next.
	if (m->inbound && !allows_group(c, group, is_ike))
		demanded_group(v, c->want, m, group, is_ike);
}

static bool overlap(const struct api_ike_selector *a, const struct api_ike_selector *b)
{
	return a->start.family == b->start.family &&
	       (!a->protocol || !b->protocol || a->protocol == b->protocol) &&
	       ip_compare(&a->start, &b->end) <= 0 && ip_compare(&b->start, &a->end) <= 0 &&
	       a->port_start <= b->port_end && b->port_start <= a->port_end;
}

// An empty list of ours is any.
static bool any_overlap(const struct api_ike_selector *theirs, size_t their_len,
	const struct api_ike_selector *ours, size_t our_len)
{
	for (size_t i = 0; i < their_len; i++) {
		for (size_t j = 0; j < our_len; j++) {
			if (overlap(&theirs[i], &ours[j]))
				return true;
		}
	}
	return !our_len || !their_len;
}

static void compare_selectors(struct verdicts *v, const struct exchange *m, const char *field,
	const char *side, const struct api_ike_selector *theirs, size_t their_len,
	const struct api_ike_selector *ours, size_t our_len)
{
	char a[110], b[110];

	if (any_overlap(theirs, their_len, ours, our_len))
		return;
	verdict_add(v, API_IKE_VERDICT_SELECTORS, m, true, field,
		"for %s the peer proposes %s; this connection allows %s: set %s or change the peer",
		side, word_selectors(theirs, their_len, a, sizeof(a)),
		word_selectors(ours, our_len, b, sizeof(b)), field);
}

static void on_selectors(struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	const struct exchange *request = counterpart(c, m);
	const struct api_ike_conn *w = c->want;
	char a[110], b[110];
	size_t before = v->len;

	if (!m->inbound && request) {
		compare_selectors(v, m, "remoteVpnTrafficSelector", "the site's side",
			request->ts_i, request->ts_i_count, w->remote_ts, w->remote_ts_count);
		compare_selectors(v, m, "localVpnTrafficSelector", "our side", request->ts_r,
			request->ts_r_count, w->local_ts, w->local_ts_count);
	}
	if (v->len > before)
		return;
	verdict_add(v, API_IKE_VERDICT_SELECTORS, m, m->inbound, "remoteVpnTrafficSelector",
		"%s refuses the traffic selectors: ours are %s (localVpnTrafficSelector) and %s "
		"(remoteVpnTrafficSelector); the peer needs their mirror image",
		m->inbound ? "the peer" : "this side",
		word_selectors(w->local_ts, w->local_ts_count, a, sizeof(a)),
		word_selectors(w->remote_ts, w->remote_ts_count, b, sizeof(b)));
}

static void on_other(struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	char word[WORD_SIZE];
	const char *name = word_notify(error_of(m), word);

	if (m->inbound)
		verdict_add(v, API_IKE_VERDICT_PEER_REFUSES, m, true, "",
			"the peer answers %s with %s: its log says more",
			word_exchange(m->exchange), name);
	else
		verdict_add(v, API_IKE_VERDICT_PEER_REFUSES, m, true, "",
			"we answered the peer's %s with %s%s%s", word_exchange(m->exchange), name,
			c->state->reason[0] ? ": " : "", c->state->reason);
}

static const struct {
	uint16_t error;
	void (*explain)(struct verdicts *v, const struct doctor_case *c, const struct exchange *m);
} explanations[] = {
	{NO_PROPOSAL, on_no_proposal},
	{INVALID_KE, on_invalid_ke},
	{AUTH_FAILED, on_auth_failed},
	{TS_UNACCEPTABLE, on_selectors},
};

static void explain(struct verdicts *v, const struct doctor_case *c, const struct exchange *m)
{
	uint16_t error = error_of(m);

	for (size_t i = 0; i < LEN(explanations); i++) {
		if (explanations[i].error == error) {
			explanations[i].explain(v, c, m);
			return;
		}
	}
	on_other(v, c, m);
}

// -- nobody said no

// Messages of the newest attempt, by kind.
struct attempt {
	const struct exchange *init_request, *init_answer, *auth_request, *auth_answer;
};

static struct attempt newest_attempt(const struct doctor_case *c)
{
	uint64_t spi = c->exchanges[c->len - 1]->spi;

	return (struct attempt){
		.init_request = find(c, spi, EXCHANGE_INIT, true),
		.init_answer = find(c, spi, EXCHANGE_INIT, false),
		.auth_request = find(c, spi, EXCHANGE_AUTH, true),
		.auth_answer = find(c, spi, EXCHANGE_AUTH, false),
	};
}

static void add_silence(struct verdicts *v, const struct doctor_case *c)
{
	char remote[IP_TEXT_SIZE] = "the peer";
	bool dials = c->want->flags & API_IKE_F_INITIATE;

	if (c->want->remote.family != IP_NONE)
		ip_format(&c->want->remote, remote);
	if (dials && c->want->remote.family != IP_NONE)
		verdict_add(v, API_IKE_VERDICT_CONNECTING, NULL, true, "",
			"no message yet: the first is about to be sent to %s", remote);
	else
		verdict_add(v, API_IKE_VERDICT_NOBODY_BEGINS, NULL, true, "destinationIPAddress",
			"nothing has come from %s, and this connection waits for the peer to "
			"begin: the peer does not dial, dials another address, or UDP 500 is "
			"blocked on the way",
			remote);
}

// What came names no connection, and may be another tenant's peer's: nothing of it is told.
static void add_withheld(struct verdicts *v, const struct doctor_case *c)
{
	char remote[IP_TEXT_SIZE] = "an address that no connection names";

	if (c->want->remote.family != IP_NONE)
		ip_format(&c->want->remote, remote);
	verdict_add(v, API_IKE_VERDICT_WITHHELD, NULL, false, "isthmus.peerIdentity",
		"%s sent messages that fit no connection, by proposal or identity; other tenants "
		"share the address, so they are not shown: compare isthmus.peerIdentity ('%s') and "
		"mainMode with the peer's",
		remote, c->want->remote_id);
}

static void add_unanswered(struct verdicts *v, const struct doctor_case *c, const struct attempt *a)
{
	const struct exchange *last = c->exchanges[c->len - 1];
	char remote[IP_TEXT_SIZE];

	ip_format(&last->remote, remote);
	if (a->init_request && !a->init_request->inbound && !a->init_answer)
		verdict_add(v, API_IKE_VERDICT_NO_ANSWER, a->init_request, true,
			"destinationIPAddress",
			"%s does not answer IKE_SA_INIT: wrong destinationIPAddress, UDP 500 "
			"blocked on the way, or no IKEv2 there",
			remote);
	else if (a->auth_request && !a->auth_request->inbound && !a->auth_answer &&
		 !(a->init_answer && error_of(a->init_answer)))
		verdict_add(v, API_IKE_VERDICT_HALF_OPEN, a->auth_request, false, "",
			"%s answers IKE_SA_INIT and not IKE_AUTH: UDP 4500 or fragments are "
			"blocked on the way",
			remote);
	else if (a->init_answer && !a->init_answer->inbound && !a->auth_request &&
		 !error_of(a->init_answer))
		verdict_add(v, API_IKE_VERDICT_HALF_OPEN, a->init_answer, false, "",
			"%s began and did not go on to IKE_AUTH: our answer does not reach it, UDP "
			"4500 or fragments are blocked on the way, or it gave up",
			remote);
}

static void add_from_state(struct verdicts *v, const struct doctor_case *c)
{
	if (c->state->error == TEMPORARY_FAILURE)
		verdict_add(v, API_IKE_VERDICT_FORWARDER, NULL, true, "", "%s", c->state->reason);
	else if (c->state->reason[0])
		verdict_add(
			v, API_IKE_VERDICT_PEER_REFUSES, NULL, false, "", "%s", c->state->reason);
	else
		verdict_add(v, API_IKE_VERDICT_CONNECTING, NULL, false, "",
			"the tunnel is down, and nothing that was seen speaks against it");
}

// The last thing that was said is the peer's Delete.
static void explain_close(struct verdicts *v, const struct doctor_case *c)
{
	const struct exchange *e;

	for (size_t i = c->len; i-- > 0;) {
		e = c->exchanges[i];
		if (e->exchange != EXCHANGE_INFO)
			return;
		if (e->inbound && e->request && e->delete_count) {
			verdict_add(v, API_IKE_VERDICT_PEER_CLOSED, e, true, "",
				"the peer agreed and then closed the tunnel itself: its log says "
				"why");
			return;
		}
	}
}

static void explain_down(struct verdicts *v, const struct doctor_case *c)
{
	struct attempt a;

	if (!c->len) {
		if (c->withheld)
			add_withheld(v, c);
		add_silence(v, c);
		return;
	}
	a = newest_attempt(c);
	if (c->state->error != TEMPORARY_FAILURE)
		add_unanswered(v, c, &a);
	for (size_t i = c->len; !v->len && i-- > 0;) {
		if (error_of(c->exchanges[i]))
			explain(v, c, c->exchanges[i]);
	}
	if (!v->len)
		explain_close(v, c);
	if (!v->len)
		add_from_state(v, c);
	if (c->withheld)
		add_withheld(v, c);
}

// Up: only the newest rekeying can be at fault.
static void explain_up(struct verdicts *v, const struct doctor_case *c)
{
	for (size_t i = c->len; i-- > 0;) {
		const struct exchange *e = c->exchanges[i];

		if (e->exchange != EXCHANGE_CHILD || e->request)
			continue;
		if (error_of(e))
			explain(v, c, e);
		break;
	}
	if (!v->len)
		verdict_add(v, API_IKE_VERDICT_FINE, NULL, true, "",
			"nothing wrong here: the tunnel is up");
	if (c->state->nat_local || c->state->nat_remote)
		verdict_add(v, API_IKE_VERDICT_NAT, NULL, true, "",
			"%s behind a NAT: ESP travels in UDP 4500",
			c->state->nat_remote ? "the peer is" : "this gateway is");
}

size_t doctor_diagnose(const struct doctor_case *c, struct api_ike_verdict ret[DOCTOR_VERDICTS])
{
	struct verdicts v = {.conn = c->want->conn, .list = ret};

	if (!(c->want->flags & API_IKE_F_ENABLED)) {
		verdict_add(&v, API_IKE_VERDICT_DISABLED, NULL, true, "connectionStatus",
			"connectionStatus is Disabled: the peer is refused until it is Enabled");
		return v.len;
	}
	if (c->state->state == API_IKE_UP) {
		explain_up(&v, c);
		return v.len;
	}
	if (!c->has_credential)
		verdict_add(&v, API_IKE_VERDICT_NO_CREDENTIAL, NULL, true,
			c->want->auth == API_IKE_AUTH_PSK ? "sharedSecret" : "credentials",
			c->want->auth == API_IKE_AUTH_PSK
				? "no shared secret is stored: set sharedSecret"
				: "no certificate with its key is stored: give credentials");
	else
		explain_down(&v, c);
	return v.len;
}
