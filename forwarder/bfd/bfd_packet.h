// SPDX-License-Identifier: Apache-2.0
#pragma once

// The BFD Control packet of RFC 5880 4.1, without authentication: bytes to struct and back. Pure.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BFD_PACKET_SIZE 24

enum bfd_state { BFD_ADMIN_DOWN = 0, BFD_DOWN, BFD_INIT, BFD_UP };

enum bfd_diag {
	BFD_DIAG_NONE = 0,
	BFD_DIAG_EXPIRED = 1,        // control detection time
	BFD_DIAG_NEIGHBOUR_DOWN = 3, // neighbour signalled session down
	BFD_DIAG_FORWARDING = 4,     // forwarding plane reset
	BFD_DIAG_ADMIN_DOWN = 7,
};

struct bfd_packet {
	uint8_t diag;  // 0..31
	uint8_t state; // enum bfd_state
	bool poll, final, c_bit, demand;
	uint8_t multiplier; // never 0
	uint32_t my_discr;  // never 0
	uint32_t your_discr;
	uint32_t min_tx_us, min_rx_us, min_echo_rx_us;
};

// The checks of RFC 5880 6.8.6 that need no session. 0, or -EBADMSG and the output is untouched;
// -EPROTONOSUPPORT: authenticated, which no session here is.
int bfd_packet_read(const void *bytes, size_t size, struct bfd_packet *ret_packet);
void bfd_packet_write(const struct bfd_packet *p, uint8_t bytes[BFD_PACKET_SIZE]);
