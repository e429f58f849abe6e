// SPDX-License-Identifier: Apache-2.0
#pragma once

// Header layouts and the arithmetic on them that nodes share. Fields are in network byte order.

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ETH_TYPE_IP4  0x0800
#define ETH_TYPE_ARP  0x0806
#define ETH_TYPE_VLAN 0x8100
#define ETH_TYPE_IP6  0x86dd
#define ETH_TYPE_TEB  0x6558 // transparent Ethernet bridging, RFC 1701
#define ETH_SIZE      14
#define VLAN_TAG_SIZE 4

#define IP_PROTO_ICMP  1
#define IP_PROTO_IPIP  4
#define IP_PROTO_TCP   6
#define IP_PROTO_UDP   17
#define IP_PROTO_IP6IN 41
#define IP_PROTO_GRE   47
#define IP_PROTO_FRAG6 44
#define IP_PROTO_ESP   50
#define IP_PROTO_ICMP6 58

#define IP4_SIZE        20
#define IP6_SIZE        40
#define UDP_SIZE        8
#define UDP_PORT_VXLAN  4789
#define UDP_PORT_IKE    500
#define UDP_PORT_IKENAT 4500

#define IP4_DF        0x4000
#define IP4_MF        0x2000
#define IP4_FRAG_MASK 0x3fff // more fragments, or an offset

struct eth_hdr {
	uint8_t dst[6], src[6];
	uint16_t type;
} __attribute__((packed));

struct vlan_tag {
	uint16_t tci;
	uint16_t type;
} __attribute__((packed));

struct arp_hdr { // RFC 826, Ethernet and IPv4
	uint16_t hw_type, proto_type;
	uint8_t hw_size, proto_size;
	uint16_t op;
	uint8_t sender_mac[6], sender_ip[4];
	uint8_t target_mac[6], target_ip[4];
} __attribute__((packed));

struct ip4_hdr { // RFC 791
	uint8_t version_ihl;
	uint8_t tos;
	uint16_t size;
	uint16_t id;
	uint16_t fragment;
	uint8_t ttl;
	uint8_t protocol;
	uint16_t checksum;
	uint32_t src, dst;
} __attribute__((packed));

struct ip6_hdr { // RFC 8200
	uint32_t version_class_flow;
	uint16_t payload_size;
	uint8_t next_header;
	uint8_t hop_limit;
	uint8_t src[16], dst[16];
} __attribute__((packed));

struct udp_hdr {
	uint16_t src, dst, size, checksum;
} __attribute__((packed));

struct vxlan_hdr {     // RFC 7348
	uint8_t flags; // 0x08: the VNI is valid
	uint8_t reserved[3];
	uint8_t vni[3];
	uint8_t reserved2;
} __attribute__((packed));

struct gre_hdr { // RFC 2784, RFC 2890
	uint16_t flags;
	uint16_t protocol;
} __attribute__((packed));

#define GRE_CHECKSUM 0x8000
#define GRE_KEY      0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_REFUSED  0x4fff // routing, strict source route, recursion, flags, version

struct icmp_hdr { // RFC 792, RFC 4443
	uint8_t type, code;
	uint16_t checksum;
	uint16_t id, sequence; // or unused and MTU
} __attribute__((packed));

static inline uint16_t be16(uint16_t v)
{
	return __builtin_bswap16(v);
}

static inline uint32_t be32(uint32_t v)
{
	return __builtin_bswap32(v);
}

static inline uint16_t load16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

// Ones' complement sums (RFC 1071); they work in network byte order as they are.
static inline uint16_t sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

static inline uint32_t sum_ip4(const struct ip4_hdr *ip) // without options
{
	const uint8_t *p = (const uint8_t *)ip;
	uint64_t sum = load32(p);

	sum += load32(p + 4);
	sum += load32(p + 8);
	sum += load32(p + 12);
	sum += load32(p + 16);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	return sum_fold((uint32_t)sum);
}

uint32_t sum_bytes(const void *bytes, size_t size, uint32_t sum); // even offsets only

// One 16-bit word of what the checksum covers changes (RFC 1624).
static inline void checksum_replace(void *checksum, uint16_t old, uint16_t new)
{
	uint16_t sum = (uint16_t)~load16(checksum);

	sum = (uint16_t)~sum_fold((uint32_t)sum + (uint16_t)~old + new);
	memcpy(checksum, &sum, sizeof(sum));
}

static inline struct ip_addr_words {
	uint64_t hi, lo;
} ip6_words(const uint8_t *bytes) // host order
{
	return (struct ip_addr_words){
		__builtin_bswap64(load64(bytes)), __builtin_bswap64(load64(bytes + 8))};
}
