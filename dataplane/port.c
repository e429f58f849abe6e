// SPDX-License-Identifier: Apache-2.0
#include "port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

struct port *port_table[PORT_MAX];

static const struct {
	const char *kind;
	const struct port_ops *ops;
} kinds[] = {
	{"af_packet", &af_packet_ops},
	{"dpdk", &ethdev_ops},
	{"replay", &replay_ops},
};

static const struct port_ops *find_ops(const char *kind, size_t size)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strlen(kinds[i].kind) == size && !memcmp(kinds[i].kind, kind, size))
			return kinds[i].ops;
	}
	return NULL;
}

static int free_index(void)
{
	for (int i = 0; i < PORT_MAX; i++) {
		if (!port_table[i])
			return i;
	}
	return -ENOSPC;
}

int port_open(const char *spec, uint16_t queues, struct rte_mempool *pool)
{
	const char *equals = strchr(spec, '='), *colon = equals ? strchr(equals, ':') : NULL;
	int index = free_index(), r;
	struct port *p;

	if (index < 0)
		return index;
	if (!colon || equals == spec || (size_t)(equals - spec) >= sizeof(p->name))
		return -EINVAL;
	p = xcalloc(1, sizeof(*p));
	p->index = (uint16_t)index;
	p->ops = find_ops(equals + 1, (size_t)(colon - equals - 1));
	memcpy(p->name, spec, (size_t)(equals - spec));
	r = p->ops ? p->ops->open(p, colon + 1, queues, pool) : -EPROTONOSUPPORT;
	if (r < 0) {
		free(p);
		return r;
	}
	port_table[index] = p;
	return 0;
}

void ports_close(void)
{
	for (int i = 0; i < PORT_MAX; i++) {
		if (!port_table[i])
			continue;
		port_table[i]->ops->close(port_table[i]);
		free(port_table[i]);
		port_table[i] = NULL;
	}
}
