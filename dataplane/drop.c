// SPDX-License-Identifier: Apache-2.0
#include "drop.h"

static const struct {
	const char *name;
	const char *text;
} reasons[DROP_COUNT] = {
#define X(id, name, text) [DROP_##id] = {name, text},
	DROP_REASONS(X)
#undef X
};

const char *drop_name(enum drop_reason reason)
{
	return (unsigned)reason < DROP_COUNT ? reasons[reason].name : "unknown";
}

const char *drop_text(enum drop_reason reason)
{
	return (unsigned)reason < DROP_COUNT ? reasons[reason].text : "unknown reason";
}
