// SPDX-License-Identifier: Apache-2.0
//
// Writes the frames of a bench and what must come of them: see dataplane/replay.h.
//
//   frames KIND INNER_SIZE TENANTS CONNS ROUTES FLOWS FILE
//
// KIND is vxlan_gre, gre_vxlan, vxlan_l3, vxlan_esp or esp_vxlan; INNER_SIZE is the inner IP
// packet's. Each flow takes a connection, a route or virtual machine, addresses and ports by a hash
// of its number: neighbouring frames have nothing in common.
#include <errno.h>
#include <netinet/in.h>
#include <rte_common.h>
#include <rte_ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"
#include "seal.h"
#include "world.h"

#define INNER_HEADERS 36 // IPv4, UDP, 8 bytes of which 4 are the tag
#define VXLAN_OUTER   50 // Ethernet to VXLAN
#define GRE_OUTER     42
#define L3_OUTER      18
#define ESP_AT        34 // the SPI
#define ESP_OUTER     (ESP_AT + SEAL_FRONT)
#define FRAME_MAX     9400

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 0xfe};
static const uint8_t port_mac[6] = {2, 0, 0, 0, 0, 0xa0};

struct flow {
	uint32_t number, conn, tenant, vm;
	uint32_t site; // address there
	uint16_t port;
};

struct plan {
	struct world world;
	uint32_t inner_size, flows;
};

static uint8_t *put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v);
}

static uint8_t *put_ethernet(uint8_t *p, const uint8_t *dst, const uint8_t *src, uint32_t type)
{
	memcpy(p, dst, 6);
	memcpy(p + 6, src, 6);
	return put16(p + 12, type);
}

static uint8_t *put_ip(
	uint8_t *p, uint32_t size, uint8_t protocol, uint8_t ttl, uint32_t src, uint32_t dst)
{
	uint8_t *start = p;
	uint16_t sum;

	p = put16(put16(put32(p, 0x45000000 | size), 0x1234), 0x4000);
	*p++ = ttl;
	*p++ = protocol;
	put32(put32(put16(p, 0), src), dst);
	sum = (uint16_t)~rte_raw_cksum(start, 20);
	memcpy(p, &sum, 2);
	return start + 20;
}

static uint8_t *put_inner(
	uint8_t *p, const struct plan *plan, const struct flow *f, bool to_site, uint8_t ttl)
{
	uint32_t vm = world_vm(f->vm);

	p = put_ip(p, plan->inner_size, IPPROTO_UDP, ttl, to_site ? vm : f->site,
		to_site ? f->site : vm);
	p = put16(put16(put16(put16(p, f->port), 5000), plan->inner_size - 20), 0);
	memcpy(p, &f->number, 4);
	memset(p + 4, REPLAY_FILL, 4);
	return p + 8;
}

static uint8_t *put_vxlan_outer(uint8_t *p, const struct plan *plan, const struct flow *f, bool in,
	const uint8_t *dst, const uint8_t *src)
{
	uint32_t size = plan->inner_size + 14 + 8;
	uint32_t host = world_host(f->vm);

	p = put_ethernet(p, dst, src, 0x0800);
	p = put_ip(p, size + 28, IPPROTO_UDP, 64, in ? host : WORLD_VTEP, in ? WORLD_VTEP : host);
	p = put16(put16(put16(put16(p, 0xc000 | f->port), 4789), size + 8), 0);
	return put32(put32(p, 0x08000000), world_vni(f->tenant) << 8);
}

static uint8_t *put_gre_outer(uint8_t *p, const struct plan *plan, const struct flow *f, bool in,
	const uint8_t *dst, const uint8_t *src)
{
	uint32_t remote = world_remote(f->conn);

	p = put_ethernet(p, dst, src, 0x0800);
	p = put_ip(p, plan->inner_size + 28, IPPROTO_GRE, 64, in ? remote : WORLD_GRE_VIP,
		in ? WORLD_GRE_VIP : remote);
	return put32(put32(p, 0x20000800), world_gre_key(f->conn));
}

static uint8_t *put_vxlan(uint8_t *p, const struct plan *plan, const struct flow *f, bool in)
{
	uint8_t gw[6], vm[6];

	world_gateway_mac(f->tenant, gw);
	world_vm_mac(f->tenant, f->vm, vm);
	p = put_vxlan_outer(p, plan, f, in, in ? port_mac : peer_mac, in ? peer_mac : port_mac);
	p = put_ethernet(p, in ? gw : vm, in ? vm : gw, 0x0800);
	return put_inner(p, plan, f, in, in ? 64 : 63);
}

static uint8_t *put_gre(uint8_t *p, const struct plan *plan, const struct flow *f, bool in)
{
	p = put_gre_outer(p, plan, f, in, in ? port_mac : peer_mac, in ? peer_mac : port_mac);
	return put_inner(p, plan, f, !in, in ? 64 : 63);
}

static uint8_t *put_l3(uint8_t *p, const struct plan *plan, const struct flow *f, bool in)
{
	p = put_ethernet(p, in ? port_mac : peer_mac, in ? peer_mac : port_mac, 0x8100);
	p = put16(put16(p, WORLD_L3_VLAN_FIRST + f->conn), 0x0800);
	return put_inner(p, plan, f, !in, in ? 64 : 63);
}

// Its inner packet in clear; sequence number 0.
static uint8_t *put_esp(uint8_t *p, const struct plan *plan, const struct flow *f, bool in)
{
	uint32_t remote = world_remote(f->conn), spi;

	spi = in ? world_spi_in(f->conn) : replay_spi_out(f->conn);
	p = put_ethernet(p, in ? port_mac : peer_mac, in ? peer_mac : port_mac, 0x0800);
	p = put_ip(p, 20 + seal_size(plan->inner_size), IPPROTO_ESP, 64, in ? remote : WORLD_VIP,
		in ? WORLD_VIP : remote);
	p = put32(put32(put32(put32(p, spi), 0), 0), f->number);
	return put_inner(p, plan, f, !in, in ? 64 : 63);
}

typedef uint8_t *(*put_fn)(uint8_t *p, const struct plan *plan, const struct flow *f, bool in);

// Header sizes tell where the tag lies; `ip4` where the IPv4 headers of what comes out lie.
static const struct kind {
	const char *name;
	put_fn in, out;
	uint32_t in_headers, out_headers;
	uint32_t ip4[REPLAY_IP4];
	bool vxlan_out, outer, esp_in, esp_out;
} kinds[] = {
	{"vxlan_gre", put_vxlan, put_gre, VXLAN_OUTER + 14, GRE_OUTER, {14, GRE_OUTER}, false,
		true},
	{"gre_vxlan", put_gre, put_vxlan, GRE_OUTER, VXLAN_OUTER + 14, {14, VXLAN_OUTER + 14}, true,
		true},
	{"vxlan_l3", put_vxlan, put_l3, VXLAN_OUTER + 14, L3_OUTER, {L3_OUTER}, false, false},
	{"vxlan_esp", put_vxlan, put_esp, VXLAN_OUTER + 14, ESP_OUTER, {14, ESP_OUTER}, false, true,
		false, true},
	{"esp_vxlan", put_esp, put_vxlan, ESP_OUTER, VXLAN_OUTER + 14, {14, VXLAN_OUTER + 14}, true,
		true, true, false},
};

// Our choice, not the protocol's: source MAC of the port, and of outer headers DSCP,
// identification, DF, TTL, checksum (checked by itself), UDP source port.
static void make_mask(const struct kind *k, struct replay_header *h)
{
	memset(h->out_mask, 0xff, sizeof(h->out_mask));
	memset(h->out_mask + 6, 0, 6);
	if (!k->outer)
		return;
	h->out_mask[15] = 0;
	memset(h->out_mask + 18, 0, 5);
	memset(h->out_mask + 24, 0, 2);
	if (k->vxlan_out)
		memset(h->out_mask + 34, 0, 2);
	if (k->esp_out)
		memset(h->out_mask + ESP_AT + 4, 0, 12); // sequence number and IV
}

static void make_esp(const struct kind *k, const struct plan *plan, struct replay_header *h)
{
	uint32_t more = seal_size(plan->inner_size) - SEAL_FRONT - plan->inner_size;

	if (k->esp_out) {
		h->out_size += more;
		h->esp_out_at = ESP_AT;
	}
	if (!k->esp_in)
		return;
	h->in_size += more;
	h->in_tail = more;
	h->esp_in_at = ESP_AT;
	h->sas = plan->world.conns;
}

static void make_header(const struct kind *k, const struct plan *plan, struct replay_header *h)
{
	*h = (struct replay_header){
		.magic = REPLAY_MAGIC,
		.count = plan->flows,
		.in_size = k->in_headers + plan->inner_size,
		.in_stored = RTE_ALIGN_CEIL(k->in_headers + INNER_HEADERS, REPLAY_CHUNK),
		.in_tag_at = k->in_headers + 28,
		.out_size = k->out_headers + plan->inner_size,
		.out_stored = k->out_headers + INNER_HEADERS,
		.out_tag_at = k->out_headers + 28,
	};
	memcpy(h->ip4_at, k->ip4, sizeof(h->ip4_at));
	memcpy(h->peer_mac, peer_mac, sizeof(peer_mac));
	make_mask(k, h);
	make_esp(k, plan, h);
}

static struct flow make_flow(const struct plan *plan, uint32_t number)
{
	const struct world *w = &plan->world;
	uint32_t conn = world_hash(number) % w->conns;
	uint32_t route = world_hash(number + (1ull << 32)) % w->routes;
	uint32_t rest = world_hash(number + (2ull << 32));

	return (struct flow){
		.number = number,
		.conn = conn,
		.tenant = world_tenant(w, conn),
		.vm = (rest >> 24) % WORLD_VMS,
		.site = world_route(w, conn, route) | (1 + rest % 254),
		.port = (uint16_t)(1024 + (rest >> 8) % 64000),
	};
}

static void seal_frame(
	uint8_t *frame, const struct plan *plan, const struct flow *f, struct replay_tail *ret_tail)
{
	uint32_t size = ESP_AT + seal_size(plan->inner_size);
	uint32_t tail = size - ESP_OUTER - plan->inner_size;
	uint8_t key[36];

	replay_esp_key(f->conn, true, key);
	seal(frame + ESP_AT, plan->inner_size, INNER_HEADERS, key, REPLAY_FILL);
	*ret_tail = (struct replay_tail){.sa = f->conn};
	memcpy(ret_tail->bytes, frame + size - tail, tail);
}

static int write_in(FILE *out, const struct kind *k, const struct plan *plan, uint32_t stored)
{
	uint8_t frame[FRAME_MAX];
	struct replay_tail tail;

	for (uint32_t i = 0; i < plan->flows; i++) {
		struct flow f = make_flow(plan, i);

		memset(frame, REPLAY_FILL, REPLAY_STORED);
		k->in(frame, plan, &f, true);
		if (k->esp_in)
			seal_frame(frame, plan, &f, &tail);
		if (fwrite(frame, stored, 1, out) != 1 ||
			(k->esp_in && fwrite(&tail, sizeof(tail), 1, out) != 1))
			return -EIO;
	}
	return 0;
}

static int write_out(FILE *out, const struct kind *k, const struct plan *plan, uint32_t stored)
{
	uint8_t record[REPLAY_STORED];

	for (uint32_t i = 0; i < plan->flows; i++) {
		struct flow f = make_flow(plan, i);

		memset(record, REPLAY_FILL, sizeof(record));
		k->out(record, plan, &f, false);
		if (fwrite(record, stored, 1, out) != 1)
			return -EIO;
	}
	return 0;
}

static int write_powers(FILE *out, const struct plan *plan, uint32_t sas)
{
	for (uint32_t i = 0; i < sas; i++) {
		struct replay_power power;
		uint8_t key[36];

		replay_esp_key(i, true, key);
		seal_power(key, plan->inner_size, power.bytes);
		if (fwrite(&power, sizeof(power), 1, out) != 1)
			return -EIO;
	}
	return 0;
}

static int write_file(const char *path, const struct kind *k, const struct plan *plan)
{
	struct replay_header h;
	FILE *out = fopen(path, "we");
	int r = 0;

	if (!out)
		return -errno;
	make_header(k, plan, &h);
	if (fwrite(&h, sizeof(h), 1, out) != 1)
		r = -EIO;
	if (r == 0)
		r = write_powers(out, plan, h.sas);
	if (r == 0)
		r = write_in(out, k, plan, h.in_stored);
	if (r == 0)
		r = write_out(out, k, plan, h.out_stored);
	if (fclose(out) != 0)
		r = -EIO;
	return r;
}

static uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	struct plan plan;
	int r = -EINVAL;

	if (argc != 8)
		return 2;
	plan = (struct plan){
		.world = {number(argv[3]), number(argv[4]), number(argv[5])},
		.inner_size = number(argv[2]),
		.flows = number(argv[6]),
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].name, argv[1]) && plan.inner_size >= INNER_HEADERS &&
			plan.inner_size <= 9000 && plan.world.conns && plan.world.tenants &&
			plan.world.routes && plan.flows)
			r = write_file(argv[7], &kinds[i], &plan);
	}
	if (r < 0)
		fprintf(stderr, "frames: %s: %s\n", argv[7], strerror(-r));
	return r < 0;
}
