// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernel leaves to hardware, done here when a packet goes where nobody else would do it:
// checksums that hold only the pseudo header's sum (meta.csum_start, meta.csum_offset), and GSO
// packets, larger than their MTU on purpose (PACKET_F_GSO, mbuf.tso_segsz bytes of payload each).
// Whoever transforms a payload (encryption) calls these first. Headers lie in the first segment.

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "packet.h"

#define PACKET_LAYERS_MAX 8

enum packet_first { PACKET_FIRST_ETHERNET, PACKET_FIRST_IP }; // what lies at the data start

// Completes the checksum, if one is owed. The packet ends where the checksummed data ends.
void packet_csum_complete(struct rte_mbuf *m);

// The headers whose length fields depend on the payload, outermost first.
struct packet_layers {
	uint16_t len;
	struct {
		uint16_t offset;  // from the data start
		uint8_t protocol; // IPPROTO_IPIP (IPv4), IPPROTO_IPV6, IPPROTO_UDP, IPPROTO_TCP
	} layer[PACKET_LAYERS_MAX];
};

// Walks Ethernet, VLAN, IPv4, IPv6, GRE, VXLAN and IP-in-IP down to the transport header at
// meta.csum_start. 0, or -EPROTO if it does not lead there.
int packet_layers(
	const struct rte_mbuf *m, enum packet_first first, struct packet_layers *ret_layers);

// Cuts a GSO packet into packets of tso_segsz bytes of payload, complete in every header.
struct packet_segments {
	const struct rte_mbuf *m; // borrowed
	struct packet_layers layers;
	uint32_t header_size; // all headers, bytes
	uint32_t at;          // payload bytes done
	uint16_t index;
};

// 0, or -EPROTO when m is no GSO packet that can be cut.
int packet_segments_init(
	struct packet_segments *s, const struct rte_mbuf *m, enum packet_first first);
bool packet_segments_left(const struct packet_segments *s);
// The next one, from `pool` (chained when larger than its buffers); NULL: no buffer.
struct rte_mbuf *packet_segments_next(struct packet_segments *s, struct rte_mempool *pool);

// Bytes of the largest packet m becomes: its own size unless it is GSO. Headers included.
uint32_t packet_wire_size(const struct rte_mbuf *m);
