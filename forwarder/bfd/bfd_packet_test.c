// SPDX-License-Identifier: Apache-2.0

// Golden vectors of the Control packet, written by hand after the figure of RFC 5880 4.1, and every
// refusal of 6.8.6.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "bfd_packet.h"

static const struct {
	uint8_t bytes[BFD_PACKET_SIZE];
	struct bfd_packet packet;
} golden[] = {
	{{0x20, 0x40, 0x03, 0x18, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0x04, 0x93, 0xe0,
		 0, 0, 0, 0},
		{.state = BFD_DOWN,
			.multiplier = 3,
			.my_discr = 1,
			.min_tx_us = 1000000,
			.min_rx_us = 300000}},
	{{0x23, 0xc8, 0x05, 0x18, 0x11, 0x22, 0x33, 0x44, 0xaa, 0xbb, 0xcc, 0xdd, 0, 0, 0xc3, 0x50,
		 0, 0x01, 0x86, 0xa0, 0, 0, 0x27, 0x10},
		{.diag = BFD_DIAG_NEIGHBOUR_DOWN,
			.state = BFD_UP,
			.c_bit = true,
			.multiplier = 5,
			.my_discr = 0x11223344,
			.your_discr = 0xaabbccdd,
			.min_tx_us = 50000,
			.min_rx_us = 100000,
			.min_echo_rx_us = 10000}},
	{{0x3f, 0xa0, 0xff, 0x18, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0,
		 0, 0, 0, 0, 0, 0},
		{.diag = 31,
			.state = BFD_INIT,
			.poll = true,
			.multiplier = 255,
			.my_discr = 0xffffffff,
			.your_discr = 1,
			.min_tx_us = 0xffffffff}},
	{{0x27, 0x12, 0x01, 0x18, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6},
		{.diag = BFD_DIAG_ADMIN_DOWN,
			.state = BFD_ADMIN_DOWN,
			.final = true,
			.demand = true,
			.multiplier = 1,
			.my_discr = 2,
			.your_discr = 3,
			.min_tx_us = 4,
			.min_rx_us = 5,
			.min_echo_rx_us = 6}},
};

#define GOLDEN_LEN (sizeof(golden) / sizeof(golden[0]))

static void golden_packets_are_read_and_written_byte_for_byte(void **state)
{
	for (size_t i = 0; i < GOLDEN_LEN; i++) {
		uint8_t bytes[BFD_PACKET_SIZE];
		struct bfd_packet p;

		assert_int_equal(bfd_packet_read(golden[i].bytes, BFD_PACKET_SIZE, &p), 0);
		bfd_packet_write(&p, bytes);
		assert_memory_equal(bytes, golden[i].bytes, BFD_PACKET_SIZE);
		bfd_packet_write(&golden[i].packet, bytes);
		assert_memory_equal(bytes, golden[i].bytes, BFD_PACKET_SIZE);
	}
}

static void malformed_packets_are_refused_each_for_its_rule(void **state)
{
	static const struct {
		uint8_t at, value;
		int error;
	} breaks[] = {
		{0, 0x00, -EBADMSG},         // version 0
		{0, 0x40, -EBADMSG},         // version 2
		{1, 0xc1, -EBADMSG},         // multipoint
		{1, 0xf0, -EBADMSG},         // Poll and Final
		{1, 0xc4, -EPROTONOSUPPORT}, // authenticated
		{2, 0, -EBADMSG},            // multiplier
		{3, 23, -EBADMSG},           // shorter than the mandatory section
		{3, 25, -EBADMSG},           // longer than what came
	};

	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		struct bfd_packet p = {.my_discr = 99};
		uint8_t bytes[BFD_PACKET_SIZE];

		memcpy(bytes, golden[1].bytes, sizeof(bytes));
		bytes[breaks[i].at] = breaks[i].value;
		assert_int_equal(bfd_packet_read(bytes, sizeof(bytes), &p), breaks[i].error);
		assert_int_equal(p.my_discr, 99);
	}
}

static void a_packet_without_discriminators_is_refused(void **state)
{
	uint8_t bytes[BFD_PACKET_SIZE];
	struct bfd_packet p;

	memcpy(bytes, golden[1].bytes, sizeof(bytes));
	memset(bytes + 4, 0, 4);
	assert_int_equal(bfd_packet_read(bytes, sizeof(bytes), &p), -EBADMSG);
	// Yours may be unknown to a peer that is Down, not to one that is Up.
	memcpy(bytes, golden[1].bytes, sizeof(bytes));
	memset(bytes + 8, 0, 4);
	assert_int_equal(bfd_packet_read(bytes, sizeof(bytes), &p), -EBADMSG);
	bytes[1] = 0x80;
	assert_int_equal(bfd_packet_read(bytes, sizeof(bytes), &p), -EBADMSG);
	bytes[1] = 0x40;
	assert_int_equal(bfd_packet_read(bytes, sizeof(bytes), &p), 0);
}

static void every_shorter_packet_is_refused_and_a_longer_payload_is_not(void **state)
{
	uint8_t bytes[BFD_PACKET_SIZE + 8] = {0};
	struct bfd_packet p;

	memcpy(bytes, golden[1].bytes, BFD_PACKET_SIZE);
	for (size_t size = 0; size < BFD_PACKET_SIZE; size++)
		assert_int_equal(bfd_packet_read(bytes, size, &p), -EBADMSG);
	assert_int_equal(bfd_packet_read(bytes, sizeof(bytes), &p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_packets_are_read_and_written_byte_for_byte),
		cmocka_unit_test(malformed_packets_are_refused_each_for_its_rule),
		cmocka_unit_test(a_packet_without_discriminators_is_refused),
		cmocka_unit_test(every_shorter_packet_is_refused_and_a_longer_payload_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
