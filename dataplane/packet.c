// SPDX-License-Identifier: Apache-2.0
#include "packet.h"

#include <rte_errno.h>

int packet_meta_offset = -1;

int packet_init(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "isthmus_packet_meta",
		.size = sizeof(struct packet_meta),
		.align = __alignof__(struct packet_meta),
	};
	int offset = rte_mbuf_dynfield_register(&field);

	if (offset < 0)
		return -rte_errno;
	packet_meta_offset = offset;
	return 0;
}
