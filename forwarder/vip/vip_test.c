// SPDX-License-Identifier: Apache-2.0
// One public address, several slots: what the gateway with the address passes on, and what a slot's
// holder takes that was passed on to it. Slot 1 is held here; slot 2 is behind the router.
#include "gatewaykit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "framekit.h"
#include "modules.h"

#define VIP       "203.0.113.4"
#define REMOTE    "198.51.100.21"
#define PA2       "10.7.0.9"
#define SPI(slot) ((uint32_t)(slot) << 20 | 0x12345)

extern const struct module module_ipsec;

static const uint8_t port_mac[6] = {2};

static int setup(void **state)
{
	int r = kit_setup(state);

	return r < 0 ? r : module_ipsec.init(&(struct module_env){.workers = 1, .conns_size = 256});
}

static int teardown(void **state)
{
	module_ipsec.fini();
	return kit_teardown(state);
}

static void set(uint16_t type, const void *object, size_t size)
{
	assert_true(kit_set(type, object, size) >= 0);
}

static void discard(struct kit *k)
{
	struct testbed_result r;

	kit_control(k);
	while (kit_take(k, &r))
		testbed_put(&r);
}

static void set_slot(struct kit *k, uint16_t number, uint64_t epoch, bool active, bool answers)
{
	struct api_slot slot = {.slot = number,
		.active = active,
		.epoch = epoch,
		.iv_epoch = epoch,
		.pa = {number == 1 ? ip_from_v4(KIT_SLOT_PA) : frame_addr(PA2)},
		.gre_vip = {number == 1 ? ip_from_v4(KIT_SLOT_PA) : (struct ip_addr){0}},
		.vip = {answers ? frame_addr(VIP) : (struct ip_addr){0}},
		.vip_used = {frame_addr(VIP)}};

	set(API_TYPE_SLOT, &slot, sizeof(slot));
	discard(k);
}

static void set_where(struct kit *k)
{
	struct api_vip_slot where = {.vip = frame_addr(VIP), .slot = 2, .pa = frame_addr(PA2)};

	set_slot(k, 1, 5, true, true);
	set(API_TYPE_VIP_SLOT, &where, sizeof(where));
	discard(k);
}

static void set_remote(const char *remote, uint16_t slot)
{
	struct api_vip_remote o = {.vip = frame_addr(VIP), .slot = slot};

	if (remote)
		o.remote = frame_addr(remote);
	set(API_TYPE_VIP_REMOTE, &o, sizeof(o));
}

static void send_ip(struct kit *k, struct frame *f, const char *by)
{
	struct ip_addr from = frame_addr(REMOTE), to = frame_addr(VIP);
	struct ip_addr gateway, pa = ip_from_v4(KIT_SLOT_PA);

	frame_ip(f, &from, &to);
	if (by) {
		gateway = frame_addr(by);
		frame_ip(f, &gateway, &pa);
	}
	frame_eth(f, port_mac, kit_router_mac);
	testbed_receive(k->tb, 0, f->p, f->size);
	kit_run(k);
}

static void send_esp(struct kit *k, uint32_t spi, bool in_udp, const char *by)
{
	uint32_t header[2] = {be32(spi), be32(1)};
	struct frame f;

	frame_payload(&f, 64);
	frame_bytes(&f, header, sizeof(header), IP_PROTO_ESP);
	if (in_udp)
		frame_udp(&f, UDP_PORT_IKENAT, UDP_PORT_IKENAT);
	send_ip(k, &f, by);
}

// Its SPIs' slots: 0 for an SPI of zeroes.
static void send_ike(
	struct kit *k, uint16_t initiator, uint16_t responder, uint8_t flags, bool natt)
{
	uint8_t ike[4 + 28] = {0};
	uint8_t *p = ike + 4;
	struct frame f;

	memset(p, 0x5a, 8);
	p[6] = (uint8_t)(initiator >> 8);
	p[7] = (uint8_t)initiator;
	if (responder) {
		memset(p + 8, 0xa5, 8);
		p[14] = (uint8_t)(responder >> 8);
		p[15] = (uint8_t)responder;
	}
	p[17] = 0x20;
	p[18] = 34;
	p[19] = flags;
	frame_payload(&f, 40);
	frame_bytes(&f, natt ? ike : p, natt ? 32 : 28, 0);
	frame_udp(&f, natt ? UDP_PORT_IKENAT : UDP_PORT_IKE, natt ? UDP_PORT_IKENAT : UDP_PORT_IKE);
	send_ip(k, &f, NULL);
}

static void expect_relayed_to(struct kit *k, const char *pa)
{
	struct testbed_result r;
	const uint8_t *p;

	assert_true(kit_take(k, &r));
	assert_int_equal(r.end, TESTBED_TX);
	p = testbed_bytes(&r, &(size_t){0});
	assert_int_equal(sum_ip4((const struct ip4_hdr *)(p + 14)), 0xffff);
	assert_int_equal(p[14 + 9], IP_PROTO_IPIP);
	assert_int_equal(be32(load32(p + 14 + 12)), KIT_OWN);
	assert_memory_equal(p + 14 + 16, frame_addr(pa).bytes, 4);
	assert_memory_equal(p + 34 + 12, frame_addr(REMOTE).bytes, 4);
	assert_memory_equal(p + 34 + 16, frame_addr(VIP).bytes, 4);
	testbed_put(&r);
	assert_false(kit_take(k, &r));
}

static void expect_relayed(struct kit *k)
{
	expect_relayed_to(k, PA2);
}

static void expect_taken(struct kit *k)
{
	struct testbed_result r;

	kit_control(k);
	assert_false(kit_take(k, &r));
}

static void esp_of_a_slot_held_elsewhere_goes_to_its_pa(void **state)
{
	struct kit *k = *state;

	set_where(k);
	send_esp(k, SPI(2), false, NULL);
	expect_relayed(k);
	send_esp(k, SPI(2), true, NULL);
	expect_relayed(k);
	send_esp(k, SPI(1), false, NULL);
	kit_expect_drop(k, DROP_ESP_UNKNOWN_SPI);
	send_esp(k, SPI(3), false, NULL); // nobody's
	kit_expect_drop(k, DROP_ESP_UNKNOWN_SPI);
}

static void ike_goes_by_our_spi(void **state)
{
	struct kit *k = *state;

	set_where(k);
	for (int natt = 0; natt < 2; natt++) {
		send_ike(k, 1, 2, 0x08, natt); // the peer began: ours is the responder's
		expect_relayed(k);
		send_ike(k, 2, 1, 0x20, natt); // its answer: ours is the initiator's
		expect_relayed(k);
		send_ike(k, 2, 1, 0x08, natt);
		expect_taken(k);
		send_ike(k, 1, 2, 0x20, natt);
		expect_taken(k);
	}
}

static void a_first_message_goes_by_its_remote_address_else_to_the_any_remote_slot(void **state)
{
	struct kit *k = *state;

	set_where(k);
	send_ike(k, 2, 0, 0x08, false); // whatever the peer's SPI looks like
	expect_taken(k);
	set_remote(NULL, 2);
	send_ike(k, 7, 0, 0x08, false);
	expect_relayed(k);
	set_remote(REMOTE, 1);
	send_ike(k, 7, 0, 0x08, true);
	expect_taken(k);
	set_remote(REMOTE, 2);
	send_ike(k, 7, 0, 0x08, true);
	expect_relayed(k);
}

static void a_slot_that_comes_here_is_not_passed_on_any_more(void **state)
{
	struct kit *k = *state;

	set_where(k);
	set_slot(k, 2, 6, true, false);
	send_esp(k, SPI(2), false, NULL);
	kit_expect_drop(k, DROP_ESP_UNKNOWN_SPI);
	set_slot(k, 2, 7, false, false);
	send_esp(k, SPI(2), false, NULL);
	expect_relayed(k);
}

static void what_was_passed_on_is_taken_by_a_slots_holder_only(void **state)
{
	struct kit *k = *state;

	set_slot(k, 1, 5, true, false);
	send_esp(k, SPI(1), false, "10.0.0.3");
	kit_expect_drop(k, DROP_ESP_UNKNOWN_SPI); // it came as far as the table of SAs
	send_esp(k, SPI(1), false, NULL);         // the address is not answered for here
	kit_expect_drop(k, DROP_UNDERLAY_NOT_LOCAL);
	send_esp(k, SPI(1), false, "198.51.100.66");
	kit_expect_drop(k, DROP_RELAY_STRANGER);
}

static void what_was_passed_on_is_not_passed_on_again(void **state)
{
	struct kit *k = *state;

	set_where(k);
	send_esp(k, SPI(2), false, "10.0.0.3");
	kit_expect_drop(k, DROP_RELAY_TWICE);
}

// Its sender has not heard yet that the slot has moved; who had it before has.
static void to_a_slot_that_has_moved_it_goes_on_as_it_is(void **state)
{
	struct kit *k = *state;
	struct api_slot moved = {.slot = 1,
		.relay = 1,
		.epoch = 9,
		.pa = {ip_from_v4(KIT_SLOT_PA)},
		.relay_to = ip_from_v4(KIT_SLOT_PA)};
	struct testbed_result r;
	const uint8_t *p;

	set(API_TYPE_SLOT, &moved, sizeof(moved));
	kit_arp_reply(k, 0, 0, KIT_SLOT_PA);
	discard(k);
	send_esp(k, SPI(1), false, "10.0.0.3");
	assert_true(kit_take(k, &r));
	if (r.end != TESTBED_TX) { // waits for the new holder's address
		testbed_put(&r);
		kit_control(k);
		kit_arp_reply(k, 0, 0, KIT_SLOT_PA);
		kit_control(k);
		assert_true(kit_take(k, &r));
	}
	p = testbed_bytes(&r, &(size_t){0});
	assert_int_equal(p[14 + 9], IP_PROTO_IPIP);
	assert_memory_equal(p + 14 + 12, frame_addr("10.0.0.3").bytes, 4);
	assert_int_equal(be32(load32(p + 14 + 16)), KIT_SLOT_PA);
	assert_int_equal(p[34 + 9], IP_PROTO_ESP);
	testbed_put(&r);
}

// Until the router has heard where the address is.
static void esp_to_an_address_that_has_moved_goes_straight_to_its_slot(void **state)
{
	struct kit *k = *state;
	struct api_slot moved = {.slot = 1,
		.relay = 1,
		.epoch = 9,
		.pa = {ip_from_v4(KIT_SLOT_PA)},
		.vip = {frame_addr(VIP)},
		.relay_to = frame_addr("10.7.0.8")};

	set_where(k);
	set(API_TYPE_SLOT, &moved, sizeof(moved));
	discard(k);
	send_esp(k, SPI(2), false, NULL);
	expect_relayed_to(k, PA2);
	send_esp(k, SPI(2), true, NULL);
	expect_relayed_to(k, PA2);
	send_esp(k, SPI(1), false, NULL);
	expect_relayed_to(k, "10.7.0.8");
	send_ike(k, 1, 1, 0x08, true);
	expect_relayed_to(k, "10.7.0.8");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(esp_of_a_slot_held_elsewhere_goes_to_its_pa),
		T(ike_goes_by_our_spi),
		T(a_first_message_goes_by_its_remote_address_else_to_the_any_remote_slot),
		T(a_slot_that_comes_here_is_not_passed_on_any_more),
		T(what_was_passed_on_is_taken_by_a_slots_holder_only),
		T(what_was_passed_on_is_not_passed_on_again),
		T(to_a_slot_that_has_moved_it_goes_on_as_it_is),
		T(esp_to_an_address_that_has_moved_goes_straight_to_its_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
