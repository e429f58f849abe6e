// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "doctor.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))

static struct api_ike_conn want;
static struct api_ike_state state;
static const struct exchange *list[16];
static size_t len, withheld;
static struct api_ike_verdict verdicts[DOCTOR_VERDICTS];

// AES256 SHA256 ECP384; ESP GCMAES256 without PFS
static int reset(void **unused)
{
	memset(&want, 0, sizeof(want));
	memset(&state, 0, sizeof(state));
	len = withheld = 0;
	want.conn = state.conn = 7;
	want.auth = API_IKE_AUTH_PSK;
	want.flags = API_IKE_F_ENABLED;
	want.local = ip_from_v4(0xc0000201);
	want.remote = ip_from_v4(0xc0000202);
	snprintf(want.remote_id, sizeof(want.remote_id), "site1");
	want.proposal_count = want.child_proposal_count = 1;
	want.proposal[0] =
		(struct api_ike_proposal){.encr = 12, .encr_bits = 256, .integ = 12, .dh = 20};
	want.child_proposal[0] = (struct api_ike_proposal){.encr = 20, .encr_bits = 256};
	return 0;
}

static const struct api_ike_verdict *diagnose_with(bool has_credential)
{
	struct doctor_case c = {&want, &state, has_credential, list, len, withheld};

	assert_true(doctor_diagnose(&c, verdicts) >= 1);
	assert_int_equal(verdicts[0].rank, 1);
	return &verdicts[0];
}

static const struct api_ike_verdict *diagnose(void)
{
	return diagnose_with(true);
}

#define MESSAGE(...)                             \
	(list[len++] = &(const struct exchange){ \
		 .spi = 1, .local = want.local, .remote = want.remote, __VA_ARGS__})
#define NOTIFY(...)                                                   \
	.notify_count = 1, .notify = (const struct exchange_notify[]) \
	{                                                             \
		{                                                     \
			__VA_ARGS__                                   \
		}                                                     \
	}
#define IKE(type_, id_, bits_)                                                         \
	{                                                                              \
		.proposal = 1, .protocol = PROTOCOL_IKE, .type = (type_), .id = (id_), \
		.bits = (bits_)                                                        \
	}

static void group_mismatch_is_said_in_the_apis_words(void **unused)
{
	static const struct exchange_transform t[] = {IKE(TRANSFORM_ENCR, 12, 256),
		IKE(TRANSFORM_PRF, 5, 0), IKE(TRANSFORM_INTEG, 12, 0), IKE(TRANSFORM_DH, 14, 0)};

	MESSAGE(.inbound = true, .request = true, .exchange = EXCHANGE_INIT,
		.transform_count = LEN(t), .transform = t);
	MESSAGE(.exchange = EXCHANGE_INIT, NOTIFY(14));
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_IKE_PROPOSAL);
	assert_string_equal(verdicts[0].field, "mainMode.diffieHellmanGroup");
	assert_string_equal(verdicts[0].text,
		"the peer offers only Group14; this connection demands ECP384: set "
		"mainMode.diffieHellmanGroup or change the peer");
}

static void the_nearest_proposal_is_compared(void **unused)
{
	static const struct exchange_transform t[] = {
		{1, PROTOCOL_IKE, TRANSFORM_ENCR, 0, 3, 0},
		{1, PROTOCOL_IKE, TRANSFORM_INTEG, 0, 2, 0},
		{1, PROTOCOL_IKE, TRANSFORM_PRF, 0, 2, 0},
		{1, PROTOCOL_IKE, TRANSFORM_DH, 0, 2, 0},
		{2, PROTOCOL_IKE, TRANSFORM_ENCR, 0, 12, 128},
		{2, PROTOCOL_IKE, TRANSFORM_INTEG, 0, 12, 0},
		{2, PROTOCOL_IKE, TRANSFORM_PRF, 0, 5, 0},
		{2, PROTOCOL_IKE, TRANSFORM_DH, 0, 20, 0},
	};
	struct doctor_case c = {&want, &state, true, list, 2};

	MESSAGE(.inbound = true, .request = true, .exchange = EXCHANGE_INIT,
		.transform_count = LEN(t), .transform = t);
	MESSAGE(.exchange = EXCHANGE_INIT, NOTIFY(14));
	assert_int_equal(doctor_diagnose(&c, verdicts), 1);
	assert_string_equal(verdicts[0].field, "mainMode.encryptionAlgorithm");
	assert_non_null(strstr(verdicts[0].text, "only AES128; this connection demands AES256"));
}

static void a_demanded_group_is_named(void **unused)
{
	want.flags |= API_IKE_F_INITIATE;
	MESSAGE(.request = true, .exchange = EXCHANGE_INIT, .ke_group = 20);
	MESSAGE(.inbound = true, .exchange = EXCHANGE_INIT, NOTIFY(17, 14));
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_IKE_PROPOSAL);
	assert_non_null(strstr(verdicts[0].text, "demands Group14"));
}

static void a_stranger_is_told_from_a_wrong_key(void **unused)
{
	MESSAGE(.inbound = true, .request = true, .exchange = EXCHANGE_AUTH, .message_id = 1,
		.id_i = "site9", .auth_method = 2);
	MESSAGE(.exchange = EXCHANGE_AUTH, .message_id = 1, NOTIFY(24));
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_PEER_IDENTITY);
	assert_non_null(strstr(verdicts[0].text, "'site9'; this connection expects 'site1'"));
}

static void right_identity_and_wrong_proof_is_the_key(void **unused)
{
	MESSAGE(.inbound = true, .request = true, .exchange = EXCHANGE_AUTH, .message_id = 1,
		.id_i = "site1", .id_r = "192.0.2.1", .auth_method = 2);
	MESSAGE(.exchange = EXCHANGE_AUTH, .message_id = 1, NOTIFY(24));
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_KEY);
	assert_true(verdicts[0].certain);
}

static void a_refusal_without_reason_is_ranked(void **unused)
{
	MESSAGE(.request = true, .exchange = EXCHANGE_AUTH, .message_id = 1);
	MESSAGE(.inbound = true, .exchange = EXCHANGE_AUTH, .message_id = 1, NOTIFY(24));
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_KEY);
	assert_false(verdicts[0].certain);
	assert_int_equal(verdicts[1].code, API_IKE_VERDICT_OUR_IDENTITY);
}

static void selectors_are_compared(void **unused)
{
	struct api_ike_selector theirs = {
		ip_from_v4(0x0a090000), ip_from_v4(0x0a0900ff), 0, 65535, 0, {0}};

	want.remote_ts_count = 1;
	want.remote_ts[0] = (struct api_ike_selector){
		ip_from_v4(0x0a010000), ip_from_v4(0x0a0100ff), 0, 65535, 0, {0}};
	MESSAGE(.inbound = true, .request = true, .exchange = EXCHANGE_AUTH, .message_id = 1,
		.ts_i_count = 1, .ts_i = &theirs);
	MESSAGE(.exchange = EXCHANGE_AUTH, .message_id = 1, NOTIFY(38));
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_SELECTORS);
	assert_string_equal(verdicts[0].field, "remoteVpnTrafficSelector");
	assert_non_null(strstr(verdicts[0].text, "10.9.0.0-10.9.0.255"));
}

static void silence_is_told_apart(void **unused)
{
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_NOBODY_BEGINS);
	want.flags |= API_IKE_F_INITIATE;
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_CONNECTING);
	MESSAGE(.request = true, .exchange = EXCHANGE_INIT);
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_NO_ANSWER);
	MESSAGE(.inbound = true, .exchange = EXCHANGE_INIT);
	MESSAGE(.request = true, .exchange = EXCHANGE_AUTH, .message_id = 1);
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_HALF_OPEN);
}

static void what_is_up_has_nothing_wrong(void **unused)
{
	state.state = API_IKE_UP;
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_FINE);
	assert_non_null(strstr(verdicts[0].text, "nothing wrong here"));
	// A refused rekeying is.
	MESSAGE(.request = true, .exchange = EXCHANGE_CHILD, .message_id = 2);
	MESSAGE(.inbound = true, .exchange = EXCHANGE_CHILD, .message_id = 2, NOTIFY(14));
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_ESP_PROPOSAL);
}

static void what_is_not_set_up_here_comes_first(void **unused)
{
	assert_int_equal(diagnose_with(false)->code, API_IKE_VERDICT_NO_CREDENTIAL);
	want.flags = 0;
	assert_int_equal(diagnose_with(false)->code, API_IKE_VERDICT_DISABLED);
}

static void what_may_be_anothers_is_mentioned_and_not_told(void **unused)
{
	withheld = 3;
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_WITHHELD);
	assert_int_equal(verdicts[0].certain, 0);
	assert_int_equal(verdicts[1].code, API_IKE_VERDICT_NOBODY_BEGINS);
	state.state = API_IKE_UP;
	assert_int_equal(diagnose()->code, API_IKE_VERDICT_FINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(group_mismatch_is_said_in_the_apis_words, reset),
		cmocka_unit_test_setup(the_nearest_proposal_is_compared, reset),
		cmocka_unit_test_setup(a_demanded_group_is_named, reset),
		cmocka_unit_test_setup(a_stranger_is_told_from_a_wrong_key, reset),
		cmocka_unit_test_setup(right_identity_and_wrong_proof_is_the_key, reset),
		cmocka_unit_test_setup(a_refusal_without_reason_is_ranked, reset),
		cmocka_unit_test_setup(selectors_are_compared, reset),
		cmocka_unit_test_setup(silence_is_told_apart, reset),
		cmocka_unit_test_setup(what_is_up_has_nothing_wrong, reset),
		cmocka_unit_test_setup(what_is_not_set_up_here_comes_first, reset),
		cmocka_unit_test_setup(what_may_be_anothers_is_mentioned_and_not_told, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
