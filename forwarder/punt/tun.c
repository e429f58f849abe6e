// SPDX-License-Identifier: Apache-2.0

#include "tun.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "graph.h"
#include "ip/wire.h"
#include "objects.h"
#include "offload.h"
#include "serve/refuse.h"
#include "server.h"
#include "underlay/recent.h"
#include "underlay/underlay.h"
#include "vrf/vrf.h"
#include "worker.h"

#define READ_BATCH 64 // packets of one TUN before the others get their turn
#define READ_SIZE  9216

static struct event_base *tun_base;

atomic_bool tun_underlay;
static struct vrf underlay = {.tun_fd = -1}; // for its TUN alone
static struct underlay_recent recent;        // of its packets

static struct vrf *tun_vrf(uint32_t id)
{
	return id == API_VRF_UNDERLAY ? &underlay : vrf_find(id);
}

static const struct vrf *tun_vrf_by_index(uint32_t index)
{
	return index ? vrf_by_index(index) : &underlay;
}

static void tun_refresh(struct vrf *v)
{
	if (v == &underlay)
		atomic_store(&tun_underlay, v->tun_fd >= 0);
	else
		vrf_refresh(v);
}

int tun_init(struct event_base *base)
{
	tun_base = base;
	return 0;
}

void tun_punt(struct rte_mbuf *m)
{
	const struct vrf *v = tun_vrf_by_index(packet_meta(m)->vrf);

	// A sender on this machine may have left its checksum to hardware.
	packet_csum_complete(m);
	// The kernel's queue may be full; then the packet is lost as on any link.
	if (v && v->tun_fd >= 0 && m->nb_segs == 1)
		(void)!write(v->tun_fd, rte_pktmbuf_mtod(m, const void *), rte_pktmbuf_data_len(m));
	rte_pktmbuf_free(m);
}

static struct rte_mbuf *read_one(const struct vrf *v)
{
	uint8_t bytes[READ_SIZE];
	ssize_t size = read(v->tun_fd, bytes, sizeof(bytes));
	struct rte_mbuf *m;
	char *p;

	if (size <= 0)
		return NULL;
	m = worker_table[0] ? rte_pktmbuf_alloc(worker_table[0]->pool) : NULL;
	if (!m)
		return NULL;
	p = rte_pktmbuf_append(m, (uint16_t)size);
	if (!p) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	packet_meta_reset(m);
	packet_meta(m)->vrf = v->index;
	packet_meta(m)->source = PACKET_FROM_LOCAL;
	memcpy(p, bytes, (size_t)size);
	return m;
}

// From the gateway's own address only; the neighbour is the underlay's routes' to find.
static bool underlay_send(struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v4 = ip[0] >> 4 == 4;
	struct ip_addr src, dst;
	struct underlay_dest *dest;

	if (rte_pktmbuf_data_len(m) < (v4 ? IP4_SIZE : IP6_SIZE))
		return false;
	src = ip_from_bytes(v4 ? IP_V4 : IP_V6, ip + (v4 ? 12 : 8));
	dst = ip_from_bytes(v4 ? IP_V4 : IP_V6, ip + (v4 ? 16 : 24));
	if (underlay_find(&src).kinds != UNDERLAY_OWN)
		return false;
	dest = underlay_dest_get(&dst);
	if (!dest)
		return false;
	underlay_recent_keep(&recent, dest);
	packet_meta(m)->out = underlay_dest_hop(dest);
	return worker_inject(0, NODE_HOP_OUT, m);
}

static bool send_on(const struct vrf *v, struct rte_mbuf *m)
{
	return v == &underlay ? underlay_send(m) : worker_inject(0, NODE_IP_FORWARD, m);
}

static void readable(evutil_socket_t fd, short what, void *arg)
{
	const struct vrf *v = arg;

	for (unsigned i = 0; i < READ_BATCH; i++) {
		struct rte_mbuf *m = read_one(v);

		if (!m)
			return;
		if (!send_on(v, m))
			rte_pktmbuf_free(m);
	}
}

static void tun_close(struct vrf *v)
{
	if (v->tun_fd < 0)
		return;
	if (v->tun_event)
		event_free(v->tun_event);
	close(v->tun_fd);
	v->tun_event = NULL;
	v->tun_fd = -1;
	v->tun_name[0] = 0;
	v->users--;
	tun_refresh(v);
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_tun *o = object;
	struct vrf *v = tun_vrf(o->vrf);

	if (!v || !memchr(o->name, 0, sizeof(o->name))) {
		close(fd);
		return refuse(ret_error, v ? -EINVAL : -ENOENT,
			v ? "name: not terminated within 16 bytes"
			  : "vrf: is not known; set it first");
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		int r = -errno;

		close(fd);
		return refuse(ret_error, r, "descriptor: cannot be made non-blocking");
	}
	tun_close(v);
	v->tun_fd = fd;
	v->users++;
	memcpy(v->tun_name, o->name, sizeof(v->tun_name));
	if (tun_base) {
		v->tun_event = event_new(tun_base, fd, EV_READ | EV_PERSIST, readable, v);
		event_add(v->tun_event, NULL);
	}
	tun_refresh(v);
	return API_CHANGED;
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_tun *o = key;
	struct vrf *v = tun_vrf(o->vrf);

	if (!v || v->tun_fd < 0)
		return API_UNCHANGED;
	tun_close(v);
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_tun *want = filter;
	uint64_t *cursor = api_emit_cursor(emit);

	for (uint32_t i = (uint32_t)*cursor; i < VRF_MAX; i++) {
		const struct vrf *v = tun_vrf_by_index(i);
		struct api_tun out = {0};
		int r;

		*cursor = i + 1;
		if (!v || v->tun_fd < 0 || (want && want->vrf && want->vrf != v->id))
			continue;
		out.vrf = v->id;
		memcpy(out.name, v->tun_name, sizeof(out.name));
		r = api_emit(emit, &out, sizeof(out));
		if (r < 0)
			return r;
	}
	return 0;
}

void tun_fini(void)
{
	for (uint32_t i = 0; i < VRF_MAX; i++)
		if (vrf_by_index(i))
			tun_close(vrf_by_index(i));
	tun_close(&underlay);
	underlay_recent_fini(&recent);
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_TUN,
		.flags = API_HANDLER_FD,
		.size = sizeof(struct api_tun),
		.min_size = sizeof(struct api_tun),
		.key_size = offsetof(struct api_tun, name),
		.name = "tun",
		.set = set,
		.del = del,
		.dump = dump},
};

int tun_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
