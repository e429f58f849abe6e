// SPDX-License-Identifier: Apache-2.0
#include "packet.h"

#include <rte_errno.h>

int packet_init(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "isthmus_packet_meta",
		.size = sizeof(struct packet_meta),
		.align = __alignof__(struct packet_meta),
	};

	static_assert(PACKET_META_OFFSET + sizeof(struct packet_meta) <= sizeof(struct rte_mbuf));
	if (rte_mbuf_dynfield_register_offset(&field, PACKET_META_OFFSET) < 0)
		return -rte_errno;
	return 0;
}
