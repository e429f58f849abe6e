// SPDX-License-Identifier: Apache-2.0
#include "nouns.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	if (!json)
		fail_msg("%s: %s", error.text, text);
	return json;
}

static json_t *normalise(const struct model_type *type, const char *properties, const json_t *old)
{
	char text[4096];
	struct model_errors errors = {0};
	json_t *body, *doc = NULL;

	snprintf(text, sizeof(text), "{\"properties\":%s}", properties);
	body = parse(text);
	if (model_normalise(type, body, old, &doc, &errors) < 0)
		fail_msg("%s [%s] %s", errors.errors[0].code, errors.errors[0].target,
			errors.errors[0].message);
	json_decref(body);
	return doc;
}

static void assert_same(const json_t *got, const char *want, const char *about)
{
	json_t *w = parse(want);

	if (!json_equal((json_t *)got, w))
		fail_msg("%s: got %s, want %s", about, json_dumps(got, JSON_ENCODE_ANY), want);
	json_decref(w);
}

// What clients write, and the one form that it is kept in. The member is looked up by its canonical
// name in the document.
static const struct {
	const struct model_type *type;
	const char *given;  // properties, beside what the type requires
	const char *member; // of the document's properties
	const char *want;   // its value; NULL: absent
} tolerated[] = {
	{&model_type_gateway_pool, "{\"TYPE\":\"S2SIPSEC\"}", "type", "\"S2sIpSec\""},
	{&model_type_gateway_pool, "{\"type\":\"forwarding\"}", "type", "\"Forwarding\""},
	{&model_type_gateway_pool, "{\"type\":\"ALL\",\"redundantGatewayCount\":\"1\"}",
		"redundantGatewayCount", "1"},
	{&model_type_gateway_pool, "{\"type\":\"All\",\"redundantGatewayCount\":2.0}",
		"redundantGatewayCount", "2"},
	{&model_type_gateway_pool, "{\"type\":\"All\",\"redundantGatewayCount\":null}",
		"redundantGatewayCount", "0"},
	{&model_type_gateway_pool, "{\"type\":\"All\",\"gateways\":[{\"resourceRef\":\"x\"}]}",
		"gateways", NULL},
	{&model_type_gateway_pool, "{\"type\":\"All\",\"RadiusServer\":\"x\"}", "RadiusServer",
		NULL},
	{&model_type_gateway_pool,
		"{\"type\":\"All\",\"ipConfiguration\":{\"publicIPAddresses\":[null,"
		"{\"resourceRef\":\"https://nc/networking/v1/PUBLICipaddresses/p\",\"etag\":\"x\","
		"\"properties\":{}}]}}",
		"ipConfiguration",
		"{\"greVipSubnets\":[],\"publicIPAddresses\":[{\"resourceRef\":"
		"\"/publicIPAddresses/p\"}]}"},
	{&model_type_logical_network, "{\"networkVirtualizationEnabled\":\"True\"}",
		"networkVirtualizationEnabled", "true"},
	{&model_type_lsubnet, "{\"vlanID\":\"1001\"}", "vlanId", "1001"},
	{&model_type_lsubnet, "{\"addressPrefix\":\"\"}", "addressPrefix", NULL},
	{&model_type_lsubnet, "{\"dnsServers\":\"10.0.0.1\"}", "dnsServers", "[\"10.0.0.1\"]"},
	{&model_type_lsubnet, "{\"dnsServers\":[null]}", "dnsServers", "[]"},
	{&model_type_lsubnet, "{\"addressPrefix\":\"2001:DB8::/32\"}", "addressPrefix",
		"\"2001:db8::/32\""},
	{&model_type_nic, "{\"privateMacAddress\":\"00-1d-a8-b7-1c-00\"}", "privateMacAddress",
		"\"001DA8B71C00\""},
	{&model_type_bgp_router, "{\"ExtAsNumber\":\"0.64510\",\"requireIGPSync\":\"true\"}",
		"requireIgpSync", "true"},
	{&model_type_bgp_router, "{\"extAsNumber\":\"1.10\"}", "extAsNumber", "\"1.10\""},
	{&model_type_bgp_router, "{\"extAsNumber\":65546}", "extAsNumber", "\"1.10\""},
	{&model_type_bgp_peer, "{\"peerIPAddress\":\"1.2.3.4\",\"peerAsNumber\":64521}", "asNumber",
		"\"64521\""},
	{&model_type_connection,
		"{\"connectionType\":\"gre\",\"destinationIPAddress\":\"1.2.3.4\","
		"\"GreConfiguration\":{\"GreKey\":1234}}",
		"greConfiguration", "{\"greKey\":\"1234\"}"},
	{&model_type_connection,
		"{\"connectionType\":\"GRE\",\"destinationIPAddress\":\"1.2.3.4\","
		"\"routes\":[{\"destinationPrefix\":\"10.1.2.3/24\",\"metric\":\"5\"}]}",
		"routes",
		"[{\"destinationPrefix\":\"10.1.2.0/24\",\"nextHop\":\"0.0.0.0\",\"metric\":5,"
		"\"protocol\":\"Static\"}]"},
	{&model_type_vnet_manager, "{\"networkVirtualizationProtocol\":\"Vxlan\"}",
		"networkVirtualizationProtocol", "\"VXLAN\""},
	{&model_type_policy_map,
		"{\"policyList\":[{\"policyName\":\"p\",\"policyType\":\"deny\",\"matchCriteria\":["
		"{\"clause\":\"matchprefix\",\"operator\":\"And\",\"value\":\"5.4.3.2/32\"}]}]}",
		"policyMapEntryList",
		"[{\"policyName\":\"p\",\"action\":\"Deny\",\"matchCriteria\":[{\"property\":"
		"\"MatchPrefix\",\"value\":[\"5.4.3.2/32\"]}],\"setActions\":[]}]"},
};

static void clients_spellings_become_one_form(void **state)
{
	for (size_t i = 0; i < sizeof(tolerated) / sizeof(tolerated[0]); i++) {
		json_t *doc = normalise(tolerated[i].type, tolerated[i].given, NULL);
		json_t *got =
			json_object_get(json_object_get(doc, "properties"), tolerated[i].member);
		char want[512];

		if (!tolerated[i].want) {
			assert_null(got);
		} else {
			json_t *holder = json_pack("{s:O}", "v", got);

			snprintf(want, sizeof(want), "{\"v\":%s}", tolerated[i].want);
			assert_same(holder, want, tolerated[i].given);
			json_decref(holder);
		}
		json_decref(doc);
	}
}

static void a_document_normalises_to_itself(void **state)
{
	for (size_t i = 0; i < sizeof(tolerated) / sizeof(tolerated[0]); i++) {
		struct model_errors errors = {0};
		json_t *doc = normalise(tolerated[i].type, tolerated[i].given, NULL), *again;

		assert_int_equal(model_normalise(tolerated[i].type, doc, NULL, &again, &errors), 0);
		assert_true(json_equal(doc, again));
		json_decref(again);
		json_decref(doc);
	}
}

#define CONNECTION                                                             \
	"{\"connectionType\":\"IPSec\",\"destinationIPAddress\":\"11.1.0.1\"," \
	"\"ipSecConfiguration\":{\"sharedSecret\":\"abc\"},\"isthmus\":{\"weight\":7}}"

static const char *secret_of(const json_t *doc)
{
	return json_string_value(json_object_get(
		json_object_get(json_object_get(doc, "properties"), "ipSecConfiguration"),
		"sharedSecret"));
}

static void secrets_are_kept_when_absent_cleared_by_null_and_never_shown(void **state)
{
	json_t *old = normalise(&model_type_connection, CONNECTION, NULL), *doc, *shown;

	shown = model_show(&model_type_connection, old);
	assert_string_equal(secret_of(old), "abc");
	assert_null(secret_of(shown));
	doc = normalise(&model_type_connection,
		"{\"connectionType\":\"IPSec\",\"ipSecConfiguration\":{\"mainMode\":{}}}", old);
	assert_string_equal(secret_of(doc), "abc");
	json_decref(doc);
	doc = normalise(&model_type_connection,
		"{\"connectionType\":\"IPSec\",\"ipSecConfiguration\":{\"sharedSecret\":null}}",
		old);
	assert_null(secret_of(doc));
	json_decref(doc);
	json_decref(shown);
	json_decref(old);
}

static void extensions_are_kept_when_absent_and_cleared_by_null(void **state)
{
	json_t *old = normalise(&model_type_connection, CONNECTION, NULL), *doc;
	struct model_connection *c;

	doc = normalise(&model_type_connection,
		"{\"connectionType\":\"IPSec\",\"isthmus\":{\"mtu\":1400}}", old);
	c = model_load(&model_type_connection, doc);
	assert_int_equal(c->isthmus->weight, 7);
	assert_int_equal(c->isthmus->mtu, 1400);
	model_free(c);
	json_decref(doc);
	doc = normalise(
		&model_type_connection, "{\"connectionType\":\"IPSec\",\"isthmus\":null}", old);
	assert_null(json_object_get(json_object_get(doc, "properties"), "isthmus"));
	json_decref(doc);
	json_decref(old);
}

static void a_struct_holds_what_the_document_says(void **state)
{
	json_t *doc = normalise(&model_type_connection,
		"{\"connectionType\":\"L3\",\"l3Configuration\":{\"vlanSubnet\":{\"resourceRef\":"
		"\"/logicalnetworks/L/subnets/S\"}},\"ipAddresses\":[{\"ipAddress\":\"10.0.0.5\","
		"\"prefixLength\":\"29\"}],\"peerIPAddresses\":[\"10.0.0.1\",\"10.0.0.2\"],"
		"\"routes\":[{\"destinationPrefix\":\"14.0.0.0/8\"}]}",
		NULL);
	struct model_connection *c = model_load(&model_type_connection, doc);
	struct model_interface_address **addresses = c->ip_addresses.items;
	struct ip_addr *peers = c->peer_ip_addresses.items;
	struct model_route **routes = c->routes.items;

	assert_int_equal(c->type, MODEL_CONNECTION_L3);
	assert_string_equal(c->l3->vlan_subnet, "/logicalNetworks/L/subnets/S");
	assert_int_equal(c->ip_addresses.len, 1);
	assert_int_equal(addresses[0]->prefix_len, 29);
	assert_int_equal(c->peer_ip_addresses.len, 2);
	assert_int_equal(ip_to_v4(&peers[1]), 0x0a000002);
	assert_int_equal(routes[0]->destination_prefix.len, 8);
	assert_null(c->gre);
	assert_null(c->isthmus);
	assert_int_equal(c->connection_status, 1);
	model_free(c);
	json_decref(doc);
}

static void a_document_of_another_release_loads(void **state)
{
	json_t *doc = parse("{\"properties\":{\"connectionType\":\"GRE\",\"fromTheFuture\":{},"
			    "\"routes\":[7],\"destinationIPAddress\":{}}}");
	struct model_connection *c = model_load(&model_type_connection, doc);

	assert_int_equal(c->type, MODEL_CONNECTION_GRE);
	assert_int_equal(c->destination_address.family, IP_NONE);
	assert_int_equal(c->inbound_kbps, MODEL_ABSENT);
	assert_int_equal(c->routes.len, 0);
	model_free(c);
	json_decref(doc);
}

static void count_difference(void *arg, const struct model_field *field, const char *where)
{
	(*(int *)arg)++;
}

static enum model_blast blast_of(const char *change, int *ret_differences)
{
	json_t *old = normalise(&model_type_connection, CONNECTION, NULL);
	json_t *fresh = normalise(&model_type_connection, change, old);
	enum model_blast blast;

	*ret_differences = 0;
	blast = model_diff(&model_type_connection, old, fresh, count_difference, ret_differences);
	json_decref(old);
	json_decref(fresh);
	return blast;
}

static void a_change_has_the_blast_radius_of_its_fields(void **state)
{
	const char *start = "{\"connectionType\":\"IPSec\",\"destinationIPAddress\":\"11.1.0.1\"";
	char text[512];
	int n;

	snprintf(text, sizeof(text), "%s}", start);
	assert_int_equal(blast_of(text, &n), MODEL_BLAST_NOTHING);
	assert_int_equal(n, 0);
	snprintf(text, sizeof(text), "%s,\"inboundKiloBitsPerSecond\":5}", start);
	assert_int_equal(blast_of(text, &n), MODEL_BLAST_NOTHING);
	assert_int_equal(n, 1);
	snprintf(text, sizeof(text),
		"%s,\"ipSecConfiguration\":{\"quickMode\":{\"perfectForwardSecrecy\":\"PFS14\"}}}",
		start);
	assert_int_equal(blast_of(text, &n), MODEL_BLAST_REKEY);
	snprintf(text, sizeof(text),
		"%s,\"connectionStatus\":\"Disabled\",\"routes\":[{\"destinationPrefix\":\"::/0\"}]"
		"}",
		start);
	assert_int_equal(blast_of(text, &n), MODEL_BLAST_TUNNEL);
	assert_int_equal(n, 2);
}

static void paths_are_understood_in_every_spelling(void **state)
{
	static const char *const same[] = {
		"/VirtualGateways/T/NetworkConnections/C",
		"/virtualgateways/T/networkconnections/C/",
		"/Networking/v1/virtualGateways/T/networkConnections/C",
		"https://nc.contoso.com/networking/V4.2/VIRTUALGATEWAYS/T/networkConnections/C",
		"virtualGateways/%54/networkConnections/C",
	};
	static const char *const none[] = {"", "/", "/nothing/x", "/virtualGateways/T/C",
		"/virtualGateways/%zz", "/virtualGateways/a%2fb", "/gateways/g/x/y",
		"/virtualGateways/a%0ab"};
	char buf[MODEL_PATH_SIZE];
	struct model_path path;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_int_equal(model_path_parse(same[i], &path), 0);
		assert_false(path.is_collection);
		assert_string_equal(model_path_format(&path, buf), same[0]);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(model_path_parse(none[i], &path), -EINVAL);
	assert_int_equal(model_path_parse("/gateways/", &path), 0);
	assert_true(path.is_collection);
	assert_string_equal(model_path_format(&path, buf), "/Gateways");
	assert_string_equal(model_ref_key("/GATEWAYS/Gw1", buf), "/gateways/gw1");
}

static void every_type_is_found_by_its_words(void **state)
{
	for (const struct model_type *const *t = model_types; *t; t++) {
		assert_ptr_equal(model_type_find((*t)->noun), *t);
		assert_ptr_equal(model_type_find((*t)->short_name), *t);
		assert_ptr_equal(model_type_child((*t)->parent, (*t)->collection), *t);
	}
	assert_ptr_equal(model_type_find("NetworkInterfaces"), &model_type_nic);
	assert_ptr_equal(model_type_find("virtualNetworks/subnets"), &model_type_vsubnet);
	assert_null(model_type_find("gatewayPuddles"));
}

static void check_table(const struct model_table *table)
{
	for (size_t i = 0; i < table->len; i++) {
		const struct model_field *f = &table->fields[i];

		assert_non_null(f->help);
		assert_true(f->kind != MODEL_ENUM || f->names);
		assert_true(f->kind != MODEL_REF || f->target);
		assert_true((f->kind == MODEL_CHILDREN) == (f->child != NULL));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(f->name, table->fields[j].name);
		if (f->kind == MODEL_OBJECT)
			check_table(f->table);
	}
}

static void the_tables_are_whole(void **state)
{
	for (const struct model_type *const *t = model_types; *t; t++)
		check_table((*t)->properties);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_spellings_become_one_form),
		cmocka_unit_test(a_document_normalises_to_itself),
		cmocka_unit_test(secrets_are_kept_when_absent_cleared_by_null_and_never_shown),
		cmocka_unit_test(extensions_are_kept_when_absent_and_cleared_by_null),
		cmocka_unit_test(a_struct_holds_what_the_document_says),
		cmocka_unit_test(a_document_of_another_release_loads),
		cmocka_unit_test(a_change_has_the_blast_radius_of_its_fields),
		cmocka_unit_test(paths_are_understood_in_every_spelling),
		cmocka_unit_test(every_type_is_found_by_its_words),
		cmocka_unit_test(the_tables_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
