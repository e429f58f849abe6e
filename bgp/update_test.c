// SPDX-License-Identifier: Apache-2.0
#include "update.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static uint8_t scratch[UPDATE_SCRATCH_SIZE];

static const uint8_t path[] = {2, 2, 0, 0, 0xfd, 0xe9, 0, 3, 0, 1};
static const uint8_t communities[] = {0xff, 0xff, 0xff, 1, 0, 1, 0, 2};
static const uint8_t large[] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
static const uint8_t ext[] = {0, 2, 0, 1, 0, 0, 0, 9};
static const uint8_t clusters[] = {1, 1, 1, 1, 2, 2, 2, 2};
static const uint8_t unknown[] = {0xf0, 99, 0, 2, 7, 8, 0xf0, 120, 0, 0};

static struct attrs everything(const char *hop)
{
	struct attrs a = {.has = ATTR_HAS_ORIGIN | ATTR_HAS_AS_PATH | ATTR_HAS_MED |
				 ATTR_HAS_LOCAL_PREF | ATTR_HAS_ATOMIC_AGGREGATE |
				 ATTR_HAS_AGGREGATOR | ATTR_HAS_ORIGINATOR_ID | ATTR_HAS_OTC,
		.origin = BGP_ORIGIN_EGP,
		.med = 5,
		.local_pref = 200,
		.aggregator_as = 196609,
		.aggregator_id = 9,
		.originator_id = 0x01020304,
		.otc = 65001,
		.as_path = {path, sizeof(path)},
		.communities = {communities, sizeof(communities)},
		.ext_communities = {ext, sizeof(ext)},
		.large_communities = {large, sizeof(large)},
		.cluster_list = {clusters, sizeof(clusters)},
		.unknown = {unknown, sizeof(unknown)}};

	assert_int_equal(ip_parse(hop, &a.next_hop), 0);
	return a;
}

static struct nlri nlri(const char *text, uint32_t path_id)
{
	struct nlri n = {.path_id = path_id};

	assert_int_equal(prefix_parse(text, &n.prefix), 0);
	return n;
}

// Writes, reads back, and gives the update whose attributes carry the next hop again.
static struct update round_trip(const struct attrs *a, const struct nlri *n, size_t len,
	const struct update_options *o, uint8_t *m, size_t size)
{
	struct bgp_header h;
	struct bgp_error e;
	struct update u;
	size_t used, written = update_write_reach(m, size, o, a, n, len, &used);

	assert_int_equal(used, len);
	assert_int_equal(message_peek(m, written, BGP_EXTENDED_MAX, &h, &e), 1);
	assert_int_equal(h.type, BGP_UPDATE);
	update_read(m + 19, written - 19, o, scratch, &u);
	assert_int_equal(u.verdict, UPDATE_OK);
	assert_int_equal(u.reach_len, 1);
	u.attrs.next_hop = u.reach_next_hop[0];
	u.attrs.link_local = u.reach_link_local[0];
	return u;
}

static void every_attribute_goes_round(void **state)
{
	const struct update_options o = {.as4 = true, .internal = true, .family = {true, true}};
	struct attrs a = everything("10.0.0.1");
	struct nlri n[] = {nlri("10.1.2.0/24", 0), nlri("0.0.0.0/0", 0), nlri("10.9.9.9/32", 0)};
	struct nlri back;
	struct update u;
	uint8_t m[4096];

	u = round_trip(&a, n, 3, &o, m, sizeof(m));
	assert_true(attrs_equal(&a, &u.attrs));
	for (int i = 0; i < 3; i++) {
		assert_true(nlri_next(&u.reach[0], &back));
		assert_true(prefix_equal(&back.prefix, &n[i].prefix));
	}
	assert_false(nlri_next(&u.reach[0], &back));
}

static void ipv6_goes_round_with_a_link_local_next_hop_and_path_ids(void **state)
{
	const struct update_options o = {
		.as4 = true, .internal = true, .family = {true, true}, .add_path = {false, true}};
	struct attrs a = everything("2001:db8::1");
	struct nlri n[] = {nlri("2001:db8:1::/48", 7), nlri("::/0", 8)}, back;
	struct update u;
	uint8_t m[4096];

	assert_int_equal(ip_parse("fe80::1", &a.link_local), 0);
	u = round_trip(&a, n, 2, &o, m, sizeof(m));
	assert_true(attrs_equal(&a, &u.attrs));
	assert_true(nlri_next(&u.reach[0], &back));
	assert_int_equal(back.path_id, 7);
	assert_int_equal(m[19 + 4 + 1], BGP_ATTR_MP_REACH); // first, RFC 7606 5.1
}

static void ipv4_goes_over_an_ipv6_next_hop(void **state)
{
	const struct update_options o = {
		.as4 = true, .internal = true, .ipv6_nexthop = true, .family = {true, false}};
	struct attrs a = everything("2001:db8::1");
	struct nlri n = nlri("10.1.2.0/24", 0), back;
	struct update u;
	uint8_t m[4096];

	u = round_trip(&a, &n, 1, &o, m, sizeof(m));
	assert_true(attrs_equal(&a, &u.attrs));
	assert_true(nlri_next(&u.reach[0], &back));
	assert_true(prefix_equal(&back.prefix, &n.prefix));
}

static void an_old_speaker_gets_both_paths_and_gives_them_back(void **state)
{
	const struct update_options o = {.internal = true, .family = {true, true}};
	struct attrs a = everything("10.0.0.1");
	struct nlri n = nlri("10.1.2.0/24", 0);
	struct update u;
	uint8_t m[4096];

	u = round_trip(&a, &n, 1, &o, m, sizeof(m));
	assert_true(attrs_equal(&a, &u.attrs));
}

static void golden_bytes_of_an_announcement(void **state)
{
	static const uint8_t want[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 54, 2, 0, 0, 0, 27, 0x40, 1, 1, 0, 0x40, 2,
		6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 10, 0, 0, 1, 0x80, 4, 4, 0, 0, 0, 10, 24, 10,
		1, 2};
	const struct update_options o = {.as4 = true, .family = {true, true}};
	static const uint8_t one[] = {2, 1, 0, 0, 0xfd, 0xe9};
	struct attrs a = {.has = ATTR_HAS_MED, .med = 10, .as_path = {one, sizeof(one)}};
	struct nlri n = nlri("10.1.2.0/24", 0);
	uint8_t m[128];
	size_t used;

	assert_int_equal(ip_parse("10.0.0.1", &a.next_hop), 0);
	assert_int_equal(update_write_reach(m, sizeof(m), &o, &a, &n, 1, &used), sizeof(want));
	assert_memory_equal(m, want, sizeof(want));
}

static void messages_are_filled_and_never_exceed_the_limit(void **state)
{
	const struct update_options o = {
		.as4 = true, .family = {true, true}, .add_path = {true, true}};
	struct attrs a = everything("10.0.0.1"), a6 = everything("2001:db8::1");
	struct nlri v4[2000], v6[2000];
	uint8_t m[BGP_EXTENDED_MAX];
	size_t used, size, total = 0;

	for (unsigned i = 0; i < 2000; i++) {
		struct ip_addr addr = ip_from_v4(0x0a000000 + i * 256);

		v4[i] = (struct nlri){.prefix = prefix_make(&addr, 24), .path_id = i};
		addr = (struct ip_addr){
			.family = IP_V6, .bytes = {0x20, 1, (uint8_t)(i >> 8), (uint8_t)i}};
		v6[i] = (struct nlri){.prefix = prefix_make(&addr, 48), .path_id = i};
	}
	for (size_t at = 0; at < 2000; at += used) {
		size = update_write_reach(m, sizeof(m), &o, &a, v4 + at, 2000 - at, &used);
		assert_true(size && size <= BGP_MESSAGE_MAX);
		total++;
	}
	assert_int_equal(total, 5);
	for (size_t at = 0; at < 2000; at += used) {
		size = update_write_reach(m, sizeof(m), &o, &a6, v6 + at, 2000 - at, &used);
		assert_true(size && size <= BGP_MESSAGE_MAX);
		assert_true(used == 2000 - at || size > BGP_MESSAGE_MAX - 11);
	}
	for (size_t at = 0; at < 2000; at += used) {
		size = update_write_unreach(m, sizeof(m), &o, v6 + at, 2000 - at, &used);
		assert_true(size && size <= BGP_MESSAGE_MAX);
	}
	assert_int_equal(update_write_reach(m, 60, &o, &a, v4, 1, &used), 0);
	assert_int_equal(used, 0);
}

static void withdrawals_and_end_of_rib_go_round(void **state)
{
	const struct update_options o = {.as4 = true, .family = {true, true}};
	struct nlri n[2] = {nlri("10.1.0.0/16", 0), nlri("2001:db8::/32", 0)}, back;
	struct update u;
	uint8_t m[128];
	size_t used, size;

	for (int f = 0; f < BGP_FAMILIES; f++) {
		size = update_write_unreach(m, sizeof(m), &o, &n[f], 1, &used);
		update_read(m + 19, size - 19, &o, scratch, &u);
		assert_int_equal(u.verdict, UPDATE_OK);
		assert_false(u.end_of_rib);
		assert_int_equal(u.unreach_len, 1);
		assert_true(nlri_next(&u.unreach[0], &back));
		assert_true(prefix_equal(&back.prefix, &n[f].prefix));
		size = update_write_end_of_rib(m, sizeof(m), (enum bgp_family)f);
		update_read(m + 19, size - 19, &o, scratch, &u);
		assert_int_equal(u.verdict, UPDATE_OK);
		assert_true(u.end_of_rib);
		assert_int_equal(u.end_of_rib_family, f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_goes_round),
		cmocka_unit_test(ipv6_goes_round_with_a_link_local_next_hop_and_path_ids),
		cmocka_unit_test(ipv4_goes_over_an_ipv6_next_hop),
		cmocka_unit_test(an_old_speaker_gets_both_paths_and_gives_them_back),
		cmocka_unit_test(golden_bytes_of_an_announcement),
		cmocka_unit_test(messages_are_filled_and_never_exceed_the_limit),
		cmocka_unit_test(withdrawals_and_end_of_rib_go_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
