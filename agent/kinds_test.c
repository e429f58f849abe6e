// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bfd.h"
#include "bgp.h"
#include "ike.h"
#include "kinds.h"
#include "objects.h"
#include "proto.h"
#include "service.h"
#include "slots.h"
#include "watch.h"

// What a southbound value becomes. The text has ' for ".
struct translated {
	struct contribution_list list;
	char text[128]; // of the failure
};

static void translate(const char *kind, const char *key, const char *text, struct translated *ret)
{
	char *quoted = strdup(text);
	struct json_reader r;
	json_t *json;

	for (char *c = quoted; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_loads(quoted, 0, NULL);
	assert_non_null(json);
	*ret = (struct translated){.list = {.head = SLIST_HEAD_INITIALIZER(ret->list.head)}};
	json_reader_init(&r, json);
	r.key = key;
	kind_find(kind)->translate(&r, &ret->list);
	memcpy(ret->text, r.text, sizeof(ret->text));
	json_decref(json);
	free(quoted);
}

static const void *local_object(const struct translated *t, uint16_t type)
{
	const struct contribution *c;

	SLIST_FOREACH (c, &t->list.head, of_owner) {
		if (((const struct desired_type *)c->owner)->type == type)
			return c->object;
	}
	return NULL;
}

// -- IPSec

#define CONNECTION(ipsec)                                                             \
	"{'connection':17,'vrf':4,'slot':2,'type':'IPSec','name':'c','enabled':true," \
	"'local':'192.0.2.1','remote':'198.51.100.7','ipsec':" ipsec "}"

static void translate_ipsec(const char *part, struct translated *ret)
{
	char text[1024];

	snprintf(text, sizeof(text), CONNECTION("{%s}"), part);
	translate("connection", "17", text, ret);
}

static void defaults_of_an_ipsec_connection_are_the_apis(void **state)
{
	struct translated t;
	const struct api_ike_conn *c;

	translate_ipsec("", &t);
	assert_string_equal(t.text, "");
	c = local_object(&t, API_TYPE_IKE_CONN);
	assert_non_null(c);
	assert_int_equal(c->conn, 17);
	assert_int_equal(c->slot, 2);
	assert_int_equal(c->auth, API_IKE_AUTH_PSK);
	assert_int_equal(c->flags, API_IKE_F_ENABLED | API_IKE_F_INITIATE);
	assert_int_equal(c->proposal[0].encr, 3); // DES3, SHA1, Group2
	assert_int_equal(c->proposal[0].integ, 2);
	assert_int_equal(c->proposal[0].dh, 2);
	assert_int_equal(c->ike_life_s, 28800);
	assert_int_equal(c->child_proposal[0].encr, 12); // AES128, SHA196, no PFS
	assert_int_equal(c->child_proposal[0].encr_bits, 128);
	assert_int_equal(c->child_proposal[0].integ, 2);
	assert_int_equal(c->child_proposal[0].dh, 0);
	assert_int_equal(c->child_life_s, 3600);
	assert_non_null(strstr(t.list.warning, "3DES"));
	assert_non_null(strstr(t.list.warning, "Group2"));
	contribution_list_free(&t.list);
}

static void every_word_of_the_api_has_its_number_or_its_refusal(void **state)
{
	static const struct {
		const char *mode, *member, *word;
		uint16_t encr, bits, integ, dh; // of the mode's proposal; 0: not looked at
		const char *refused;            // the words that must come
		const char *warning;
	} rows[] = {
		{"mainMode", "diffieHellmanGroup", "Group1", .refused = "768"},
		{"mainMode", "diffieHellmanGroup", "Group2", .dh = 2, .warning = "Group2"},
		{"mainMode", "diffieHellmanGroup", "Group14", .dh = 14},
		{"mainMode", "diffieHellmanGroup", "ECP256", .dh = 19},
		{"mainMode", "diffieHellmanGroup", "ECP258", .dh = 19},
		{"mainMode", "diffieHellmanGroup", "ECP384", .dh = 20},
		{"mainMode", "diffieHellmanGroup", "Group24", .dh = 24, .warning = "Group24"},
		{"mainMode", "diffieHellmanGroup", "Group99", .refused = "unknown"},
		{"mainMode", "integrityAlgorithm", "MD5", .refused = "MD5"},
		{"mainMode", "integrityAlgorithm", "SHA1", .integ = 2, .warning = "SHA-1"},
		{"mainMode", "integrityAlgorithm", "SHA196", .integ = 2, .warning = "SHA-1"},
		{"mainMode", "integrityAlgorithm", "SHA256", .integ = 12},
		{"mainMode", "integrityAlgorithm", "SHA384", .integ = 13},
		{"mainMode", "encryptionAlgorithm", "DES", .refused = "56-bit"},
		{"mainMode", "encryptionAlgorithm", "DES3", .encr = 3, .warning = "3DES"},
		{"mainMode", "encryptionAlgorithm", "AES128", .encr = 12, .bits = 128},
		{"mainMode", "encryptionAlgorithm", "AES192", .encr = 12, .bits = 192},
		{"mainMode", "encryptionAlgorithm", "AES256", .encr = 12, .bits = 256},
		{"quickMode", "perfectForwardSecrecy", "PFS1", .refused = "768"},
		{"quickMode", "perfectForwardSecrecy", "PFS2", .dh = 2, .warning = "Group2"},
		{"quickMode", "perfectForwardSecrecy", "PFS2048", .dh = 14},
		{"quickMode", "perfectForwardSecrecy", "PFS14", .dh = 14},
		{"quickMode", "perfectForwardSecrecy", "ECP256", .dh = 19},
		{"quickMode", "perfectForwardSecrecy", "ECP384", .dh = 20},
		{"quickMode", "perfectForwardSecrecy", "PFSMM", .dh = 2}, // main mode's
		{"quickMode", "perfectForwardSecrecy", "PFS24", .dh = 24, .warning = "Group24"},
		{"quickMode", "cipherTransformationConstant", "None", .refused = "encrypted"},
		{"quickMode", "cipherTransformationConstant", "DES", .refused = "56-bit"},
		{"quickMode", "cipherTransformationConstant", "CBCDES", .refused = "56-bit"},
		{"quickMode", "cipherTransformationConstant", "DES3", .encr = 3},
		{"quickMode", "cipherTransformationConstant", "CBCDES3", .encr = 3},
		{"quickMode", "cipherTransformationConstant", "AES128", .encr = 12, .bits = 128},
		{"quickMode", "cipherTransformationConstant", "AES192", .encr = 12, .bits = 192},
		{"quickMode", "cipherTransformationConstant", "AES256", .encr = 12, .bits = 256},
		{"quickMode", "cipherTransformationConstant", "AES192CBC", .encr = 12, .bits = 192},
		{"quickMode", "cipherTransformationConstant", "GCMAES128", .encr = 20, .bits = 128},
		{"quickMode", "cipherTransformationConstant", "GCMAES192", .encr = 20, .bits = 192},
		{"quickMode", "cipherTransformationConstant", "GCMAES256", .encr = 20, .bits = 256},
		{"quickMode", "authenticationTransformationConstant", "None",
			.refused = "needs one"},
		{"quickMode", "authenticationTransformationConstant", "MD596", .refused = "MD5"},
		{"quickMode", "authenticationTransformationConstant", "SHA196", .integ = 2},
		{"quickMode", "authenticationTransformationConstant", "SHA256128", .integ = 12},
		{"quickMode", "authenticationTransformationConstant", "SHA256", .integ = 12},
		{"quickMode", "authenticationTransformationConstant", "GCMAES256",
			.refused = "needs one"}, // with a cipher that is not GCM
		{"quickMode", "saLifeTimeSeconds", "10", .refused = "saLifeTimeSeconds"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct api_ike_proposal *p;
		struct translated t;
		char part[256];

		snprintf(part, sizeof(part), "'%s':{'%s':'%s'}", rows[i].mode, rows[i].member,
			rows[i].word);
		translate_ipsec(part, &t);
		if (rows[i].refused) {
			if (!strstr(t.text, rows[i].refused))
				fail_msg("%s: '%s'", rows[i].word, t.text);
			contribution_list_free(&t.list);
			continue;
		}
		if (t.text[0])
			fail_msg("%s: '%s'", rows[i].word, t.text);
		p = local_object(&t, API_TYPE_IKE_CONN);
		p = rows[i].mode[0] == 'm'
			    ? ((const struct api_ike_conn *)(const void *)p)->proposal
			    : ((const struct api_ike_conn *)(const void *)p)->child_proposal;
		if ((rows[i].encr && (p->encr != rows[i].encr || p->encr_bits != rows[i].bits)) ||
			(rows[i].integ && p->integ != rows[i].integ) ||
			(rows[i].dh && p->dh != rows[i].dh))
			fail_msg("%s %s is another number", rows[i].member, rows[i].word);
		if (rows[i].warning && !strstr(t.list.warning, rows[i].warning))
			fail_msg("%s does not warn", rows[i].word);
		contribution_list_free(&t.list);
	}
}

static void gcm_brings_its_own_integrity(void **state)
{
	struct translated t;
	const struct api_ike_conn *c;

	translate_ipsec("'quickMode':{'cipherTransformationConstant':'GCMAES256',"
			"'authenticationTransformationConstant':'GCMAES256'}",
		&t);
	assert_string_equal(t.text, "");
	c = local_object(&t, API_TYPE_IKE_CONN);
	assert_int_equal(c->child_proposal[0].integ, 0);
	contribution_list_free(&t.list);
	translate_ipsec("'quickMode':{'cipherTransformationConstant':'GCMAES256',"
			"'authenticationTransformationConstant':'GCMAES128'}",
		&t);
	assert_non_null(strstr(t.text, "does not go with"));
	contribution_list_free(&t.list);
}

static void selectors_identities_and_roles(void **state)
{
	struct translated t;
	const struct api_ike_conn *c;

	translate_ipsec("'initiator':false,'localIdentity':'gw','peerIdentity':'site1',"
			"'localVpnTrafficSelector':[{'ipAddressStart':'10.0.0.0',"
			"'ipAddressEnd':'10.0.0.255','protocolId':6,'portStart':80,'portEnd':90}]",
		&t);
	assert_string_equal(t.text, "");
	c = local_object(&t, API_TYPE_IKE_CONN);
	assert_int_equal(c->flags, API_IKE_F_ENABLED);
	assert_string_equal(c->local_id, "gw");
	assert_string_equal(c->remote_id, "site1");
	assert_int_equal(c->local_ts_count, 1);
	assert_int_equal(c->remote_ts_count, 0);
	assert_int_equal(c->local_ts[0].protocol, 6);
	assert_int_equal(c->local_ts[0].port_start, 80);
	assert_int_equal(c->local_ts[0].port_end, 90);
	contribution_list_free(&t.list);
	translate_ipsec("'localVpnTrafficSelector':[{'ipAddressStart':'10.0.0.9',"
			"'ipAddressEnd':'10.0.0.1'}]",
		&t);
	assert_non_null(strstr(t.text, "no range"));
	contribution_list_free(&t.list);
}

static void a_peer_from_anywhere_must_be_named(void **state)
{
	struct translated t;

	translate("connection", "17",
		"{'connection':17,'vrf':4,'slot':2,'type':'IPSec','enabled':true,"
		"'local':'192.0.2.1','ipsec':{}}",
		&t);
	assert_non_null(strstr(t.text, "peerIdentity"));
	contribution_list_free(&t.list);
}

static void a_credential_is_of_the_connection_its_key_names(void **state)
{
	const struct api_ike_credential *c;
	struct translated t;

	translate("credential", "17", "{'type':'PSK','secret':'s3cret'}", &t);
	assert_string_equal(t.text, "");
	c = local_object(&t, API_TYPE_IKE_CREDENTIAL);
	assert_int_equal(c->conn, 17);
	assert_int_equal(c->secret_size, 6);
	assert_memory_equal(c->secret, "s3cret", 6);
	contribution_list_free(&t.list);
}

// -- BGP

static void a_router_brings_its_networks_and_its_service(void **state)
{
	const struct api_bgp_socket *socket;
	const struct api_bgp_router *r;
	struct translated t;
	char text[IP_TEXT_SIZE];

	translate("bgpRouter", "4/2",
		"{'vrf':4,'slot':2,'asn':4200000000,'routerId':'10.0.0.1','address':'2001:db8::1',"
		"'reflector':true,'clusterId':'10.0.0.9','networks':['10.1.0.0/"
		"16'],'service':true}",
		&t);
	assert_string_equal(t.text, "");
	r = local_object(&t, API_TYPE_BGP_ROUTER);
	assert_int_equal(r->asn, 4200000000u);
	assert_int_equal(r->router_id, 0x0a000001);
	assert_int_equal(r->cluster_id, 0x0a000009);
	assert_int_equal(r->flags, API_BGP_ROUTER_REFLECTOR);
	assert_int_equal(r->address[0].family, IP_NONE);
	socket = local_object(&t, API_TYPE_BGP_SOCKET);
	assert_string_equal(ip_format(&socket->local, text), "2001:db8::1");
	assert_non_null(local_object(&t, API_TYPE_BGP_NETWORK));
	assert_non_null(local_object(&t, SERVICE_TYPE_VRF));
	assert_non_null(local_object(&t, SERVICE_TYPE_ADDRESS));
	assert_non_null(local_object(&t, API_TYPE_TUN));
	contribution_list_free(&t.list);
}

static void hold_time_0_means_none_and_absent_the_default(void **state)
{
	static const struct {
		const char *options;
		uint16_t hold_time_s;
	} rows[] = {{"{}", 0}, {"{'holdTimeS':0}", 65535}, {"{'holdTimeS':9}", 9}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct api_bgp_peer *p;
		struct translated t;
		char text[256];

		snprintf(text, sizeof(text),
			"{'vrf':4,'slot':2,'address':'10.0.0.2','asn':65001,'options':%s}",
			rows[i].options);
		translate("bgpPeer", "4/2/10.0.0.2", text, &t);
		assert_string_equal(t.text, "");
		p = local_object(&t, API_TYPE_BGP_PEER);
		assert_int_equal(p->hold_time_s, rows[i].hold_time_s);
		contribution_list_free(&t.list);
	}
}

static void policy_maps_become_lines(void **state)
{
	static const uint16_t properties[] = {API_BGP_ENTRY, API_BGP_MATCH_PREFIX,
		API_BGP_MATCH_PREFIX, API_BGP_NEXT_HOP, API_BGP_ENTRY, API_BGP_ASN_RANGE,
		API_BGP_COMMUNITY, API_BGP_SET_MED, API_BGP_SET_CLEAR_MED};
	const struct api_bgp_policy *p;
	struct translated t;

	translate("policyMap", "4/m",
		"{'vrf':4,'name':'m','entries':[{'policyName':'A','action':'Deny','matchCriteria':["
		"{'property':'MatchPrefix','value':['5.4.3.2/32','5.4.3.1/32']},"
		"{'property':'NextHop','value':['4.3.2.1']}]},"
		"{'policyName':'B','policyType':'allow','matchCriteria':["
		"{'clause':'AsnRange','value':['123','345']},"
		"{'property':'Community','value':['1:2']}],"
		"'setActions':[{'property':'MED','value':7},{'property':'Clear-MED'}]}]}",
		&t);
	assert_string_equal(t.text, "");
	p = local_object(&t, API_TYPE_BGP_POLICY);
	assert_int_equal(p->line_count, sizeof(properties) / sizeof(*properties));
	for (uint32_t i = 0; i < p->line_count; i++)
		assert_int_equal(p->line[i].property, properties[i]);
	assert_int_equal(p->line[0].v[0], API_BGP_DENY);
	assert_string_equal(p->line[0].text, "A");
	assert_int_equal(p->line[4].v[0], API_BGP_PERMIT);
	assert_int_equal(p->line[4].entry, 1);
	assert_int_equal(p->line[5].v[0], 123);
	assert_int_equal(p->line[5].v[1], 345);
	assert_int_equal(p->line[6].v[0], 0x10002);
	assert_int_equal(p->line[7].v[0], 7);
	contribution_list_free(&t.list);
}

static void a_policy_that_is_not_understood_says_where(void **state)
{
	struct translated t;

	translate("policyMap", "4/m",
		"{'vrf':4,'name':'m','entries':[{'action':'Deny','matchCriteria':["
		"{'property':'Community','value':['1:70000']}]}]}",
		&t);
	assert_non_null(strstr(t.text, "entries[0]"));
	assert_non_null(strstr(t.text, "1:70000"));
	contribution_list_free(&t.list);
}

// -- the pool

#define WATCH                                                                        \
	"{'pool':'p','local':'10.64.0.21','intervalMs':100,'multiplier':3,'peers':[" \
	"{'name':'gw2','address':'10.64.0.22'},{'name':'gw3','address':'10.64.0.23'}]}"

static void whom_to_watch_becomes_bfd_that_vouches_for_workers(void **state)
{
	const struct api_bfd *s;
	struct translated t;

	translate("watch", "p", WATCH, &t);
	s = local_object(&t, API_TYPE_BFD);
	assert_non_null(s);
	assert_int_equal(t.list.len, 2);
	assert_int_equal(s->flags, API_BFD_F_POOL | API_BFD_F_C_BIT);
	assert_int_equal(s->min_tx_us, 100000);
	assert_int_equal(s->multiplier, 3);
	contribution_list_free(&t.list);
}

static void a_shared_public_address_becomes_where_to_relay(void **state)
{
	const struct api_vip_slot *where;
	const struct api_vip_remote *remote;
	const struct api_slot *slot;
	struct translated t;

	translate("vipSlot", "40.0.0.1/2",
		"{'vip':'40.0.0.1','slot':2,'port':1,'vlan':7,'pa':'10.0.1.2'}", &t);
	where = local_object(&t, API_TYPE_VIP_SLOT);
	assert_non_null(where);
	assert_int_equal(where->slot, 2);
	assert_int_equal(where->port, 1);
	assert_int_equal(where->vlan, 7);
	assert_int_equal(where->pa.bytes[3], 2);
	contribution_list_free(&t.list);
	translate("vipRemote", "40.0.0.1/any", "{'vip':'40.0.0.1','slot':3}", &t);
	remote = local_object(&t, API_TYPE_VIP_REMOTE);
	assert_non_null(remote);
	assert_int_equal(remote->remote.family, IP_NONE);
	assert_int_equal(remote->slot, 3);
	contribution_list_free(&t.list);
	translate("slot", "3", "{'slot':3,'active':true,'epoch':9,'vipUsed':['40.0.0.1']}", &t);
	slot = local_object(&t, API_TYPE_SLOT);
	assert_non_null(slot);
	assert_int_equal(slot->vip_used[0].bytes[0], 40);
	contribution_list_free(&t.list);
}

static bool sees_within(struct watch *w, const char *remote, uint8_t code, uint32_t detection_us)
{
	struct api_bfd_state state = {.state = code, .detection_us = detection_us};

	ip_parse("10.64.0.21", &state.local);
	ip_parse(remote, &state.remote);
	return watch_on_state(w, &state);
}

static bool sees(struct watch *w, const char *remote, uint8_t code)
{
	return sees_within(w, remote, code, 300000);
}

static void votes_name_only_who_was_seen_before(void **state)
{
	json_t *value = json_loads("{\"local\":\"10.64.0.21\",\"peers\":["
				   "{\"name\":\"gw2\",\"address\":\"10.64.0.22\"},"
				   "{\"name\":\"gw3\",\"address\":\"10.64.0.23\"}]}",
		0, NULL);
	struct watch w = {0};
	json_t *votes;

	watch_set(&w, value);
	assert_null(watch_votes(&w));
	assert_false(watch_is_minority(&w));
	assert_false(sees(&w, "10.64.0.22", API_BFD_DOWN));
	assert_true(sees(&w, "10.64.0.22", API_BFD_UP));
	assert_false(watch_is_minority(&w)); // two of three
	assert_true(sees(&w, "10.64.0.22", API_BFD_DOWN));
	votes = watch_votes(&w);
	assert_string_equal(json_string_value(json_object_get(votes, "gw2")), "Down");
	assert_null(json_object_get(votes, "gw3"));
	json_decref(votes);
	assert_true(watch_is_minority(&w));
	assert_false(watch_all_down(&w)); // one alone says nothing about ourselves
	sees(&w, "10.64.0.23", API_BFD_UP);
	assert_false(watch_is_minority(&w));
	sees(&w, "10.64.0.23", API_BFD_DOWN);
	assert_true(watch_all_down(&w));
	// One that has just come up is not vouched for: its silence would be noticed too late.
	sees_within(&w, "10.64.0.23", API_BFD_UP, 3000000);
	votes = watch_votes(&w);
	assert_null(json_object_get(votes, "gw3"));
	json_decref(votes);
	assert_true(sees(&w, "10.64.0.23", API_BFD_UP));
	votes = watch_votes(&w);
	assert_string_equal(json_string_value(json_object_get(votes, "gw3")), "Up");
	json_decref(votes);
	sees(&w, "10.64.0.23", API_BFD_DOWN);
	watch_set(&w, value); // told again: what was seen stays
	assert_true(watch_all_down(&w));
	watch_forget(&w);
	assert_null(watch_votes(&w));
	json_decref(value);
}

static void a_slot_that_was_denied_never_comes_back_under_that_epoch(void **state)
{
	static struct slots s;

	s.confirmed = true;
	assert_true(slots_may_activate(&s, 7, 40));
	assert_true(slots_deny(&s, 7, 40));
	assert_false(slots_deny(&s, 7, 40));
	slots_confirm(&s, 7, 40);
	assert_false(slots_may_activate(&s, 7, 40));
	assert_true(slots_may_activate(&s, 7, 41));
	assert_true(slots_may_activate(&s, 8, 40));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whom_to_watch_becomes_bfd_that_vouches_for_workers),
		cmocka_unit_test(a_shared_public_address_becomes_where_to_relay),
		cmocka_unit_test(votes_name_only_who_was_seen_before),
		cmocka_unit_test(a_slot_that_was_denied_never_comes_back_under_that_epoch),
		cmocka_unit_test(defaults_of_an_ipsec_connection_are_the_apis),
		cmocka_unit_test(every_word_of_the_api_has_its_number_or_its_refusal),
		cmocka_unit_test(gcm_brings_its_own_integrity),
		cmocka_unit_test(selectors_identities_and_roles),
		cmocka_unit_test(a_peer_from_anywhere_must_be_named),
		cmocka_unit_test(a_credential_is_of_the_connection_its_key_names),
		cmocka_unit_test(a_router_brings_its_networks_and_its_service),
		cmocka_unit_test(hold_time_0_means_none_and_absent_the_default),
		cmocka_unit_test(policy_maps_become_lines),
		cmocka_unit_test(a_policy_that_is_not_understood_says_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
