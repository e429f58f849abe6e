// SPDX-License-Identifier: Apache-2.0

// What follows the UDP header of a VXLAN packet from a tenant's host.

#include "graph_world.h"

#define PAYLOAD_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ip_addr from = ip_from_v4(KIT_HOST_PA), to = ip_from_v4(KIT_SLOT_PA);
	struct frame f;

	world_init();
	if (size > PAYLOAD_MAX)
		return 0;
	frame_payload(&f, 0);
	frame_bytes(&f, data, size, 0);
	frame_udp(&f, 50000, UDP_PORT_VXLAN);
	frame_ip(&f, &from, &to);
	frame_eth(&f, world_port_mac, world_far_mac);
	world_mend(f.p, f.size);
	world_receive(0, f.p, f.size);
	world_settle();
	return 0;
}
