// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// Inside the doctor: verdicts under collection, and proposals held against what is wanted.

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "exchange.h"

struct verdicts {
	uint32_t conn;
	struct api_ike_verdict *list; // room for DOCTOR_VERDICTS
	size_t len;
};

// m: what it rests on, or NULL. Left out when there is no more room.
void verdict_add(struct verdicts *v, enum api_ike_verdict_code code, const struct exchange *m,
	bool certain, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

// A verdict for each kind of transform in which the peer's proposals of `m` and those of `want`
// have nothing in common; false: they would agree. with_group: m negotiates a group.
bool compare_proposals(struct verdicts *v, const struct api_ike_conn *want,
	const struct exchange *m, uint8_t protocol, bool with_group);
// The peer refused all of ours and says no more.
void refused_proposals(struct verdicts *v, const struct api_ike_conn *want,
	const struct exchange *m, uint8_t protocol, bool with_group);
void demanded_group(struct verdicts *v, const struct api_ike_conn *want, const struct exchange *m,
	uint16_t group, bool is_ike);
