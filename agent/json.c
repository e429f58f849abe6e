// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void json_reader_init(struct json_reader *r, const json_t *object)
{
	*r = (struct json_reader){.object = object};
	if (!json_is_object(object))
		json_reader_fail(r, "not an object");
}

void json_reader_fail(struct json_reader *r, const char *fmt, ...)
{
	va_list ap;

	if (r->failed)
		return;
	r->failed = true;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

static const json_t *reader_member(struct json_reader *r, const char *name)
{
	const json_t *v = json_object_get(r->object, name);

	return json_is_null(v) ? NULL : v;
}

uint64_t json_get_uint(struct json_reader *r, const char *name, uint64_t max)
{
	const json_t *v = reader_member(r, name);
	json_int_t n;

	if (!v)
		return 0;
	n = json_integer_value(v);
	if (!json_is_integer(v) || n < 0 || (uint64_t)n > max) {
		json_reader_fail(
			r, "%s: not a number from 0 to %llu", name, (unsigned long long)max);
		return 0;
	}
	return (uint64_t)n;
}

bool json_get_bool(struct json_reader *r, const char *name)
{
	const json_t *v = reader_member(r, name);

	if (v && !json_is_boolean(v))
		json_reader_fail(r, "%s: not a boolean", name);
	return json_is_true(v);
}

const char *json_get_text(struct json_reader *r, const char *name)
{
	const json_t *v = reader_member(r, name);

	if (v && !json_is_string(v))
		json_reader_fail(r, "%s: not a text", name);
	return json_is_string(v) ? json_string_value(v) : "";
}

void json_get_copy(struct json_reader *r, const char *name, char *dst, size_t size)
{
	snprintf(dst, size, "%s", json_get_text(r, name));
}

struct ip_addr json_get_ip(struct json_reader *r, const char *name)
{
	const char *text = json_get_text(r, name);
	struct ip_addr addr = {0};

	if (*text && ip_parse(text, &addr) < 0)
		json_reader_fail(r, "%s: %.50s is not an IP address", name, text);
	return addr;
}

struct ip_prefix json_get_prefix(struct json_reader *r, const char *name)
{
	const char *text = json_get_text(r, name);
	struct ip_prefix prefix = {0};

	if (*text && prefix_parse(text, &prefix) < 0)
		json_reader_fail(r, "%s: %.50s is not a prefix", name, text);
	return prefix;
}

struct mac_addr json_get_mac(struct json_reader *r, const char *name)
{
	const char *text = json_get_text(r, name);
	struct mac_addr mac = {0};

	if (*text && mac_parse(text, &mac) < 0)
		json_reader_fail(r, "%s: %.50s is not a MAC address", name, text);
	return mac;
}

uint8_t json_get_word(struct json_reader *r, const char *name, const char *const *names)
{
	const char *text = json_get_text(r, name);

	if (!*text)
		return 0;
	for (uint8_t i = 0; names[i]; i++) {
		if (!strcasecmp(names[i], text))
			return (uint8_t)(i + 1);
	}
	json_reader_fail(r, "%s: %.50s is unknown here", name, text);
	return 0;
}

const json_t *json_get_object(struct json_reader *r, const char *name)
{
	const json_t *v = reader_member(r, name);

	if (v && !json_is_object(v))
		json_reader_fail(r, "%s: not an object", name);
	return json_is_object(v) ? v : NULL;
}

const json_t *json_get_array(struct json_reader *r, const char *name)
{
	const json_t *v = reader_member(r, name);

	if (v && !json_is_array(v))
		json_reader_fail(r, "%s: not a list", name);
	return json_is_array(v) ? v : NULL;
}

// The i-th text of a list, or NULL with the failure noted.
static const char *list_text(struct json_reader *r, const char *name, const json_t *list, size_t i)
{
	const char *text = json_string_value(json_array_get(list, i));

	if (!text)
		json_reader_fail(r, "%s[%zu]: not a text", name, i);
	return text;
}

static size_t list_len(struct json_reader *r, const char *name, const json_t *list, size_t cap)
{
	size_t len = json_array_size(list);

	if (len <= cap)
		return len;
	json_reader_fail(r, "%s: more than %zu", name, cap);
	return 0;
}

uint8_t json_get_ips(struct json_reader *r, const char *name, struct ip_addr *dst, uint8_t cap)
{
	const json_t *list = json_get_array(r, name);
	size_t len = list_len(r, name, list, cap);

	for (size_t i = 0; i < len; i++) {
		const char *text = list_text(r, name, list, i);

		if (text && ip_parse(text, &dst[i]) < 0)
			json_reader_fail(r, "%s: %.50s is not an IP address", name, text);
	}
	return (uint8_t)len;
}

uint8_t json_get_prefixes(
	struct json_reader *r, const char *name, struct ip_prefix *dst, uint8_t cap)
{
	const json_t *list = json_get_array(r, name);
	size_t len = list_len(r, name, list, cap);

	for (size_t i = 0; i < len; i++) {
		const char *text = list_text(r, name, list, i);

		if (text && prefix_parse(text, &dst[i]) < 0)
			json_reader_fail(r, "%s: %.50s is not a prefix", name, text);
	}
	return (uint8_t)len;
}

void json_get_ip_pair(struct json_reader *r, const char *name, struct ip_addr dst[2])
{
	struct ip_addr all[8] = {0};
	uint8_t len = json_get_ips(r, name, all, 8);

	for (uint8_t i = len; i-- > 0;)
		dst[all[i].family == IP_V6] = all[i];
}

int json_address_parse(const char *text, struct ip_addr *ret_addr, uint8_t *ret_len)
{
	const char *slash = strchr(text, '/');
	char bare[IP_TEXT_SIZE];
	struct ip_prefix prefix;
	struct ip_addr addr;
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	char network[PREFIX_TEXT_SIZE + 8];

	if (size >= sizeof(bare))
		return -EINVAL;
	memcpy(bare, text, size);
	bare[size] = '\0';
	if (ip_parse(bare, &addr) < 0)
		return -EINVAL;
	// The zero address takes any length: it checks the length alone.
	snprintf(network, sizeof(network), "%s%.8s",
		addr.family == IP_V4 ? "0.0.0.0" : "::", slash ? slash : "");
	if (prefix_parse(network, &prefix) < 0)
		return -EINVAL;
	*ret_addr = addr;
	*ret_len = prefix.len;
	return 0;
}
