// SPDX-License-Identifier: Apache-2.0

// ICMP errors (RFC 792, RFC 1812 section 4.3, RFC 4443): sent inside the tenant from an address of
// the gateway there, never about errors, fragments but the first, or group addresses, and at most
// ERRORS_PER_S for a VRF. The data starts at the IP header that caused it.

#include "graph.h"
#include "icmp.h"
#include "ip/wire.h"
#include "rcu.h"
#include "vrf/vrf.h"
#include "worker.h"

#define ERRORS_PER_S 100
#define ERROR_NS     (1000000000 / ERRORS_PER_S)
#define BURST_NS     (10 * ERROR_NS)
#define BUCKETS      1024 // VRFs share one by index

static const struct {
	uint8_t type4, code4, type6, code6;
	uint8_t reason; // enum drop_reason
} kinds[ICMP_ERROR_KINDS] = {
	[ICMP_ERROR_TTL] = {11, 0, 3, 0, DROP_TTL_EXPIRED},
	[ICMP_ERROR_NO_ROUTE] = {3, 0, 1, 0, DROP_NO_ROUTE},
	[ICMP_ERROR_HOST] = {3, 1, 1, 3, DROP_HOST_UNKNOWN},
	[ICMP_ERROR_TOO_BIG] = {3, 4, 2, 0, DROP_MTU_EXCEEDED},
};

static uint64_t next_ns[WORKER_MAX][BUCKETS]; // each worker its own share

static bool may_send(struct worker *w, uint32_t vrf)
{
	uint64_t *tat = &next_ns[w->index][vrf % BUCKETS];
	uint64_t now = worker_now(w);

	if (*tat > now + BURST_NS)
		return false;
	*tat = (*tat > now ? *tat : now) + ERROR_NS;
	return true;
}

// About what no error may be sent: RFC 1812 section 4.3.2.7, RFC 4443 section 2.4(e).
static bool deserves4(const struct rte_mbuf *m, const struct ip4_hdr *ip)
{
	uint16_t header = (uint16_t)((ip->version_ihl & 0xf) * 4);
	const struct icmp_hdr *icmp;

	if (be16(ip->fragment) & 0x1fff)
		return false;
	if (ip->protocol != IP_PROTO_ICMP)
		return true;
	icmp = rte_pktmbuf_mtod_offset(m, const struct icmp_hdr *, header);
	return rte_pktmbuf_data_len(m) > header && (icmp->type == 8 || icmp->type == 0);
}

static bool deserves6(const struct rte_mbuf *m, const struct ip6_hdr *ip)
{
	const uint8_t *type = rte_pktmbuf_mtod_offset(m, const uint8_t *, IP6_SIZE);

	if (ip->next_header != IP_PROTO_ICMP6)
		return true;
	return rte_pktmbuf_data_len(m) > IP6_SIZE && *type >= 128;
}

static struct rte_mbuf *quote(
	struct worker *w, const struct rte_mbuf *m, uint16_t header, uint16_t limit)
{
	struct rte_mbuf *e = packet_new(w);
	uint32_t size = rte_pktmbuf_pkt_len(m);
	char *p;

	if (!e)
		return NULL;
	if (size > (uint32_t)(limit - header))
		size = limit - header;
	if (size > rte_pktmbuf_data_len(m))
		size = rte_pktmbuf_data_len(m);
	p = rte_pktmbuf_append(e, (uint16_t)(header + size));
	memcpy(p + header, rte_pktmbuf_mtod(m, const char *), size);
	return e;
}

static struct rte_mbuf *error4(struct worker *w, const struct rte_mbuf *m, const struct vrf_fwd *v,
	unsigned kind, uint16_t mtu)
{
	const struct ip4_hdr *cause = rte_pktmbuf_mtod(m, const struct ip4_hdr *);
	const uint16_t header = IP4_SIZE + sizeof(struct icmp_hdr);
	struct rte_mbuf *e;
	struct ip4_hdr *ip;
	struct icmp_hdr *icmp;

	if (!v->error_src4 || !deserves4(m, cause))
		return NULL;
	e = quote(w, m, header, 576); // RFC 1812 section 4.3.2.3
	if (!e)
		return NULL;
	ip = rte_pktmbuf_mtod(e, struct ip4_hdr *);
	*ip = (struct ip4_hdr){.version_ihl = 0x45,
		.tos = 0xc0,
		.size = be16((uint16_t)rte_pktmbuf_pkt_len(e)),
		.ttl = 64,
		.protocol = IP_PROTO_ICMP,
		.src = v->error_src4,
		.dst = cause->src};
	ip->checksum = (uint16_t)~sum_ip4(ip);
	icmp = (struct icmp_hdr *)(ip + 1);
	*icmp = (struct icmp_hdr){.type = kinds[kind].type4, .code = kinds[kind].code4};
	icmp->sequence = kind == ICMP_ERROR_TOO_BIG ? be16(mtu) : 0; // RFC 1191
	icmp->checksum = (uint16_t)~sum_bytes(icmp, (size_t)(rte_pktmbuf_pkt_len(e) - IP4_SIZE), 0);
	return e;
}

static struct rte_mbuf *error6(struct worker *w, const struct rte_mbuf *m, const struct vrf_fwd *v,
	unsigned kind, uint16_t mtu)
{
	const struct ip6_hdr *cause = rte_pktmbuf_mtod(m, const struct ip6_hdr *);
	const uint16_t header = IP6_SIZE + sizeof(struct icmp_hdr);
	struct rte_mbuf *e;
	struct ip6_hdr *ip;
	struct icmp_hdr *icmp;
	uint32_t sum, size;

	if (!v->has_error_src6 || !deserves6(m, cause))
		return NULL;
	e = quote(w, m, header, 1280); // RFC 4443 section 2.4(c)
	if (!e)
		return NULL;
	ip = rte_pktmbuf_mtod(e, struct ip6_hdr *);
	size = rte_pktmbuf_pkt_len(e) - IP6_SIZE;
	*ip = (struct ip6_hdr){.version_class_flow = be32(6u << 28),
		.payload_size = be16((uint16_t)size),
		.next_header = IP_PROTO_ICMP6,
		.hop_limit = 64};
	memcpy(ip->src, v->error_src6, 16);
	memcpy(ip->dst, cause->src, 16);
	icmp = (struct icmp_hdr *)(ip + 1);
	*icmp = (struct icmp_hdr){.type = kinds[kind].type6, .code = kinds[kind].code6};
	icmp->sequence = kind == ICMP_ERROR_TOO_BIG ? be16(mtu) : 0;
	sum = sum_bytes(ip->src, 32, (uint32_t)be16((uint16_t)size) + be16(IP_PROTO_ICMP6));
	icmp->checksum = (uint16_t)~sum_bytes(icmp, size, sum);
	return e;
}

static void icmp_error_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i], *e = NULL;
		const struct packet_meta *meta = packet_meta(m);
		const struct vrf_fwd *v = rcu_load(&vrf_fwd_table[meta->vrf]);
		unsigned kind = meta->out >> 16;
		uint16_t mtu = (uint16_t)meta->out;

		if (v && meta->source != PACKET_FROM_LOCAL) {
			if (!may_send(w, meta->vrf))
				w->drops[DROP_ICMP_RATE]++;
			else if (*rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4)
				e = error4(w, m, v, kind, mtu);
			else
				e = error6(w, m, v, kind, mtu);
		}
		if (e) {
			packet_meta(e)->vrf = meta->vrf;
			packet_meta(e)->source = PACKET_FROM_LOCAL;
			node_push(w, NODE_IP_FORWARD, e);
		}
		packet_drop(w, m, kinds[kind].reason);
	}
}

const struct node node_icmp_error = {.name = "icmp_error", .run = icmp_error_run};
