// SPDX-License-Identifier: Apache-2.0
#include "policy.h"

#include <errno.h>
#include <string.h>

#define MAX_EXTENSIONS 8

struct esp_policy esp_policy_open;

enum {
	PROTO_HOPOPTS = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_DCCP = 33,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_ICMP6 = 58,
	PROTO_DSTOPTS = 60,
	PROTO_SCTP = 132,
	PROTO_UDPLITE = 136,
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void read_ports(struct esp_flow *f, const uint8_t *l4, size_t size)
{
	switch (f->protocol) {
	case PROTO_TCP:
	case PROTO_UDP:
	case PROTO_DCCP:
	case PROTO_SCTP:
	case PROTO_UDPLITE:
		if (size < 4)
			return;
		f->src_port = be16(l4);
		f->dst_port = be16(l4 + 2);
		f->has_ports = true;
		return;
	case PROTO_ICMP:
	case PROTO_ICMP6:
		if (size < 2)
			return;
		f->src_port = f->dst_port = be16(l4);
		f->has_ports = true;
		return;
	}
}

static bool read_v4(const uint8_t *ip, size_t size, struct esp_flow *f)
{
	size_t header = (size_t)(ip[0] & 15) * 4;

	if (size < 20 || header < 20 || size < header)
		return false;
	f->src = ip_from_bytes(IP_V4, ip + 12);
	f->dst = ip_from_bytes(IP_V4, ip + 16);
	f->protocol = ip[9];
	if ((be16(ip + 6) & 0x1fff) == 0)
		read_ports(f, ip + header, size - header);
	return true;
}

static bool read_v6(const uint8_t *ip, size_t size, struct esp_flow *f)
{
	uint8_t next;
	size_t at = 40;

	if (size < 40)
		return false;
	f->src = ip_from_bytes(IP_V6, ip + 8);
	f->dst = ip_from_bytes(IP_V6, ip + 24);
	next = ip[6];
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		f->protocol = next;
		if (next != PROTO_HOPOPTS && next != PROTO_ROUTING && next != PROTO_FRAGMENT &&
			next != PROTO_DSTOPTS) {
			read_ports(f, ip + at, size - at);
			return true;
		}
		if (size - at < 8)
			return false;
		if (next == PROTO_FRAGMENT && (be16(ip + at + 2) & 0xfff8) != 0) {
			f->protocol = ip[at];
			return true;
		}
		next = ip[at];
		at += f->protocol == PROTO_FRAGMENT ? 8 : ((size_t)ip[at + 1] + 1) * 8;
		if (at > size)
			return false;
	}
	return false;
}

bool esp_flow_read(const uint8_t *ip, size_t size, struct esp_flow *ret_flow)
{
	struct esp_flow f = {0};

	if (size < 1)
		return false;
	if (ip[0] >> 4 == 4 ? !read_v4(ip, size, &f) : ip[0] >> 4 != 6 || !read_v6(ip, size, &f))
		return false;
	*ret_flow = f;
	return true;
}

static bool selector_matches(const struct api_selector *s, const struct ip_addr *addr,
	uint16_t port, const struct esp_flow *f)
{
	if (s->protocol != 0 && s->protocol != f->protocol)
		return false;
	if (addr->family != s->first.family || memcmp(addr->bytes, s->first.bytes, 16) < 0 ||
		memcmp(addr->bytes, s->last.bytes, 16) > 0)
		return false;
	if (s->port_first == 0 && s->port_last == UINT16_MAX)
		return true;
	return f->has_ports && port >= s->port_first && port <= s->port_last;
}

static bool any_matches(const struct api_selector *list, unsigned len, const struct ip_addr *addr,
	uint16_t port, const struct esp_flow *f)
{
	for (unsigned i = 0; i < len; i++)
		if (selector_matches(&list[i], addr, port, f))
			return true;
	return len == 0;
}

bool esp_policy_out(const struct esp_policy *p, const struct esp_flow *f)
{
	return any_matches(p->want.local, p->want.local_count, &f->src, f->src_port, f) &&
	       any_matches(p->want.remote, p->want.remote_count, &f->dst, f->dst_port, f);
}

bool esp_policy_in(const struct esp_policy *p, const struct esp_flow *f)
{
	return any_matches(p->want.remote, p->want.remote_count, &f->src, f->src_port, f) &&
	       any_matches(p->want.local, p->want.local_count, &f->dst, f->dst_port, f);
}

struct esp_policy *esp_policy_choose(
	const struct esp_policy_set *set, const uint8_t *ip, size_t size)
{
	struct esp_flow flow;
	bool read = false;

	for (uint32_t i = 0; i < set->len; i++) {
		struct esp_policy *p = set->list[i];

		if (esp_policy_any(p))
			return p;
		if (!read && !esp_flow_read(ip, size, &flow))
			return NULL;
		read = true;
		if (esp_policy_out(p, &flow))
			return p;
	}
	return NULL;
}

static bool selectors_valid(const struct api_selector *list, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		const struct api_selector *s = &list[i];

		if ((s->first.family != IP_V4 && s->first.family != IP_V6) ||
			s->first.family != s->last.family ||
			memcmp(s->first.bytes, s->last.bytes, 16) > 0 ||
			s->port_first > s->port_last)
			return false;
	}
	return true;
}

int esp_policy_check(const struct api_sa_policy *want, const char **ret_words)
{
	if (want->local_count > API_SELECTORS || want->remote_count > API_SELECTORS) {
		*ret_words = "local_count, remote_count: more selectors than 8";
		return -EINVAL;
	}
	if (!selectors_valid(want->local, want->local_count) ||
		!selectors_valid(want->remote, want->remote_count)) {
		*ret_words = "local, remote: a selector's range is empty or mixes families";
		return -EINVAL;
	}
	return 0;
}
