// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

static void add_bytes(struct text *t, const char *s, size_t size)
{
	if (t->len + size + 1 > t->cap)
		t->s = xgrow(t->s, &t->cap, t->len + size + 1, 1);
	memcpy(t->s + t->len, s, size);
	t->len += size;
	t->s[t->len] = '\0';
}

static void add(struct text *t, const char *s)
{
	add_bytes(t, s, strlen(s));
}

static void add_quoted(struct text *t, const char *s)
{
	add_bytes(t, "\"", 1);
	while (*s) {
		size_t plain = 0;
		char escaped[8];

		while ((unsigned char)s[plain] >= 0x20 && s[plain] != '"' && s[plain] != '\\')
			plain++;
		add_bytes(t, s, plain);
		s += plain;
		if (!*s)
			break;
		snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned char)*s++);
		add(t, escaped);
	}
	add_bytes(t, "\"", 1);
}

// The comma and the name before a value.
static void begin(struct text *t, const char *name)
{
	char last = t->len ? t->s[t->len - 1] : '[';

	if (last != '{' && last != '[')
		add_bytes(t, ",", 1);
	if (!name)
		return;
	add_bytes(t, "\"", 1);
	add(t, name);
	add_bytes(t, "\":", 2);
}

void text_fini(struct text *t)
{
	free(t->s);
	*t = (struct text){0};
}

void text_reset(struct text *t)
{
	t->len = 0;
}

void text_open(struct text *t, const char *name, char bracket)
{
	begin(t, name);
	add_bytes(t, &bracket, 1);
}

void text_close(struct text *t, char bracket)
{
	add_bytes(t, &bracket, 1);
}

void text_u64(struct text *t, const char *name, uint64_t v)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	begin(t, name);
	add_bytes(t, digits + at, sizeof(digits) - at);
}

void text_bool(struct text *t, const char *name, bool v)
{
	begin(t, name);
	add(t, v ? "true" : "false");
}

void text_str(struct text *t, const char *name, const char *v)
{
	begin(t, name);
	if (v)
		add_quoted(t, v);
	else
		add(t, "null");
}

static char *put_digits(char *at, unsigned v)
{
	if (v >= 100)
		*at++ = (char)('0' + v / 100);
	if (v >= 10)
		*at++ = (char)('0' + v / 10 % 10);
	*at++ = (char)('0' + v % 10);
	return at;
}

// The common case without printf: hundreds of thousands are written at a start. Returns the end.
static char *put_ip(char *at, const struct ip_addr *v)
{
	if (v->family != IP_V4) {
		ip_format(v, at);
		return at + strlen(at);
	}
	for (int i = 0; i < 4; i++) {
		if (i)
			*at++ = '.';
		at = put_digits(at, v->bytes[i]);
	}
	*at = '\0';
	return at;
}

void text_ip(struct text *t, const char *name, const struct ip_addr *v)
{
	char s[IP_TEXT_SIZE];

	put_ip(s, v);
	text_str(t, name, s);
}

void text_prefix(struct text *t, const char *name, const struct ip_prefix *v)
{
	char s[PREFIX_TEXT_SIZE], *at = put_ip(s, &v->addr);

	*at++ = '/';
	at = put_digits(at, v->len);
	*at = '\0';
	text_str(t, name, s);
}

void text_mac(struct text *t, const char *name, const struct mac_addr *v)
{
	char s[MAC_TEXT_SIZE];

	text_str(t, name, mac_format(v, s));
}

void text_raw(struct text *t, const char *name, const char *json)
{
	begin(t, name);
	add(t, json);
}

void text_ips(struct text *t, const char *name, const struct ip_addr *v, size_t len)
{
	bool open = false;

	for (size_t i = 0; i < len; i++) {
		if (v[i].family == IP_NONE)
			continue;
		if (!open)
			text_open(t, name, '[');
		open = true;
		text_ip(t, NULL, &v[i]);
	}
	if (open)
		text_close(t, ']');
}
