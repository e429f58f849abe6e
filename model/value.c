// SPDX-License-Identifier: Apache-2.0
#include "value.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ipaddr.h"

#define TEXT_MAX_DEFAULT 4096 // bytes, unless the field says otherwise

static int fault_set(struct value_fault *fault, const char *code, const char *fmt, ...)
{
	va_list ap;

	fault->code = code;
	va_start(ap, fmt);
	vsnprintf(fault->message, sizeof(fault->message), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

// "2221.1.1.0/24" -> '2221.1.1.0/24' is not a valid argument for 'addressPrefix' of a subnet.
static int fault_value(const struct model_type *type, const struct model_field *field,
	const char *text, const char *code, struct value_fault *fault)
{
	return fault_set(fault, field->code ? field->code : code,
		"'%.64s' is not a valid argument for '%s' of a %s.", text, field->name, type->noun);
}

static int fault_type(
	const struct model_field *field, const char *wanted, struct value_fault *fault)
{
	return fault_set(fault, "InvalidJson", "'%s' must be %s.", field->name, wanted);
}

// Scalars as text: what a client wrote as a string, a number or a boolean. NULL for others.
static const char *scalar_text(const json_t *in, char *buf, size_t size)
{
	if (json_is_string(in))
		return json_string_value(in);
	if (json_is_integer(in))
		snprintf(buf, size, "%lld", (long long)json_integer_value(in));
	else if (json_is_real(in))
		snprintf(buf, size, "%.17g", json_real_value(in));
	else if (json_is_boolean(in))
		snprintf(buf, size, "%s", json_is_true(in) ? "true" : "false");
	else
		return NULL;
	return buf;
}

static int parse_int(const char *text, int64_t *ret_value)
{
	char *end;
	long long v;

	if (!isdigit((unsigned char)*text) && *text != '-')
		return -EINVAL;
	errno = 0;
	v = strtoll(text, &end, 10);
	// 10.0 is how some serialisers write 10.
	if (*end == '.')
		end += 1 + strspn(end + 1, "0");
	if (errno || *end)
		return -EINVAL;
	*ret_value = v;
	return 0;
}

static int canon_text(const struct model_type *type, const struct model_field *field,
	const char *text, json_t **ret_value, struct value_fault *fault)
{
	size_t max = field->max ? (size_t)field->max : TEXT_MAX_DEFAULT;

	if (strlen(text) > max)
		return fault_set(fault, "InvalidParameterValue",
			"'%s' of a %s is longer than %zu bytes.", field->name, type->noun, max);
	*ret_value = json_string(text);
	return 0;
}

static int canon_bool(const struct model_type *type, const struct model_field *field,
	const char *text, json_t **ret_value, struct value_fault *fault)
{
	if (!strcasecmp(text, "true") || !strcmp(text, "1"))
		*ret_value = json_true();
	else if (!strcasecmp(text, "false") || !strcmp(text, "0"))
		*ret_value = json_false();
	else
		return fault_value(type, field, text, "InvalidParameterValue", fault);
	return 0;
}

static int canon_int(const struct model_type *type, const struct model_field *field,
	const char *text, json_t **ret_value, struct value_fault *fault)
{
	int64_t v;

	if (parse_int(text, &v) < 0)
		return fault_value(type, field, text, "InvalidParameterValue", fault);
	if ((field->min || field->max) && (v < field->min || v > field->max))
		return fault_set(fault, field->code ? field->code : "InvalidParameterValue",
			"'%.32s' is out of range for '%s' of a %s: %lld to %lld.", text,
			field->name, type->noun, (long long)field->min, (long long)field->max);
	*ret_value =
		field->flags & MODEL_AS_TEXT ? json_sprintf("%lld", (long long)v) : json_integer(v);
	return 0;
}

static int canon_enum(const struct model_type *type, const struct model_field *field,
	const char *text, json_t **ret_value, struct value_fault *fault)
{
	for (const char *const *s = field->synonyms; s && *s; s += 2) {
		if (!strcasecmp(s[0], text))
			text = s[1];
	}
	for (const char *const *n = field->names; *n; n++) {
		if (!strcasecmp(*n, text)) {
			*ret_value = json_string(*n);
			return 0;
		}
	}
	return fault_value(type, field, text, "InvalidParameterValue", fault);
}

static int canon_ip(const struct model_type *type, const struct model_field *field,
	const char *text, json_t **ret_value, struct value_fault *fault)
{
	char buf[IP_TEXT_SIZE];
	struct ip_addr addr;

	if (ip_parse(text, &addr) < 0)
		return fault_value(type, field, text, "InvalidIPAddress", fault);
	*ret_value = json_string(ip_format(&addr, buf));
	return 0;
}

// Host bits: an error in a subnet's prefix, cleared elsewhere.
static int read_prefix(const char *text, bool strict, struct ip_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	int rc = prefix_parse(text, ret_prefix);
	char host[IP_TEXT_SIZE];
	struct ip_addr addr;

	if (!slash && strict)
		return -EINVAL;
	if (rc != -EDOM || strict)
		return rc;
	snprintf(host, sizeof(host), "%.*s", (int)(slash - text), text);
	if (ip_parse(host, &addr) < 0)
		return -EINVAL;
	*ret_prefix = prefix_make(&addr, (unsigned)strtoul(slash + 1, NULL, 10));
	return 0;
}

static int canon_prefix(const struct model_type *type, const struct model_field *field,
	const char *text, json_t **ret_value, struct value_fault *fault)
{
	char buf[PREFIX_TEXT_SIZE];
	struct ip_prefix prefix;

	if (read_prefix(text, field->flags & MODEL_SUBNET, &prefix) < 0)
		return fault_value(type, field, text, "InvalidIPPrefix", fault);
	*ret_value = json_string(prefix_format(&prefix, buf));
	return 0;
}

static int canon_mac(const struct model_type *type, const struct model_field *field,
	const char *text, json_t **ret_value, struct value_fault *fault)
{
	const char *sep = field->flags & MODEL_DASHED ? "-" : "";
	struct mac_addr mac;
	const uint8_t *b = mac.bytes;

	if (mac_parse(text, &mac) < 0)
		return fault_value(type, field, text, "InvalidPrivateMacAddress", fault);
	*ret_value = json_sprintf("%02X%s%02X%s%02X%s%02X%s%02X%s%02X", b[0], sep, b[1], sep, b[2],
		sep, b[3], sep, b[4], sep, b[5]);
	return 0;
}

// asdot ("1.10"), its 2-byte form with the leading "0.", or plain decimal (RFC 5396).
static int parse_asn(const char *text, uint32_t *ret_asn)
{
	const char *dot = strchr(text, '.');
	int64_t high = 0, low;
	char buf[16];

	if (dot) {
		if ((size_t)(dot - text) >= sizeof(buf))
			return -EINVAL;
		memcpy(buf, text, (size_t)(dot - text));
		buf[dot - text] = '\0';
		if (!isdigit((unsigned char)dot[1]) || parse_int(buf, &high) < 0 ||
			parse_int(dot + 1, &low) < 0 || high > 0xffff || low > 0xffff)
			return -EINVAL;
	} else if (parse_int(text, &low) < 0 || low > UINT32_MAX) {
		return -EINVAL;
	}
	if (high < 0 || low < 0 || (high == 0 && low == 0))
		return -EINVAL;
	*ret_asn = (uint32_t)(high << 16 | low);
	return 0;
}

static int canon_asn(const struct model_type *type, const struct model_field *field,
	const char *text, json_t **ret_value, struct value_fault *fault)
{
	uint32_t asn;

	if (parse_asn(text, &asn) < 0)
		return fault_value(type, field, text, "InvalidParameterValue", fault);
	*ret_value = field->flags & MODEL_AS_TEXT ? json_sprintf("%u", asn)
						  : json_sprintf("%u.%u", asn >> 16, asn & 0xffff);
	return 0;
}

typedef int canon_fn(const struct model_type *type, const struct model_field *field,
	const char *text, json_t **ret_value, struct value_fault *fault);

static const struct {
	canon_fn *canonical;
	const char *wanted; // for people
	bool empty_is_absent;
	size_t size; // in a struct
} kinds[] = {
	[MODEL_TEXT] = {canon_text, "a text", false, sizeof(char *)},
	[MODEL_BOOL] = {canon_bool, "true or false", true, sizeof(bool)},
	[MODEL_INT] = {canon_int, "a whole number", true, sizeof(int64_t)},
	[MODEL_ENUM] = {canon_enum, "a text", true, sizeof(uint8_t)},
	[MODEL_IP] = {canon_ip, "an IP address", true, sizeof(struct ip_addr)},
	[MODEL_PREFIX] = {canon_prefix, "an IP prefix", true, sizeof(struct ip_prefix)},
	[MODEL_MAC] = {canon_mac, "a MAC address", true, sizeof(struct mac_addr)},
	[MODEL_ASN] = {canon_asn, "an AS number", true, sizeof(uint32_t)},
	[MODEL_REF] = {NULL, "a reference", false, sizeof(char *)},
	[MODEL_OBJECT] = {NULL, "an object", false, sizeof(void *)},
	[MODEL_JSON] = {NULL, "an object", false, 0},
	[MODEL_CHILDREN] = {NULL, "a list", false, 0},
	[MODEL_STATE] = {NULL, "", false, 0},
};

// Is "logicalNetworks/subnets" one of "virtualNetworks/subnets|logicalNetworks/subnets"?
static bool ref_fits(const struct model_type *type, const char *targets)
{
	char name[MODEL_PATH_SIZE];
	size_t n;

	if (type->parent)
		snprintf(name, sizeof(name), "%s/%s", type->parent->collection, type->collection);
	else
		snprintf(name, sizeof(name), "%s", type->collection);
	for (; *targets; targets += n + (targets[n] == '|')) {
		n = strcspn(targets, "|");
		// Three levels deep: the grandparent's name comes first in the target.
		const char *tail = targets + n - (n < strlen(name) ? n : strlen(name));

		if (!strncasecmp(tail, name, strlen(name)) &&
			(tail == targets || tail[-1] == '/') && n >= strlen(name))
			return true;
	}
	return false;
}

static int canon_ref(const struct model_type *type, const struct model_field *field,
	const json_t *in, json_t **ret_value, struct value_fault *fault)
{
	const json_t *ref = model_member(in, "resourceRef");
	const char *text = json_string_value(ref);
	char buf[MODEL_PATH_SIZE];
	struct model_path path;

	if (!ref || json_is_null(ref) || (text && !*text))
		return 0;
	if (!text)
		return fault_set(fault, "InvalidJsonReferenceWrongType",
			"'resourceRef' of '%s' must be a text.", field->name);
	if (model_path_parse(text, &path) < 0 || path.is_collection)
		return fault_set(fault, "InvalidJsonReferenceFormat",
			"'%.96s' is not the form of a resource reference, in '%s' of a %s.", text,
			field->name, type->noun);
	if (field->target && !ref_fits(path.type, field->target))
		return fault_set(fault, field->code ? field->code : "InvalidResourceReference",
			"'%.96s' names no resource of the kind that '%s' of a %s refers to (%s).",
			text, field->name, type->noun, field->target);
	*ret_value = json_pack("{s:s}", "resourceRef", model_path_format(&path, buf));
	return 0;
}

int value_canonical(const struct model_type *type, const struct model_field *field,
	const json_t *in, json_t **ret_value, struct value_fault *fault)
{
	const char *text;
	char buf[40];

	*ret_value = NULL;
	if (!in || json_is_null(in))
		return 0;
	if (field->kind == MODEL_REF) {
		if (!json_is_object(in))
			return fault_set(fault, "InvalidJsonReferenceWrongType",
				"'%s' must be an object with 'resourceRef'.", field->name);
		return canon_ref(type, field, in, ret_value, fault);
	}
	text = scalar_text(in, buf, sizeof(buf));
	if (!text)
		return fault_type(field, kinds[field->kind].wanted, fault);
	if (!*text && kinds[field->kind].empty_is_absent)
		return 0;
	return kinds[field->kind].canonical(type, field, text, ret_value, fault);
}

size_t value_size(const struct model_field *field)
{
	return kinds[field->kind].size;
}

static uint8_t enum_index(const char *const *names, const char *text)
{
	for (uint8_t i = 0; names[i]; i++) {
		if (!strcasecmp(names[i], text))
			return (uint8_t)(i + 1);
	}
	return 0;
}

static void load_int(const json_t *value, int64_t *at)
{
	const char *text = json_string_value(value);

	*at = MODEL_ABSENT;
	if (json_is_integer(value))
		*at = json_integer_value(value);
	else if (text)
		parse_int(text, at);
}

// Failures of the parsers leave what `at` was zeroed to: absent.
void value_load(const struct model_field *field, const json_t *value, void *at, struct arena *arena)
{
	const char *text = json_string_value(value);

	if (field->kind == MODEL_REF)
		text = json_string_value(json_object_get(value, "resourceRef"));
	memset(at, 0, value_size(field));
	if (field->kind == MODEL_INT)
		load_int(value, at);
	else if (field->kind == MODEL_BOOL)
		*(bool *)at = json_is_true(value);
	if (!text)
		return;
	switch ((enum model_kind)field->kind) {
	case MODEL_TEXT:
	case MODEL_REF: *(char **)at = arena_strdup(arena, text); break;
	case MODEL_ENUM: *(uint8_t *)at = enum_index(field->names, text); break;
	case MODEL_IP: ip_parse(text, at); break;
	case MODEL_PREFIX: read_prefix(text, false, at); break;
	case MODEL_MAC: mac_parse(text, at); break;
	case MODEL_ASN: parse_asn(text, at); break;
	default: break;
	}
}
