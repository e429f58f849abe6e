// SPDX-License-Identifier: Apache-2.0
#include "message.h"
#include "open.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t keepalive[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 19, 4};

static void header_errors_are_the_rfcs(void **state)
{
	struct bgp_header h;
	struct bgp_error e;
	uint8_t m[64];

	memset(m, 0xff, sizeof(m));
	memcpy(m, keepalive, sizeof(keepalive));
	assert_int_equal(message_peek(m, 19, 4096, &h, &e), 1);
	assert_int_equal(h.size, 19);
	assert_int_equal(message_peek(m, 18, 4096, &h, &e), 0);
	m[3] = 0;
	assert_int_equal(message_peek(m, 4, 4096, &h, &e), -EBADMSG); // without waiting for more
	assert_int_equal(e.code, BGP_ERR_HEADER);
	assert_int_equal(e.subcode, BGP_HEADER_NOT_SYNCHRONISED);
	m[3] = 0xff;
	m[18] = 9;
	assert_int_equal(message_peek(m, 19, 4096, &h, &e), -EBADMSG);
	assert_int_equal(e.subcode, BGP_HEADER_BAD_TYPE);
	assert_int_equal(e.data[0], 9);
	m[18] = BGP_KEEPALIVE;
	m[17] = 20;
	assert_int_equal(message_peek(m, 20, 4096, &h, &e), -EBADMSG);
	assert_int_equal(e.subcode, BGP_HEADER_BAD_LENGTH);
	m[18] = BGP_UPDATE;
	m[16] = 0x20; // 8192 + 20
	assert_int_equal(message_peek(m, 20, 4096, &h, &e), -EBADMSG);
	assert_int_equal(message_peek(m, 20, 65535, &h, &e), 0); // RFC 8654
}

static void open_goes_round_with_every_capability(void **state)
{
	const struct bgp_open in = {.asn = 196609,
		.hold_time_s = 9,
		.identifier = 0x0a000001,
		.as4 = true,
		.family = {true, true},
		.multiprotocol = true,
		.route_refresh = true,
		.enhanced_refresh = true,
		.extended_message = true,
		.ipv6_nexthop = true,
		.add_path_send = {true, false},
		.add_path_receive = {true, true},
		.role = BGP_ROLE_CUSTOMER,
		.graceful_restart = true,
		.restarting = true,
		.restart_notification = true,
		.restart_time_s = 120,
		.restart = {{true, true}, {true, false}}};
	uint8_t m[256];
	struct bgp_open out;
	struct bgp_error e;
	size_t size = open_write(m, sizeof(m), &in);

	assert_true(size > 29);
	assert_int_equal(m[20] << 8 | m[21], BGP_AS_TRANS);
	memset(&out, 0xee, sizeof(out));
	assert_int_equal(open_read(m + 19, size - 19, &out, &e), 0);
	assert_int_equal(out.asn, in.asn);
	assert_int_equal(out.hold_time_s, 9);
	assert_int_equal(out.identifier, in.identifier);
	assert_true(out.as4 && out.family[0] && out.family[1] && out.route_refresh);
	assert_true(out.enhanced_refresh && out.extended_message && out.ipv6_nexthop);
	assert_true(out.add_path_send[0] && !out.add_path_send[1]);
	assert_true(out.add_path_receive[0] && out.add_path_receive[1]);
	assert_int_equal(out.role, BGP_ROLE_CUSTOMER);
	assert_true(out.graceful_restart && out.restarting && out.restart_notification);
	assert_int_equal(out.restart_time_s, 120);
	assert_true(out.restart[0].forwarding && !out.restart[1].forwarding);
}

static void open_of_the_extended_form_is_read(void **state)
{
	// RFC 9072 2, one capabilities parameter with a 2-byte length: route refresh, AS4 65550.
	static const uint8_t body[] = {4, 0x5b, 0xa0, 0, 90, 10, 0, 0, 1, 255, 255, 0, 11, 2, 0, 8,
		2, 0, 65, 4, 0, 1, 0, 14};
	struct bgp_open out;
	struct bgp_error e;

	assert_int_equal(open_read(body, sizeof(body), &out, &e), 0);
	assert_true(out.route_refresh && out.as4);
	assert_int_equal(out.asn, 65550);
	assert_true(out.family[BGP_IPV4] && !out.family[BGP_IPV6]);
}

struct open_case {
	uint8_t body[16];
	uint8_t size, subcode;
};

static void open_errors_are_the_rfcs(void **state)
{
	static const struct open_case cases[] = {
		{{3, 0, 1, 0, 90, 1, 1, 1, 1, 0}, 10, BGP_OPEN_BAD_VERSION},
		{{4, 0, 0, 0, 90, 1, 1, 1, 1, 0}, 10, BGP_OPEN_BAD_PEER_AS},    // RFC 7607
		{{4, 0, 1, 0, 90, 0, 0, 0, 0, 0}, 10, BGP_OPEN_BAD_IDENTIFIER}, // RFC 6286
		{{4, 0, 1, 0, 2, 1, 1, 1, 1, 0}, 10, BGP_OPEN_BAD_HOLD_TIME},
		{{4, 0, 1, 0, 90, 1, 1, 1, 1, 2, 1, 0}, 12, BGP_OPEN_BAD_OPTION},
		{{4, 0, 1, 0, 90, 1, 1, 1, 1, 9}, 10, 0},           // parameters cut off
		{{4, 0, 1, 0, 90, 1, 1, 1, 1, 3, 2, 1, 65}, 13, 0}, // capability cut off
	};
	struct bgp_open out;
	struct bgp_error e;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(open_read(cases[i].body, cases[i].size, &out, &e), -EBADMSG);
		assert_int_equal(e.code, BGP_ERR_OPEN);
		assert_int_equal(e.subcode, cases[i].subcode);
	}
}

static void capability_of_wrong_size_is_as_if_absent(void **state)
{
	static const uint8_t body[] = {4, 0, 1, 0, 90, 1, 1, 1, 1, 7, 2, 5, 65, 3, 1, 2, 3};
	struct bgp_open out;
	struct bgp_error e;

	assert_int_equal(open_read(body, sizeof(body), &out, &e), 0);
	assert_false(out.as4);
	assert_int_equal(out.asn, 1);
}

static void shutdown_text_goes_round_and_control_characters_do_not(void **state)
{
	struct bgp_error e = bgp_error_shutdown(BGP_CEASE_SHUTDOWN, "maintenance \x1b[2J"), back;
	char text[BGP_SHUTDOWN_SIZE], name[64];
	uint8_t m[256];
	size_t size = notification_write(m, sizeof(m), &e);

	assert_int_equal(notification_read(m + 19, size - 19, &back), 0);
	assert_string_equal(bgp_error_text(&back, text, sizeof(text)), "maintenance ?[2J");
	assert_string_equal(
		bgp_error_name(&back, name, sizeof(name)), "Cease/Administrative Shutdown");
	back.data[0] = 200; // longer than what is there
	bgp_error_text(&back, text, sizeof(text));
	assert_true(strlen(text) < 128);
	back.data_size = 0;
	assert_string_equal(bgp_error_text(&back, text, sizeof(text)), "");
}

static void refresh_goes_round(void **state)
{
	const struct bgp_refresh in = {.afi = 2, .safi = 1, .subtype = BGP_REFRESH_BEGIN};
	struct bgp_refresh out;
	struct bgp_error e;
	uint8_t m[64];
	size_t size = refresh_write(m, sizeof(m), &in);

	assert_int_equal(size, 23);
	assert_int_equal(refresh_read(m + 19, 4, &out, &e), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(refresh_read(m + 19, 3, &out, &e), -EBADMSG);
	assert_int_equal(e.code, BGP_ERR_REFRESH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_errors_are_the_rfcs),
		cmocka_unit_test(open_goes_round_with_every_capability),
		cmocka_unit_test(open_of_the_extended_form_is_read),
		cmocka_unit_test(open_errors_are_the_rfcs),
		cmocka_unit_test(capability_of_wrong_size_is_as_if_absent),
		cmocka_unit_test(shutdown_text_goes_round_and_control_characters_do_not),
		cmocka_unit_test(refresh_goes_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
