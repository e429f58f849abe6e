// SPDX-License-Identifier: GPL-3.0-or-later
// From libcharon's messages to struct exchange, and into the ring.
#include "exchange_decode.h"

#include <stdio.h>
#include <sys/time.h>

#include <encoding/payloads/auth_payload.h>
#include <encoding/payloads/id_payload.h>
#include <encoding/payloads/ke_payload.h>
#include <encoding/payloads/notify_payload.h>
#include <encoding/payloads/sa_payload.h>
#include <encoding/payloads/ts_payload.h>

#include "address.h"
#include "ring.h"

// Where the parts are gathered before they are stored in one piece.
struct scratch {
	struct exchange e;
	struct exchange_transform transform[EXCHANGE_TRANSFORMS];
	struct exchange_notify notify[EXCHANGE_NOTIFIES];
	struct api_ike_selector ts_i[API_IKE_SELECTORS], ts_r[API_IKE_SELECTORS];
	char id_i[API_IKE_ID_SIZE], id_r[API_IKE_ID_SIZE];
};

static void add_proposal(struct scratch *s, proposal_t *proposal)
{
	static const transform_type_t types[] = {ENCRYPTION_ALGORITHM, PSEUDO_RANDOM_FUNCTION,
		INTEGRITY_ALGORITHM, KEY_EXCHANGE_METHOD, EXTENDED_SEQUENCE_NUMBERS};

	for (size_t i = 0; i < countof(types); i++) {
		enumerator_t *all = proposal->create_enumerator(proposal, types[i]);
		uint16_t id, bits;

		while (all->enumerate(all, &id, &bits)) {
			if (s->e.transform_count == EXCHANGE_TRANSFORMS)
				break;
			s->transform[s->e.transform_count++] = (struct exchange_transform){
				.proposal = proposal->get_number(proposal),
				.protocol = (uint8_t)proposal->get_protocol(proposal),
				.type = (uint8_t)types[i],
				.id = id,
				.bits = bits};
		}
		all->destroy(all);
	}
}

static void proposal_destroy(void *proposal)
{
	((proposal_t *)proposal)->destroy(proposal);
}

static void take_sa(struct scratch *s, payload_t *payload)
{
	sa_payload_t *sa = (sa_payload_t *)payload;
	linked_list_t *all = sa->get_proposals(sa);
	enumerator_t *each = all->create_enumerator(all);
	proposal_t *proposal;

	while (each->enumerate(each, &proposal))
		add_proposal(s, proposal);
	each->destroy(each);
	all->destroy_function(all, proposal_destroy);
}

static void take_ke(struct scratch *s, payload_t *payload)
{
	ke_payload_t *ke = (ke_payload_t *)payload;

	s->e.ke_group = (uint16_t)ke->get_key_exchange_method(ke);
}

static void take_id(payload_t *payload, char text[API_IKE_ID_SIZE], const char **ret)
{
	id_payload_t *p = (id_payload_t *)payload;
	identification_t *id = p->get_identification(p);

	// %Y prints what is not text as hexadecimal.
	snprintf(text, API_IKE_ID_SIZE, "%Y", id);
	id->destroy(id);
	*ret = text;
}

static void take_id_i(struct scratch *s, payload_t *payload)
{
	take_id(payload, s->id_i, &s->e.id_i);
}

static void take_id_r(struct scratch *s, payload_t *payload)
{
	take_id(payload, s->id_r, &s->e.id_r);
}

static void take_cert(struct scratch *s, payload_t *payload)
{
	s->e.cert_count++;
}

static void take_delete(struct scratch *s, payload_t *payload)
{
	s->e.delete_count++;
}

static void take_auth(struct scratch *s, payload_t *payload)
{
	auth_payload_t *auth = (auth_payload_t *)payload;

	s->e.auth_method = (uint8_t)auth->get_auth_method(auth);
}

static void ts_destroy(void *ts)
{
	((traffic_selector_t *)ts)->destroy(ts);
}

static uint8_t take_ts(payload_t *payload, struct api_ike_selector *to)
{
	ts_payload_t *p = (ts_payload_t *)payload;
	linked_list_t *all = p->get_traffic_selectors(p);
	enumerator_t *each = all->create_enumerator(all);
	traffic_selector_t *ts;
	uint8_t len = 0;

	while (len < API_IKE_SELECTORS && each->enumerate(each, &ts)) {
		chunk_t from = ts->get_from_address(ts);
		enum ip_family family = from.len == 16 ? IP_V6 : IP_V4;

		if (from.len != 4 && from.len != 16)
			continue;
		to[len++] = (struct api_ike_selector){.start = ip_from_bytes(family, from.ptr),
			.end = ip_from_bytes(family, ts->get_to_address(ts).ptr),
			.port_start = ts->get_from_port(ts),
			.port_end = ts->get_to_port(ts),
			.protocol = ts->get_protocol(ts)};
	}
	each->destroy(each);
	all->destroy_function(all, ts_destroy);
	return len;
}

static void take_ts_i(struct scratch *s, payload_t *payload)
{
	s->e.ts_i_count = take_ts(payload, s->ts_i);
}

static void take_ts_r(struct scratch *s, payload_t *payload)
{
	s->e.ts_r_count = take_ts(payload, s->ts_r);
}

static void take_notify(struct scratch *s, payload_t *payload)
{
	notify_payload_t *n = (notify_payload_t *)payload;
	chunk_t data = n->get_notification_data(n);
	struct exchange_notify *out = &s->notify[s->e.notify_count];

	if (s->e.notify_count == EXCHANGE_NOTIFIES)
		return;
	s->e.notify_count++;
	out->type = (uint16_t)n->get_notify_type(n);
	out->value = out->type == INVALID_KE_PAYLOAD && data.len == 2 ? untoh16(data.ptr) : 0;
}

static const struct {
	payload_type_t type;
	void (*take)(struct scratch *s, payload_t *payload);
} takers[] = {
	{PLV2_SECURITY_ASSOCIATION, take_sa},
	{PLV2_KEY_EXCHANGE, take_ke},
	{PLV2_ID_INITIATOR, take_id_i},
	{PLV2_ID_RESPONDER, take_id_r},
	{PLV2_CERTIFICATE, take_cert},
	{PLV2_AUTH, take_auth},
	{PLV2_DELETE, take_delete},
	{PLV2_TS_INITIATOR, take_ts_i},
	{PLV2_TS_RESPONDER, take_ts_r},
	{PLV2_NOTIFY, take_notify},
};

static void take_payloads(struct scratch *s, message_t *message)
{
	enumerator_t *all = message->create_payload_enumerator(message);
	payload_t *payload;

	while (all->enumerate(all, &payload)) {
		for (size_t i = 0; i < countof(takers); i++) {
			if (takers[i].type == payload->get_type(payload))
				takers[i].take(s, payload);
		}
	}
	all->destroy(all);
	s->e.transform = s->transform;
	s->e.notify = s->notify;
	s->e.ts_i = s->ts_i;
	s->e.ts_r = s->ts_r;
}

static uint64_t now_ms(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

void exchange_decode_and_note(uint32_t conn, message_t *message, bool incoming)
{
	host_t *src = message->get_source(message), *dst = message->get_destination(message);
	struct scratch s = {.e = {0}};

	s.e.exchange = (uint16_t)message->get_exchange_type(message);
	take_payloads(&s, message);
	if (s.e.exchange == INFORMATIONAL && !s.e.notify_count && !s.e.delete_count)
		return;
	s.e.time_ms = now_ms();
	s.e.spi = be64toh(message->get_initiator_spi(message));
	s.e.local = address_of(incoming ? dst : src);
	s.e.remote = address_of(incoming ? src : dst);
	s.e.inbound = incoming;
	s.e.request = message->get_request(message);
	s.e.message_id = message->get_message_id(message);
	ring_note(conn, &s.e);
}
