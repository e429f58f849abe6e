// SPDX-License-Identifier: Apache-2.0

#include "ike.h"

#include <stddef.h>
#include <string.h>

#include "graph.h"
#include "ip/datagram.h"
#include "ip/wire.h"
#include "punt.h"
#include "serve/refuse.h"
#include "server.h"
#include "underlay/recent.h"
#include "underlay/underlay.h"
#include "vip/vip.h"
#include "worker.h"

static struct {
	struct api_server *server;
	struct underlay_recent recent;
	uint64_t counter; // IPv4 identification
} ike;

int ike_punt_init(void)
{
	memset(&ike, 0, sizeof(ike));
	return ike_peers_init();
}

void ike_punt_fini(void)
{
	underlay_recent_fini(&ike.recent);
	memset(&ike, 0, sizeof(ike));
	ike_peers_fini();
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

static int send(const struct api_punt *d, struct api_error *ret_error)
{
	struct underlay_dest *dest = underlay_dest_get(&d->dst);
	const struct datagram out = {.src = d->src,
		.dst = d->dst,
		.src_port = d->src_port,
		.dst_port = d->dst_port,
		.id = (uint16_t)ike.counter++,
		.dscp = d->dscp,
		.ttl = 64};
	struct rte_mbuf *m;

	if (!dest)
		return refuse(ret_error, -ENOBUFS, "dst: no next hop left");
	underlay_recent_keep(&ike.recent, dest);
	if (datagram_header_size(&out) + d->size > underlay_dest_mtu(dest))
		return refuse(ret_error, -EMSGSIZE,
			"size: larger than the link's MTU of %u; fragment in IKE (RFC 7383)",
			underlay_dest_mtu(dest));
	m = datagram_new(&out, d->data, d->size);
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

	if (!(local.kinds & UNDERLAY_VIP) && !vip_may_send(d->slot, &d->src))
		return refuse(
			ret_error, -EADDRNOTAVAIL, "src: not a public address of a slot held here");
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
