// SPDX-License-Identifier: Apache-2.0
#include "service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "netlink.h"
#include "netns.h"

// Fits into every tunnel there is over a link of 1500 bytes: IPv6 outside, ESP in UDP, CBC and
// SHA-384. The kernel's TCP offers its segment size from it, so a session never hangs on a large
// message.
#define TUN_MTU      1380
#define BGP_PORT     179
#define LISTEN_QUEUE 64
#define PATH_SIZE    256

int service_init(struct services *s, const char *directory, uint64_t number)
{
	*s = (struct services){.directory = directory, .number = number, .home = netns_home()};
	if (s->home < 0)
		return s->home;
	return mkdir(directory, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

void service_fini(struct services *s)
{
	if (s->home > 0)
		close(s->home);
}

const char *service_name(const struct services *s, uint32_t vrf, char name[SERVICE_NAME_SIZE])
{
	snprintf(name, SERVICE_NAME_SIZE, "ist-%" PRIu64 "-%" PRIu32, s->number, vrf);
	return name;
}

static const char *service_path(const struct services *s, uint32_t vrf, char path[PATH_SIZE])
{
	char name[SERVICE_NAME_SIZE];

	snprintf(path, PATH_SIZE, "%s/%s", s->directory, service_name(s, vrf, name));
	return path;
}

// Goes into the VRF's namespace. -ENOENT: there is none.
static int service_enter(const struct services *s, uint32_t vrf)
{
	char path[PATH_SIZE];
	int fd = netns_open(service_path(s, vrf, path)), ret;

	if (fd < 0)
		return fd;
	ret = netns_enter(fd);
	close(fd);
	return ret;
}

// A thread that cannot come home would do everything else in a tenant's namespace.
static void service_leave(const struct services *s)
{
	int ret = netns_enter(s->home);

	if (ret < 0) {
		log_error("coming back from a tenant's namespace: %s", strerror(-ret));
		abort();
	}
}

// -- the device; these run inside the namespace

static int tun_open(const char *name)
{
	struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	memcpy(req.ifr_name, name, SERVICE_NAME_SIZE);
	if (!ioctl(fd, TUNSETIFF, &req) && !ioctl(fd, TUNSETPERSIST, 1))
		return fd;
	close(fd);
	return -errno;
}

static int device_configure(const char *name)
{
	struct netlink *nl = netlink_open();
	int index, ret;

	if (!nl)
		return -errno;
	ret = index = netlink_link_find(nl, name);
	if (ret >= 0)
		ret = netlink_link_up(nl, index, TUN_MTU);
	if (ret >= 0)
		ret = netlink_route_default(nl, index, IP_V4);
	if (ret >= 0)
		ret = netlink_route_default(nl, index, IP_V6);
	if (ret >= 0)
		ret = netlink_link_up(nl, netlink_link_find(nl, "lo"), 0);
	netlink_close(nl);
	return ret;
}

static int device_make(const char *name)
{
	int fd;

	if (if_nametoindex(name))
		return 0;
	fd = tun_open(name);
	if (fd < 0)
		return fd;
	close(fd);
	return device_configure(name);
}

int service_make(const struct services *s, uint32_t vrf)
{
	char path[PATH_SIZE], name[SERVICE_NAME_SIZE];
	int ret = service_enter(s, vrf), fd;
	bool is_new = ret == -ENOENT;

	service_name(s, vrf, name);
	if (is_new) {
		ret = fd = netns_make(service_path(s, vrf, path), s->home);
		if (fd >= 0)
			close(fd);
	}
	if (ret < 0)
		return ret;
	ret = device_make(name);
	service_leave(s);
	return ret < 0 ? ret : is_new;
}

int service_remove(const struct services *s, uint32_t vrf)
{
	char path[PATH_SIZE];

	return netns_remove(service_path(s, vrf, path));
}

int service_tun_open(const struct services *s, uint32_t vrf)
{
	char name[SERVICE_NAME_SIZE];
	int ret = service_enter(s, vrf);

	if (ret < 0)
		return ret;
	ret = tun_open(service_name(s, vrf, name));
	service_leave(s);
	return ret;
}

// -- addresses

static int service_address(const struct services *s, const struct service_address *a,
	int (*change)(struct netlink *nl, int index, const struct ip_addr *addr))
{
	char name[SERVICE_NAME_SIZE];
	int ret = service_enter(s, a->vrf);
	struct netlink *nl;

	if (ret < 0)
		return ret;
	nl = netlink_open();
	ret = nl ? netlink_link_find(nl, service_name(s, a->vrf, name)) : -errno;
	if (ret >= 0)
		ret = change(nl, ret, &a->addr);
	netlink_close(nl);
	service_leave(s);
	return ret;
}

int service_address_add(const struct services *s, const struct service_address *a)
{
	return service_address(s, a, netlink_address_add);
}

int service_address_del(const struct services *s, const struct service_address *a)
{
	int ret = service_address(s, a, netlink_address_del);

	return ret == -ENOENT || ret == -ENODEV ? 0 : ret; // went with its namespace
}

// -- sockets

static socklen_t sockaddr_of(
	const struct ip_addr *addr, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (addr->family == IP_V4) {
		memcpy(&in.sin_addr, addr->bytes, 4);
		memcpy(ret, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, addr->bytes, 16);
	memcpy(ret, &in6, sizeof(in6));
	return sizeof(in6);
}

// May be bound before the address is there, and must not meet the remains of an older one.
static int socket_bind(int fd, const struct api_bgp_socket *want)
{
	bool listens = want->kind == API_BGP_SOCKET_LISTEN;
	bool v6 = want->local.family == IP_V6;
	struct sockaddr_storage addr = {0};
	socklen_t size = sockaddr_of(&want->local, listens ? BGP_PORT : 0, &addr);
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		(v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
		setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_FREEBIND : IP_FREEBIND,
			&one, sizeof(one)) ||
		bind(fd, (struct sockaddr *)&addr, size) || (listens && listen(fd, LISTEN_QUEUE)))
		return -errno;
	return 0;
}

int service_socket_open(const struct services *s, const struct api_bgp_socket *want)
{
	int ret, fd;

	if (want->local.family != IP_V4 && want->local.family != IP_V6)
		return -EAFNOSUPPORT;
	ret = service_enter(s, want->vrf);
	if (ret < 0)
		return ret;
	fd = socket(want->local.family == IP_V6 ? AF_INET6 : AF_INET,
		SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ret = fd < 0 ? -errno : socket_bind(fd, want);
	service_leave(s);
	if (ret >= 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return ret;
}

// -- adoption

struct scan {
	const struct service_found *found;
	void *ctx;
	uint32_t vrf;
};

static void scan_address(void *ctx, const struct ip_addr *addr)
{
	const struct scan *scan = ctx;
	struct service_address a = {.vrf = scan->vrf, .addr = *addr};

	scan->found->address(scan->ctx, &a);
}

static void scan_vrf(const struct services *s, struct scan *scan)
{
	char name[SERVICE_NAME_SIZE];
	struct netlink *nl;
	int index;

	if (service_enter(s, scan->vrf) < 0) {
		service_remove(s, scan->vrf); // a file whose mount is gone
		return;
	}
	scan->found->vrf(scan->ctx, &(struct service_vrf){scan->vrf});
	nl = netlink_open();
	index = nl ? netlink_link_find(nl, service_name(s, scan->vrf, name)) : -1;
	if (index > 0)
		netlink_address_each(nl, index, scan_address, scan);
	netlink_close(nl);
	service_leave(s);
}

void service_scan(const struct services *s, const struct service_found *found, void *ctx)
{
	struct scan scan = {.found = found, .ctx = ctx};
	struct dirent *entry;
	DIR *dir = opendir(s->directory);

	while (dir && (entry = readdir(dir))) {
		char name[SERVICE_NAME_SIZE];
		uint64_t number;

		if (sscanf(entry->d_name, "ist-%" SCNu64 "-%" SCNu32, &number, &scan.vrf) == 2 &&
			number == s->number &&
			!strcmp(entry->d_name, service_name(s, scan.vrf, name)))
			scan_vrf(s, &scan);
	}
	if (dir)
		closedir(dir);
}
