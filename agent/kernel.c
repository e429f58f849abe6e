// SPDX-License-Identifier: Apache-2.0

// The kernel as one of those that hold desired objects (desired.h): namespaces and addresses of
// VRFs that the gateway serves. Calls are synchronous and a namespace takes the better part of a
// millisecond, so they are made in portions and the loop turns in between.

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "agent.h"
#include "log.h"
#include "proto.h"
#include "xmalloc.h"

#define PORTION_US 20000 // work on the kernel before the loop turns
#define BUSY_MS    20    // a device that the dying forwarder still holds is asked for again

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

// -- making and removing

// A new namespace has no device of the forwarder's and no socket of isthmus-bgp's in it yet,
// whatever they have in an older one.
static void kernel_resend(struct agent *a, const struct desired *service)
{
	const struct contribution *of_service, *c;

	SLIST_FOREACH (of_service, &service->contributions, of_desired) {
		const struct wanted *router = of_service->owner;

		SLIST_FOREACH (c, &router->contributions, of_owner) {
			uint16_t type = c->desired->type->type;

			if (type == API_TYPE_TUN || type == API_TYPE_BGP_SOCKET ||
				type == SERVICE_TYPE_ADDRESS) {
				c->desired->is_outdated = true;
				desired_enqueue(&a->desired, c->desired);
			}
		}
	}
}

static int kernel_vrf(struct agent *a, struct desired *d, bool wanted)
{
	const struct service_vrf *key = (const struct service_vrf *)(const void *)d->key;
	int ret;

	if (!wanted)
		return service_remove(&a->services, key->vrf);
	ret = service_make(&a->services, key->vrf);
	if (ret > 0)
		kernel_resend(a, d);
	return ret < 0 ? ret : 0;
}

static int kernel_address(struct agent *a, struct desired *d, bool wanted)
{
	const struct service_address *key = (const struct service_address *)(const void *)d->key;

	return wanted ? service_address_add(&a->services, key)
		      : service_address_del(&a->services, key);
}

static void kernel_apply(struct agent *a, struct desired *d)
{
	bool wanted = desired_is_wanted(d);
	int ret = d->type->type == SERVICE_TYPE_VRF ? kernel_vrf(a, d, wanted)
						    : kernel_address(a, d, wanted);
	char *text = NULL;

	if (ret < 0)
		text = xasprintf("the kernel's %s cannot be %s: %s", d->type->name,
			wanted ? "made" : "removed", strerror(-ret));
	desired_answered(&a->desired, d, ret, text ? text : "");
	free(text);
}

void agent_push_kernel(struct agent *a)
{
	uint64_t start = now_us();
	struct desired *d;

	if (event_pending(a->kernel_timer, EV_TIMEOUT, NULL))
		return;
	while ((d = desired_next(&a->desired, DESIRED_KERNEL))) {
		kernel_apply(a, d);
		if (a->desired.queued_len[DESIRED_KERNEL] && now_us() - start > PORTION_US) {
			event_add(a->kernel_timer, &(struct timeval){0});
			return;
		}
	}
}

static void kernel_on_timer(evutil_socket_t sock, short what, void *arg)
{
	struct agent *a = arg;

	agent_push(a);
	agent_report(a);
}

// -- descriptors for the daemons

// The namespace is made by then, or will be, and then asks for this once more.
static bool service_is_there(struct agent *a, uint32_t vrf)
{
	struct desired *d = desired_find(&a->desired, desired_type_find(SERVICE_TYPE_VRF), &vrf);

	return d && d->present && d->queue_no == DESIRED_IDLE && !d->status;
}

// Devices that are busy, until the next look.
struct kernel_busy {
	SLIST_ENTRY(kernel_busy) entry;
	struct api_tun tun;
};

static void kernel_on_busy_timer(evutil_socket_t sock, short what, void *arg)
{
	struct agent *a = arg;
	struct kernel_busy *busy;

	while ((busy = SLIST_FIRST(&a->busy))) {
		struct desired *d =
			desired_find(&a->desired, desired_type_find(API_TYPE_TUN), &busy->tun);

		if (d && desired_is_wanted(d))
			desired_enqueue(&a->desired, d);
		SLIST_REMOVE_HEAD(&a->busy, entry);
		free(busy);
	}
	agent_push(a);
}

static void tun_later(struct agent *a, const struct api_tun *tun)
{
	struct kernel_busy *busy = xcalloc(1, sizeof(*busy));

	busy->tun = *tun;
	SLIST_INSERT_HEAD(&a->busy, busy, entry);
	if (!event_pending(a->busy_timer, EV_TIMEOUT, NULL))
		event_add(a->busy_timer, &(struct timeval){.tv_usec = BUSY_MS * 1000});
}

bool agent_before_tun(struct agent *a, struct api_tun *tun, int *ret_fd)
{
	int fd;

	if (!service_is_there(a, tun->vrf))
		return false;
	service_name(&a->services, tun->vrf, tun->name);
	fd = service_tun_open(&a->services, tun->vrf);
	if (fd >= 0) {
		*ret_fd = fd;
		return true;
	}
	if (fd == -EBUSY)
		tun_later(a, tun);
	else
		log_warning("opening %s: %s", tun->name, strerror(-fd));
	return false;
}

bool agent_before_socket(struct agent *a, const struct api_bgp_socket *want, int *ret_fd)
{
	char text[IP_TEXT_SIZE];
	int fd;

	if (!service_is_there(a, want->vrf))
		return false;
	fd = service_socket_open(&a->services, want);
	if (fd >= 0)
		*ret_fd = fd;
	else if (fd != -EADDRINUSE) // isthmus-bgp has it from an earlier life of ours
		log_warning("listening for BGP on %s in VRF %u: %s", ip_format(&want->local, text),
			want->vrf, strerror(-fd));
	return fd >= 0;
}

void agent_give_socket(struct agent *a, const struct api_bgp_socket *want)
{
	struct api_client *bgp = target_client(a->targets[DESIRED_BGP]);
	char text[IP_TEXT_SIZE];
	int fd;

	if (want->kind != API_BGP_SOCKET_CONNECT)
		return;
	fd = service_socket_open(&a->services, want);
	if (fd >= 0)
		api_client_set_fd(bgp, API_TYPE_BGP_SOCKET, want, sizeof(*want), fd, 0);
	else
		log_warning("a socket to dial %s in VRF %u: %s", ip_format(&want->peer, text),
			want->vrf, strerror(-fd));
}

// -- adoption

static void on_found_vrf(void *ctx, const struct service_vrf *v)
{
	struct agent *a = ctx;

	desired_found(&a->desired, desired_type_find(SERVICE_TYPE_VRF), v, sizeof(*v));
}

static void on_found_address(void *ctx, const struct service_address *address)
{
	struct agent *a = ctx;

	desired_found(
		&a->desired, desired_type_find(SERVICE_TYPE_ADDRESS), address, sizeof(*address));
}

int agent_start_kernel(struct agent *a)
{
	static const struct service_found found = {on_found_vrf, on_found_address};
	int ret = service_init(&a->services, a->config.netns_dir, a->config.number);

	if (ret < 0) {
		log_error("namespaces in %s: %s", a->config.netns_dir, strerror(-ret));
		return ret;
	}
	SLIST_INIT(&a->busy);
	a->kernel_timer = evtimer_new(a->base, kernel_on_timer, a);
	a->busy_timer = evtimer_new(a->base, kernel_on_busy_timer, a);
	desired_forget_target(&a->desired, DESIRED_KERNEL);
	service_scan(&a->services, &found, a);
	desired_dumped(&a->desired, desired_type_find(SERVICE_TYPE_VRF));
	desired_dumped(&a->desired, desired_type_find(SERVICE_TYPE_ADDRESS));
	agent_push_kernel(a);
	return 0;
}

void agent_stop_kernel(struct agent *a)
{
	struct kernel_busy *busy;

	if (!a->kernel_timer)
		return;
	while ((busy = SLIST_FIRST(&a->busy))) {
		SLIST_REMOVE_HEAD(&a->busy, entry);
		free(busy);
	}
	event_free(a->kernel_timer);
	event_free(a->busy_timer);
	service_fini(&a->services);
}
