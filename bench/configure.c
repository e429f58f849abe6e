// SPDX-License-Identifier: Apache-2.0
//
// Tells a forwarder the whole world of a bench (world.h) over its local socket:
//
//   configure SOCKET gre|l3|esp TENANTS CONNS ROUTES
//
// and prints how long that took. `l3` makes the connections VLANs of the same port, `esp`
// gives each a pair of SAs (AES-256-GCM, ESN, a replay window of 1024).
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "objects.h"
#include "replay.h"
#include "sa.h"
#include "sync.h"
#include "world.h"

#define SLOT 1

static struct api_sync *api;

static void set(uint16_t type, const void *object, size_t size)
{
	int r = api_sync_set(api, type, object, size);

	if (r < 0) {
		fprintf(stderr, "configure: type %u refused: %s: %s\n", type, strerror(-r),
			api_sync_error(api));
		exit(1);
	}
}

static struct ip_prefix prefix(uint32_t addr, uint8_t len)
{
	struct ip_addr a = ip_from_v4(addr);

	return prefix_make(&a, len);
}

static void set_underlay(void)
{
	struct api_underlay_addr self = {.addr = ip_from_v4(WORLD_SELF), .prefix_len = 24};
	struct api_slot slot = {.slot = SLOT,
		.active = 1,
		.epoch = 1,
		.iv_epoch = 1,
		.pa = {ip_from_v4(WORLD_VTEP)},
		.gre_vip = {ip_from_v4(WORLD_GRE_VIP)},
		.vip = {ip_from_v4(WORLD_VIP)}};
	struct api_route out = {.prefix = prefix(0, 0),
		.source = API_ROUTE_STATIC,
		.preference = 1,
		.path_count = 1,
		.path = {{.type = API_PATH_PORT, .via = ip_from_v4(WORLD_ROUTER)}}};

	set(API_TYPE_UNDERLAY_ADDR, &self, sizeof(self));
	set(API_TYPE_SLOT, &slot, sizeof(slot));
	set(API_TYPE_ROUTE, &out, sizeof(out));
}

static void set_vms(uint32_t tenant)
{
	for (uint32_t i = 0; i < WORLD_VMS; i++) {
		struct api_host vm = {.vrf = tenant + 1,
			.addr = ip_from_v4(world_vm(i)),
			.vni = world_vni(tenant),
			.pa = {ip_from_v4(world_host(i))}};

		world_vm_mac(tenant, i, vm.mac.bytes);
		set(API_TYPE_HOST, &vm, sizeof(vm));
	}
}

static void set_tenant(uint32_t tenant)
{
	struct api_vrf vrf = {.vrf = tenant + 1};
	struct api_subnet subnet = {.vni = world_vni(tenant),
		.vrf = tenant + 1,
		.encap = API_ENCAP_VXLAN,
		.prefix_count = 1,
		.prefix = {prefix(0x0a000000, 24)}};
	struct api_tenant_slot ts = {.vrf = tenant + 1,
		.slot = SLOT,
		.vni = world_vni(tenant),
		.pa = {ip_from_v4(WORLD_VTEP)}};
	struct api_route vms = {.vrf = tenant + 1,
		.prefix = prefix(0x0a000000, 24),
		.source = API_ROUTE_CONNECTED,
		.path_count = 1,
		.path = {{.type = API_PATH_SUBNET, .id = world_vni(tenant)}}};

	snprintf(vrf.name, sizeof(vrf.name), "tenant-%u", tenant);
	world_gateway_mac(tenant, ts.mac.bytes);
	set(API_TYPE_VRF, &vrf, sizeof(vrf));
	set(API_TYPE_SUBNET, &subnet, sizeof(subnet));
	set(API_TYPE_TENANT_SLOT, &ts, sizeof(ts));
	set(API_TYPE_ROUTE, &vms, offsetof(struct api_route, path[1]));
	set_vms(tenant);
}

static void set_routes(const struct world *w, uint32_t conn, struct ip_addr via)
{
	struct api_route r = {.vrf = world_tenant(w, conn) + 1,
		.source = API_ROUTE_STATIC,
		.preference = 1,
		.path_count = 1,
		.path = {{.type = API_PATH_CONN, .id = conn + 1, .via = via}}};

	for (uint32_t i = 0; i < w->routes; i++) {
		r.prefix = prefix(world_route(w, conn, i), 24);
		set(API_TYPE_ROUTE, &r, offsetof(struct api_route, path[1]));
	}
}

static void set_sa(uint32_t conn, bool in)
{
	struct api_sa sa = {.conn = conn + 1,
		.spi = in ? world_spi_in(conn) : replay_spi_out(conn),
		.dir = in ? API_SA_IN : API_SA_OUT,
		.child = 1,
		.slot = SLOT,
		.mode = API_SA_TUNNEL,
		.flags = API_SA_F_ESN,
		.cipher = API_CIPHER_AES_GCM_16,
		.replay_window = 1024,
		.key_size = 36,
		.local = ip_from_v4(WORLD_VIP),
		.remote = ip_from_v4(world_remote(conn))};

	replay_esp_key(conn, in, sa.key);
	set(API_TYPE_SA, &sa, sizeof(sa));
}

static void set_sas(uint32_t conn)
{
	struct api_sa_policy policy = {
		.conn = conn + 1, .child = 1, .out_spi = replay_spi_out(conn)};

	set_sa(conn, true);
	set_sa(conn, false);
	set(API_TYPE_SA_POLICY, &policy, sizeof(policy));
}

static void set_conn(const struct world *w, uint32_t conn, bool l3, bool esp)
{
	struct api_conn c = {.conn = conn + 1,
		.vrf = world_tenant(w, conn) + 1,
		.slot = SLOT,
		.type = l3    ? API_CONN_L3
			: esp ? API_CONN_IPSEC
			      : API_CONN_GRE,
		.flags = API_CONN_F_ENABLED,
		.in_kbps = 100000000, // metering is on, and never the limit
		.out_kbps = 100000000};

	snprintf(c.name, sizeof(c.name), "conn-%u", conn);
	if (l3) {
		c.l3_vlan = (uint16_t)(WORLD_L3_VLAN_FIRST + conn);
		c.l3_addr_count = c.l3_peer_count = 1;
		c.l3_addr[0].addr = ip_from_v4(world_l3_addr(conn));
		c.l3_addr[0].prefix_len = 24;
		c.l3_peer[0] = ip_from_v4(world_l3_addr(conn) + 1);
	} else if (esp) {
		c.local = ip_from_v4(WORLD_VIP);
		c.remote = ip_from_v4(world_remote(conn));
	} else {
		c.flags |= API_CONN_F_GRE_KEY;
		c.gre_key = world_gre_key(conn);
		c.local = ip_from_v4(WORLD_GRE_VIP);
		c.remote = ip_from_v4(world_remote(conn));
	}
	set(API_TYPE_CONN, &c, sizeof(c));
	if (esp)
		set_sas(conn);
	set_routes(w, conn, c.l3_peer[0]);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
	double start = now();
	struct world w;

	if (argc != 6)
		return 2;
	w = (struct world){(uint32_t)strtoul(argv[3], NULL, 10),
		(uint32_t)strtoul(argv[4], NULL, 10), (uint32_t)strtoul(argv[5], NULL, 10)};
	api = api_sync_open(argv[1], "bench", 10000);
	if (!api) {
		fprintf(stderr, "configure: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	set_underlay();
	for (uint32_t i = 0; i < w.tenants; i++)
		set_tenant(i);
	for (uint32_t i = 0; i < w.conns; i++)
		set_conn(&w, i, !strcmp(argv[2], "l3"), !strcmp(argv[2], "esp"));
	api_sync_close(api);
	printf("configured in %.1f s\n", now() - start);
	return 0;
}
