// SPDX-License-Identifier: GPL-3.0-or-later
// From IANA transform numbers to libcharon proposals. Transform types 1 (encryption), 3
// (integrity) and 4 (DH) are the same numbers there; AEAD suites carry no integrity transform.
#include "proposal.h"

#include <stdio.h>

#include <crypto/key_exchange.h>

static bool is_aead(uint16_t encr)
{
	return encryption_algorithm_is_aead(encr);
}

// The PRF that goes with an integrity algorithm when none is named, as strongSwan and Windows do.
static uint16_t default_prf(const struct api_ike_proposal *p)
{
	switch (p->integ) {
	case AUTH_HMAC_MD5_96: return PRF_HMAC_MD5;
	case AUTH_HMAC_SHA1_96: return PRF_HMAC_SHA1;
	case AUTH_HMAC_SHA2_384_192: return PRF_HMAC_SHA2_384;
	case AUTH_HMAC_SHA2_512_256: return PRF_HMAC_SHA2_512;
	default: return PRF_HMAC_SHA2_256;
	}
}

proposal_t *proposal_ike(
	const struct api_ike_proposal *want, uint8_t number, char *err, size_t err_size)
{
	uint16_t prf = want->prf ? want->prf : default_prf(want);
	proposal_t *p;

	if (!want->dh) {
		snprintf(err, err_size, "proposal %u: an IKE SA needs a Diffie-Hellman group",
			number);
		return NULL;
	}
	if (!is_aead(want->encr) && !want->integ) {
		snprintf(err, err_size, "proposal %u: this cipher needs an integrity algorithm",
			number);
		return NULL;
	}
	p = proposal_create(PROTO_IKE, number);
	p->add_algorithm(p, ENCRYPTION_ALGORITHM, want->encr, want->encr_bits);
	if (!is_aead(want->encr))
		p->add_algorithm(p, INTEGRITY_ALGORITHM, want->integ, 0);
	p->add_algorithm(p, PSEUDO_RANDOM_FUNCTION, prf, 0);
	p->add_algorithm(p, KEY_EXCHANGE_METHOD, want->dh, 0);
	return p;
}

proposal_t *proposal_esp(
	const struct api_ike_proposal *want, uint8_t number, bool esn, char *err, size_t err_size)
{
	proposal_t *p;

	if (!is_aead(want->encr) && !want->integ) {
		snprintf(err, err_size,
			"child proposal %u: this cipher needs an integrity algorithm", number);
		return NULL;
	}
	p = proposal_create(PROTO_ESP, number);
	p->add_algorithm(p, ENCRYPTION_ALGORITHM, want->encr, want->encr_bits);
	if (!is_aead(want->encr))
		p->add_algorithm(p, INTEGRITY_ALGORITHM, want->integ, 0);
	if (want->dh)
		p->add_algorithm(p, KEY_EXCHANGE_METHOD, want->dh, 0);
	if (esn)
		p->add_algorithm(p, EXTENDED_SEQUENCE_NUMBERS, EXT_SEQ_NUMBERS, 0);
	p->add_algorithm(p, EXTENDED_SEQUENCE_NUMBERS, NO_EXT_SEQ_NUMBERS, 0);
	return p;
}
