// SPDX-License-Identifier: Apache-2.0

// Packets of BFD sessions between the control thread and the graph.

#include "fib/fib.h"
#include "graph.h"
#include "ip/datagram.h"
#include "ip/wire.h"
#include "peer.h"
#include "peers.h"
#include "subnet/subnet.h"
#include "underlay/underlay.h"
#include "vrf/vrf.h"
#include "worker.h"

#define DSCP_CS6 48 // network control
#define TTL      255

bool bfd_peer_is_local(const struct bfd_peer *p)
{
	if (!p->vrf)
		return underlay_find(&p->api.local).kinds != 0;
	return fib_lookup(vrf_fib, p->vrf->index, &p->api.local) == local_addr_adj();
}

void bfd_peer_send(struct bfd_peer *p, const struct bfd_packet *packet)
{
	const struct datagram d = {.src = p->api.local,
		.dst = p->api.remote,
		.src_port = p->source_port,
		.dst_port = p->api.flags & API_BFD_F_MULTIHOP ? BFD_PORT_MULTIHOP : BFD_PORT,
		.id = (uint16_t)p->tx_packets,
		.dscp = DSCP_CS6,
		.ttl = TTL};
	uint8_t bytes[BFD_PACKET_SIZE];
	struct rte_mbuf *m;

	// The address may have gone since the last look at it.
	if (!bfd_peer_is_local(p))
		return;
	bfd_packet_write(packet, bytes);
	m = datagram_new(&d, bytes, sizeof(bytes));
	if (!m)
		return;
	packet_meta(m)->source = PACKET_FROM_LOCAL;
	if (p->vrf)
		packet_meta(m)->vrf = p->vrf->index;
	else
		packet_meta(m)->out = p->dest ? underlay_dest_hop(p->dest) : 0;
	if (worker_inject(0, p->vrf ? NODE_IP_FORWARD : NODE_HOP_OUT, m))
		p->tx_packets++;
	else
		rte_pktmbuf_free(m);
}

// -- inbound

// RFC 8200 8.1: without a checksum only over IPv4. One that the sender's device would have
// completed has never left this machine.
static bool checksum_ok(
	const struct rte_mbuf *m, const struct api_bfd *key, const struct udp_hdr *udp)
{
	uint16_t size = be16(udp->size);
	size_t address = key->local.family == IP_V4 ? 4 : 16;
	uint32_t sum = (uint32_t)udp->size + be16(IP_PROTO_UDP);

	if (!udp->checksum)
		return address == 4;
	if (packet_meta(m)->csum_start)
		return true;
	sum = sum_bytes(key->local.bytes, address, sum);
	sum = sum_bytes(key->remote.bytes, address, sum);
	return sum_bytes(udp, size, sum) == 0xffff;
}

static bool key_of(const struct rte_mbuf *m, struct api_bfd *ret_key)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v4 = ip[0] >> 4 == 4;
	uint32_t index = packet_meta(m)->vrf;
	const struct vrf *v = index ? vrf_by_index(index) : NULL;

	*ret_key = (struct api_bfd){0};
	ret_key->vrf = v ? v->id : 0;
	ret_key->remote = ip_from_bytes(v4 ? IP_V4 : IP_V6, ip + (v4 ? 12 : 8));
	ret_key->local = ip_from_bytes(v4 ? IP_V4 : IP_V6, ip + (v4 ? 16 : 24));
	return v || !index;
}

// RFC 5880 6.3, and RFC 5881 and 5883: the addresses must be the session's all the same.
static struct bfd_peer *demultiplex(const struct api_bfd *key, const struct bfd_packet *packet)
{
	struct bfd_peer *p;

	if (!packet->your_discr)
		return bfd_peer_find(key);
	p = bfd_peer_by_discr(packet->your_discr);
	return p && memcmp(&p->api, key, BFD_KEY_SIZE) == 0 ? p : NULL;
}

static void receive(const struct rte_mbuf *m)
{
	const struct udp_hdr *udp = rte_pktmbuf_mtod_offset(m, const struct udp_hdr *, m->l3_len);
	bool multihop = udp->dst == be16(BFD_PORT_MULTIHOP);
	struct bfd_packet packet;
	struct api_bfd key;
	struct bfd_peer *p;

	if (m->nb_segs != 1 || !key_of(m, &key) || !checksum_ok(m, &key, udp) ||
		bfd_packet_read(udp + 1, be16(udp->size) - UDP_SIZE, &packet) < 0)
		return;
	p = demultiplex(&key, &packet);
	if (!p || !p->awake)
		return;
	if (multihop != !!(p->api.flags & API_BFD_F_MULTIHOP) ||
		!bfd_session_receive(&p->session, &packet, bfd_now_us())) {
		p->rx_dropped++;
		return;
	}
	p->rx_packets++;
	bfd_peer_step(p, bfd_now_us());
}

void bfd_punt(struct rte_mbuf *m)
{
	receive(m);
	rte_pktmbuf_free(m);
}
