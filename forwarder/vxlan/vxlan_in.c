// SPDX-License-Identifier: Apache-2.0

// VXLAN (RFC 7348): the VNI names the tenant; the outer source must be one of the tenant's hosts or
// gateways, and the inner MAC one of the tenant's gateways held here, in the slot whose VTEP the
// frame came to. Leaves the data at the inner IP header.

#include <rte_prefetch.h>

#include "graph.h"
#include "overlay.h"

static inline const struct vxlan_hdr *vxlan_of(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, const struct vxlan_hdr *, m->l3_len + UDP_SIZE);
}

static inline uint32_t vni_of(const struct vxlan_hdr *h)
{
	return be32(load32(h->vni)) >> 8;
}

static void vxlan_in_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct overlay_frame frames[NODE_VECTOR];
	uint16_t len = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct vxlan_hdr *h = vxlan_of(m);
		uint16_t header = (uint16_t)(m->l3_len + UDP_SIZE + sizeof(*h));

		if (unlikely(rte_pktmbuf_data_len(m) < header + ETH_SIZE + 1 || h->flags != 0x08)) {
			packet_drop(w, m, DROP_VXLAN_BAD);
			continue;
		}
		frames[len].m = m;
		frames[len].header = header;
		frames[len].vni = vni_of(h);
		rte_prefetch0(&subnet_by_vni[frames[len].vni]);
		len++;
	}
	overlay_input(w, frames, len, API_ENCAP_VXLAN);
}

const struct node node_vxlan_in = {.name = "vxlan_in", .run = vxlan_in_run};
