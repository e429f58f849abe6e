// SPDX-License-Identifier: Apache-2.0

#include "bfd_packet.h"

#include <errno.h>

#include "buf.h"

#define VERSION 1

enum {
	FLAG_POLL = 0x20,
	FLAG_FINAL = 0x10,
	FLAG_C_BIT = 0x08,
	FLAG_AUTH = 0x04,
	FLAG_DEMAND = 0x02,
	FLAG_MULTIPOINT = 0x01,
};

int bfd_packet_read(const void *bytes, size_t size, struct bfd_packet *ret_packet)
{
	struct buf_reader r;
	struct bfd_packet p;
	uint8_t first, flags, length;

	buf_reader_init(&r, bytes, size);
	first = buf_get_u8(&r);
	flags = buf_get_u8(&r);
	p = (struct bfd_packet){
		.diag = first & 0x1f,
		.state = flags >> 6,
		.poll = flags & FLAG_POLL,
		.final = flags & FLAG_FINAL,
		.c_bit = flags & FLAG_C_BIT,
		.demand = flags & FLAG_DEMAND,
	};
	p.multiplier = buf_get_u8(&r);
	length = buf_get_u8(&r);
	p.my_discr = buf_get_be32(&r);
	p.your_discr = buf_get_be32(&r);
	p.min_tx_us = buf_get_be32(&r);
	p.min_rx_us = buf_get_be32(&r);
	p.min_echo_rx_us = buf_get_be32(&r);
	if (r.failed || first >> 5 != VERSION || length < BFD_PACKET_SIZE || length > size)
		return -EBADMSG;
	if (!p.multiplier || (flags & FLAG_MULTIPOINT) || !p.my_discr)
		return -EBADMSG;
	// Without a session of ours only a peer that is not up yet may speak.
	if (!p.your_discr && p.state != BFD_DOWN && p.state != BFD_ADMIN_DOWN)
		return -EBADMSG;
	// Both set is forbidden (6.5).
	if (p.poll && p.final)
		return -EBADMSG;
	if (flags & FLAG_AUTH)
		return -EPROTONOSUPPORT;
	*ret_packet = p;
	return 0;
}

void bfd_packet_write(const struct bfd_packet *p, uint8_t bytes[BFD_PACKET_SIZE])
{
	struct buf_writer w;

	buf_writer_init(&w, bytes, BFD_PACKET_SIZE);
	buf_put_u8(&w, (uint8_t)(VERSION << 5 | (p->diag & 0x1f)));
	buf_put_u8(&w,
		(uint8_t)(p->state << 6 | (p->poll ? FLAG_POLL : 0) | (p->final ? FLAG_FINAL : 0) |
			  (p->c_bit ? FLAG_C_BIT : 0) | (p->demand ? FLAG_DEMAND : 0)));
	buf_put_u8(&w, p->multiplier);
	buf_put_u8(&w, BFD_PACKET_SIZE);
	buf_put_be32(&w, p->my_discr);
	buf_put_be32(&w, p->your_discr);
	buf_put_be32(&w, p->min_tx_us);
	buf_put_be32(&w, p->min_rx_us);
	buf_put_be32(&w, p->min_echo_rx_us);
}
