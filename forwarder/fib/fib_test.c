// SPDX-License-Identifier: Apache-2.0

// The trie against a list of prefixes searched from end to end, and against a reader that must
// never miss a route.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fib.h"
#include "rcu.h"

#define VRFS 3

struct rng {
	uint64_t s;
};

static uint64_t rng_next(struct rng *r)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return r->s * UINT64_C(0x2545f4914f6cdd1d);
}

// -- the oracle

#define ORACLE_MAX 600

struct oracle_route {
	uint32_t vrf;
	struct ip_prefix prefix;
	uint32_t nh;
};

struct oracle {
	struct oracle_route routes[ORACLE_MAX];
	unsigned len;
};

static struct oracle_route *oracle_get(struct oracle *o, uint32_t vrf, const struct ip_prefix *p)
{
	for (unsigned i = 0; i < o->len; i++)
		if (o->routes[i].vrf == vrf && prefix_equal(&o->routes[i].prefix, p))
			return &o->routes[i];
	return NULL;
}

static uint32_t oracle_lookup(const struct oracle *o, uint32_t vrf, const struct ip_addr *addr)
{
	uint32_t nh = 0;
	int best = -1;

	for (unsigned i = 0; i < o->len; i++) {
		const struct oracle_route *r = &o->routes[i];

		if (r->vrf == vrf && r->prefix.len > best && prefix_contains(&r->prefix, addr)) {
			best = r->prefix.len;
			nh = r->nh;
		}
	}
	return nh;
}

// Few distinct bits in many places, so that prefixes nest, share and split.
static struct ip_addr random_addr(struct rng *r, bool v6)
{
	static const uint8_t bytes[] = {0, 1, 10, 0x80, 0xff, 0xaa};
	struct ip_addr a = {.family = v6 ? IP_V6 : IP_V4};
	unsigned shared = (unsigned)(rng_next(r) % (v6 ? 17 : 5));

	for (unsigned i = 0; i < (v6 ? 16 : 4); i++)
		a.bytes[i] = i < shared ? 10 : bytes[rng_next(r) % sizeof(bytes)];
	if (rng_next(r) % 4 == 0)
		a.bytes[rng_next(r) % (v6 ? 16 : 4)] = (uint8_t)rng_next(r);
	return a;
}

static void check_lookups(struct fib *f, const struct oracle *o, struct rng *r, bool v6)
{
	uint32_t vrf[FIB_BATCH], dst4[FIB_BATCH], nh[FIB_BATCH];
	struct fib_addr6 dst6[FIB_BATCH];
	struct ip_addr addr[FIB_BATCH];
	unsigned n = 1 + (unsigned)(rng_next(r) % FIB_BATCH);

	for (unsigned i = 0; i < n; i++) {
		uint64_t w[2] = {0};

		vrf[i] = (uint32_t)(rng_next(r) % (VRFS + 1)); // the last has no routes
		addr[i] = random_addr(r, v6);
		if (o->len && rng_next(r) % 2) {
			const struct oracle_route *route = &o->routes[rng_next(r) % o->len];

			if (route->prefix.addr.family == addr[i].family)
				addr[i] = route->prefix.addr;
		}
		dst4[i] = ip_to_v4(&addr[i]);
		for (unsigned b = 0; b < 16; b++)
			w[b / 8] = w[b / 8] << 8 | addr[i].bytes[b];
		dst6[i] = (struct fib_addr6){w[0], w[1]};
	}
	if (v6)
		fib_lookup6_n(f, vrf, dst6, nh, n);
	else
		fib_lookup4_n(f, vrf, dst4, nh, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(nh[i], oracle_lookup(o, vrf[i], &addr[i]));
}

static void random_step(struct fib *f, struct oracle *o, struct rng *r, bool v6)
{
	struct ip_addr addr = random_addr(r, v6);
	struct ip_prefix p = prefix_make(&addr, (unsigned)(rng_next(r) % (v6 ? 129 : 33)));
	uint32_t vrf = (uint32_t)(rng_next(r) % VRFS);
	struct oracle_route *known;

	if (o->len && rng_next(r) % 3 == 0) {
		known = &o->routes[rng_next(r) % o->len];
		p = known->prefix;
		vrf = known->vrf;
	}
	known = oracle_get(o, vrf, &p);
	assert_int_equal(fib_get(f, vrf, &p), known ? known->nh : 0);
	if (rng_next(r) % 100 < (o->len > 300 ? 60 : 30)) {
		assert_int_equal(fib_del(f, vrf, &p), known ? 0 : -ENOENT);
		if (known)
			*known = o->routes[--o->len];
	} else if (known || o->len < ORACLE_MAX) {
		uint32_t nh = 1 + (uint32_t)(rng_next(r) % 1000000);

		assert_int_equal(fib_set(f, vrf, &p, nh), 0);
		if (!known)
			known = &o->routes[o->len++];
		*known = (struct oracle_route){vrf, p, nh};
	}
}

static void random_changes_agree_with_a_list_of_prefixes(void **state)
{
	const struct fib_size size = {
		.max_vrfs = VRFS + 1, .max_nodes = 1 << 20, .max_leaves = 1 << 20};
	const char *steps = getenv("FIB_TEST_STEPS");
	const char *seed = getenv("FIB_TEST_SEED");
	struct rng r = {seed ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15};
	struct oracle *o = calloc(1, sizeof(*o));
	struct fib *f = fib_new(&size, false);
	struct fib_stats stats;

	assert_non_null(f);
	for (unsigned long i = 0, n = steps ? strtoul(steps, NULL, 0) : 150000; i < n; i++) {
		bool v6 = rng_next(&r) % 2;

		random_step(f, o, &r, v6);
		if (i % 16 == 0)
			check_lookups(f, o, &r, v6);
	}
	while (o->len) {
		struct oracle_route *last = &o->routes[--o->len];

		assert_int_equal(fib_del(f, last->vrf, &last->prefix), 0);
	}
	fib_stats(f, &stats);
	assert_int_equal(stats.routes, 0);
	check_lookups(f, o, &r, false);
	check_lookups(f, o, &r, true);
	fib_free(f);
	free(o);
}

// -- what bounds it

static struct ip_prefix prefix_of(const char *text)
{
	struct ip_prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void a_full_pool_is_an_error_and_nothing_breaks(void **state)
{
	const struct fib_size size = {.max_vrfs = 1, .max_nodes = 1000, .max_leaves = 1000};
	struct fib *f = fib_new(&size, false);
	int r = 0;
	uint32_t n = 0;

	for (; n < 100000 && r == 0; n++) {
		struct ip_addr a = ip_from_v4(n * 2654435761u);
		struct ip_prefix p = prefix_make(&a, 32);

		r = fib_set(f, 0, &p, n + 1);
	}
	assert_int_equal(r, -ENOSPC);
	for (uint32_t i = 0; i + 1 < n; i++) {
		struct ip_addr a = ip_from_v4(i * 2654435761u);

		assert_int_equal(fib_lookup(f, 0, &a), i + 1);
	}
	fib_free(f);
}

static void wrong_arguments_are_refused(void **state)
{
	const struct fib_size size = {.max_vrfs = 2, .max_nodes = 4096, .max_leaves = 4096};
	struct fib *f = fib_new(&size, false);
	struct ip_prefix p = prefix_of("10.0.0.0/8"), none = {0};

	assert_int_equal(fib_set(f, 2, &p, 1), -EINVAL);
	assert_int_equal(fib_set(f, 0, &p, 0), -EINVAL);
	assert_int_equal(fib_set(f, 0, &none, 1), -EINVAL);
	assert_int_equal(fib_del(f, 0, &p), -ENOENT);
	p.len = 33;
	assert_int_equal(fib_set(f, 0, &p, 1), -EINVAL);
	fib_free(f);
}

static void removed_routes_give_their_memory_back(void **state)
{
	const struct fib_size size = {.max_vrfs = 1, .max_nodes = 1 << 20, .max_leaves = 1 << 20};
	struct fib *f = fib_new(&size, false);
	struct fib_stats first, last;

	for (unsigned round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 5000; i++) {
			struct ip_addr a = ip_from_v4(i * 2654435761u);
			struct ip_prefix p = prefix_make(&a, 20 + i % 13);

			assert_int_equal(fib_set(f, 0, &p, 1 + i), 0);
		}
		for (uint32_t i = 0; i < 5000; i++) {
			struct ip_addr a = ip_from_v4(i * 2654435761u);
			struct ip_prefix p = prefix_make(&a, 20 + i % 13);

			fib_del(f, 0, &p);
		}
		if (round == 0)
			fib_stats(f, &first);
	}
	fib_stats(f, &last);
	assert_int_equal(last.routes, 0);
	assert_int_equal(last.bytes, first.bytes);
	fib_free(f);
}

// -- readers beside the writer

struct reader {
	struct fib *f;
	bool stop;
	uint64_t rounds, missed;
};

#define STAYING 64

// Routes that stay lie among those that come and go.
static struct ip_addr staying(uint32_t i)
{
	return ip_from_v4(0x0a000000u | i << 9 | 1);
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	uint32_t vrf[STAYING] = {0}, dst[STAYING], nh[STAYING];

	for (uint32_t i = 0; i < STAYING; i++) {
		struct ip_addr a = staying(i);

		dst[i] = ip_to_v4(&a);
	}
	rcu_reader_online(0);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		fib_lookup4_n(r->f, vrf, dst, nh, STAYING);
		for (uint32_t i = 0; i < STAYING; i++)
			r->missed += nh[i] != i + 1;
		__atomic_add_fetch(&r->rounds, 1, __ATOMIC_RELAXED);
		rcu_reader_quiescent(0);
	}
	rcu_reader_offline(0);
	return NULL;
}

static void a_reader_never_misses_a_route_that_stays(void **state)
{
	const struct fib_size size = {.max_vrfs = 1, .max_nodes = 1 << 22, .max_leaves = 1 << 22};
	struct reader r = {0};
	struct rng rng = {7};
	pthread_t thread;

	assert_int_equal(rcu_init(), 0);
	r.f = fib_new(&size, true);
	for (uint32_t i = 0; i < STAYING; i++) {
		struct ip_addr a = staying(i);
		struct ip_prefix p = prefix_make(&a, 32);

		assert_int_equal(fib_set(r.f, 0, &p, i + 1), 0);
	}
	assert_int_equal(pthread_create(&thread, NULL, reader_main, &r), 0);
	for (unsigned i = 0; i < 400000 || __atomic_load_n(&r.rounds, __ATOMIC_RELAXED) < 1000;
		i++) {
		struct ip_addr a = ip_from_v4(0x0a000000u | (uint32_t)(rng_next(&rng) & 0xffff));
		struct ip_prefix p = prefix_make(&a, (unsigned)(rng_next(&rng) % 32));

		if (rng_next(&rng) % 2)
			assert_int_equal(fib_set(r.f, 0, &p, 999), 0);
		else
			fib_del(r.f, 0, &p);
		rcu_reclaim();
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(r.missed, 0);
	fib_free(r.f);
	rcu_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes_agree_with_a_list_of_prefixes),
		cmocka_unit_test(a_full_pool_is_an_error_and_nothing_breaks),
		cmocka_unit_test(wrong_arguments_are_refused),
		cmocka_unit_test(removed_routes_give_their_memory_back),
		cmocka_unit_test(a_reader_never_misses_a_route_that_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
