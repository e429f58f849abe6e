// SPDX-License-Identifier: Apache-2.0

#include "framekit.h"

#include <stdlib.h>

struct ip_addr frame_addr(const char *text)
{
	struct ip_addr addr;

	if (ip_parse(text, &addr) < 0)
		abort();
	return addr;
}

static void *push(struct frame *f, size_t size)
{
	if ((size_t)(f->p - f->bytes) < size)
		abort();
	f->p -= size;
	f->size += size;
	memset(f->p, 0, size);
	return f->p;
}

void frame_payload(struct frame *f, size_t size)
{
	if (size > sizeof(f->bytes))
		abort();
	f->p = f->bytes + sizeof(f->bytes) - size;
	f->size = size;
	f->next = 253; // for experiments, RFC 3692
	f->tos = 0;
	f->ttl = 64;
	f->fragment = f->id = 0;
	for (size_t i = 0; i < size; i++)
		f->p[i] = (uint8_t)(i * 7 + i / 256);
}

void frame_bytes(struct frame *f, const void *bytes, size_t size, uint8_t next)
{
	memcpy(push(f, size), bytes, size);
	f->next = next;
}

void frame_udp(struct frame *f, uint16_t src, uint16_t dst)
{
	struct udp_hdr *udp = push(f, sizeof(*udp));

	*udp = (struct udp_hdr){be16(src), be16(dst), be16((uint16_t)f->size), 0};
	f->next = IP_PROTO_UDP;
}

void frame_tcp_syn(struct frame *f, uint16_t mss, unsigned mss_at)
{
	uint8_t *p = push(f, 20 + (mss_at + 4 + 3) / 4 * 4);
	size_t size = 20 + (mss_at + 4 + 3) / 4 * 4;
	uint16_t be_mss = be16(mss);

	memset(p + 20, 1, size - 20); // NOPs
	p[1] = 80;
	p[3] = 81;
	p[12] = (uint8_t)(size / 4 << 4);
	p[13] = 0x02;
	p[20 + mss_at] = 2;
	p[21 + mss_at] = 4;
	memcpy(p + 22 + mss_at, &be_mss, 2);
	f->next = IP_PROTO_TCP;
}

void frame_icmp(struct frame *f, uint8_t type, uint8_t code, uint32_t word, uint8_t protocol)
{
	uint8_t *p = push(f, 8);
	uint32_t be_word = be32(word);

	p[0] = type;
	p[1] = code;
	memcpy(p + 4, &be_word, 4);
	f->next = protocol;
	if (protocol == IP_PROTO_ICMP) {
		uint16_t sum = (uint16_t)~sum_bytes(p, f->size, 0);

		memcpy(p + 2, &sum, 2);
	}
}

static void ip4(struct frame *f, const struct ip_addr *src, const struct ip_addr *dst)
{
	struct ip4_hdr *ip = push(f, sizeof(*ip));

	*ip = (struct ip4_hdr){.version_ihl = 0x45,
		.tos = f->tos,
		.size = be16((uint16_t)f->size),
		.id = be16(f->id),
		.fragment = be16(f->fragment),
		.ttl = f->ttl,
		.protocol = f->next,
		.src = load32(src->bytes),
		.dst = load32(dst->bytes)};
	ip->checksum = (uint16_t)~sum_ip4(ip);
	f->next = IP_PROTO_IPIP;
}

static void ip6(struct frame *f, const struct ip_addr *src, const struct ip_addr *dst)
{
	struct ip6_hdr *ip = push(f, sizeof(*ip));

	ip->version_class_flow = be32(6u << 28 | (uint32_t)f->tos << 20);
	ip->payload_size = be16((uint16_t)(f->size - IP6_SIZE));
	ip->next_header = f->next;
	ip->hop_limit = f->ttl;
	memcpy(ip->src, src->bytes, 16);
	memcpy(ip->dst, dst->bytes, 16);
	f->next = IP_PROTO_IP6IN;
}

// What counts the pseudo header too.
static void checksum(struct frame *f, const struct ip_addr *src, const struct ip_addr *dst)
{
	size_t at = f->next == IP_PROTO_TCP ? 16 : 2, size = src->family == IP_V4 ? 4 : 16;
	uint32_t sum = (uint32_t)be16((uint16_t)f->size) + be16(f->next);

	if (f->next != IP_PROTO_TCP && f->next != IP_PROTO_ICMP6)
		return;
	memset(f->p + at, 0, 2);
	sum = sum_bytes(src->bytes, size, sum);
	sum = sum_bytes(dst->bytes, size, sum);
	sum = (uint16_t)~sum_bytes(f->p, f->size, sum);
	memcpy(f->p + at, &sum, 2);
}

void frame_ip(struct frame *f, const struct ip_addr *src, const struct ip_addr *dst)
{
	checksum(f, src, dst);
	if (src->family == IP_V4)
		ip4(f, src, dst);
	else
		ip6(f, src, dst);
	f->tos = 0;
	f->ttl = 64;
	f->fragment = f->id = 0;
}

static uint16_t ether_type(const struct frame *f)
{
	return f->next == IP_PROTO_IPIP    ? be16(ETH_TYPE_IP4)
	       : f->next == IP_PROTO_IP6IN ? be16(ETH_TYPE_IP6)
					   : be16(ETH_TYPE_ARP);
}

void frame_eth(struct frame *f, const uint8_t dst[6], const uint8_t src[6])
{
	struct eth_hdr *eth = push(f, sizeof(*eth));

	memcpy(eth->dst, dst, 6);
	memcpy(eth->src, src, 6);
	eth->type = ether_type(f);
}

void frame_vlan(struct frame *f, const uint8_t dst[6], const uint8_t src[6], uint16_t vlan)
{
	struct vlan_tag *tag = push(f, sizeof(*tag));

	*tag = (struct vlan_tag){be16(vlan), ether_type(f)};
	frame_eth(f, dst, src);
	((struct eth_hdr *)f->p)->type = be16(ETH_TYPE_VLAN);
}

void frame_vxlan(struct frame *f, uint32_t vni)
{
	struct vxlan_hdr *vxlan = push(f, sizeof(*vxlan));

	vxlan->flags = 0x08;
	vxlan->vni[0] = (uint8_t)(vni >> 16);
	vxlan->vni[1] = (uint8_t)(vni >> 8);
	vxlan->vni[2] = (uint8_t)vni;
	frame_udp(f, 50000, UDP_PORT_VXLAN);
}

static void put_gre(struct frame *f, uint16_t type, uint32_t key)
{
	uint8_t *p = push(f, 8);
	struct gre_hdr gre = {be16(GRE_KEY), type};
	uint32_t be_key = be32(key);

	memcpy(p, &gre, sizeof(gre));
	memcpy(p + 4, &be_key, 4);
	f->next = IP_PROTO_GRE;
}

void frame_nvgre(struct frame *f, uint32_t vni)
{
	put_gre(f, be16(ETH_TYPE_TEB), vni << 8);
}

void frame_gre(struct frame *f, uint32_t key)
{
	put_gre(f, ether_type(f), key);
}
