// SPDX-License-Identifier: Apache-2.0

// BFD Control packets: what is read is written again in the same bytes, and a session survives any
// sequence of them. Each 25 bytes are one packet and the time (2 ms steps) before it.

#include <stdlib.h>
#include <string.h>

#include "session.h"

#define CHUNK (BFD_PACKET_SIZE + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_codec(const uint8_t *data, size_t size)
{
	uint8_t bytes[BFD_PACKET_SIZE];
	struct bfd_packet p;

	if (bfd_packet_read(data, size, &p) < 0)
		return;
	bfd_packet_write(&p, bytes);
	// All but the length, which may announce bytes beyond the mandatory section.
	if (memcmp(bytes, data, 3) != 0 || memcmp(bytes + 4, data + 4, BFD_PACKET_SIZE - 4) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bfd_config config = {
		.min_tx_us = 300000, .min_rx_us = 300000, .multiplier = 3};
	struct bfd_session s;
	struct bfd_packet p;
	uint64_t now = 1;

	check_codec(data, size);
	bfd_session_init(&s, &config, 1, false, now);
	for (; size >= CHUNK; data += CHUNK, size -= CHUNK) {
		now += data[0] * 2000ull;
		if (bfd_packet_read(data + 1, BFD_PACKET_SIZE, &p) == 0)
			bfd_session_receive(&s, &p, now);
		for (unsigned n = 0; bfd_session_poll(&s, now, data[0], &p); n++) {
			if (n == 4 || s.state > BFD_UP || (p.poll && p.final))
				abort();
		}
		if (bfd_session_deadline(&s) <= now)
			abort();
	}
	return 0;
}
