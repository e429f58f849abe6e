// SPDX-License-Identifier: Apache-2.0
//
// RFC 768, 791, 8200, 9293 for the fields; what the segments of one TCP packet look like is what
// the sender's stack would have sent with smaller writes: sequence numbers advance, FIN and PSH
// only on the last, CWR only on the first, the IPv4 identification counts up.
#include "offload.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_gre.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define UDP_CSUM_OFFSET 6
#define TCP_CSUM_OFFSET 16
#define VXLAN_SIZE      8
#define GRE_SIZE        4
#define IP6_SIZE        40
#define SEGMENT_MIN     64 // bytes of payload; less is no honest segment size

void packet_csum_complete(struct rte_mbuf *m)
{
	struct packet_meta *meta = packet_meta(m);
	uint32_t start = (uint32_t)meta->csum_start - m->data_off;
	uint16_t *field, sum;

	if (!meta->csum_start)
		return;
	meta->csum_start = 0;
	// A header cut off since has nothing to be completed.
	if (start >= m->data_len || start + meta->csum_offset + 2u > m->data_len)
		return;
	field = rte_pktmbuf_mtod_offset(m, uint16_t *, start + meta->csum_offset);
	if (rte_raw_cksum_mbuf(m, start, m->pkt_len - start, &sum) < 0)
		return;
	sum = (uint16_t)~sum;
	if (!sum && meta->csum_offset == UDP_CSUM_OFFSET)
		sum = 0xffff; // RFC 768: zero would say "none"
	*field = sum;
}

// -- layers

struct walk {
	const uint8_t *data;
	uint32_t size, at, end; // `end`: where the transport header lies
	struct packet_layers *layers;
};

static bool have(const struct walk *k, uint32_t size)
{
	return k->at + size <= k->size;
}

static uint16_t read16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void add_layer(struct walk *k, uint8_t protocol)
{
	struct packet_layers *l = k->layers;

	if (l->len < PACKET_LAYERS_MAX) {
		l->layer[l->len].offset = (uint16_t)k->at;
		l->layer[l->len].protocol = protocol;
	}
	l->len++;
}

static int walk_protocol(struct walk *k, uint8_t protocol);

static int walk_ethertype(struct walk *k, uint16_t type)
{
	uint8_t protocol;

	if (type == RTE_ETHER_TYPE_IPV4 && have(k, sizeof(struct rte_ipv4_hdr))) {
		add_layer(k, IPPROTO_IPIP);
		protocol = k->data[k->at + 9];
		k->at += (k->data[k->at] & 0xfu) * 4u;
		return walk_protocol(k, protocol);
	}
	if (type == RTE_ETHER_TYPE_IPV6 && have(k, IP6_SIZE)) {
		add_layer(k, IPPROTO_IPV6);
		protocol = k->data[k->at + 6];
		k->at += IP6_SIZE;
		return walk_protocol(k, protocol);
	}
	return -EPROTO;
}

static int walk_ethernet(struct walk *k)
{
	uint16_t type;

	if (!have(k, 14))
		return -EPROTO;
	type = read16(k->data + k->at + 12);
	k->at += 14;
	while ((type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ) && have(k, 4)) {
		type = read16(k->data + k->at + 2);
		k->at += 4;
	}
	return walk_ethertype(k, type);
}

static int walk_gre(struct walk *k)
{
	uint16_t flags, type;

	if (!have(k, GRE_SIZE))
		return -EPROTO;
	flags = read16(k->data + k->at);
	type = read16(k->data + k->at + 2);
	k->at += GRE_SIZE + (flags & 0x8000 ? 4 : 0) + (flags & 0x2000 ? 4 : 0) +
		 (flags & 0x1000 ? 4 : 0);
	return type == RTE_ETHER_TYPE_TEB ? walk_ethernet(k) : walk_ethertype(k, type);
}

// Bounded: each turn moves on by at least an IP header, and layers are few.
static int walk_protocol(struct walk *k, uint8_t protocol)
{
	if (k->layers->len >= PACKET_LAYERS_MAX || k->at > k->end)
		return -EPROTO;
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
		add_layer(k, protocol);
	if (k->at == k->end)
		return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ? 0 : -EPROTO;
	switch (protocol) {
	case IPPROTO_GRE: return walk_gre(k);
	case IPPROTO_UDP: k->at += sizeof(struct rte_udp_hdr) + VXLAN_SIZE; return walk_ethernet(k);
	case IPPROTO_IPIP: return walk_ethertype(k, RTE_ETHER_TYPE_IPV4);
	case IPPROTO_IPV6: return walk_ethertype(k, RTE_ETHER_TYPE_IPV6);
	default: return -EPROTO;
	}
}

int packet_layers(
	const struct rte_mbuf *m, enum packet_first first, struct packet_layers *ret_layers)
{
	uint32_t end = (uint32_t)packet_meta(m)->csum_start - m->data_off;
	struct walk k = {rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, 0, end, ret_layers};

	ret_layers->len = 0;
	if (end >= m->data_len)
		return -EPROTO;
	if (first == PACKET_FIRST_ETHERNET)
		return walk_ethernet(&k);
	return walk_ethertype(&k, k.data[0] >> 4 == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
}

// -- segments

int packet_segments_init(
	struct packet_segments *s, const struct rte_mbuf *m, enum packet_first first)
{
	uint32_t l4, l4_size = sizeof(struct rte_udp_hdr);
	uint16_t last;

	*s = (struct packet_segments){.m = m};
	if (!(packet_meta(m)->flags & PACKET_F_GSO) || m->tso_segsz < SEGMENT_MIN ||
		packet_layers(m, first, &s->layers) < 0)
		return -EPROTO;
	last = s->layers.len - 1;
	l4 = s->layers.layer[last].offset;
	if (s->layers.layer[last].protocol == IPPROTO_TCP) {
		if (l4 + sizeof(struct rte_tcp_hdr) > m->data_len)
			return -EPROTO;
		l4_size = (rte_pktmbuf_mtod_offset(m, const uint8_t *, l4)[12] >> 4) * 4u;
		if (l4_size < sizeof(struct rte_tcp_hdr))
			return -EPROTO;
	}
	s->header_size = l4 + l4_size;
	return s->header_size > m->data_len ? -EPROTO : 0;
}

bool packet_segments_left(const struct packet_segments *s)
{
	return s->header_size + s->at < s->m->pkt_len;
}

static struct rte_mbuf *copy_part(
	const struct packet_segments *s, uint32_t payload, struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *tail;

	if (!m)
		return NULL;
	if (s->header_size + payload > rte_pktmbuf_tailroom(m)) {
		// Headers here, payload behind: the packet is larger than a buffer.
		tail = rte_pktmbuf_copy(s->m, pool, s->header_size + s->at, payload);
		if (!tail || rte_pktmbuf_chain(m, tail) < 0) {
			rte_pktmbuf_free(tail);
			rte_pktmbuf_free(m);
			return NULL;
		}
	} else {
		uint8_t *to = rte_pktmbuf_mtod_offset(m, uint8_t *, s->header_size);
		const uint8_t *from = rte_pktmbuf_read(s->m, s->header_size + s->at, payload, to);

		if (from != to)
			memcpy(to, from, payload);
		m->pkt_len = payload;
		m->data_len = (uint16_t)payload;
	}
	m->data_len = (uint16_t)(m->data_len + s->header_size);
	m->pkt_len += s->header_size;
	memcpy(rte_pktmbuf_mtod(m, void *), rte_pktmbuf_mtod(s->m, const void *), s->header_size);
	*packet_meta(m) = *packet_meta(s->m);
	packet_meta(m)->flags &= (uint8_t)~PACKET_F_GSO;
	packet_meta(m)->csum_start = 0;
	return m;
}

static void fix_tcp(const struct packet_segments *s, struct rte_tcp_hdr *tcp, bool last)
{
	tcp->sent_seq = htonl(ntohl(tcp->sent_seq) + s->at);
	if (!last)
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	if (s->at)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
}

static void fix_ip4(const struct packet_segments *s, struct rte_ipv4_hdr *ip, uint32_t size)
{
	ip->total_length = htons((uint16_t)size);
	ip->packet_id = htons((uint16_t)(ntohs(ip->packet_id) + s->index));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, (size_t)(ip->version_ihl & 0xf) * 4);
}

static void fix_csum(struct rte_mbuf *m, const struct packet_layers *l, uint16_t i)
{
	const void *ip = rte_pktmbuf_mtod_offset(m, void *, l->layer[i - 1].offset);
	uint16_t at = l->layer[i].offset, *field;
	bool udp = l->layer[i].protocol == IPPROTO_UDP, outer = i + 1 < l->len;

	field = rte_pktmbuf_mtod_offset(
		m, uint16_t *, at + (udp ? UDP_CSUM_OFFSET : TCP_CSUM_OFFSET));
	if (outer && !*field)
		return; // a tunnel without UDP checksums (RFC 7348, RFC 6935)
	// The pseudo header's sum first; then as if the kernel had left the rest to us.
	*field = l->layer[i - 1].protocol == IPPROTO_IPIP ? rte_ipv4_phdr_cksum(ip, 0)
							  : rte_ipv6_phdr_cksum(ip, 0);
	packet_meta(m)->csum_start = (uint16_t)(m->data_off + at);
	packet_meta(m)->csum_offset = (uint8_t)(udp ? UDP_CSUM_OFFSET : TCP_CSUM_OFFSET);
	packet_csum_complete(m);
}

// Innermost first: an outer checksum covers the inner headers.
static void fix_headers(const struct packet_segments *s, struct rte_mbuf *m, bool last)
{
	for (uint16_t i = s->layers.len; i-- > 0;) {
		uint16_t at = s->layers.layer[i].offset;
		void *header = rte_pktmbuf_mtod_offset(m, void *, at);
		uint32_t size = m->pkt_len - at;

		switch (s->layers.layer[i].protocol) {
		case IPPROTO_TCP: fix_tcp(s, header, last); break;
		case IPPROTO_UDP:
			((struct rte_udp_hdr *)header)->dgram_len = htons((uint16_t)size);
			break;
		case IPPROTO_IPIP: fix_ip4(s, header, size); break;
		default:
			((struct rte_ipv6_hdr *)header)->payload_len =
				htons((uint16_t)(size - IP6_SIZE));
		}
	}
	for (uint16_t i = s->layers.len; i-- > 1;) {
		if (s->layers.layer[i].protocol == IPPROTO_TCP ||
			s->layers.layer[i].protocol == IPPROTO_UDP)
			fix_csum(m, &s->layers, i);
	}
}

struct rte_mbuf *packet_segments_next(struct packet_segments *s, struct rte_mempool *pool)
{
	uint32_t left = s->m->pkt_len - s->header_size - s->at;
	uint32_t payload = left < s->m->tso_segsz ? left : s->m->tso_segsz;
	struct rte_mbuf *m = copy_part(s, payload, pool);

	if (!m)
		return NULL;
	fix_headers(s, m, payload == left);
	s->at += payload;
	s->index++;
	return m;
}

uint32_t packet_wire_size(const struct rte_mbuf *m)
{
	const struct packet_meta *meta = packet_meta(m);
	uint32_t l4 = (uint32_t)meta->csum_start - m->data_off, size;

	if (!(meta->flags & PACKET_F_GSO) || l4 + 13 > m->data_len)
		return m->pkt_len;
	size = l4 + m->tso_segsz;
	size += meta->csum_offset == UDP_CSUM_OFFSET
			? sizeof(struct rte_udp_hdr)
			: (rte_pktmbuf_mtod_offset(m, const uint8_t *, l4)[12] >> 4) * 4u;
	return size < m->pkt_len ? size : m->pkt_len;
}
