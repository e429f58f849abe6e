// SPDX-License-Identifier: Apache-2.0
#pragma once

// Frames for packet tests, built from the inside out: each call puts one header in front of what is
// there, with lengths and checksums right. What tos, ttl, fragment, id say holds for the next IP
// header only.

#include <stddef.h>
#include <stdint.h>

#include "ip/wire.h"
#include "ipaddr.h"

#define FRAME_SIZE 10000

struct frame {
	uint8_t *p; // the start
	size_t size;
	uint8_t next; // protocol number of what is at the start, as an IP header names it
	uint8_t tos, ttl;
	uint16_t fragment; // flags and offset, IPv4
	uint16_t id;
	uint8_t bytes[FRAME_SIZE];
};

void frame_payload(struct frame *f, size_t size); // starts anew with bytes of a pattern
void frame_bytes(struct frame *f, const void *bytes, size_t size, uint8_t next); // in front
void frame_udp(struct frame *f, uint16_t src, uint16_t dst);
// A SYN; mss_at: where the option starts after the fixed header, preceded by NOPs.
void frame_tcp_syn(struct frame *f, uint16_t mss, unsigned mss_at);
void frame_icmp(struct frame *f, uint8_t type, uint8_t code, uint32_t word, uint8_t protocol);
void frame_ip(struct frame *f, const struct ip_addr *src, const struct ip_addr *dst);
void frame_eth(struct frame *f, const uint8_t dst[6], const uint8_t src[6]);
void frame_vlan(struct frame *f, const uint8_t dst[6], const uint8_t src[6], uint16_t vlan);
void frame_vxlan(struct frame *f, uint32_t vni);
void frame_nvgre(struct frame *f, uint32_t vni);
void frame_gre(struct frame *f, uint32_t key); // IP inside

struct ip_addr frame_addr(const char *text); // aborts when it is none
