// SPDX-License-Identifier: Apache-2.0

#include "gre/keepalive_packet.h"

#include <string.h>

#include "ip/wire.h"

#define TTL     255
#define TOS_CS6 0xc0 // network control

static size_t gre_size(const struct keepalive_config *c)
{
	return sizeof(struct gre_hdr) + (c->has_key ? 4 : 0);
}

static size_t ip_size(const struct ip_addr *addr)
{
	return addr->family == IP_V4 ? IP4_SIZE : IP6_SIZE;
}

static void put_ip(uint8_t *p, const struct ip_addr *src, const struct ip_addr *dst,
	struct keepalive_mark mark, size_t payload)
{
	struct ip4_hdr *ip4 = (struct ip4_hdr *)p;
	struct ip6_hdr *ip6 = (struct ip6_hdr *)p;

	if (src->family == IP_V4) {
		*ip4 = (struct ip4_hdr){.version_ihl = 0x45,
			.tos = mark.tos,
			.size = be16((uint16_t)(IP4_SIZE + payload)),
			.id = be16(mark.id),
			.ttl = mark.ttl,
			.protocol = IP_PROTO_GRE,
			.src = load32(src->bytes),
			.dst = load32(dst->bytes)};
		ip4->checksum = (uint16_t)~sum_ip4(ip4);
		return;
	}
	*ip6 = (struct ip6_hdr){
		.version_class_flow = be32(6u << 28 | (uint32_t)mark.tos << 20 | mark.id),
		.payload_size = be16((uint16_t)payload),
		.next_header = IP_PROTO_GRE,
		.hop_limit = mark.ttl};
	memcpy(ip6->src, src->bytes, 16);
	memcpy(ip6->dst, dst->bytes, 16);
}

static size_t put_gre(uint8_t *p, const struct keepalive_config *c, uint16_t protocol)
{
	struct gre_hdr gre = {c->has_key ? be16(GRE_KEY) : 0, be16(protocol)};
	uint32_t key = be32(c->key);

	memcpy(p, &gre, sizeof(gre));
	if (c->has_key)
		memcpy(p + sizeof(gre), &key, sizeof(key));
	return gre_size(c);
}

size_t keepalive_write_inner(const struct keepalive_config *c, const struct ip_addr *src,
	const struct ip_addr *dst, struct keepalive_mark mark, uint8_t *ret_bytes)
{
	put_ip(ret_bytes, src, dst, mark, gre_size(c));
	return ip_size(src) + put_gre(ret_bytes + ip_size(src), c, 0);
}

size_t keepalive_write_probe(const struct keepalive_config *c, uint16_t id, uint8_t *ret_bytes)
{
	struct keepalive_mark mark = {id, TOS_CS6, TTL};
	size_t inner = ip_size(&c->local) + gre_size(c), at = ip_size(&c->local);

	put_ip(ret_bytes, &c->local, &c->remote, mark, gre_size(c) + inner);
	at += put_gre(ret_bytes + at, c, c->local.family == IP_V4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
	return at + keepalive_write_inner(c, &c->remote, &c->local, mark, ret_bytes + at);
}

// The receiver knows what it wants to see, writes it, and compares.
bool keepalive_read_inner(const struct keepalive_config *c, const struct ip_addr *src,
	const struct ip_addr *dst, const uint8_t *bytes, size_t size,
	struct keepalive_mark *ret_mark)
{
	uint8_t want[KEEPALIVE_PACKET_SIZE];
	struct keepalive_mark mark;

	if (size != ip_size(src) + gre_size(c))
		return false;
	if (src->family == IP_V4) {
		const struct ip4_hdr *ip = (const struct ip4_hdr *)bytes;

		mark = (struct keepalive_mark){be16(ip->id), ip->tos, ip->ttl};
		keepalive_write_inner(c, src, dst, mark, want);
		memcpy(want + 6, bytes + 6, 2); // whether it may be fragmented is the sender's
		if (be16(load16(bytes + 6)) & ~IP4_DF || sum_ip4(ip) != 0xffff)
			return false;
		memcpy(want + 10, bytes + 10, 2);
	} else {
		uint32_t word = be32(load32(bytes));

		mark = (struct keepalive_mark){(uint16_t)word, (uint8_t)(word >> 20), bytes[7]};
		keepalive_write_inner(c, src, dst, mark, want);
		want[1] = (uint8_t)((want[1] & 0xf0) | (bytes[1] & 0x0f)); // rest of the flow label
	}
	*ret_mark = mark;
	return memcmp(want, bytes, size) == 0;
}
