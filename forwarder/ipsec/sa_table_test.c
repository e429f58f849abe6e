// SPDX-License-Identifier: Apache-2.0

// The control side of SAs: what may be set, what stops and who is told, what moves to another
// gateway, and that no nonce and no sequence number is ever sent twice.

#include "sa_table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "esp_testkit.h"
#include "rcu.h"

#define SLOT  7
#define EPOCH 1000

static const struct esp_crypto *crypto;
static struct esp_ctx ctx;
static const char *words;

static struct esp_table *table_new(void)
{
	struct esp_table *t = esp_table_new(crypto, 64);

	esp_table_slot(t, SLOT, true, EPOCH);
	return t;
}

static const struct esp_place place = {.conn_index = 3, .owner = 0};

static struct api_sa want_of(uint8_t dir)
{
	struct api_sa want = kit_want(esp_suite_at(2), dir, 1);

	kit_addresses(&want, 4);
	return want;
}

static int set(struct esp_table *t, const struct api_sa *want)
{
	return esp_table_set(t, want, &place, 0, &words);
}

static int set_policy(struct esp_table *t, uint32_t child, uint32_t out_spi)
{
	struct api_sa_policy want = {.conn = 1, .child = child, .out_spi = out_spi};

	return esp_table_policy_set(t, &want, &place, &words);
}

// Sends one packet of `size` inner bytes; the packet stays in *k.
static enum drop_reason send_one(struct esp_sa *sa, struct kit_packet *k, size_t size)
{
	uint8_t plain[1500], verdict;
	struct rte_mbuf *m;

	kit_inner(plain, size, 4, 0);
	m = kit_packet_set(k, plain, size);
	esp_encap(&ctx, &m, &sa, &verdict, 1);
	return verdict;
}

static enum drop_reason receive(struct esp_sa *sa, const struct kit_packet *from)
{
	struct kit_packet k = *from;
	struct rte_mbuf *m = &k.m;
	struct esp_at at;
	uint8_t verdict;

	m->buf_addr = k.room;
	verdict = (uint8_t)esp_find(m, &at);
	if (verdict == DROP_NONE)
		esp_decap(&ctx, &m, &sa, &at, &verdict, 1);
	return verdict;
}

static uint32_t seq_of(const struct kit_packet *k)
{
	const uint8_t *p = rte_pktmbuf_mtod_offset(&k->m, const uint8_t *, 24);

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t iv_of(const struct kit_packet *k)
{
	const uint8_t *p = rte_pktmbuf_mtod_offset(&k->m, const uint8_t *, 28);
	uint64_t iv = 0;

	for (int i = 0; i < 8; i++)
		iv = iv << 8 | p[i];
	return iv;
}

static struct {
	struct api_sa_event list[64];
	unsigned len;
} seen;

static void note(void *arg, const struct api_sa_event *event)
{
	assert_true(seen.len < 64);
	seen.list[seen.len++] = *event;
}

static bool event_seen(struct esp_table *t, uint64_t now_ns, uint8_t kind, bool hard)
{
	bool found = false;

	seen.len = 0;
	esp_table_events(t, now_ns, note, NULL);
	for (unsigned i = 0; i < seen.len; i++)
		found |= seen.list[i].kind == kind && seen.list[i].hard == hard;
	return found;
}

// -- setting

static void equal_set_changes_nothing_and_other_keys_are_refused(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);

	assert_int_equal(set(t, &want), 1);
	assert_int_equal(set(t, &want), 0);
	want.key[0] ^= 1;
	assert_int_equal(set(t, &want), -EEXIST);
	want.key[0] ^= 1;
	want.flags |= API_SA_F_ESN;
	assert_int_equal(set(t, &want), -EEXIST);
	assert_int_equal(esp_table_del(t, 1, KIT_SPI, API_SA_OUT), 1);
	assert_int_equal(esp_table_del(t, 1, KIT_SPI, API_SA_OUT), 0);
	esp_table_free(t);
}

static void broken_wishes_are_refused_with_words(void **state)
{
	static const struct {
		size_t offset;
		uint32_t value;
		uint8_t size;
		const char *word;
	} list[] = {
		{offsetof(struct api_sa, spi), 255, 4, "spi"},
		{offsetof(struct api_sa, spi), 0x00810001, 4, "top 12 bits"},
		{offsetof(struct api_sa, dir), 3, 1, "dir"},
		{offsetof(struct api_sa, mode), 0, 1, "mode"},
		{offsetof(struct api_sa, slot), 0, 2, "slot"},
		{offsetof(struct api_sa, replay_window), 31, 2, "replay_window"},
		{offsetof(struct api_sa, replay_window), 4097, 2, "replay_window"},
		{offsetof(struct api_sa, key_size), 37, 1, "key_size"},
		{offsetof(struct api_sa, key_size), 35, 1, "key_size"},
		{offsetof(struct api_sa, local), 0, 1, "local"},
		{offsetof(struct api_sa, cipher), API_CIPHER_NULL, 2, "encrypts nothing"},
	};
	struct esp_table *t = table_new();

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct api_sa want = want_of(API_SA_IN);

		memcpy((uint8_t *)&want + list[i].offset, &list[i].value, list[i].size);
		words = "";
		assert_true(set(t, &want) < 0);
		assert_non_null(strstr(words, list[i].word));
	}
	esp_table_free(t);
}

static void inbound_sa_is_found_by_its_whole_spi(void **state)
{
	struct esp_table *t = table_new();
	struct esp_lookup *l = esp_table_lookup(t);
	struct api_sa want = want_of(API_SA_IN);
	struct esp_sa *sa;

	want.spi = API_SPI_MAKE(SLOT, 3, 60000);
	assert_int_equal(set(t, &want), 1);
	sa = esp_lookup_in(l, want.spi);
	assert_non_null(sa);
	assert_int_equal(sa->spi, want.spi);
	assert_null(esp_lookup_in(l, API_SPI_MAKE(SLOT, 3, 60001)));
	assert_null(esp_lookup_in(l, API_SPI_MAKE(SLOT + 1, 3, 60000)));
	assert_null(esp_lookup_in(l, UINT32_MAX));
	// Same index, another generation: not while the first is there.
	want.spi = API_SPI_MAKE(SLOT, 4, 60000);
	assert_int_equal(set(t, &want), -EEXIST);
	esp_table_del(t, 1, API_SPI_MAKE(SLOT, 3, 60000), API_SA_IN);
	assert_null(esp_lookup_in(l, API_SPI_MAKE(SLOT, 3, 60000)));
	assert_int_equal(set(t, &want), 1);
	esp_table_free(t);
}

static void policies_and_sas_meet_in_any_order(void **state)
{
	struct esp_table *t = table_new();
	struct esp_lookup *l = esp_table_lookup(t);
	struct api_sa out = want_of(API_SA_OUT), in = want_of(API_SA_IN);
	struct kit_packet k;

	assert_false(esp_table_conn_up(t, 1));
	set(t, &out);
	set(t, &in);
	assert_false(esp_table_conn_up(t, 1));
	send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k, 100);
	assert_int_equal(receive(esp_table_find(t, 1, KIT_SPI, API_SA_IN), &k), DROP_ESP_SELECTOR);
	assert_int_equal(set_policy(t, 1, KIT_SPI), 1);
	assert_int_equal(set_policy(t, 1, KIT_SPI), 0);
	assert_true(esp_table_conn_up(t, 1));
	assert_ptr_equal(
		esp_lookup_out(l, 3)->list[0]->out, esp_table_find(t, 1, KIT_SPI, API_SA_OUT));
	send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k, 100);
	assert_int_equal(receive(esp_table_find(t, 1, KIT_SPI, API_SA_IN), &k), DROP_NONE);
	// A rekey: the policy names the new SA before and after it is there.
	assert_int_equal(set_policy(t, 1, 0xabcd), 1);
	assert_false(esp_table_conn_up(t, 1));
	out.spi = 0xabcd;
	out.key[5] ^= 1;
	set(t, &out);
	assert_true(esp_table_conn_up(t, 1));
	assert_int_equal(esp_lookup_out(l, 3)->list[0]->out->spi, 0xabcd);
	assert_int_equal(esp_table_policy_del(t, 1, 1), 1);
	assert_null(esp_lookup_out(l, 3));
	esp_table_free(t);
}

static void first_matching_policy_sends_and_only_its_own_enters(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa_policy want = {.conn = 1, .child = 2, .local_count = 1, .remote_count = 1};
	const struct esp_policy_set *s;
	struct api_sa in = want_of(API_SA_IN);
	struct esp_flow flow;
	uint8_t ip[60];

	// 10.1.0.0/24 to 10.2.0.0/24, UDP, remote ports 1000..2000: kit_inner sends 10.1.0.1 to
	// 10.2.0.2.
	ip_parse("10.1.0.0", &want.local[0].first);
	ip_parse("10.1.0.255", &want.local[0].last);
	want.local[0].port_last = UINT16_MAX;
	ip_parse("10.2.0.0", &want.remote[0].first);
	ip_parse("10.2.0.255", &want.remote[0].last);
	want.remote[0].protocol = 17;
	want.remote[0].port_first = 1000;
	want.remote[0].port_last = 2000;
	assert_int_equal(esp_table_policy_set(t, &want, &place, &words), 1);
	set_policy(t, 9, 0); // any, after it
	s = esp_lookup_out(esp_table_lookup(t), 3);
	assert_int_equal(s->len, 2);
	kit_inner(ip, sizeof(ip), 4, 0);
	ip[22] = 1500 >> 8;
	ip[23] = 1500 & 255;
	assert_int_equal(esp_policy_choose(s, ip, sizeof(ip))->child, 2);
	ip[22] = 2001 >> 8;
	ip[23] = 2001 & 255;
	assert_int_equal(esp_policy_choose(s, ip, sizeof(ip))->child, 9);
	ip[22] = 1500 >> 8;
	ip[23] = 1500 & 255;
	ip[6] = 0;
	ip[7] = 1; // a later fragment has no ports to match
	assert_int_equal(esp_policy_choose(s, ip, sizeof(ip))->child, 9);
	ip[7] = 0;
	ip[9] = 6;
	assert_int_equal(esp_policy_choose(s, ip, sizeof(ip))->child, 9);
	ip[9] = 17;
	assert_true(esp_flow_read(ip, sizeof(ip), &flow));
	assert_true(esp_policy_out(s->list[0], &flow));
	assert_false(esp_policy_in(s->list[0], &flow)); // it is the other way round
	(void)in;
	want.remote[0].port_first = 3000;
	assert_int_equal(esp_table_policy_set(t, &want, &place, &words), -EINVAL);
	esp_table_free(t);
}

static void sa_of_an_inactive_slot_neither_sends_nor_receives(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa out = want_of(API_SA_OUT), in = want_of(API_SA_IN);
	struct kit_packet k;

	set(t, &out);
	set(t, &in);
	set_policy(t, 1, KIT_SPI);
	assert_int_equal(send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k, 60), DROP_NONE);
	esp_table_slot(t, SLOT, false, EPOCH);
	assert_int_equal(receive(esp_table_find(t, 1, KIT_SPI, API_SA_IN), &k), DROP_SLOT_INACTIVE);
	assert_int_equal(
		send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k, 60), DROP_SLOT_INACTIVE);
	esp_table_free(t);
}

static struct api_selector range(const char *first, const char *last)
{
	struct api_selector s = {.port_last = UINT16_MAX};

	ip_parse(first, &s.first);
	ip_parse(last, &s.last);
	return s;
}

// RFC 4301 section 5.2, step 4: what comes out is checked against its own SA's selectors, whoever
// sealed it.
static void what_comes_out_must_match_its_selectors(void **state)
{
	static const char *remotes[][2] = {{"10.1.0.0", "10.1.0.255"}, {"10.1.1.0", "10.1.1.255"}};
	static const char *locals[][2] = {{"10.2.0.0", "10.2.0.255"}, {"10.2.1.0", "10.2.1.255"}};
	struct esp_table *t = table_new();
	struct api_sa out = want_of(API_SA_OUT), in = want_of(API_SA_IN);
	struct api_sa_policy want = {
		.conn = 1, .child = in.child, .local_count = 1, .remote_count = 1};
	struct kit_packet k;

	set(t, &out);
	set(t, &in);
	// kit_inner sends 10.1.0.1 to 10.2.0.2.
	for (unsigned i = 0; i < 4; i++) {
		want.remote[0] = range(remotes[i & 1][0], remotes[i & 1][1]);
		want.local[0] = range(locals[i >> 1][0], locals[i >> 1][1]);
		assert_int_equal(esp_table_policy_set(t, &want, &place, &words), 1);
		assert_int_equal(
			send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k, 60), DROP_NONE);
		assert_int_equal(receive(esp_table_find(t, 1, KIT_SPI, API_SA_IN), &k),
			i == 0 ? DROP_NONE : DROP_ESP_SELECTOR);
	}
	assert_int_equal(esp_table_policy_del(t, 1, in.child), 1);
	assert_int_equal(send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k, 60), DROP_NONE);
	assert_int_equal(receive(esp_table_find(t, 1, KIT_SPI, API_SA_IN), &k), DROP_ESP_SELECTOR);
	esp_table_free(t);
}

// -- limits

static void sequence_numbers_end_without_esn(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);
	struct kit_packet k;
	struct esp_sa *sa;

	want.sequence = 3221225470u; // two below three quarters of 2^32
	set(t, &want);
	sa = esp_table_find(t, 1, KIT_SPI, API_SA_OUT);
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_false(event_seen(t, 0, API_SA_EVENT_SEQUENCE, false));
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_true(event_seen(t, 0, API_SA_EVENT_SEQUENCE, false));
	assert_false(event_seen(t, 0, API_SA_EVENT_SEQUENCE, false)); // once
	sa->sequence = UINT32_MAX - 2;
	sa->check_packets = 0;
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_int_equal(seq_of(&k), UINT32_MAX);
	assert_int_equal(send_one(sa, &k, 60), DROP_ESP_SEQUENCE_END);
	assert_true(event_seen(t, 0, API_SA_EVENT_SEQUENCE, true));
	esp_table_free(t);
}

static void reservation_is_never_passed_and_more_may_be_granted(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);
	struct kit_packet k;
	struct esp_sa *sa;

	want.sequence = 1000;
	want.sequence_end = 1100;
	set(t, &want);
	sa = esp_table_find(t, 1, KIT_SPI, API_SA_OUT);
	for (int i = 1; i <= 100; i++) {
		assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
		assert_int_equal(event_seen(t, 0, API_SA_EVENT_RESERVATION, false), i == 76);
	}
	assert_int_equal(seq_of(&k), 1100);
	assert_int_equal(send_one(sa, &k, 60), DROP_ESP_RESERVATION_END);
	assert_true(event_seen(t, 0, API_SA_EVENT_RESERVATION, true));
	assert_int_equal(esp_table_grant(t, 1, KIT_SPI, 1050), 0);
	assert_int_equal(send_one(sa, &k, 60), DROP_ESP_RESERVATION_END);
	assert_int_equal(esp_table_grant(t, 1, KIT_SPI, 1102), 1);
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_int_equal(send_one(sa, &k, 60), DROP_ESP_RESERVATION_END);
	assert_int_equal(sa->faults.refused, 3);
	esp_table_free(t);
}

static void nonce_counter_ends(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);
	struct kit_packet k;
	struct esp_sa *sa;

	want.flags = API_SA_F_ESN;
	set(t, &want);
	sa = esp_table_find(t, 1, KIT_SPI, API_SA_OUT);
	sa->counter = ESP_COUNTER_END - 3;
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_int_equal(iv_of(&k), (uint64_t)EPOCH << 40 | (ESP_COUNTER_END - 1));
	assert_int_equal(send_one(sa, &k, 60), DROP_ESP_COUNTER_END);
	assert_true(event_seen(t, 0, API_SA_EVENT_COUNTER, true));
	esp_table_free(t);
}

static void counter_nonces_need_an_epoch(void **state)
{
	struct esp_table *t = esp_table_new(crypto, 64);
	struct api_sa want = want_of(API_SA_OUT);
	struct kit_packet k;

	esp_table_slot(t, SLOT, true, 0);
	set(t, &want);
	assert_int_equal(
		send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k, 60), DROP_ESP_COUNTER_END);
	esp_table_free(t);
}

static void lifetimes_ask_for_a_rekey_then_stop(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);
	const uint64_t second = 1000000000;
	struct kit_packet k;
	struct esp_sa *sa;

	want.packets.hard = 8; // soft at 6
	want.bytes = (struct api_sa_limit){.soft = 250, .hard = 700};
	want.time_ms.hard = 4000;
	set(t, &want);
	sa = esp_table_find(t, 1, KIT_SPI, API_SA_OUT);
	for (int i = 1; i <= 7; i++) {
		assert_int_equal(send_one(sa, &k, 100), DROP_NONE);
		seen.len = 0;
		esp_table_events(t, 0, note, NULL);
		// A mark is noticed by the first packet past it.
		assert_int_equal(seen.len, i == 4 || i == 7);
	}
	assert_int_equal(seen.list[0].kind, API_SA_EVENT_PACKETS);
	assert_int_equal(send_one(sa, &k, 100), DROP_ESP_LIFETIME_END); // 700 bytes
	assert_true(event_seen(t, 0, API_SA_EVENT_BYTES, true));
	esp_table_del(t, 1, KIT_SPI, API_SA_OUT);

	want.bytes = (struct api_sa_limit){0};
	set(t, &want);
	sa = esp_table_find(t, 1, KIT_SPI, API_SA_OUT);
	assert_false(event_seen(t, 2 * second, API_SA_EVENT_TIME, false));
	assert_true(event_seen(t, 3 * second, API_SA_EVENT_TIME, false));
	assert_false(event_seen(t, 3 * second, API_SA_EVENT_TIME, false));
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	assert_true(event_seen(t, 4 * second, API_SA_EVENT_TIME, true));
	assert_int_equal(send_one(sa, &k, 60), DROP_ESP_LIFETIME_END);
	esp_table_free(t);
}

static void sa_of_old_epochs_is_rekeyed_and_stopped(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);
	struct kit_packet k;
	struct esp_sa *sa;

	want.birth_epoch = EPOCH;
	set(t, &want);
	sa = esp_table_find(t, 1, KIT_SPI, API_SA_OUT);
	esp_table_slot(t, SLOT, true, EPOCH + ESP_EPOCH_REKEY - 1);
	assert_false(event_seen(t, 0, API_SA_EVENT_EPOCH, false));
	esp_table_slot(t, SLOT, true, EPOCH + ESP_EPOCH_REKEY);
	assert_true(event_seen(t, 0, API_SA_EVENT_EPOCH, false));
	assert_int_equal(send_one(sa, &k, 60), DROP_NONE);
	esp_table_slot(t, SLOT, true, EPOCH + ESP_EPOCH_STOP);
	assert_true(event_seen(t, 0, API_SA_EVENT_EPOCH, true));
	assert_int_equal(send_one(sa, &k, 60), DROP_ESP_COUNTER_END);
	esp_table_free(t);
}

// -- nonces over deletion, restart and moving

static void a_slots_new_iv_epoch_reaches_all_its_sas_at_once(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT), second = want_of(API_SA_OUT);
	struct kit_packet k;

	second.spi = KIT_SPI + 1;
	second.key[0] ^= 1;
	set(t, &want);
	set(t, &second);
	// Active all the while, as after a planned move back: only the number of its nonces
	// changes.
	for (uint64_t epoch = EPOCH; epoch < EPOCH + 3; epoch++) {
		esp_table_slot(t, SLOT, true, epoch);
		for (uint32_t spi = want.spi; spi <= second.spi; spi++) {
			assert_int_equal(
				send_one(esp_table_find(t, 1, spi, API_SA_OUT), &k, 60), DROP_NONE);
			assert_int_equal(iv_of(&k) >> ESP_COUNTER_BITS,
				epoch & ((1u << ESP_EPOCH_BITS) - 1));
		}
	}
	esp_table_free(t);
}

static void key_set_again_goes_on_with_its_nonces(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);
	struct kit_packet k;
	uint64_t last = 0;

	for (int round = 0; round < 5; round++) {
		set(t, &want);
		for (int i = 0; i < 10; i++) {
			assert_int_equal(
				send_one(esp_table_find(t, 1, want.spi, API_SA_OUT), &k, 60),
				DROP_NONE);
			assert_true(iv_of(&k) > last);
			last = iv_of(&k);
		}
		esp_table_del(t, 1, want.spi, API_SA_OUT);
		want.spi++; // even under another SPI
	}
	esp_table_free(t);
}

static void key_in_use_is_refused(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);

	assert_int_equal(set(t, &want), 1);
	want.spi++;
	assert_int_equal(set(t, &want), -EEXIST);
	assert_non_null(strstr(words, "nonces would repeat"));
	esp_table_free(t);
}

static void restarted_forwarder_repeats_nothing(void **state)
{
	struct api_sa out = want_of(API_SA_OUT), in = want_of(API_SA_IN);
	struct esp_table *t = table_new();
	static struct kit_packet k[10];
	struct kit_packet next;
	uint64_t last_iv = 0;

	out.sequence_end = 50;
	set(t, &out);
	set(t, &in);
	set_policy(t, 1, KIT_SPI);
	for (int i = 0; i < 10; i++) {
		send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k[i], 60);
		last_iv = iv_of(&k[i]);
		assert_int_equal(
			receive(esp_table_find(t, 1, KIT_SPI, API_SA_IN), &k[i]), DROP_NONE);
	}
	esp_table_free(t);

	// Another start: a new IV epoch, the reservation's end, the reported top.
	t = esp_table_new(crypto, 64);
	esp_table_slot(t, SLOT, true, EPOCH + 1);
	out.sequence = out.sequence_end;
	out.sequence_end = 100;
	in.replay_top = 10;
	in.flags |= API_SA_F_REPLAY_CLOSED;
	set(t, &out);
	set(t, &in);
	set_policy(t, 1, KIT_SPI);
	assert_int_equal(send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &next, 60), DROP_NONE);
	assert_int_equal(seq_of(&next), 51);
	assert_true(iv_of(&next) >> 40 != last_iv >> 40);
	for (int i = 0; i < 10; i++)
		assert_int_equal(
			receive(esp_table_find(t, 1, KIT_SPI, API_SA_IN), &k[i]), DROP_ESP_REPLAY);
	assert_int_equal(receive(esp_table_find(t, 1, KIT_SPI, API_SA_IN), &next), DROP_NONE);
	esp_table_free(t);
}

// The exact record of a planned move: no leap, no packet accepted twice, none lost that was not
// seen, and other nonces.
static void record_moves_an_sa_exactly(void **state)
{
	static struct kit_packet k[200];
	static bool passed[200];

	for (uint32_t flags = 0; flags <= API_SA_F_ESN; flags++) {
		struct esp_table *a = table_new(), *b = esp_table_new(crypto, 64);
		struct api_sa out = want_of(API_SA_OUT), in = want_of(API_SA_IN);
		struct api_sa_record record;
		struct kit_packet next;

		out.flags = in.flags = flags;
		in.replay_window = 128;
		if (flags & API_SA_F_ESN)
			out.sequence = in.replay_top = (1ULL << 32) - 100; // crosses a subspace
		for (int i = 0; i < 2; i++) {
			struct esp_table *t = i ? b : a;

			assert_int_equal(set(t, &out), 1);
			assert_int_equal(set(t, &in), 1);
			set_policy(t, 1, KIT_SPI);
		}
		for (int i = 0; i < 200; i++) {
			send_one(esp_table_find(a, 1, KIT_SPI, API_SA_OUT), &k[i], 60);
			passed[i] = random() % 2;
			if (passed[i])
				assert_int_equal(
					receive(esp_table_find(a, 1, KIT_SPI, API_SA_IN), &k[i]),
					DROP_NONE);
		}
		esp_table_slot(a, SLOT, false, EPOCH);
		for (uint8_t dir = API_SA_IN; dir <= API_SA_OUT; dir++) {
			assert_int_equal(esp_table_export(a, 1, KIT_SPI, dir, 0, &record), 0);
			assert_int_equal(esp_table_import(b, &record, 0, &words), 1);
		}
		esp_table_slot(b, SLOT, true, EPOCH + 1);
		for (int i = 0; i < 200; i++) {
			bool left = i < 200 - 128;
			enum drop_reason got =
				receive(esp_table_find(b, 1, KIT_SPI, API_SA_IN), &k[i]);

			// Left of the window with ESN is taken for the next subspace.
			if (passed[i])
				assert_true(got == DROP_ESP_REPLAY ||
					    (left && got == DROP_ESP_INTEGRITY));
			else if (!left)
				assert_int_equal(got, DROP_NONE);
		}
		assert_int_equal(
			send_one(esp_table_find(b, 1, KIT_SPI, API_SA_OUT), &next, 60), DROP_NONE);
		assert_int_equal(seq_of(&next), seq_of(&k[199]) + 1);
		assert_int_equal(iv_of(&next) >> 40, EPOCH + 1);
		assert_int_equal(send_one(esp_table_find(a, 1, KIT_SPI, API_SA_OUT), &next, 60),
			DROP_SLOT_INACTIVE);
		esp_table_free(a);
		esp_table_free(b);
	}
}

static void inexact_record_closes_the_window_and_leaps(void **state)
{
	struct esp_table *b = esp_table_new(crypto, 64);
	struct api_sa out = want_of(API_SA_OUT), in = want_of(API_SA_IN);
	struct api_sa_record record = {
		.conn = 1, .spi = KIT_SPI, .sequence = 70, .sequence_end = 500, .replay_top = 80};
	struct esp_sa *sa;
	struct kit_packet k;

	set(b, &out);
	set(b, &in);
	record.dir = API_SA_OUT;
	assert_int_equal(esp_table_import(b, &record, 0, &words), 1);
	record.dir = API_SA_IN;
	assert_int_equal(esp_table_import(b, &record, 0, &words), 1);
	esp_table_slot(b, SLOT, true, EPOCH + 1);
	esp_table_grant(b, 1, KIT_SPI, 1000);
	assert_int_equal(send_one(esp_table_find(b, 1, KIT_SPI, API_SA_OUT), &k, 60), DROP_NONE);
	assert_int_equal(seq_of(&k), 501);
	sa = esp_table_find(b, 1, KIT_SPI, API_SA_IN);
	assert_false(esp_replay_check(&sa->replay, 80));
	assert_true(esp_replay_check(&sa->replay, 81));
	// Never into an active slot.
	assert_int_equal(esp_table_import(b, &record, 0, &words), -EBUSY);
	esp_table_free(b);
}

// -- path MTU

static const struct esp_sa *told(struct esp_table *t, const struct esp_pmtu *said, uint64_t now_ns)
{
	return esp_table_pmtu(t, said, now_ns);
}

static void icmp_about_esp_is_believed_with_caution(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);
	struct esp_pmtu right = {.local = want.local,
				.remote = want.remote,
				.spi = KIT_SPI,
				.sequence = 2,
				.size = 1500,
				.mtu = 1400},
			said = right;
	struct kit_packet k;

	set(t, &want);
	set_policy(t, 1, KIT_SPI);
	assert_null(told(t, &right, 0)); // nothing was sent yet
	for (int i = 0; i < 3; i++)
		send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k, 60);
	said.remote = ip_from_v4(0x01010101);
	assert_null(told(t, &said, 0));
	said = right;
	said.local = ip_from_v4(0x01010101);
	assert_null(told(t, &said, 0));
	said = right;
	said.spi++;
	assert_null(told(t, &said, 0));
	said = right;
	said.sequence = 4; // not sent yet
	assert_null(told(t, &said, 0));
	said.sequence = 0;
	assert_null(told(t, &said, 0));
	said = right;
	said.size = 1400; // would have fitted
	assert_null(told(t, &said, 0));
	said = right;
	said.udp = true;
	assert_null(told(t, &said, 0));
	assert_non_null(told(t, &right, 0));
	assert_int_equal(esp_table_conn_mtu(t, 1, 1500),
		esp_sa_inner_mtu(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), 1400));
	right.mtu = 1450;
	assert_null(told(t, &right, 0)); // only down
	right.mtu = 68;
	assert_non_null(told(t, &right, 0));
	assert_int_equal(esp_table_find(t, 1, KIT_SPI, API_SA_OUT)->path_mtu, 576);
	esp_table_free(t);
}

static unsigned aged;

static void note_aged(const struct esp_sa *sa)
{
	aged++;
}

static void learnt_path_mtu_is_forgotten_in_time(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);
	struct esp_pmtu said = {.local = want.local,
		.remote = want.remote,
		.spi = KIT_SPI,
		.sequence = 1,
		.size = 1500,
		.mtu = 1300};
	struct esp_sa *sa;
	struct kit_packet k;

	want.path_mtu = 1480;
	set(t, &want);
	sa = esp_table_find(t, 1, KIT_SPI, API_SA_OUT);
	send_one(sa, &k, 60);
	assert_non_null(told(t, &said, 1000));
	assert_int_equal(sa->path_mtu, 1300);
	aged = 0;
	esp_table_pmtu_age(t, 999 + ESP_PMTU_NS, note_aged);
	assert_int_equal(aged, 0);
	esp_table_pmtu_age(t, 1000 + ESP_PMTU_NS, note_aged);
	assert_int_equal(aged, 1);
	assert_int_equal(sa->path_mtu, 1480); // what its installer said
	assert_non_null(told(t, &said, 2000 + ESP_PMTU_NS));
	esp_table_del(t, 1, KIT_SPI, API_SA_OUT); // nothing of it stays in the list
	esp_table_pmtu_age(t, UINT64_MAX, note_aged);
	assert_int_equal(aged, 1);
	esp_table_free(t);
}

static void peer_that_moved_is_followed(void **state)
{
	struct esp_table *t = table_new();
	struct api_sa want = want_of(API_SA_OUT);
	struct kit_packet k;

	set(t, &want);
	want.remote = ip_from_v4(0x0a0b0c0d);
	assert_int_equal(set(t, &want), 1);
	send_one(esp_table_find(t, 1, KIT_SPI, API_SA_OUT), &k, 60);
	assert_memory_equal(rte_pktmbuf_mtod_offset(&k.m, uint8_t *, 16), "\x0a\x0b\x0c\x0d", 4);
	assert_int_equal(seq_of(&k), 1);
	esp_table_free(t);
}

static int setup(void **state)
{
	crypto = esp_crypto_find("auto");
	return rcu_init() < 0 || esp_ctx_init(&ctx, crypto) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	esp_ctx_fini(&ctx);
	rcu_fini();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_set_changes_nothing_and_other_keys_are_refused),
		cmocka_unit_test(broken_wishes_are_refused_with_words),
		cmocka_unit_test(inbound_sa_is_found_by_its_whole_spi),
		cmocka_unit_test(policies_and_sas_meet_in_any_order),
		cmocka_unit_test(first_matching_policy_sends_and_only_its_own_enters),
		cmocka_unit_test(sa_of_an_inactive_slot_neither_sends_nor_receives),
		cmocka_unit_test(what_comes_out_must_match_its_selectors),
		cmocka_unit_test(sequence_numbers_end_without_esn),
		cmocka_unit_test(reservation_is_never_passed_and_more_may_be_granted),
		cmocka_unit_test(nonce_counter_ends),
		cmocka_unit_test(counter_nonces_need_an_epoch),
		cmocka_unit_test(lifetimes_ask_for_a_rekey_then_stop),
		cmocka_unit_test(sa_of_old_epochs_is_rekeyed_and_stopped),
		cmocka_unit_test(a_slots_new_iv_epoch_reaches_all_its_sas_at_once),
		cmocka_unit_test(key_set_again_goes_on_with_its_nonces),
		cmocka_unit_test(key_in_use_is_refused),
		cmocka_unit_test(restarted_forwarder_repeats_nothing),
		cmocka_unit_test(record_moves_an_sa_exactly),
		cmocka_unit_test(inexact_record_closes_the_window_and_leaps),
		cmocka_unit_test(icmp_about_esp_is_believed_with_caution),
		cmocka_unit_test(learnt_path_mtu_is_forgotten_in_time),
		cmocka_unit_test(peer_that_moved_is_followed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
