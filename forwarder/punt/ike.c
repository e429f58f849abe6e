// SPDX-License-Identifier: Apache-2.0

#include "ike.h"

#include <stddef.h>
#include <string.h>

#include "graph.h"
#include "ip/wire.h"
#include "punt.h"
#include "serve/refuse.h"
#include "server.h"
#include "underlay/underlay.h"
#include "worker.h"

// Destinations of late answers, kept so that their hop outlives the packets on their way to it.
#define RECENT_DESTS 1024

static struct {
	struct api_server *server;
	struct underlay_dest *recent[RECENT_DESTS];
	unsigned next;
	uint64_t counter; // IPv4 identification
} ike;

int ike_punt_init(void)
{
	memset(&ike, 0, sizeof(ike));
	return 0;
}

void ike_punt_fini(void)
{
	for (unsigned i = 0; i < RECENT_DESTS; i++)
		if (ike.recent[i])
			underlay_dest_put(ike.recent[i]);
	memset(&ike, 0, sizeof(ike));
}

void ike_punt(struct rte_mbuf *m)
{
	static struct api_punt out; // one thread; too large for a stack
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct udp_hdr *udp = (const struct udp_hdr *)(p + m->l3_len);
	uint16_t size = (uint16_t)(be16(udp->size) - UDP_SIZE);

	if (ike.server && size <= sizeof(out.data) &&
		rte_pktmbuf_pkt_len(m) >= (uint32_t)m->l3_len + UDP_SIZE + size) {
		bool v4 = p[0] >> 4 == 4;
		const void *data;

		memset(&out, 0, offsetof(struct api_punt, data));
		out.src = ip_from_bytes(v4 ? IP_V4 : IP_V6, p + (v4 ? 12 : 8));
		out.dst = ip_from_bytes(v4 ? IP_V4 : IP_V6, p + (v4 ? 16 : 24));
		out.src_port = be16(udp->src);
		out.dst_port = be16(udp->dst);
		out.slot = packet_meta(m)->slot;
		out.dscp = packet_meta(m)->outer_tos >> 2;
		out.size = size;
		data = rte_pktmbuf_read(m, m->l3_len + UDP_SIZE, size, out.data);
		if (data && data != out.data)
			memcpy(out.data, data, size);
		if (data)
			api_server_event_lossy(ike.server, API_TYPE_PUNT, &out,
				offsetof(struct api_punt, data) + size);
	}
	rte_pktmbuf_free(m);
}

// -- outbound

static void put_ip4(uint8_t *p, const struct api_punt *d, uint16_t size)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)p;

	*ip = (struct ip4_hdr){
		.version_ihl = 0x45,
		.tos = (uint8_t)(d->dscp << 2),
		.size = be16((uint16_t)(IP4_SIZE + size)),
		.id = be16((uint16_t)ike.counter++),
		.ttl = 64,
		.protocol = IP_PROTO_UDP,
	};
	memcpy(&ip->src, d->src.bytes, 4);
	memcpy(&ip->dst, d->dst.bytes, 4);
	ip->checksum = (uint16_t)~sum_ip4(ip);
}

static void put_ip6(uint8_t *p, const struct api_punt *d, uint16_t size)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)p;

	*ip = (struct ip6_hdr){
		.version_class_flow = be32(6u << 28 | (uint32_t)d->dscp << 22),
		.payload_size = be16(size),
		.next_header = IP_PROTO_UDP,
		.hop_limit = 64,
	};
	memcpy(ip->src, d->src.bytes, 16);
	memcpy(ip->dst, d->dst.bytes, 16);
}

static struct rte_mbuf *datagram(const struct api_punt *d)
{
	uint16_t header = d->src.family == IP_V4 ? IP4_SIZE : IP6_SIZE;
	uint16_t size = (uint16_t)(UDP_SIZE + d->size), address = d->src.family == IP_V4 ? 4 : 16;
	struct rte_mbuf *m = worker_table[0] ? rte_pktmbuf_alloc(worker_table[0]->pool) : NULL;
	struct udp_hdr *udp;
	uint8_t *p;
	uint32_t sum;

	if (!m)
		return NULL;
	packet_meta_reset(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(header + size));
	if (!p) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	if (address == 4)
		put_ip4(p, d, size);
	else
		put_ip6(p, d, size);
	udp = (struct udp_hdr *)(p + header);
	*udp = (struct udp_hdr){
		.src = be16(d->src_port), .dst = be16(d->dst_port), .size = be16(size)};
	memcpy(udp + 1, d->data, d->size);
	sum = (uint32_t)be16(size) + be16(IP_PROTO_UDP);
	sum = sum_bytes(d->src.bytes, address, sum);
	sum = sum_bytes(d->dst.bytes, address, sum);
	sum = (uint16_t)~sum_bytes(udp, size, sum);
	udp->checksum = sum ? (uint16_t)sum : 0xffff;
	return m;
}

static int send(const struct api_punt *d, struct api_error *ret_error)
{
	struct underlay_dest *dest = underlay_dest_get(&d->dst), **keep;
	uint32_t header = d->src.family == IP_V4 ? IP4_SIZE : IP6_SIZE;
	struct rte_mbuf *m;

	if (!dest)
		return refuse(ret_error, -ENOBUFS, "dst: no next hop left");
	keep = &ike.recent[ike.next++ % RECENT_DESTS];
	if (*keep)
		underlay_dest_put(*keep);
	*keep = dest;
	if (header + UDP_SIZE + d->size > underlay_dest_mtu(dest))
		return refuse(ret_error, -EMSGSIZE,
			"size: larger than the link's MTU of %u; fragment in IKE (RFC 7383)",
			underlay_dest_mtu(dest));
	m = datagram(d);
	if (!m)
		return refuse(ret_error, -ENOBUFS, "no packet buffer left");
	packet_meta(m)->out = underlay_dest_hop(dest);
	packet_meta(m)->source = PACKET_FROM_LOCAL;
	if (!worker_inject(0, NODE_HOP_OUT, m)) {
		rte_pktmbuf_free(m);
		return refuse(ret_error, -EAGAIN, "the worker's queue is full");
	}
	return API_CHANGED;
}

static int call(void *ctx, const void *object, size_t size, int fd, struct api_emit *emit,
	struct api_error *ret_error)
{
	const struct api_punt *d = object;
	struct underlay_local local = underlay_find(&d->src);

	if (!(local.kinds & UNDERLAY_VIP))
		return refuse(ret_error, -EADDRNOTAVAIL, "src: not a public address held here");
	if (d->dst.family != d->src.family)
		return refuse(ret_error, -EINVAL, "dst: not of the IP version of src");
	if ((d->src_port != UDP_PORT_IKE && d->src_port != UDP_PORT_IKENAT) || !d->dst_port)
		return refuse(ret_error, -EINVAL, "src_port, dst_port: 500 or 4500, and not 0");
	if (d->size > API_PUNT_DATA_SIZE || size < offsetof(struct api_punt, data) + d->size)
		return refuse(ret_error, -EINVAL, "size: more than came with the message");
	return send(d, ret_error);
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_PUNT,
		.name = "punt",
		.size = sizeof(struct api_punt),
		.min_size = offsetof(struct api_punt, data),
		.key_size = sizeof(struct ip_addr),
		.call = call},
};

int ike_punt_serve(struct api_server *s)
{
	ike.server = s;
	return api_server_add(s, handlers, 1, NULL);
}
