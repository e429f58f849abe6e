// SPDX-License-Identifier: Apache-2.0

// ARP: what follows the Ethernet header, on the provider's link, on a VLAN, and in a subnet.

#include "graph_world.h"

#include <string.h>

#define PAYLOAD_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start(struct frame *f, const uint8_t *data, size_t size)
{
	frame_payload(f, 0);
	frame_bytes(f, data, size, 0); // what is no IP is ARP to the kit
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const struct ip_addr host = ip_from_v4(KIT_HOST_PA), slot = ip_from_v4(KIT_SLOT_PA);
	struct frame f;

	world_init();
	if (size > PAYLOAD_MAX)
		return 0;
	start(&f, data, size);
	frame_eth(&f, all, world_far_mac);
	world_receive(0, f.p, f.size);
	start(&f, data, size);
	frame_vlan(&f, all, world_far_mac, kit_vlan(0));
	world_receive(1, f.p, f.size);
	start(&f, data, size);
	frame_eth(&f, all, world_far_mac);
	frame_vxlan(&f, kit_vni(0));
	frame_ip(&f, &host, &slot);
	frame_eth(&f, world_port_mac, world_far_mac);
	world_receive(0, f.p, f.size);
	world_settle();
	return 0;
}
