// SPDX-License-Identifier: GPL-3.0-or-later
#include "exchange.h"

#include <string.h>

#include "words.h"
#include "xmalloc.h"

#define ALIGN(n) (((n) + 7) / 8 * 8)

static const void *put(uint8_t **at, const void *from, size_t size)
{
	uint8_t *here = *at;

	if (!from)
		return NULL;
	if (size)
		memcpy(here, from, size);
	*at += ALIGN(size);
	return here;
}

struct exchange *exchange_clone(const struct exchange *e, size_t *ret_size)
{
	size_t transforms = e->transform_count * sizeof(*e->transform);
	size_t notifies = e->notify_count * sizeof(*e->notify);
	size_t ts_i = e->ts_i_count * sizeof(*e->ts_i), ts_r = e->ts_r_count * sizeof(*e->ts_r);
	size_t id_i = e->id_i ? strlen(e->id_i) + 1 : 0, id_r = e->id_r ? strlen(e->id_r) + 1 : 0;
	size_t size = sizeof(*e) + ALIGN(transforms) + ALIGN(notifies) + ALIGN(ts_i) + ALIGN(ts_r) +
		      ALIGN(id_i) + ALIGN(id_r);
	struct exchange *copy = xcalloc(1, size);
	uint8_t *at = (uint8_t *)(copy + 1);

	*copy = *e;
	copy->transform = put(&at, e->transform, transforms);
	copy->notify = put(&at, e->notify, notifies);
	copy->ts_i = put(&at, e->ts_i, ts_i);
	copy->ts_r = put(&at, e->ts_r, ts_r);
	copy->id_i = put(&at, e->id_i, id_i);
	copy->id_r = put(&at, e->id_r, id_r);
	if (ret_size)
		*ret_size = size;
	return copy;
}

bool exchange_has_notify(const struct exchange *e, uint16_t type)
{
	for (size_t i = 0; i < e->notify_count; i++) {
		if (e->notify[i].type == type)
			return true;
	}
	return false;
}

static void append_proposals(const struct exchange *e, char *text, size_t size)
{
	char word[WORD_SIZE];
	uint8_t number = 0;

	for (size_t i = 0; i < e->transform_count; i++) {
		const struct exchange_transform *t = &e->transform[i];

		word_append(text, size, "%s%s",
			!i                      ? "SA("
			: number != t->proposal ? " | "
						: " ",
			word_transform(t->type, t->id, t->bits, t->protocol == PROTOCOL_IKE, word));
		number = t->proposal;
	}
	if (e->transform_count)
		word_append(text, size, ") ");
}

char *exchange_text(const struct exchange *e, char *text, size_t size)
{
	char word[WORD_SIZE], list[256];

	text[0] = '\0';
	for (size_t i = 0; i < e->notify_count; i++) {
		if (e->notify[i].type < 16384 || e->notify[i].type == 16391)
			word_append(text, size, "N(%s) ", word_notify(e->notify[i].type, word));
	}
	append_proposals(e, text, size);
	if (e->ke_group)
		word_append(text, size, "KE(%s) ",
			word_transform(TRANSFORM_DH, e->ke_group, 0, true, word));
	if (e->id_i)
		word_append(text, size, "IDi(%s) ", e->id_i);
	if (e->id_r)
		word_append(text, size, "IDr(%s) ", e->id_r);
	if (e->cert_count)
		word_append(text, size, "CERT x%u ", e->cert_count);
	if (e->delete_count)
		word_append(text, size, "D ");
	if (e->auth_method)
		word_append(text, size, "AUTH(%s) ", word_auth(e->auth_method));
	if (e->ts_i_count)
		word_append(text, size, "TSi(%s) ",
			word_selectors(e->ts_i, e->ts_i_count, list, sizeof(list)));
	if (e->ts_r_count)
		word_append(text, size, "TSr(%s) ",
			word_selectors(e->ts_r, e->ts_r_count, list, sizeof(list)));
	for (size_t i = 0; i < e->notify_count; i++) {
		if (e->notify[i].type >= 16384 && e->notify[i].type != 16391)
			word_append(text, size, "N(%s) ", word_notify(e->notify[i].type, word));
	}
	return text;
}
