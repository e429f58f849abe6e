// SPDX-License-Identifier: GPL-3.0-or-later
#include "doctor_compare.h"

#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "words.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))

void verdict_add(struct verdicts *v, enum api_ike_verdict_code code, const struct exchange *m,
	bool certain, const char *field, const char *fmt, ...)
{
	struct api_ike_verdict *out = &v->list[v->len];
	va_list ap;

	if (v->len == DOCTOR_VERDICTS)
		return;
	memset(out, 0, sizeof(*out));
	out->conn = v->conn;
	out->rank = (uint32_t)++v->len;
	out->code = (uint16_t)code;
	out->certain = certain;
	out->exchange = m ? m->exchange : 0;
	out->time_ms = m ? m->time_ms : 0;
	snprintf(out->field, sizeof(out->field), "%s", field);
	va_start(ap, fmt);
	vsnprintf(out->text, sizeof(out->text), fmt, ap);
	va_end(ap);
}

// Kinds of transform, and where the API sets them.
static const struct {
	uint8_t type;
	const char *ike, *esp;
} fields[] = {
	{TRANSFORM_ENCR, "mainMode.encryptionAlgorithm", "quickMode.cipherTransformationConstant"},
	{TRANSFORM_INTEG, "mainMode.integrityAlgorithm",
		"quickMode.authenticationTransformationConstant"},
	{TRANSFORM_PRF, "mainMode.integrityAlgorithm", ""},
	{TRANSFORM_DH, "mainMode.diffieHellmanGroup", "quickMode.perfectForwardSecrecy"},
};

static bool is_aead(uint16_t encr)
{
	return (encr >= 14 && encr <= 20) || encr == 28; // IANA: CCM, GCM, ChaCha20-Poly1305
}

// The PRF that goes with an integrity algorithm when none is named (proposal.c).
static uint16_t prf_of(const struct api_ike_proposal *p)
{
	static const uint16_t of_integrity[] = {[1] = 1, [2] = 2, [13] = 6, [14] = 7};

	if (p->prf)
		return p->prf;
	return p->integ < LEN(of_integrity) && of_integrity[p->integ] ? of_integrity[p->integ] : 5;
}

static uint16_t wanted_id(const struct api_ike_proposal *p, uint8_t type)
{
	switch (type) {
	case TRANSFORM_ENCR: return p->encr;
	case TRANSFORM_INTEG: return p->integ;
	case TRANSFORM_PRF: return prf_of(p);
	default: return p->dh;
	}
}

// One of their proposals has this transform; or has none of the kind, and none is wanted.
static bool offers(const struct exchange *m, uint8_t number, uint8_t protocol, uint8_t type,
	const struct api_ike_proposal *want)
{
	uint16_t id = wanted_id(want, type);
	bool any = false;

	for (size_t i = 0; i < m->transform_count; i++) {
		const struct exchange_transform *t = &m->transform[i];

		if (t->proposal != number || t->protocol != protocol || t->type != type || !t->id)
			continue;
		any = true;
		if (t->id == id &&
			(type != TRANSFORM_ENCR || !t->bits || t->bits == want->encr_bits))
			return true;
	}
	return !any && !id;
}

static bool compared(
	uint8_t type, const struct api_ike_proposal *want, uint8_t protocol, bool with_group)
{
	if (type == TRANSFORM_DH)
		return with_group;
	if (type == TRANSFORM_INTEG)
		return !is_aead(want->encr);
	return type != TRANSFORM_PRF || protocol == PROTOCOL_IKE;
}

// Bit i: fields[i] has nothing in common.
static unsigned mismatch(const struct exchange *m, uint8_t number, uint8_t protocol,
	const struct api_ike_proposal *want, bool with_group)
{
	unsigned bits = 0;

	for (size_t i = 0; i < LEN(fields); i++) {
		if (compared(fields[i].type, want, protocol, with_group) &&
			!offers(m, number, protocol, fields[i].type, want))
			bits |= 1u << i;
	}
	return bits;
}

static char *list_theirs(const struct exchange *m, uint8_t number, uint8_t protocol, uint8_t type,
	char *text, size_t size)
{
	char word[WORD_SIZE];

	text[0] = '\0';
	for (size_t i = 0; i < m->transform_count; i++) {
		const struct exchange_transform *t = &m->transform[i];

		if (t->proposal == number && t->protocol == protocol && t->type == type)
			word_append(text, size, "%s%s", *text ? ", " : "",
				word_transform(
					type, t->id, t->bits, protocol == PROTOCOL_IKE, word));
	}
	if (!*text)
		word_append(text, size, "None");
	return text;
}

static void add_mismatch(struct verdicts *v, const struct exchange *m, uint8_t number,
	uint8_t protocol, const struct api_ike_proposal *want, size_t field)
{
	bool is_ike = protocol == PROTOCOL_IKE;
	uint8_t type = fields[field].type;
	const char *name = is_ike ? fields[field].ike : fields[field].esp;
	char theirs[128], word[WORD_SIZE];

	verdict_add(v, is_ike ? API_IKE_VERDICT_IKE_PROPOSAL : API_IKE_VERDICT_ESP_PROPOSAL, m,
		true, name,
		"the peer offers only %s%s; this connection demands %s: set %s or "
		"change the peer",
		type == TRANSFORM_PRF ? "the PRF " : "",
		list_theirs(m, number, protocol, type, theirs, sizeof(theirs)),
		word_transform(type, wanted_id(want, type),
			type == TRANSFORM_ENCR ? want->encr_bits : 0, is_ike, word),
		name);
}

bool compare_proposals(struct verdicts *v, const struct api_ike_conn *want,
	const struct exchange *m, uint8_t protocol, bool with_group)
{
	bool is_ike = protocol == PROTOCOL_IKE;
	const struct api_ike_proposal *ours = is_ike ? want->proposal : want->child_proposal;
	uint8_t len = is_ike ? want->proposal_count : want->child_proposal_count, best_number = 0;
	const struct api_ike_proposal *best = NULL;
	unsigned least = 0;

	// The pair of proposals that is nearest to agreeing is the one to talk about.
	for (size_t t = 0; t < m->transform_count; t++) {
		if (m->transform[t].protocol != protocol)
			continue;
		for (uint8_t i = 0; i < len; i++) {
			unsigned bits = mismatch(
				m, m->transform[t].proposal, protocol, &ours[i], with_group);

			if (best && __builtin_popcount(bits) >= __builtin_popcount(least))
				continue;
			best = &ours[i];
			best_number = m->transform[t].proposal;
			least = bits;
		}
	}
	for (size_t i = 0; i < LEN(fields); i++) {
		// The PRF follows the integrity algorithm: one verdict names both.
		if (least & (1u << i) &&
			!(fields[i].type == TRANSFORM_PRF && least & (1u << (i - 1))))
			add_mismatch(v, m, best_number, protocol, best, i);
	}
	return least;
}

static void list_ours(const struct api_ike_proposal *p, uint8_t len, bool is_ike, bool with_group,
	char *text, size_t size)
{
	char word[WORD_SIZE];

	text[0] = '\0';
	for (uint8_t i = 0; i < len; i++) {
		word_append(text, size, "%s%s", i ? "; " : "",
			word_transform(TRANSFORM_ENCR, p[i].encr, p[i].encr_bits, is_ike, word));
		if (p[i].integ)
			word_append(text, size, " %s",
				word_transform(TRANSFORM_INTEG, p[i].integ, 0, is_ike, word));
		if (with_group)
			word_append(text, size, " %s",
				word_transform(TRANSFORM_DH, p[i].dh, 0, is_ike, word));
	}
}

void refused_proposals(struct verdicts *v, const struct api_ike_conn *want,
	const struct exchange *m, uint8_t protocol, bool with_group)
{
	bool is_ike = protocol == PROTOCOL_IKE;
	const char *field = is_ike ? "mainMode" : "quickMode";
	char ours[160];

	list_ours(is_ike ? want->proposal : want->child_proposal,
		is_ike ? want->proposal_count : want->child_proposal_count, is_ike, with_group,
		ours, sizeof(ours));
	verdict_add(v, is_ike ? API_IKE_VERDICT_IKE_PROPOSAL : API_IKE_VERDICT_ESP_PROPOSAL, m,
		true, field,
		"the peer accepts nothing of %s and does not say what it would: set %s to what "
		"the peer allows%s",
		ours, field,
		is_ike ? ", or the peer has no connection for this gateway's address" : "");
}

void demanded_group(struct verdicts *v, const struct api_ike_conn *want, const struct exchange *m,
	uint16_t group, bool is_ike)
{
	const struct api_ike_proposal *p = is_ike ? want->proposal : want->child_proposal;
	const char *field =
		is_ike ? "mainMode.diffieHellmanGroup" : "quickMode.perfectForwardSecrecy";
	char theirs[WORD_SIZE], ours[WORD_SIZE];

	verdict_add(v, is_ike ? API_IKE_VERDICT_IKE_PROPOSAL : API_IKE_VERDICT_ESP_PROPOSAL, m,
		true, field,
		"the peer demands %s; this connection offers %s: set %s or change the "
		"peer",
		word_transform(TRANSFORM_DH, group, 0, is_ike, theirs),
		word_transform(TRANSFORM_DH, p[0].dh, 0, is_ike, ours), field);
}
