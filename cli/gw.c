// SPDX-License-Identifier: Apache-2.0
#include "gw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "ipaddr.h"
#include "objects.h"
#include "sync.h"
#include "xmalloc.h"

#define GW_TIMEOUT_MS 5000
#define IKE_SOCKET    "/run/isthmus/ike.sock"

struct gw_rows {
	const struct gw_subject *subject;
	const char *vrf;
	json_t *list;
};

// -- values

static uint64_t field_number(const struct gw_field *f, const uint8_t *p)
{
	uint64_t u64 = 0;
	uint32_t u32 = 0;
	uint16_t u16 = 0;

	switch (f->kind) {
	case GW_U64: memcpy(&u64, p, sizeof(u64)); return u64;
	case GW_U32:
	case GW_SPI: memcpy(&u32, p, sizeof(u32)); return u32;
	case GW_U16: memcpy(&u16, p, sizeof(u16)); return u16;
	default: return *p;
	}
}

static json_t *field_value(const struct gw_field *f, const void *object)
{
	const uint8_t *p = (const uint8_t *)object + f->offset;
	char text[PREFIX_TEXT_SIZE];
	const struct ip_addr *addr = (const struct ip_addr *)p;

	switch (f->kind) {
	case GW_TEXT: return json_string((const char *)p);
	case GW_BOOL: return json_boolean(*p);
	case GW_IP: return addr->family ? json_string(ip_format(addr, text)) : json_null();
	case GW_PREFIX: return json_string(prefix_format((const struct ip_prefix *)p, text));
	case GW_MAC: return json_string(mac_format((const struct mac_addr *)p, text));
	case GW_WORD: return json_string(*p < f->word_len ? f->words[*p] : "?");
	case GW_CUSTOM: return f->custom(object);
	case GW_SPI:
		snprintf(text, sizeof(text), "0x%08x", (uint32_t)field_number(f, p));
		return json_string(text);
	default: return json_integer((json_int_t)field_number(f, p));
	}
}

static void on_object(void *ctx, const void *object, size_t size, int fd)
{
	struct gw_rows *rows = ctx;
	const struct gw_subject *s = rows->subject;
	uint8_t *copy = xcalloc(1, s->size + 1); // a text in the last field ends
	json_t *row;

	memcpy(copy, object, size < s->size ? size : s->size);
	if (!s->keep || s->keep(copy, rows->vrf)) {
		row = json_object();
		for (size_t i = 0; i < s->field_len; i++)
			json_object_set_new(
				row, s->fields[i].name, field_value(&s->fields[i], copy));
		json_array_append_new(rows->list, row);
	}
	free(copy);
}

// -- output

static void row_cell(struct table *t, const json_t *v)
{
	char text[512] = "-";
	const json_t *item;
	size_t i, used = 0;

	if (json_is_string(v))
		snprintf(text, sizeof(text), "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_boolean(v))
		snprintf(text, sizeof(text), "%s", json_is_true(v) ? "yes" : "no");
	json_array_foreach ((json_t *)v, i, item) {
		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
				i ? ", " : "", json_string_value(item));
	}
	table_cell(t, text);
}

static void rows_print(const struct gw_subject *s, const json_t *list)
{
	struct table *t = table_new();
	const json_t *row;
	size_t n;

	for (size_t i = 0; i < s->field_len; i++) {
		if (s->fields[i].heading)
			table_column(t, s->fields[i].heading);
	}
	json_array_foreach ((json_t *)list, n, row) {
		for (size_t i = 0; i < s->field_len; i++) {
			if (s->fields[i].heading)
				row_cell(t, json_object_get(row, s->fields[i].name));
		}
	}
	table_print(t);
}

static struct api_sync *gw_open(struct cli *cli, const char *fallback)
{
	const char *path = cli->socket ? cli->socket : fallback;
	struct api_sync *s = api_sync_open(path, "isthmus", GW_TIMEOUT_MS);

	if (!s)
		cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
	return s;
}

static int gw_show(struct cli *cli, const struct gw_subject *subject)
{
	struct gw_rows rows = {.subject = subject, .vrf = cli->vrf};
	struct api_sync *s = gw_open(cli, subject->socket);
	json_t *whole;
	int ret;

	if (!s)
		return CLI_FAILED;
	rows.list = json_array();
	ret = api_sync_dump(s, subject->type, NULL, 0, on_object, &rows);
	if (ret < 0)
		cli_fail(CLI_FAILED, "%s", api_sync_error(s));
	else if (cli->output == CLI_JSON)
		cli_print_json(whole = json_pack("{s:O}", "value", rows.list)), json_decref(whole);
	else
		rows_print(subject, rows.list);
	json_decref(rows.list);
	api_sync_close(s);
	return ret < 0 ? CLI_FAILED : CLI_OK;
}

// -- trace

static void on_traced(void *ctx, const void *object, size_t size, int fd)
{
	struct cli *cli = ctx;
	const char *text = object;
	json_t *line;

	if (cli->output == CLI_JSON) {
		line = json_pack("{s:s%}", "trace", text, strnlen(text, size));
		cli_print_json(line);
		json_decref(line);
	} else {
		printf("%.*s\n", (int)strnlen(text, size), text);
	}
	fflush(stdout);
}

static int gw_trace(struct cli *cli)
{
	struct api_trace trace = {.count = (uint32_t)cli->count,
		.timeout_ms = (uint32_t)(cli->timeout_s * 1000),
		.vrf = cli->vrf ? (uint32_t)strtoul(cli->vrf, NULL, 10) : 0};
	struct api_sync *s = gw_open(cli, gw_subjects[0].socket);
	int ret;

	if (!s)
		return CLI_FAILED;
	ret = api_sync_call(s, API_TYPE_TRACE, &trace, sizeof(trace),
		trace.timeout_ms + GW_TIMEOUT_MS, on_traced, cli);
	if (ret < 0)
		cli_fail(CLI_FAILED, "%s", api_sync_error(s));
	api_sync_close(s);
	return ret == -ETIMEDOUT ? CLI_TIMEOUT : ret < 0 ? CLI_FAILED : CLI_OK;
}

static int gw_ask_doctor(struct cli *cli)
{
	struct api_sync *s;
	int ret;

	if (cli->argc != 2)
		return cli_fail(CLI_USAGE, "usage: isthmus gw doctor CONNECTION-ID");
	s = gw_open(cli, IKE_SOCKET);
	if (!s)
		return CLI_FAILED;
	ret = gw_doctor(cli, s);
	api_sync_close(s);
	return ret;
}

static int gw_run_capture(struct cli *cli)
{
	struct api_sync *s;
	int ret;

	if (cli->argc != 2)
		return cli_fail(CLI_USAGE, "usage: isthmus gw capture FILE [OPTION...]");
	s = gw_open(cli, gw_subjects[0].socket);
	if (!s)
		return CLI_FAILED;
	ret = gw_capture(cli, s);
	api_sync_close(s);
	return ret;
}

int cmd_gw(struct cli *cli)
{
	if (!strcmp(cli->argv[0], "capture"))
		return gw_run_capture(cli);
	if (!strcmp(cli->argv[0], "doctor"))
		return gw_ask_doctor(cli);
	if (cli->argc > 1)
		return cli_fail(CLI_USAGE, "gw %s takes no argument", cli->argv[0]);
	if (!strcmp(cli->argv[0], "trace"))
		return gw_trace(cli);
	for (size_t i = 0; i < gw_subject_len; i++) {
		if (!strcmp(gw_subjects[i].name, cli->argv[0]))
			return gw_show(cli, &gw_subjects[i]);
	}
	return cli_fail(
		CLI_USAGE, "gw %s: unknown; 'isthmus gw --help' lists what there is", cli->argv[0]);
}
