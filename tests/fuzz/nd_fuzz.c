// SPDX-License-Identifier: Apache-2.0

// Neighbour discovery: an ICMPv6 message with its checksum made right, on the provider's link and
// in a tenant's subnet. The first byte chooses source and destination.

#include "graph_world.h"

#include <string.h>

#define PAYLOAD_MAX 1400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void message(struct frame *f, const uint8_t *data, size_t size, uint8_t choice)
{
	static const char *const ends[] = {"2001:db8:1::2", "2001:db8:1::20", "ff02::1",
		"ff02::1:ff00:20", "fe80::1", "::", "fd00:6::1", "fd00:6::5"};
	struct ip_addr from = frame_addr(ends[choice & 7]), to = frame_addr(ends[choice >> 3 & 7]);

	frame_payload(f, 0);
	frame_bytes(f, data, size, IP_PROTO_ICMP6);
	f->ttl = 255;
	frame_ip(f, &from, &to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t group_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	const struct ip_addr host = ip_from_v4(KIT_HOST_PA), slot = ip_from_v4(KIT_SLOT_PA);
	struct frame f;

	world_init();
	if (size < 5 || size > PAYLOAD_MAX)
		return 0;
	message(&f, data + 1, size - 1, data[0]);
	frame_eth(&f, data[0] & 0x40 ? group_mac : world_port_mac, world_far_mac);
	world_receive(0, f.p, f.size);
	message(&f, data + 1, size - 1, data[0]);
	frame_eth(&f, data[0] & 0x40 ? group_mac : world_gateway_mac, world_far_mac);
	frame_nvgre(&f, 6100);
	frame_ip(&f, &host, &slot);
	frame_eth(&f, world_port_mac, world_far_mac);
	world_receive(0, f.p, f.size);
	world_settle();
	return 0;
}
