// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <crypto/proposal/proposal.h>

#include "ike.h"

// A libcharon proposal of what the API says, IANA numbers both. NULL with err filled when this
// build of libcharon lacks an algorithm or the suite makes no sense.
proposal_t *proposal_ike(
	const struct api_ike_proposal *want, uint8_t number, char *err, size_t err_size);
proposal_t *proposal_esp(
	const struct api_ike_proposal *want, uint8_t number, bool esn, char *err, size_t err_size);
