// SPDX-License-Identifier: Apache-2.0
#pragma once

// What VXLAN and NVGRE share: an Ethernet frame of a tenant's virtual subnet out of a tunnel.

#include "ip/wire.h"
#include "subnet/subnet.h"
#include "worker.h"

struct overlay_frame {
	struct rte_mbuf *m; // data at the outer IP header
	const struct subnet_fwd *subnet;
	uint64_t vtep;             // number of the outer source, 0: nobody's
	const uint64_t *vtep_word; // where the tenant's bit for it lies
	uint32_t vni;
	uint16_t header; // bytes before the inner Ethernet header
};

// len <= NODE_VECTOR. Takes all packets.
void overlay_input(struct worker *w, struct overlay_frame *frames, uint16_t len, uint8_t encap);
