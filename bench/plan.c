// SPDX-License-Identifier: Apache-2.0
// Plans 100 000 connections of 10 000 tenants on 100 gateways (ten pools of 9 + 1), then
// changes one connection at a time. Prints {"plan_100k_s": .., "plan_change_ms": ..}: the first
// includes feeding the inputs, the second is the slowest of 1 000 changes. Seconds of processor
// time: the plan waits for nothing, and what else runs on the machine does not count.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "plan.h"

#define POOLS       10
#define GATEWAYS    10 // a pool, one of them redundant
#define TENANTS     10000
#define CONNECTIONS 100000
#define CHANGES     1000

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void add_pool(struct plan *p, uint32_t i)
{
	struct plan_range pa = {
		ip_from_v4(0x0a000001 + (i << 16)), ip_from_v4(0x0a00ffff + (i << 16))};
	struct plan_range gre = {
		ip_from_v4(0x1f000001 + (i << 16)), ip_from_v4(0x1f00ffff + (i << 16))};
	char pool[16], name[16];

	snprintf(pool, sizeof(pool), "pool%u", i);
	plan_set_pool(p, &(struct plan_pool){.name = pool,
				 .redundant_count = 1,
				 .capacity_kbps = 100000000,
				 .pa = &pa,
				 .pa_len = 1,
				 .gre = &gre,
				 .gre_len = 1});
	for (uint32_t g = 0; g < GATEWAYS; g++) {
		snprintf(name, sizeof(name), "GW%u-%u", i, g);
		plan_set_gateway(p, &(struct plan_gateway){
					    .name = name, .pool = pool, .health = PLAN_HEALTH_UP});
	}
}

static void add_tenant(struct plan *p, uint32_t i)
{
	struct ip_addr base = ip_from_v4(0x0a000000);
	struct ip_prefix prefix = prefix_make(&base, 24);
	char name[16], pool[16];
	const char *pools[] = {pool};

	snprintf(name, sizeof(name), "T%u", i);
	snprintf(pool, sizeof(pool), "pool%u", i % POOLS);
	plan_set_subnet(p, &(struct plan_subnet){.network = name,
				   .name = "gw",
				   .vni = 5000 + i,
				   .prefix = &prefix,
				   .prefix_len = 1});
	plan_set_tenant(p, &(struct plan_tenant){.name = name,
				   .network = name,
				   .gateway_subnet = "gw",
				   .pools = pools,
				   .pools_len = 1});
}

static void add_connection(struct plan *p, uint32_t i, uint64_t kbps)
{
	struct plan_route route = {.prefix = {ip_from_v4(0x32000000 + (i << 8)), 24, {0}}};
	char t[16], c[16];

	snprintf(t, sizeof(t), "T%u", i % TENANTS);
	snprintf(c, sizeof(c), "c%u", i);
	plan_set_connection(p, &(struct plan_connection){.tenant = t,
				       .name = c,
				       .enabled = true,
				       .type = PLAN_CONN_GRE,
				       .has_key = true,
				       .gre_key = i,
				       .remote = ip_from_v4(0x14000000 + i),
				       .in_kbps = kbps,
				       .out_kbps = kbps,
				       .route = &route,
				       .route_len = 1});
}

static void step_until_done(struct plan *p)
{
	while (plan_step(p, 0).next_ms == 0)
		;
}

int main(void)
{
	struct plan *p = plan_new();
	double began = seconds(), all, worst = 0;
	struct plan_tenant_status st;

	for (uint32_t i = 0; i < POOLS; i++)
		add_pool(p, i);
	for (uint32_t i = 0; i < TENANTS; i++)
		add_tenant(p, i);
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		add_connection(p, i, 1000);
	step_until_done(p);
	step_until_done(p); // gives the big result back
	all = seconds() - began;
	for (uint32_t i = 0; i < TENANTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "T%u", i);
		if (plan_tenant_status(p, name, &st) || st.waiting) {
			fprintf(stderr, "connections were not placed\n");
			return 1;
		}
	}
	for (uint32_t i = 0; i < CHANGES; i++) {
		double from = seconds(), took;

		add_connection(p, i * 97, 2000);
		step_until_done(p);
		took = seconds() - from;
		worst = took > worst ? took : worst;
	}
	printf("{\"plan_100k_s\": %.4f, \"plan_change_ms\": %.4f}\n", all, worst * 1e3);
	plan_free(p);
	return 0;
}
