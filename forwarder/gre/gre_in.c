// SPDX-License-Identifier: Apache-2.0

// GRE (RFC 2784, key and sequence number of RFC 2890): the connection is found by (destination,
// source, key). Sequence numbers are ignored, checksums verified. Leaves the data at the inner IP
// header. Bridged Ethernet with a key is NVGRE (RFC 7637): a tenant's frame from a host.

#include <rte_prefetch.h>

#include "conn/conn_in.h"
#include "graph.h"
#include "gre/keepalive.h"
#include "ip/decap.h"
#include "ip/wire.h"
#include "underlay/underlay.h"
#include "vxlan/overlay.h"
#include "worker.h"

struct gre_packet {
	struct rte_mbuf *m;
	struct table_key key;
	uint16_t header; // bytes before the payload
	uint16_t protocol;
};

static uint32_t interned(const uint8_t *addr)
{
	struct ip_addr_words w = ip6_words(addr);

	return (uint32_t)table_find(&underlay_interned6, (struct table_key){w.hi, w.lo});
}

static struct table_key key_of(const struct rte_mbuf *m, bool has_key, uint32_t key)
{
	const struct ip4_hdr *ip4 = rte_pktmbuf_mtod(m, const struct ip4_hdr *);
	const struct ip6_hdr *ip6 = (const struct ip6_hdr *)ip4;

	if (likely(ip4->version_ihl >> 4 == 4))
		return conn_gre_key(4, ip4->dst, ip4->src, has_key, key);
	return conn_gre_key(6, interned(ip6->dst), interned(ip6->src), has_key, key);
}

static bool checksum_is_right(const struct rte_mbuf *m, uint16_t at)
{
	return m->nb_segs == 1 && sum_bytes(rte_pktmbuf_mtod_offset(m, const uint8_t *, at),
					  (size_t)(rte_pktmbuf_data_len(m) - at), 0) == 0xffff;
}

static enum drop_reason parse(struct gre_packet *p, uint32_t *ret_key)
{
	const struct rte_mbuf *m = p->m;
	const struct gre_hdr *gre = rte_pktmbuf_mtod_offset(m, const struct gre_hdr *, m->l3_len);
	uint16_t have = rte_pktmbuf_data_len(m), at = (uint16_t)(m->l3_len + sizeof(*gre)), flags;
	bool has_key;

	if (have < at)
		return DROP_GRE_BAD;
	flags = be16(gre->flags);
	has_key = flags & GRE_KEY;
	at = (uint16_t)(at + (flags & GRE_CHECKSUM ? 4 : 0) + (has_key ? 4 : 0) +
			(flags & GRE_SEQUENCE ? 4 : 0));
	// A keepalive has nothing behind the header.
	if ((flags & GRE_REFUSED) || have < at || (have == at && gre->protocol))
		return DROP_GRE_BAD;
	if ((flags & GRE_CHECKSUM) && !checksum_is_right(m, (uint16_t)m->l3_len))
		return DROP_GRE_BAD;
	*ret_key = 0;
	if (has_key)
		*ret_key =
			be32(load32((const uint8_t *)(gre + 1) + (flags & GRE_CHECKSUM ? 4 : 0)));
	p->protocol = gre->protocol;
	p->header = at;
	p->key = key_of(m, has_key, *ret_key);
	return DROP_NONE;
}

static void other(struct worker *w, struct rte_mbuf *m, uint16_t protocol, const struct conn_fwd *c)
{
	if (protocol == 0) {
		keepalive_returned(w, m, c);
		return;
	}
	packet_meta(m)->conn = c->conn;
	packet_drop(w, m, DROP_GRE_UNKNOWN_PROTOCOL);
}

static void take(struct worker *w, const struct gre_packet *p)
{
	const struct conn_fwd *c =
		(const struct conn_fwd *)(uintptr_t)table_find(&conn_gre_table, p->key);

	if (unlikely(!c)) {
		packet_drop(w, p->m, DROP_GRE_UNKNOWN_TUNNEL);
		return;
	}
	if (unlikely(p->protocol != be16(ETH_TYPE_IP4) && p->protocol != be16(ETH_TYPE_IP6))) {
		other(w, p->m, p->protocol, c);
		return;
	}
	// What IPsec protects comes out of its own SAs, and nothing else does.
	if (unlikely((c->flags & API_CONN_F_GRE_OVER_IPSEC ? c->conn : 0) !=
		     packet_meta(p->m)->conn)) {
		packet_drop(w, p->m, DROP_ESP_REQUIRED);
		return;
	}
	decap(p->m, p->header);
	packet_meta(p->m)->conn = c->conn;
	if (unlikely(keepalive_possible(p->m)) && keepalive_answered(w, p->m, c))
		return;
	if (decap_ecn(w, p->m))
		conn_in(w, p->m, c);
}

static void gre_in_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct gre_packet packets[NODE_VECTOR];
	struct overlay_frame frames[NODE_VECTOR];
	uint16_t len = 0, frames_len = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct gre_packet *p = &packets[len];
		uint32_t key;
		enum drop_reason reason;

		p->m = pkts[i];
		reason = parse(p, &key);
		if (unlikely(reason != DROP_NONE)) {
			packet_drop(w, p->m, reason);
			continue;
		}
		if (p->protocol == be16(ETH_TYPE_TEB)) {
			if (rte_pktmbuf_data_len(p->m) < p->header + ETH_SIZE + 1) {
				packet_drop(w, p->m, DROP_GRE_BAD);
				continue;
			}
			frames[frames_len++] = (struct overlay_frame){
				.m = p->m, .vni = key >> 8, .header = p->header};
			continue;
		}
		table_prefetch(&conn_gre_table, p->key);
		len++;
	}
	for (uint16_t i = 0; i < len; i++)
		rte_prefetch0((const void *)(uintptr_t)table_find(&conn_gre_table, packets[i].key));
	for (uint16_t i = 0; i < len; i++)
		take(w, &packets[i]);
	overlay_input(w, frames, frames_len, API_ENCAP_NVGRE);
}

const struct node node_gre_in = {.name = "gre_in", .run = gre_in_run};
