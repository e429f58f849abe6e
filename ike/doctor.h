// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// Why a connection is not up, as a pure function of what is wanted and what was seen on the wire.
//
// The newest message that says no decides; what it refuses is compared with what the connection
// demands, field by field, in the words of the API. Where the protocol does not let one know (the
// peer refuses and names no reason) the verdicts are ranked by how often each is the case.

#include <stdbool.h>
#include <stddef.h>

#include "exchange.h"
#include "ike.h"

#define DOCTOR_VERDICTS 8

struct doctor_case {
	const struct api_ike_conn *want;
	const struct api_ike_state *state;
	bool has_credential;                     // what want->auth asks for is stored
	const struct exchange *const *exchanges; // oldest first
	size_t len;
	size_t withheld; // messages that may be another tenant's: not among exchanges
};

// Fills at most DOCTOR_VERDICTS, best first; returns how many, at least 1.
size_t doctor_diagnose(const struct doctor_case *c, struct api_ike_verdict ret[DOCTOR_VERDICTS]);
