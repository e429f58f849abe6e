// SPDX-License-Identifier: Apache-2.0

#include "datagram.h"

#include "ip/wire.h"
#include "worker.h"

static void put_ip4(uint8_t *p, const struct datagram *d, uint16_t size)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)p;

	*ip = (struct ip4_hdr){
		.version_ihl = 0x45,
		.tos = (uint8_t)(d->dscp << 2),
		.size = be16((uint16_t)(IP4_SIZE + size)),
		.id = be16(d->id),
		.ttl = d->ttl,
		.protocol = IP_PROTO_UDP,
	};
	memcpy(&ip->src, d->src.bytes, 4);
	memcpy(&ip->dst, d->dst.bytes, 4);
	ip->checksum = (uint16_t)~sum_ip4(ip);
}

static void put_ip6(uint8_t *p, const struct datagram *d, uint16_t size)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)p;

	*ip = (struct ip6_hdr){
		.version_class_flow = be32(6u << 28 | (uint32_t)d->dscp << 22),
		.payload_size = be16(size),
		.next_header = IP_PROTO_UDP,
		.hop_limit = d->ttl,
	};
	memcpy(ip->src, d->src.bytes, 16);
	memcpy(ip->dst, d->dst.bytes, 16);
}

static void put_udp(struct udp_hdr *udp, const struct datagram *d, const void *data, uint16_t size)
{
	size_t address = d->src.family == IP_V4 ? 4 : 16;
	uint32_t sum = (uint32_t)be16(size) + be16(IP_PROTO_UDP);

	*udp = (struct udp_hdr){
		.src = be16(d->src_port), .dst = be16(d->dst_port), .size = be16(size)};
	memcpy(udp + 1, data, size - UDP_SIZE);
	sum = sum_bytes(d->src.bytes, address, sum);
	sum = sum_bytes(d->dst.bytes, address, sum);
	sum = (uint16_t)~sum_bytes(udp, size, sum);
	udp->checksum = sum ? (uint16_t)sum : 0xffff;
}

uint16_t datagram_header_size(const struct datagram *d)
{
	return (d->src.family == IP_V4 ? IP4_SIZE : IP6_SIZE) + UDP_SIZE;
}

struct rte_mbuf *datagram_new(const struct datagram *d, const void *data, uint16_t size)
{
	uint16_t ip = datagram_header_size(d) - UDP_SIZE, udp = (uint16_t)(UDP_SIZE + size);
	struct rte_mbuf *m = worker_table[0] ? rte_pktmbuf_alloc(worker_table[0]->pool) : NULL;
	uint8_t *p;

	if (!m)
		return NULL;
	packet_meta_reset(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(ip + udp));
	if (!p) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	if (d->src.family == IP_V4)
		put_ip4(p, d, udp);
	else
		put_ip6(p, d, udp);
	put_udp((struct udp_hdr *)(p + ip), d, data, udp);
	return m;
}
