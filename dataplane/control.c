// SPDX-License-Identifier: Apache-2.0
#include "control.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_ring.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "packet.h"

static struct rte_ring *ring;
static int kick_fd = -1;
static control_fn handlers[CONTROL_WHAT_COUNT];

const char *control_name(uint8_t what)
{
	static const char *const names[CONTROL_WHAT_COUNT] = {
		[CONTROL_PUNT_TUN] = "a tenant's TUN",
		[CONTROL_PUNT_IKE] = "ike",
		[CONTROL_PUNT_BFD] = "BFD",
		[CONTROL_NEIGHBOUR] = "neighbour resolution",
		[CONTROL_ICMP_ERROR] = "ICMP error",
		[CONTROL_CAPTURE] = "capture",
	};

	return what < CONTROL_WHAT_COUNT && names[what] ? names[what] : "unknown";
}

int control_init(void)
{
	kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (kick_fd < 0)
		return -errno;
	ring = rte_ring_create("control", CONTROL_RING_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	return ring ? 0 : -rte_errno;
}

void control_fini(void)
{
	struct rte_mbuf *m;

	while (ring && rte_ring_dequeue(ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(ring);
	ring = NULL;
	if (kick_fd >= 0)
		close(kick_fd);
	kick_fd = -1;
}

void control_handle(enum control_what what, control_fn fn)
{
	handlers[what] = fn;
}

int control_fd(void)
{
	return kick_fd;
}

void control_drain(void)
{
	struct rte_mbuf *m;
	eventfd_t kicks;

	// Emptied first: a kick that comes while packets are taken brings us back.
	eventfd_read(kick_fd, &kicks);
	for (unsigned i = 0; i < CONTROL_RING_SIZE; i++) {
		uint8_t what;

		if (rte_ring_dequeue(ring, (void **)&m) != 0)
			return;
		what = packet_meta(m)->node;
		if (what < CONTROL_WHAT_COUNT && handlers[what])
			handlers[what](m);
		else
			rte_pktmbuf_free(m);
	}
	control_kick();
}

bool control_enqueue(struct rte_mbuf *m)
{
	return rte_ring_enqueue(ring, m) == 0;
}

void control_kick(void)
{
	eventfd_write(kick_fd, 1);
}
