// SPDX-License-Identifier: Apache-2.0

// What follows the outer IP header of a GRE packet from a site (IPv4, then IPv6) or from a host.

#include "graph_world.h"

#include <string.h>

#define PAYLOAD_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send(const uint8_t *data, size_t size, struct ip_addr from, struct ip_addr to)
{
	struct frame f;

	frame_payload(&f, 0);
	frame_bytes(&f, data, size, IP_PROTO_GRE);
	frame_ip(&f, &from, &to);
	frame_eth(&f, world_port_mac, world_far_mac);
	world_mend(f.p, f.size);
	world_receive(0, f.p, f.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	world_init();
	if (size > PAYLOAD_MAX)
		return 0;
	send(data, size, ip_from_v4(KIT_GRE_REMOTE), ip_from_v4(KIT_SLOT_PA));
	send(data, size, ip_from_v4(KIT_HOST_PA), ip_from_v4(KIT_SLOT_PA));
	send(data, size, frame_addr("2001:db8:9::77"), frame_addr("2001:db8:1::20"));
	world_settle();
	return 0;
}
