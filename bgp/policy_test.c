// SPDX-License-Identifier: Apache-2.0
#include "policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct policy_scratch scratch;
static struct api_bgp_policy *map;

static const uint8_t path[] = {2, 2, 0, 0, 0, 123, 0, 0, 0, 200};
static const uint8_t communities[] = {0, 1, 0, 1, 0, 3, 0, 3};

static int fresh(void **state)
{
	map = calloc(1, sizeof(*map) + 32 * sizeof(map->line[0]));
	return map ? 0 : -1;
}

static int done(void **state)
{
	free(map);
	return 0;
}

static struct api_bgp_policy_line *line(uint16_t entry, uint16_t property, uint32_t v)
{
	struct api_bgp_policy_line *l = &map->line[map->line_count++];

	*l = (struct api_bgp_policy_line){.entry = entry, .property = property, .v = {v}};
	return l;
}

static void entry(uint16_t number, uint32_t action, const char *name)
{
	snprintf(line(number, API_BGP_ENTRY, action)->text, 32, "%s", name);
}

static void prefix_line(uint16_t number, uint16_t property, const char *text)
{
	assert_int_equal(prefix_parse(text, &line(number, property, 0)->prefix), 0);
}

static struct attrs route(void)
{
	return (struct attrs){.next_hop = ip_from_v4(0x04030201),
		.as_path = {path, sizeof(path)},
		.communities = {communities, sizeof(communities)}};
}

static struct policy_outcome run(const char *prefix, struct attrs *attrs)
{
	struct api_error error = {0};
	struct policy *p = policy_new(map, &error);
	struct policy_outcome o;
	struct ip_prefix parsed;

	assert_non_null(p);
	assert_int_equal(prefix_parse(prefix, &parsed), 0);
	scratch.used = 0;
	o = policy_run(p, &parsed, attrs, &scratch);
	o.name = NULL; // it borrows from the policy
	policy_free(p);
	return o;
}

static bool permits(const char *prefix)
{
	struct attrs a = route();

	return run(prefix, &a).permit;
}

// The example of the API's reference: deny two prefixes from two next hops, then permit by AS
// number and community.
static void the_reference_example_decides_as_documented(void **state)
{
	struct attrs a = route();

	entry(1, API_BGP_DENY, "INPOLICY1");
	prefix_line(1, API_BGP_MATCH_PREFIX, "5.4.3.2/32");
	prefix_line(1, API_BGP_MATCH_PREFIX, "5.4.3.1/32");
	prefix_line(1, API_BGP_NEXT_HOP, "4.3.2.1/32");
	prefix_line(1, API_BGP_NEXT_HOP, "6.4.3.1/32");
	entry(2, API_BGP_PERMIT, "P2");
	line(2, API_BGP_ASN_RANGE, 123)->v[1] = 345;
	line(2, API_BGP_COMMUNITY, 0x00010001);
	line(2, API_BGP_COMMUNITY, 0x00020002);
	assert_false(permits("5.4.3.2/32"));
	assert_true(permits("5.4.3.3/32"));
	a.next_hop = ip_from_v4(1);
	assert_true(run("5.4.3.2/32", &a).permit);
	a = route();
	a.communities = (struct span){0};
	assert_false(run("5.4.3.3/32", &a).permit); // no entry decided, and there is a Permit
	assert_int_equal(run("5.4.3.3/32", &a).entry, -1);
}

static void a_map_that_only_denies_lets_the_rest_pass(void **state)
{
	assert_true(permits("10.0.0.0/8")); // the empty map
	entry(1, API_BGP_DENY, "D");
	prefix_line(1, API_BGP_MATCH_PREFIX, "10.0.0.0/8");
	assert_false(permits("10.1.0.0/16"));
	assert_true(permits("11.0.0.0/8"));
}

static void ignored_prefixes_are_left_alone(void **state)
{
	entry(1, API_BGP_DENY, "D");
	prefix_line(1, API_BGP_MATCH_PREFIX, "10.0.0.0/8");
	prefix_line(1, API_BGP_IGNORE_PREFIX, "10.1.0.0/16");
	assert_false(permits("10.2.0.0/16"));
	assert_true(permits("10.1.9.0/24"));
}

static void every_change_is_made(void **state)
{
	static const uint8_t want[] = {0, 1, 0, 1, 0, 7, 0, 7};
	struct attrs a = route();
	struct policy_outcome o;

	entry(1, API_BGP_MODIFY, "M");
	line(1, API_BGP_SET_AS_PATH, 64512)->v[1] = 2;
	line(1, API_BGP_SET_REMOVE_COMMUNITY, 0x00030003);
	line(1, API_BGP_SET_ADD_COMMUNITY, 0x00070007);
	line(1, API_BGP_SET_ADD_COMMUNITY, 0x00070007); // once is enough
	line(1, API_BGP_SET_MED, 77);
	line(1, API_BGP_SET_WEIGHT, 5);
	line(1, API_BGP_SET_LOCAL_PREF, 300);
	prefix_line(1, API_BGP_SET_NEXT_HOP, "9.9.9.9/32");
	o = run("10.0.0.0/8", &a);
	assert_true(o.permit && o.next_hop_set && o.med_set);
	assert_int_equal(aspath_len(a.as_path), 4);
	assert_int_equal(aspath_first(a.as_path), 64512);
	assert_int_equal(a.communities.size, sizeof(want));
	assert_memory_equal(a.communities.bytes, want, sizeof(want));
	assert_int_equal(a.med, 77);
	assert_int_equal(a.weight, 5);
	assert_int_equal(a.local_pref, 300);
	assert_int_equal(ip_to_v4(&a.next_hop), 0x09090909);
}

static void changes_of_a_modify_entry_are_seen_by_later_entries(void **state)
{
	struct attrs a = route();

	entry(1, API_BGP_MODIFY, "M");
	line(1, API_BGP_SET_REMOVE_ALL_COMMUNITY, 0);
	line(1, API_BGP_SET_MED, 7);
	entry(2, API_BGP_DENY, "D");
	line(2, API_BGP_COMMUNITY, 0x00010001);
	entry(3, API_BGP_PERMIT, "P");
	line(3, API_BGP_SET_CLEAR_MED, 0);
	assert_true(run("10.0.0.0/8", &a).permit);
	assert_int_equal(a.has & ATTR_HAS_MED, 0);
	assert_int_equal(run("10.0.0.0/8", &a).entry, 3);
}

static void large_communities_match_and_change(void **state)
{
	struct api_bgp_policy_line *l;
	struct attrs a = route();

	entry(1, API_BGP_MODIFY, "M");
	l = line(1, API_BGP_SET_ADD_LARGE_COMMUNITY, 65001);
	l->v[1] = 1;
	l->v[2] = 2;
	entry(2, API_BGP_DENY, "D");
	l = line(2, API_BGP_LARGE_COMMUNITY, 65001);
	l->v[1] = 1;
	l->v[2] = 2;
	assert_false(run("10.0.0.0/8", &a).permit);
	assert_int_equal(a.large_communities.size, 12);
}

static void wrong_lines_are_refused_with_their_number(void **state)
{
	struct api_error error = {0};

	entry(1, API_BGP_PERMIT, "P");
	line(1, API_BGP_ASN_RANGE, 9)->v[1] = 8;
	assert_null(policy_new(map, &error));
	assert_string_equal(error.text, "policy line 1: AsnRange ends before it starts");
	map->line_count = 0;
	line(1, API_BGP_SET_MED, 1);
	assert_null(policy_new(map, &error));
	map->line_count = 1;
	map->line[0].property = 999;
	assert_null(policy_new(map, &error));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_reference_example_decides_as_documented),
		CASE(a_map_that_only_denies_lets_the_rest_pass),
		CASE(ignored_prefixes_are_left_alone),
		CASE(every_change_is_made),
		CASE(changes_of_a_modify_entry_are_seen_by_later_entries),
		CASE(large_communities_match_and_change),
		CASE(wrong_lines_are_refused_with_their_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
