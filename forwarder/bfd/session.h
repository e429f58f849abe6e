// SPDX-License-Identifier: Apache-2.0
#pragma once

// One BFD session in asynchronous mode: RFC 5880 6. A pure machine: time and randomness come in,
// packets and deadlines go out. Times are microseconds of one monotonic clock.
//
// Its owner gives it the packets that are its by demultiplexing, calls bfd_session_poll() at or
// after bfd_session_deadline() and after each packet, and sends what that returns. What is not
// here: Demand mode on our side, Echo, authentication; a peer that is in Demand mode is respected.

#include "bfd_packet.h"

#define BFD_NEVER      UINT64_MAX
#define BFD_SLOW_TX_US 1000000 // the least interval while not Up, RFC 5880 6.8.3

struct bfd_config {
	uint32_t min_tx_us, min_rx_us;
	uint32_t floor_us; // no detection time, ours or the peer's, is shorter
	uint8_t multiplier;
	bool passive, admin_down, c_bit;
};

struct bfd_session {
	struct bfd_config config;
	uint8_t state, diag;
	uint8_t remote_state, remote_diag, remote_multiplier;
	bool remote_demand, remote_c_bit;
	uint32_t discr, remote_discr; // remote 0: not known
	// As told to the peer, and as in use: they differ until a Poll Sequence ends (6.8.3).
	uint32_t min_tx_us, min_rx_us;
	uint32_t used_tx_us, used_rx_us;
	uint32_t remote_min_tx_us, remote_min_rx_us;
	bool polling, poll_again, final_owed, speak_now;
	bool resuming;      // silent until the peer is heard, or resume_at
	uint64_t resume_at; // then it starts from Down
	uint64_t tx_at, heard_at, detect_at;
	uint64_t state_at; // of the last change
	uint32_t transitions;
};

// discr is not 0 and unique here. Without `resume` it starts Down at once.
void bfd_session_init(struct bfd_session *s, const struct bfd_config *config, uint32_t discr,
	bool resume, uint64_t now_us);
// New wishes; an Up session stays Up and negotiates (Poll Sequence).
void bfd_session_configure(struct bfd_session *s, const struct bfd_config *config, uint64_t now_us);
// false: the packet is not acceptable in this state (6.8.6) and had no effect.
bool bfd_session_receive(struct bfd_session *s, const struct bfd_packet *p, uint64_t now_us);
// Lets time pass. true: ret_packet is to be sent now. random: any 32 bits.
bool bfd_session_poll(
	struct bfd_session *s, uint64_t now_us, uint32_t random, struct bfd_packet *ret_packet);
uint64_t bfd_session_deadline(const struct bfd_session *s); // BFD_NEVER: only a packet matters

uint32_t bfd_session_tx_interval_us(const struct bfd_session *s);      // negotiated; 0: none
uint64_t bfd_session_detection_us(const struct bfd_session *s);        // ours of the peer; 0: none
uint64_t bfd_session_remote_detection_us(const struct bfd_session *s); // the peer's of us
