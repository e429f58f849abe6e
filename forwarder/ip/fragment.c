// SPDX-License-Identifier: Apache-2.0

// Fragmentation (RFC 791 section 3.2). Each fragment is a copy, made so that it keeps the headroom
// for the outer headers to come: it is copied from as far before its payload as its header is long,
// and the header then written over that.

#include "fragment.h"

#include "graph.h"
#include "icmp/icmp.h"
#include "offload.h"
#include "wire.h"
#include "worker.h"

#define HEADER_MAX 60

struct fragments {
	struct rte_mbuf *m;
	uint16_t mtu, node;
	uint16_t header, later_header; // of the first fragment, of the others
	uint8_t bytes[HEADER_MAX];     // header of the others
	uint16_t offset;               // the packet's own, bytes
	bool more;                     // the packet is itself a fragment that others follow
};

static void too_big(struct worker *w, struct rte_mbuf *m, uint16_t mtu)
{
	packet_meta(m)->out = icmp_error_word(ICMP_ERROR_TOO_BIG, mtu);
	node_push(w, NODE_ICMP_ERROR, m);
}

// The header without the options that stay with the first fragment. False: malformed options.
static bool later_header(struct fragments *f, const uint8_t *ip)
{
	uint16_t at = IP4_SIZE, out = IP4_SIZE;

	memcpy(f->bytes, ip, IP4_SIZE);
	while (at < f->header && ip[at] != 0) { // end of options
		uint8_t size = ip[at] == 1 ? 1 : at + 1 < f->header ? ip[at + 1] : 0;

		if (size == 0 || at + size > f->header || (ip[at] != 1 && size < 2))
			return false;
		if (ip[at] & 0x80) { // copied into all fragments
			memcpy(f->bytes + out, ip + at, size);
			out = (uint16_t)(out + size);
		}
		at = (uint16_t)(at + size);
	}
	while (out % 4)
		f->bytes[out++] = 0;
	f->bytes[0] = (uint8_t)(0x40 | out / 4);
	f->later_header = out;
	return true;
}

// `at` and size: bytes of the payload.
static struct rte_mbuf *fragment_new(
	struct worker *w, const struct fragments *f, uint32_t at, uint32_t size, bool last)
{
	uint16_t header = at ? f->later_header : f->header;
	struct rte_mbuf *m =
		rte_pktmbuf_copy(f->m, w->pool, f->header + at - header, header + size);
	struct ip4_hdr *ip;

	if (!m)
		return NULL;
	if (rte_pktmbuf_data_len(m) < header) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	ip = rte_pktmbuf_mtod(m, struct ip4_hdr *);
	if (at)
		memcpy(ip, f->bytes, header);
	ip->size = be16((uint16_t)(header + size));
	ip->fragment = be16((uint16_t)((f->offset + at) / 8 | (last && !f->more ? 0 : IP4_MF)));
	ip->checksum = 0;
	ip->checksum = (uint16_t)~sum_bytes(ip, header, 0);
	return m;
}

static enum drop_reason fragment(struct worker *w, struct fragments *f)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod(f->m, const struct ip4_hdr *);
	uint32_t payload, at = 0;
	uint16_t room;

	f->header = (uint16_t)((ip->version_ihl & 0xf) * 4);
	f->offset = (uint16_t)((be16(ip->fragment) & 0x1fff) * 8);
	f->more = be16(ip->fragment) & IP4_MF;
	payload = rte_pktmbuf_pkt_len(f->m) - f->header;
	if (!later_header(f, (const uint8_t *)ip) || f->mtu < f->header + 8)
		return DROP_FRAGMENT_FAILED;
	while (at < payload) {
		uint32_t left = payload - at, size = left;
		struct rte_mbuf *part;

		room = (uint16_t)(f->mtu - (at ? f->later_header : f->header));
		if (size > room)
			size = room & ~7u;
		part = fragment_new(w, f, at, size, size == left);
		if (!part)
			return DROP_NO_BUFFER;
		node_push(w, f->node, part);
		at += size;
	}
	return DROP_NONE;
}

static void cut(struct worker *w, struct rte_mbuf *m, uint16_t mtu, uint16_t node)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod(m, const struct ip4_hdr *);
	struct fragments f = {.m = m, .mtu = mtu, .node = node};
	enum drop_reason reason;

	if (ip->version_ihl >> 4 != 4 || (ip->fragment & be16(IP4_DF))) {
		too_big(w, m, mtu);
		return;
	}
	packet_csum_complete(m);
	reason = fragment(w, &f);
	if (reason == DROP_NONE)
		rte_pktmbuf_free(m); // its parts go on
	else
		packet_drop(w, m, reason);
}

static void cut_segments(struct worker *w, struct rte_mbuf *m, uint16_t mtu, uint16_t node)
{
	struct packet_segments s;

	if (packet_segments_init(&s, m, PACKET_FIRST_IP) < 0) {
		packet_drop(w, m, DROP_FRAGMENT_FAILED);
		return;
	}
	while (packet_segments_left(&s)) {
		struct rte_mbuf *segment = packet_segments_next(&s, w->pool);

		if (!segment) {
			packet_drop(w, m, DROP_NO_BUFFER);
			return;
		}
		if (rte_pktmbuf_pkt_len(segment) > mtu)
			cut(w, segment, mtu, node);
		else
			node_push(w, node, segment);
	}
	rte_pktmbuf_free(m);
}

void ip_too_big(struct worker *w, struct rte_mbuf *m, uint16_t mtu, uint16_t node)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod(m, const struct ip4_hdr *);
	bool may_cut = ip->version_ihl >> 4 == 4 && !(ip->fragment & be16(IP4_DF));

	if (may_cut && (packet_meta(m)->flags & PACKET_F_GSO))
		cut_segments(w, m, mtu, node);
	else
		cut(w, m, mtu, node);
}
