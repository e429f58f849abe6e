// SPDX-License-Identifier: Apache-2.0
#include "slots.h"

bool slots_may_activate(const struct slots *s, uint16_t slot, uint64_t epoch)
{
	if (slot >= SLOTS_MAX || (epoch && epoch <= s->denied[slot]))
		return false;
	return s->alone || s->confirmed || (epoch && s->epochs[slot] == epoch);
}

bool slots_deny(struct slots *s, uint16_t slot, uint64_t epoch)
{
	if (slot >= SLOTS_MAX || epoch <= s->denied[slot])
		return false;
	s->denied[slot] = epoch;
	return true;
}

bool slots_confirm(struct slots *s, uint16_t slot, uint64_t epoch)
{
	if (slot >= SLOTS_MAX || !epoch)
		return false;
	s->epochs[slot] = epoch;
	return s->withheld[slot];
}
