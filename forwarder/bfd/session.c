// SPDX-License-Identifier: Apache-2.0

#include "session.h"

#include <string.h>

static uint32_t max32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

// -- what is wished for

// Our multiplier lost packets take the floor at least.
static uint32_t wanted_tx_us(const struct bfd_session *s)
{
	uint32_t m = s->config.multiplier, least = (s->config.floor_us + m - 1) / m;
	uint32_t wanted = max32(s->config.min_tx_us, least);

	return s->state == BFD_UP ? wanted : max32(wanted, BFD_SLOW_TX_US);
}

// Since the last packet a detection time may pass, by what is in use now.
static void expect_more(struct bfd_session *s)
{
	uint64_t detection = bfd_session_detection_us(s);

	s->detect_at = detection ? s->heard_at + detection : BFD_NEVER;
}

// Told in the next packets; what is in use follows at once, or with the peer's Final.
static void renegotiate(struct bfd_session *s)
{
	uint32_t tx = wanted_tx_us(s), rx = s->config.min_rx_us;
	bool changed = tx != s->min_tx_us || rx != s->min_rx_us;

	s->min_tx_us = tx;
	s->min_rx_us = rx;
	if (s->state != BFD_UP) {
		s->used_tx_us = tx;
		s->used_rx_us = rx;
		s->polling = s->poll_again = false;
		return;
	}
	// 6.8.3: neither sends more slowly nor expects more than the peer knows of.
	if (tx < s->used_tx_us)
		s->used_tx_us = tx;
	if (rx > s->used_rx_us)
		s->used_rx_us = rx;
	// The peer slows down with the next packet it hears, though its Final may get lost.
	expect_more(s);
	if (!changed)
		return;
	s->poll_again = s->polling;
	s->polling = s->speak_now = true;
}

static void forget_remote(struct bfd_session *s)
{
	s->remote_discr = 0;
	s->remote_state = BFD_DOWN;
	s->remote_demand = s->remote_c_bit = false;
	s->remote_multiplier = 0;
	s->remote_min_tx_us = 0;
	s->remote_min_rx_us = 1; // 6.8.1
	s->final_owed = false;
	s->detect_at = BFD_NEVER;
}

static void set_state(struct bfd_session *s, uint8_t state, uint8_t diag, uint64_t now_us)
{
	if (s->state == state && s->diag == diag)
		return;
	s->speak_now = true;
	s->diag = diag;
	if (s->state == state)
		return;
	s->transitions += s->state == BFD_UP || state == BFD_UP;
	s->state = state;
	s->state_at = now_us;
	renegotiate(s);
}

void bfd_session_init(struct bfd_session *s, const struct bfd_config *config, uint32_t discr,
	bool resume, uint64_t now_us)
{
	*s = (struct bfd_session){
		.config = *config,
		.state = config->admin_down ? BFD_ADMIN_DOWN : BFD_DOWN,
		.diag = config->admin_down ? BFD_DIAG_ADMIN_DOWN : BFD_DIAG_NONE,
		.discr = discr,
		.tx_at = now_us,
		.state_at = now_us,
		.resuming = resume && !config->admin_down,
	};
	forget_remote(s);
	renegotiate(s);
	// A peer that is Up speaks within its interval, which is at most the slow one here.
	s->resume_at = now_us + BFD_SLOW_TX_US;
}

void bfd_session_configure(struct bfd_session *s, const struct bfd_config *config, uint64_t now_us)
{
	bool spoken =
		s->config.c_bit != config->c_bit || s->config.multiplier != config->multiplier;

	s->config = *config;
	s->speak_now |= spoken;
	if (config->admin_down) {
		s->resuming = false;
		set_state(s, BFD_ADMIN_DOWN, BFD_DIAG_ADMIN_DOWN, now_us);
	} else if (s->state == BFD_ADMIN_DOWN) {
		set_state(s, BFD_DOWN, BFD_DIAG_NONE, now_us);
	}
	renegotiate(s);
}

// -- what comes

static void next_state(struct bfd_session *s, uint8_t heard, uint64_t now_us)
{
	if (heard == BFD_ADMIN_DOWN) {
		if (s->state != BFD_DOWN)
			set_state(s, BFD_DOWN, BFD_DIAG_NEIGHBOUR_DOWN, now_us);
		return;
	}
	switch (s->state) {
	case BFD_DOWN:
		if (heard == BFD_DOWN)
			set_state(s, BFD_INIT, s->diag, now_us);
		else if (heard == BFD_INIT)
			set_state(s, BFD_UP, BFD_DIAG_NONE, now_us);
		break;
	case BFD_INIT:
		if (heard == BFD_INIT || heard == BFD_UP)
			set_state(s, BFD_UP, BFD_DIAG_NONE, now_us);
		break;
	case BFD_UP:
		if (heard == BFD_DOWN)
			set_state(s, BFD_DOWN, BFD_DIAG_NEIGHBOUR_DOWN, now_us);
		break;
	default: break;
	}
}

// The peer holds our former life Up and has named its discriminator: nothing has happened to it.
static void resume(struct bfd_session *s, const struct bfd_packet *p, uint64_t now_us)
{
	s->resuming = false;
	if (p->state == BFD_UP && p->your_discr == s->discr)
		set_state(s, BFD_UP, BFD_DIAG_NONE, now_us);
	s->tx_at = now_us;
}

// A change in the middle of a Poll Sequence asks for a Final of its own.
static void end_poll(struct bfd_session *s)
{
	if (!s->polling)
		return;
	s->polling = s->poll_again;
	s->poll_again = false;
	if (s->polling)
		return;
	s->used_tx_us = s->min_tx_us;
	s->used_rx_us = s->min_rx_us;
}

bool bfd_session_receive(struct bfd_session *s, const struct bfd_packet *p, uint64_t now_us)
{
	if (p->your_discr && p->your_discr != s->discr)
		return false;
	s->remote_discr = p->my_discr;
	s->remote_state = p->state;
	s->remote_diag = p->diag;
	s->remote_demand = p->demand;
	s->remote_c_bit = p->c_bit;
	s->remote_min_rx_us = p->min_rx_us;
	s->remote_min_tx_us = p->min_tx_us;
	s->remote_multiplier = p->multiplier;
	if (p->final)
		end_poll(s);
	if (s->state != BFD_ADMIN_DOWN) {
		if (s->resuming)
			resume(s, p, now_us);
		next_state(s, p->state, now_us);
		s->final_owed |= p->poll;
	}
	s->heard_at = now_us;
	expect_more(s);
	return true;
}

// -- what goes

uint32_t bfd_session_tx_interval_us(const struct bfd_session *s)
{
	return s->remote_min_rx_us ? max32(s->used_tx_us, s->remote_min_rx_us) : 0;
}

uint64_t bfd_session_detection_us(const struct bfd_session *s)
{
	uint64_t us = (uint64_t)s->remote_multiplier * max32(s->used_rx_us, s->remote_min_tx_us);

	return us && us < s->config.floor_us ? s->config.floor_us : us;
}

uint64_t bfd_session_remote_detection_us(const struct bfd_session *s)
{
	return (uint64_t)s->config.multiplier * max32(s->min_tx_us, s->remote_min_rx_us);
}

// 6.8.7: when nothing may be sent periodically.
static bool is_quiet(const struct bfd_session *s)
{
	if (s->resuming || (s->config.passive && !s->remote_discr))
		return true;
	if (!s->remote_min_rx_us)
		return true;
	return s->remote_demand && s->state == BFD_UP && s->remote_state == BFD_UP && !s->polling;
}

// 75 % to 100 % of the interval, to 90 % with a multiplier of 1 (6.8.7).
static uint64_t jittered(const struct bfd_session *s, uint32_t random)
{
	uint64_t interval = bfd_session_tx_interval_us(s);
	uint64_t span = interval * (s->config.multiplier == 1 ? 15 : 25) / 100;

	return interval * 75 / 100 + (span * random >> 32);
}

static void fill(const struct bfd_session *s, bool final, struct bfd_packet *p)
{
	*p = (struct bfd_packet){
		.diag = s->diag,
		.state = s->state,
		.poll = s->polling && !final,
		.final = final,
		.c_bit = s->config.c_bit,
		.multiplier = s->config.multiplier,
		.my_discr = s->discr,
		.your_discr = s->remote_discr,
		.min_tx_us = s->min_tx_us,
		.min_rx_us = s->min_rx_us,
	};
}

static void expire(struct bfd_session *s, uint64_t now_us)
{
	if (s->resuming && now_us >= s->resume_at) {
		s->resuming = false;
		s->tx_at = now_us;
	}
	if (now_us < s->detect_at)
		return;
	forget_remote(s);
	if (s->state == BFD_INIT || s->state == BFD_UP)
		set_state(s, BFD_DOWN, BFD_DIAG_EXPIRED, now_us);
}

bool bfd_session_poll(
	struct bfd_session *s, uint64_t now_us, uint32_t random, struct bfd_packet *ret_packet)
{
	uint64_t interval;

	expire(s, now_us);
	// A Final is an answer, whatever else may be said when (6.8.7).
	if (s->final_owed) {
		s->final_owed = false;
		fill(s, true, ret_packet);
		return true;
	}
	if (is_quiet(s))
		return false;
	interval = bfd_session_tx_interval_us(s);
	// What is due came to be so under an interval that may have been longer.
	if (s->tx_at > now_us + interval)
		s->tx_at = now_us + jittered(s, random);
	if (!s->speak_now && now_us < s->tx_at)
		return false;
	s->speak_now = false;
	s->tx_at = now_us + jittered(s, random);
	fill(s, false, ret_packet);
	return true;
}

uint64_t bfd_session_deadline(const struct bfd_session *s)
{
	uint64_t at = s->detect_at;

	if (s->resuming)
		return s->resume_at < at ? s->resume_at : at;
	if (s->final_owed)
		return 0;
	if (is_quiet(s))
		return at;
	if (s->speak_now)
		return 0;
	return s->tx_at < at ? s->tx_at : at;
}
