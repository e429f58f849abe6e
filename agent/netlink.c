// SPDX-License-Identifier: Apache-2.0
#include "netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xmalloc.h"

#define REQUEST_MAX 512   // bytes of one request of ours
#define ANSWER_MAX  32768 // bytes of one datagram of the kernel's

struct netlink {
	int sock;
	uint32_t seq;
	uint8_t answer[ANSWER_MAX] __attribute__((aligned(8)));
};

// A request under construction; the family's header follows the netlink one.
struct request {
	struct nlmsghdr header;
	uint8_t body[REQUEST_MAX];
};

struct netlink *netlink_open(void)
{
	struct netlink *nl = xcalloc(1, sizeof(*nl));

	nl->sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (nl->sock >= 0)
		return nl;
	free(nl);
	return NULL;
}

void netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	close(nl->sock);
	free(nl);
}

static void request_init(
	struct request *r, uint16_t type, uint16_t flags, const void *head, size_t size)
{
	memset(r, 0, sizeof(*r));
	r->header.nlmsg_type = type;
	r->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	r->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	memcpy(r->body, head, size);
}

// The place of the next attribute. Requests here are far smaller than REQUEST_MAX.
static struct rtattr *request_add(struct request *r, uint16_t type, const void *data, size_t size)
{
	struct rtattr *a =
		(struct rtattr *)(void *)((uint8_t *)r + NLMSG_ALIGN(r->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(a), data, size);
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
	return a;
}

static void nest_end(struct request *r, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)((uint8_t *)r + r->header.nlmsg_len - (uint8_t *)nest);
}

typedef void answer_fn(void *ctx, const struct nlmsghdr *m);

// 1: more is to come; 0 or -errno: that was all.
static int answer_read(struct netlink *nl, size_t size, answer_fn *each, void *ctx)
{
	const struct nlmsghdr *m = (const struct nlmsghdr *)(const void *)nl->answer;
	unsigned left = (unsigned)size;

	for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
		if (m->nlmsg_seq != nl->seq)
			continue;
		if (m->nlmsg_type == NLMSG_DONE)
			return 0;
		if (m->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(m))->error;
		if (each)
			each(ctx, m);
		if (!(m->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

static int netlink_ask(struct netlink *nl, struct request *r, answer_fn *each, void *ctx)
{
	int ret = 1;

	r->header.nlmsg_seq = ++nl->seq;
	if (send(nl->sock, r, r->header.nlmsg_len, 0) < 0)
		return -errno;
	while (ret > 0) {
		ssize_t size = recv(nl->sock, nl->answer, sizeof(nl->answer), 0);

		if (size < 0)
			return -errno;
		ret = answer_read(nl, (size_t)size, each, ctx);
	}
	return ret;
}

// -- links

static void on_link(void *ctx, const struct nlmsghdr *m)
{
	*(int *)ctx = ((const struct ifinfomsg *)NLMSG_DATA(m))->ifi_index;
}

int netlink_link_find(struct netlink *nl, const char *name)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct request r;
	int index = 0, ret;

	request_init(&r, RTM_GETLINK, 0, &head, sizeof(head));
	request_add(&r, IFLA_IFNAME, name, strnlen(name, IFNAMSIZ - 1) + 1);
	ret = netlink_ask(nl, &r, on_link, &index);
	return ret < 0 ? ret : index;
}

int netlink_link_up(struct netlink *nl, int index, uint32_t mtu)
{
	struct ifinfomsg head = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct rtattr *spec, *inet6;
	uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct request r;

	request_init(&r, RTM_NEWLINK, NLM_F_ACK, &head, sizeof(head));
	if (mtu)
		request_add(&r, IFLA_MTU, &mtu, sizeof(mtu));
	spec = request_add(&r, IFLA_AF_SPEC, NULL, 0);
	inet6 = request_add(&r, AF_INET6, NULL, 0);
	request_add(&r, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	nest_end(&r, inet6);
	nest_end(&r, spec);
	return netlink_ask(nl, &r, NULL, NULL);
}

// -- addresses

static int family_of(const struct ip_addr *addr)
{
	return addr->family == IP_V6 ? AF_INET6 : AF_INET;
}

static void address_request(
	struct request *r, uint16_t type, uint16_t flags, int index, const struct ip_addr *addr)
{
	struct ifaddrmsg head = {.ifa_family = (uint8_t)family_of(addr),
		.ifa_prefixlen = (uint8_t)ip_bits(addr),
		.ifa_flags = addr->family == IP_V6 ? IFA_F_NODAD : 0,
		.ifa_index = (uint32_t)index};

	request_init(r, type, (uint16_t)(NLM_F_ACK | flags), &head, sizeof(head));
	request_add(r, IFA_LOCAL, addr->bytes, ip_bits(addr) / 8);
	request_add(r, IFA_ADDRESS, addr->bytes, ip_bits(addr) / 8);
}

int netlink_address_add(struct netlink *nl, int index, const struct ip_addr *addr)
{
	struct request r;
	int ret;

	address_request(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, addr);
	ret = netlink_ask(nl, &r, NULL, NULL);
	return ret == -EEXIST ? 0 : ret;
}

int netlink_address_del(struct netlink *nl, int index, const struct ip_addr *addr)
{
	struct request r;
	int ret;

	address_request(&r, RTM_DELADDR, 0, index, addr);
	ret = netlink_ask(nl, &r, NULL, NULL);
	return ret == -EADDRNOTAVAIL ? 0 : ret;
}

struct address_walk {
	int index;
	void (*each)(void *ctx, const struct ip_addr *addr);
	void *ctx;
};

static void on_address(void *ctx, const struct nlmsghdr *m)
{
	const struct ifaddrmsg *head = NLMSG_DATA(m);
	const struct rtattr *a = IFA_RTA(head);
	unsigned left = (unsigned)IFA_PAYLOAD(m);
	struct address_walk *walk = ctx;
	bool v6 = head->ifa_family == AF_INET6;
	struct ip_addr addr;

	if (m->nlmsg_type != RTM_NEWADDR || (int)head->ifa_index != walk->index)
		return;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type != IFA_ADDRESS || RTA_PAYLOAD(a) < (v6 ? 16u : 4u))
			continue;
		addr = ip_from_bytes(v6 ? IP_V6 : IP_V4, RTA_DATA(a));
		walk->each(walk->ctx, &addr);
	}
}

int netlink_address_each(struct netlink *nl, int index,
	void (*each)(void *ctx, const struct ip_addr *addr), void *ctx)
{
	struct address_walk walk = {index, each, ctx};
	struct ifaddrmsg head = {.ifa_family = AF_UNSPEC};
	struct request r;

	request_init(&r, RTM_GETADDR, NLM_F_DUMP, &head, sizeof(head));
	return netlink_ask(nl, &r, on_address, &walk);
}

// -- routes

int netlink_route_default(struct netlink *nl, int index, enum ip_family family)
{
	struct rtmsg head = {.rtm_family = family == IP_V6 ? AF_INET6 : AF_INET,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = family == IP_V6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST};
	struct request r;

	request_init(
		&r, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	request_add(&r, RTA_OIF, &index, sizeof(index));
	return netlink_ask(nl, &r, NULL, NULL);
}
