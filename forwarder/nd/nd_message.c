// SPDX-License-Identifier: Apache-2.0

#include "nd_message.h"

#include "port.h"

static bool checksum_is_right(const struct ip6_hdr *ip, size_t size)
{
	uint32_t sum =
		sum_bytes(ip->src, 32, (uint32_t)be16((uint16_t)size) + be16(IP_PROTO_ICMP6));

	return sum_bytes(ip + 1, size, sum) == 0xffff;
}

static const uint8_t header_size[] = {
	[ND_ROUTER_SOLICIT - ND_ROUTER_SOLICIT] = 8,
	[ND_ROUTER_ADVERT - ND_ROUTER_SOLICIT] = 16,
	[ND_NEIGHBOUR_SOLICIT - ND_ROUTER_SOLICIT] = 24,
	[ND_NEIGHBOUR_ADVERT - ND_ROUTER_SOLICIT] = 24,
	[ND_REDIRECT - ND_ROUTER_SOLICIT] = 40,
};

// Options must have a length; that of the sender's or target's MAC is remembered.
static bool read_options(const uint8_t *p, size_t size, struct nd_message *ret)
{
	while (size >= 8) {
		size_t len = p[1] * 8u;

		if (len == 0 || len > size)
			return false;
		if (len == 8 && p[0] == ND_OPTION_SOURCE_MAC && !(p[2] & 1))
			ret->source_mac = p + 2;
		if (len == 8 && p[0] == ND_OPTION_TARGET_MAC && !(p[2] & 1))
			ret->target_mac = p + 2;
		p += len;
		size -= len;
	}
	return size == 0;
}

// RFC 4861 sections 6.1.1, 7.1.1, 7.1.2.
bool nd_read(const struct ip6_hdr *ip, size_t have, struct nd_message *ret)
{
	const uint8_t *p = (const uint8_t *)(ip + 1);
	size_t size, header;

	memset(ret, 0, sizeof(*ret));
	if (have < IP6_SIZE + 8)
		return false;
	size = be16(ip->payload_size);
	header = header_size[p[0] - ND_ROUTER_SOLICIT];
	if (ip->hop_limit != 255 || p[1] != 0 || size < header || IP6_SIZE + size > have ||
		!checksum_is_right(ip, size))
		return false;
	ret->ip = ip;
	ret->type = p[0];
	ret->is_from_nobody = !load64(ip->src) && !load64(ip->src + 8);
	if (ret->type == ND_NEIGHBOUR_SOLICIT || ret->type == ND_NEIGHBOUR_ADVERT) {
		ret->target = p + 8;
		ret->is_solicited =
			ret->type == ND_NEIGHBOUR_ADVERT && be32(load32(p + 4)) & ND_F_SOLICITED;
		if (ret->target[0] == 0xff)
			return false;
	}
	if (ip->src[0] == 0xff || !read_options(p + header, size - header, ret))
		return false;
	return !ret->is_from_nobody || !ret->source_mac;
}

// Section 7.2.4: to who asked, or to all when it has no address yet.
void nd_put_advert(uint8_t *p, const struct nd_message *asked, const uint8_t *mac)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)p;
	struct nd_neighbour *nd = (struct nd_neighbour *)(ip + 1);

	memset(p, 0, IP6_SIZE + sizeof(*nd));
	ip->version_class_flow = be32(6u << 28 | 0xc0u << 20);
	ip->payload_size = be16(sizeof(*nd));
	ip->next_header = IP_PROTO_ICMP6;
	ip->hop_limit = 255;
	memcpy(ip->src, asked->target, 16);
	memcpy(ip->dst, asked->is_from_nobody ? nd_all_nodes : asked->ip->src, 16);
	nd->type = ND_NEIGHBOUR_ADVERT;
	nd->flags =
		be32(ND_F_ROUTER | ND_F_OVERRIDE | (asked->is_from_nobody ? 0 : ND_F_SOLICITED));
	memcpy(nd->target, asked->target, 16);
	nd->option = ND_OPTION_TARGET_MAC;
	nd->option_len = 1;
	memcpy(nd->mac, mac, 6);
	nd->checksum = nd_checksum(ip, nd, sizeof(*nd));
}

const uint8_t nd_all_nodes[16] = {0xff, 0x02, [15] = 1};
