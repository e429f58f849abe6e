// SPDX-License-Identifier: Apache-2.0
//
// Stands for a daemon in tests of the agent: holds whatever it is told and shows it again.
//
//   fake-forwarder SOCKET
//
// Every connection it holds counts as up. A vrf named "refuse me" is refused. Objects of one type
// are kept in the order they were first set; "order" of the last changes is told by the counters
// "order.<type>": a number that grows with every change.
#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "map.h"
#include "objects.h"
#include "server.h"
#include "xmalloc.h"

struct stored {
	size_t size;
	int fd;
	uint8_t bytes[];
};

struct table {
	const struct api_handler *handler;
	struct map objects;
	uint64_t order;
};

static uint64_t changes;
static struct api_server *server;

static int table_set(
	struct table *t, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	struct stored *old = map_find(&t->objects, object, t->handler->key_size), *s;
	const struct api_vrf *vrf = object;

	if (t->handler->type == API_TYPE_VRF && !strcmp(vrf->name, "refuse me")) {
		snprintf(ret_error->text, sizeof(ret_error->text), "name: refused, as asked");
		return -EINVAL;
	}
	if (old && old->size == size && !memcmp(old->bytes, object, size) && fd < 0)
		return API_UNCHANGED;
	t->order = ++changes;
	s = xmalloc(sizeof(*s) + size);
	s->size = size;
	s->fd = fd;
	memcpy(s->bytes, object, size);
	if (old)
		map_del(&t->objects, object, t->handler->key_size);
	if (old && old->fd >= 0)
		close(old->fd);
	free(old);
	map_set(&t->objects, s->bytes, t->handler->key_size, s);
	return API_CHANGED;
}

static int table_del(struct table *t, const void *key)
{
	struct stored *old = map_del(&t->objects, key, t->handler->key_size);

	if (!old)
		return API_UNCHANGED;
	if (old->fd >= 0)
		close(old->fd);
	free(old);
	t->order = ++changes;
	return API_CHANGED;
}

static int any_set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	return table_set(ctx, object, size, fd, ret_error);
}

static int any_del(void *ctx, const void *key, struct api_error *ret_error)
{
	return table_del(ctx, key);
}

static int any_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	struct table *t = ctx;
	struct stored *s;
	size_t at = 0;

	while ((s = map_next(&t->objects, &at)))
		api_emit(emit, s->bytes, s->size);
	return 0;
}

#define ANY(no, struct_name, key_end, ...)                                                        \
	{                                                                                         \
		.type = no, .name = #no, .size = sizeof(struct struct_name), .key_size = key_end, \
		.set = any_set, .del = any_del, .dump = any_dump, ##__VA_ARGS__                   \
	}

static const struct api_handler handlers[] = {
	ANY(API_TYPE_UNDERLAY_ADDR, api_underlay_addr,
		offsetof(struct api_underlay_addr, prefix_len)),
	ANY(API_TYPE_SLOT, api_slot, offsetof(struct api_slot, active)),
	ANY(API_TYPE_VRF, api_vrf, offsetof(struct api_vrf, name)),
	ANY(API_TYPE_SUBNET, api_subnet, offsetof(struct api_subnet, vrf)),
	ANY(API_TYPE_TENANT_SLOT, api_tenant_slot, offsetof(struct api_tenant_slot, mac)),
	ANY(API_TYPE_LOCAL_ADDR, api_local_addr, offsetof(struct api_local_addr, vni)),
	ANY(API_TYPE_HOST, api_host, offsetof(struct api_host, vni)),
	ANY(API_TYPE_CONN, api_conn, offsetof(struct api_conn, vrf)),
	ANY(API_TYPE_ROUTE, api_route, offsetof(struct api_route, preference)),
	ANY(API_TYPE_TUN, api_tun, offsetof(struct api_tun, name), .flags = API_HANDLER_FD),
};
#define TABLES (sizeof(handlers) / sizeof(*handlers))

static struct table tables[TABLES];

static struct table *table_of(uint16_t type)
{
	for (size_t i = 0; i < TABLES; i++) {
		if (handlers[i].type == type)
			return &tables[i];
	}
	return NULL;
}

static int stats_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	struct stored *s;
	size_t at = 0;

	while ((s = map_next(&table_of(API_TYPE_CONN)->objects, &at))) {
		struct api_conn conn; // bytes need not lie as a struct must
		struct api_conn_stats stats = {0};

		memcpy(&conn, s->bytes, sizeof(conn));
		stats.conn = conn.conn;
		stats.up = !!(conn.flags & API_CONN_F_ENABLED);
		api_emit(emit, &stats, sizeof(stats));
	}
	return 0;
}

static int worker_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	static uint64_t loops;
	struct api_worker w = {.loops = ++loops, .beat_us = 1};

	return api_emit(emit, &w, sizeof(w));
}

static int counter_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	for (size_t i = 0; i < TABLES; i++) {
		struct api_counter c = {.value = tables[i].order};

		snprintf(c.name, sizeof(c.name), "order.%s", handlers[i].name);
		api_emit(emit, &c, sizeof(c));
	}
	return 0;
}

static const struct api_handler reports[] = {
	{.type = API_TYPE_CONN_STATS,
		.name = "conn-stats",
		.size = sizeof(struct api_conn_stats),
		.key_size = 4,
		.dump = stats_dump},
	{.type = API_TYPE_WORKER,
		.name = "worker",
		.size = sizeof(struct api_worker),
		.key_size = 2,
		.dump = worker_dump},
	{.type = API_TYPE_COUNTER,
		.name = "counter",
		.size = sizeof(struct api_counter),
		.key_size = 64,
		.dump = counter_dump},
};

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	uint64_t instance;

	if (argc != 2 || getrandom(&instance, sizeof(instance), 0) != sizeof(instance))
		return 2;
	server = api_server_new(base, "fake-forwarder", instance);
	for (size_t i = 0; i < TABLES; i++) {
		tables[i].handler = &handlers[i];
		map_init(&tables[i].objects);
		api_server_add(server, &handlers[i], 1, &tables[i]);
	}
	api_server_add(server, reports, sizeof(reports) / sizeof(*reports), NULL);
	if (api_server_listen(server, argv[1]) < 0)
		return 1;
	return event_base_dispatch(base);
}
