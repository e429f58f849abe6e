// SPDX-License-Identifier: Apache-2.0

// `isthmus gw capture FILE`: what the forwarder copies becomes a pcapng file. Each port is an
// interface of it, and "inside" has the tenants' IP packets out of their tunnels; a comment says
// whose each packet is and why one was dropped.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "cli.h"
#include "gw.h"
#include "objects.h"
#include "pcapng.h"
#include "sync.h"

#define PORTS_MAX       64
#define TIMEOUT_MORE_MS 5000

struct capture_file {
	FILE *f;
	const char *path;
	uint32_t snap;
	int error;
	uint32_t packets, lost;
	bool has_port[PORTS_MAX];
	uint32_t interface[PORTS_MAX], next_interface; // "inside" is 0
};

static void on_port(void *ctx, const void *object, size_t size, int fd)
{
	const struct api_port *port = object;
	struct capture_file *c = ctx;

	if (size < offsetof(struct api_port, rx_packets) || port->port >= PORTS_MAX || c->error)
		return;
	c->has_port[port->port] = true;
	c->interface[port->port] = c->next_interface++;
	c->error = pcapng_interface(c->f, PCAPNG_ETHERNET, port->name, c->snap);
}

static void comment_of(const struct api_captured *p, char *text, size_t size)
{
	static const char *const where[] = {
		"?", "outer, in", "inner, in", "inner, out", "outer, out", "dropped"};
	int n = snprintf(text, size, "%s", where[p->where <= API_CAPTURE_DROPPED ? p->where : 0]);

	if (p->reason[0])
		n += snprintf(
			text + n, size - (size_t)n, ": %.*s", (int)sizeof(p->reason), p->reason);
	if (p->vrf)
		n += snprintf(text + n, size - (size_t)n, "; vrf %u", p->vrf);
	if (p->conn)
		snprintf(text + n, size - (size_t)n, "; connection %u", p->conn);
}

static void on_captured(void *ctx, const void *object, size_t size, int fd)
{
	const struct api_captured *p = object;
	struct capture_file *c = ctx;
	bool out = p->where == API_CAPTURE_INNER_OUT || p->where == API_CAPTURE_OUTER_OUT;
	char comment[160];
	struct pcapng_packet packet = {
		.direction = out ? PCAPNG_OUT : PCAPNG_IN, .comment = comment};

	if (c->error || size < offsetof(struct api_captured, bytes) ||
		p->kept > size - offsetof(struct api_captured, bytes))
		return;
	if (p->flags & API_CAPTURE_F_FRAME) {
		if (p->port >= PORTS_MAX || !c->has_port[p->port])
			return;
		packet.interface = c->interface[p->port];
	}
	comment_of(p, comment, sizeof(comment));
	packet.time_ns = p->time_ns;
	packet.bytes = p->bytes;
	packet.kept = p->kept;
	packet.size = p->size;
	c->error = pcapng_packet(c->f, &packet);
	c->packets++;
	c->lost = p->lost;
}

static int write_all(struct cli *cli, struct api_sync *s, struct capture_file *c)
{
	struct api_capture capture = {.vrf = cli->vrf ? (uint32_t)strtoul(cli->vrf, NULL, 10) : 0,
		.conn = (uint32_t)cli->conn,
		.count = (uint32_t)cli->count,
		.timeout_ms = (uint32_t)(cli->timeout_s * 1000),
		.rate = (uint32_t)cli->rate,
		.snap = API_CAPTURE_SNAP,
		.bytes = (uint64_t)cli->size,
		.decrypt = cli->decrypt};
	int ret;

	c->snap = capture.snap;
	c->error = pcapng_start(c->f, "isthmus");
	if (!c->error)
		c->error = pcapng_interface(c->f, PCAPNG_RAW, "inside", capture.snap);
	c->next_interface = 1;
	ret = api_sync_dump(s, API_TYPE_PORT, NULL, 0, on_port, c);
	if (ret == 0 && !c->error) {
		fflush(c->f);
		ret = api_sync_call(s, API_TYPE_CAPTURE, &capture, sizeof(capture),
			capture.timeout_ms + TIMEOUT_MORE_MS, on_captured, c);
	}
	if (ret < 0)
		return cli_fail(CLI_FAILED, "%s", api_sync_error(s));
	return CLI_OK;
}

int gw_capture(struct cli *cli, struct api_sync *s)
{
	bool is_stdout = strcmp(cli->argv[1], "-") == 0;
	struct capture_file c = {.path = cli->argv[1]};
	int ret;

	c.f = is_stdout ? stdout : fopen(c.path, "wbe");
	if (!c.f)
		return cli_fail(CLI_FAILED, "%s: %s", c.path, strerror(errno));
	ret = write_all(cli, s, &c);
	if (fflush(c.f) != 0 && !c.error)
		c.error = -errno;
	if (!is_stdout)
		fclose(c.f);
	if (ret == CLI_OK && c.error)
		ret = cli_fail(CLI_FAILED, "%s: %s", c.path, strerror(-c.error));
	if (ret == CLI_OK)
		fprintf(stderr, "%u packets, %u more were not copied\n", c.packets, c.lost);
	return ret;
}
