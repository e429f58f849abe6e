// SPDX-License-Identifier: Apache-2.0

// The FIB at size: 4 000 VRFs, 1 000 000 routes. Prints one flat JSON object.
//
// The stated mix: every VRF has a default route, three /16 of 10/8 and, in clusters inside them,
// /24 subnets (half of all routes), /27 and /28 pieces, and /32 hosts in runs; VRF sizes differ by
// a factor of 16. IPv6: a /48 a VRF with /64 and /128. Beside it the worst case: random prefixes
// of random length 16..32 that share nothing. Lookups: random VRF, random destination under one of
// its routes.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fib.h"
#include "rcu.h"
#include "xmalloc.h"

#define VRFS    4000
#define ROUTES  1000000
#define CHANGES 400000
#define LOOKUPS 8000000
#define ROUNDS  5 // of lookups; the median counts

struct bench_route {
	uint32_t vrf;
	struct ip_prefix prefix;
};

static uint64_t rng_state = 0x9e3779b97f4a7c15;

static uint32_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

// VRF v has between a quarter and four times the mean number of routes.
static uint32_t skewed_vrf(void)
{
	uint32_t v = rng() % VRFS;

	return rng() % 16 < 1 + v % 16 ? v : rng() % VRFS;
}

static struct ip_prefix mix4(uint32_t vrf)
{
	uint32_t site = 0x0a000000u | ((vrf * 7 + rng() % 3) % 256) << 16;
	uint32_t subnet = site | (rng() % 160) << 8, kind = rng() % 100;
	struct ip_addr a;

	if (kind < 2)
		return prefix_make(&(struct ip_addr){.family = IP_V4}, 0);
	a = ip_from_v4(kind < 5    ? site
		       : kind < 50 ? subnet
		       : kind < 65 ? subnet | (rng() % 8) << 5
		       : kind < 75 ? subnet | (rng() % 16) << 4
				   : (site | (rng() % 8) << 8 | (rng() % 200)));
	return prefix_make(&a, kind < 5    ? 16
			       : kind < 50 ? 24
			       : kind < 65 ? 27
			       : kind < 75 ? 28
					   : 32);
}

static struct ip_prefix mix6(uint32_t vrf)
{
	struct ip_addr a = {.family = IP_V6, .bytes = {0x20, 0x01, 0x0d, 0xb8}};
	uint32_t kind = rng() % 100, subnet = rng() % 1024, host = 1 + rng() % 200;

	if (kind < 2)
		return prefix_make(&(struct ip_addr){.family = IP_V6}, 0);
	a.bytes[4] = (uint8_t)(vrf >> 8);
	a.bytes[5] = (uint8_t)vrf;
	if (kind >= 60)
		subnet %= 8;
	a.bytes[6] = (uint8_t)(subnet >> 8);
	a.bytes[7] = (uint8_t)subnet;
	if (kind < 60)
		return prefix_make(&a, kind < 5 ? 48 : kind < 15 ? 56 : 64);
	a.bytes[15] = (uint8_t)host;
	return prefix_make(&a, 128);
}

static struct ip_prefix worst4(uint32_t vrf)
{
	struct ip_addr a = ip_from_v4(rng());

	return prefix_make(&a, 16 + rng() % 17);
}

static struct ip_prefix worst6(uint32_t vrf)
{
	struct ip_addr a = {.family = IP_V6};

	for (unsigned i = 0; i < 16; i++)
		a.bytes[i] = (uint8_t)rng();
	return prefix_make(&a, 32 + rng() % 97);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double lookups_mps(struct fib *f, const struct bench_route *routes, bool v6)
{
	enum { QUESTIONS = 1 << 20 };
	uint32_t *vrf = xcalloc(QUESTIONS, sizeof(*vrf)), *dst4 = xcalloc(QUESTIONS, sizeof(*dst4));
	struct fib_addr6 *dst6 = xcalloc(QUESTIONS, sizeof(*dst6));
	uint32_t nh[FIB_BATCH], sum = 0;
	double start, rate[ROUNDS];

	for (unsigned i = 0; i < QUESTIONS; i++) {
		const struct bench_route *r = &routes[rng() % ROUTES];
		struct ip_addr a = r->prefix.addr;
		uint64_t w[2] = {0};

		vrf[i] = r->vrf;
		for (unsigned b = r->prefix.len; b < ip_bits(&a); b++)
			a.bytes[b / 8] |= (uint8_t)((rng() & 1) << (7 - b % 8));
		dst4[i] = ip_to_v4(&a);
		for (unsigned b = 0; b < 16; b++)
			w[b / 8] = w[b / 8] << 8 | a.bytes[b];
		dst6[i] = (struct fib_addr6){w[0], w[1]};
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		start = now_s();
		for (unsigned i = 0; i < LOOKUPS; i += FIB_BATCH) {
			unsigned at = i & (QUESTIONS - 1);

			if (v6)
				fib_lookup6_n(f, vrf + at, dst6 + at, nh, FIB_BATCH);
			else
				fib_lookup4_n(f, vrf + at, dst4 + at, nh, FIB_BATCH);
			sum += nh[0];
		}
		rate[round] = LOOKUPS / (now_s() - start) / 1e6;
	}
	if (sum == 0)
		fprintf(stderr, "no lookup found a route\n");
	free(vrf);
	free(dst4);
	free(dst6);
	qsort(rate, ROUNDS, sizeof(rate[0]), by_value);
	return rate[ROUNDS / 2];
}

// Half removals, half additions of the same routes, spread over all VRFs.
static double changes_ps(struct fib *f, const struct bench_route *routes)
{
	double start = now_s();

	for (unsigned i = 0; i < CHANGES / 2; i++) {
		const struct bench_route *r = &routes[rng() % ROUTES];

		fib_del(f, r->vrf, &r->prefix);
		fib_set(f, r->vrf, &r->prefix, 1 + i % 10000);
		if (i % 64 == 0)
			rcu_reclaim();
	}
	return CHANGES / (now_s() - start);
}

static void measure(const char *name, const char *bytes_name,
	struct ip_prefix (*make)(uint32_t vrf), bool v6, const char *end)
{
	const struct fib_size size = {
		.max_vrfs = VRFS, .max_nodes = 1 << 25, .max_leaves = 1 << 25};
	struct bench_route *routes = xcalloc(ROUTES, sizeof(*routes));
	struct fib *f = fib_new(&size, true);
	struct fib_stats stats;

	for (unsigned n = 0; n < ROUTES;) {
		uint32_t vrf = skewed_vrf();
		struct ip_prefix p = make(vrf);

		if (fib_get(f, vrf, &p))
			continue;
		if (fib_set(f, vrf, &p, 1 + n % 10000) < 0)
			break;
		routes[n++] = (struct bench_route){vrf, p};
		if (n % 64 == 0)
			rcu_reclaim();
	}
	fib_stats(f, &stats);
	printf(" \"%s_lookup_%s\": %.1f,\n", name, "1m_mlps", lookups_mps(f, routes, v6));
	printf(" \"%s_%s\": %.1f,\n", name, bytes_name, (double)stats.bytes / (double)stats.routes);
	printf(" \"%s_changes_per_s\": %.0f%s\n", name, changes_ps(f, routes), end);
	fflush(stdout);
	fib_free(f);
	free(routes);
}

int main(void)
{
	if (rcu_init() < 0)
		return 1;
	printf("{\n");
	measure("fib", "bytes_per_route", mix4, false, ",");
	measure("fib6", "bytes_per_route", mix6, true, ",");
	measure("fib_worst", "bytes_per_route", worst4, false, ",");
	measure("fib6_worst", "bytes_per_route", worst6, true, "");
	printf("}\n");
	rcu_fini();
	return 0;
}
