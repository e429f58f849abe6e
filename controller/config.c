// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#define ERROR_SIZE 256

struct reader {
	const json_t *json;
	char dir[256]; // of the file
	char *error;
	int rc;
};

static void complain(struct reader *r, const char *member, const char *what)
{
	snprintf(r->error, ERROR_SIZE, "'%s' %s", member, what);
	r->rc = -EINVAL;
}

static void read_text(
	struct reader *r, const char *member, const char *absent, char *to, size_t size)
{
	const json_t *value = json_object_get(r->json, member);
	const char *text = value ? json_string_value(value) : absent;

	if (!text)
		complain(r, member, "must be a text");
	else if ((size_t)snprintf(to, size, "%s", text) >= size)
		complain(r, member, "is too long");
}

static void read_path(
	struct reader *r, const char *member, const char *absent, char *to, size_t size)
{
	char name[256];

	read_text(r, member, absent, name, sizeof(name));
	if (!r->rc &&
		(size_t)snprintf(to, size, "%s%s", name[0] == '/' ? "" : r->dir, name) >= size)
		complain(r, member, "is too long");
}

static uint32_t read_number(struct reader *r, const char *member, uint32_t absent, uint32_t max)
{
	const json_t *value = json_object_get(r->json, member);
	json_int_t v = json_integer_value(value);

	if (!value)
		return absent;
	if (!json_is_integer(value) || v < 0 || v > max) {
		complain(r, member, "must be a number in its range");
		return absent;
	}
	return (uint32_t)v;
}

static enum rest_role read_role(const char *text)
{
	if (text && !strcmp(text, "admin"))
		return REST_ROLE_ADMIN;
	return text && !strcmp(text, "reader") ? REST_ROLE_READER : REST_ROLE_NONE;
}

static void read_clients(struct reader *r, struct config *c)
{
	const json_t *list = json_object_get(r->json, "clients"), *item;
	size_t i;

	if (json_array_size(list) > REST_CLIENTS_MAX)
		complain(r, "clients", "has too many elements");
	json_array_foreach (list, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		const char *print = json_string_value(json_object_get(item, "thumbprint"));
		struct rest_client *client = &c->clients[i];

		client->role = read_role(json_string_value(json_object_get(item, "role")));
		if (r->rc)
			return;
		if (!name || !print || strlen(print) != sizeof(client->thumbprint) - 1 ||
			client->role == REST_ROLE_NONE) {
			complain(r, "clients",
				"needs for each 'name', 'thumbprint' (SHA-256, 64 hex digits) and "
				"'role' (admin or reader)");
			return;
		}
		snprintf(client->name, sizeof(client->name), "%s", name);
		memcpy(client->thumbprint, print, sizeof(client->thumbprint));
		c->client_len = i + 1;
	}
}

static void read_authentication(struct reader *r, struct config *c)
{
	char text[32];

	read_text(r, "authentication", "certificate", text, sizeof(text));
	c->authenticate = strcmp(text, "none") != 0;
	if (c->authenticate && strcmp(text, "certificate"))
		complain(r, "authentication", "must be 'certificate' or 'none'");
}

static void read_all(struct reader *r, struct config *c)
{
	read_text(r, "listen", "0.0.0.0", c->listen, sizeof(c->listen));
	c->port = (uint16_t)read_number(r, "port", 443, 65535);
	c->southbound_port = (uint16_t)read_number(r, "southboundPort", 8443, 65535);
	read_path(r, "certificate", "server.pem", c->certificate, sizeof(c->certificate));
	read_path(r, "key", "server.key", c->key, sizeof(c->key));
	read_path(r, "ca", "ca.pem", c->ca, sizeof(c->ca));
	read_path(r, "store", "store.db", c->store, sizeof(c->store));
	read_path(r, "storeKey", "store.key", c->store_key, sizeof(c->store_key));
	c->request_timeout_ms = read_number(r, "requestTimeoutMs", 20000, 600000);
	c->idle_timeout_ms = read_number(r, "idleTimeoutMs", 120000, 3600000);
	c->max_body_size = read_number(r, "maxBodySize", 8u << 20, 1u << 30);
	c->max_connections = read_number(r, "maxConnections", 1000, 100000);
	read_authentication(r, c);
	read_clients(r, c);
}

int config_read(const char *file, struct config *ret_config, char *error)
{
	struct reader r = {.error = error};
	const char *slash = strrchr(file, '/');
	json_error_t parse;
	json_t *json;

	memset(ret_config, 0, sizeof(*ret_config));
	if (slash)
		snprintf(r.dir, sizeof(r.dir), "%.*s", (int)(slash - file + 1), file);
	json = json_load_file(file, JSON_REJECT_DUPLICATES, &parse);
	if (!json) {
		snprintf(error, ERROR_SIZE, "%.100s, line %d", parse.text, parse.line);
		return -EINVAL;
	}
	r.json = json;
	if (json_is_object(json))
		read_all(&r, ret_config);
	else
		complain(&r, "the file", "must hold a JSON object");
	json_decref(json);
	return r.rc;
}
