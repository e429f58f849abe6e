// SPDX-License-Identifier: Apache-2.0
#include "ike_json.h"

#include <string.h>
#include <time.h>

#include "ike.h"

static const char *const exchange_names[] = {
	"IKE_SA_INIT", "IKE_AUTH", "CREATE_CHILD_SA", "INFORMATIONAL"};

static const char *exchange_name(uint16_t exchange)
{
	return exchange >= 34 && exchange <= 37 ? exchange_names[exchange - 34] : "";
}

// A peer may send what is no UTF-8: then it is not shown at all rather than the whole lost.
static json_t *text_of(const char *text, size_t size)
{
	json_t *s = json_stringn(text, strnlen(text, size));

	return s ? s : json_string("(not readable)");
}

void ike_json_add_verdict(json_t *to, const void *object, size_t size)
{
	const struct api_ike_verdict *v = object;

	if (size >= sizeof(*v))
		json_array_append_new(
			to, json_pack("{s:i,s:b,s:s,s:o,s:o}", "rank", (int)v->rank, "certain",
				    v->certain, "exchange", exchange_name(v->exchange), "field",
				    text_of(v->field, sizeof(v->field)), "verdict",
				    text_of(v->text, sizeof(v->text))));
}

void ike_json_add_exchange(json_t *to, const void *object, size_t size)
{
	const struct api_ike_exchange *e = object;
	time_t at;
	char when[32];
	struct tm tm;

	if (size < sizeof(*e))
		return;
	at = (time_t)(e->time_ms / 1000);
	strftime(when, sizeof(when), "%FT%TZ", gmtime_r(&at, &tm));
	json_array_append_new(
		to, json_pack("{s:s,s:s,s:s,s:b,s:I,s:o}", "time", when, "direction",
			    e->inbound ? "in" : "out", "exchange", exchange_name(e->exchange),
			    "request", e->request, "message", (json_int_t)e->message_id, "payloads",
			    text_of(e->text, sizeof(e->text))));
}
