// SPDX-License-Identifier: Apache-2.0

#include "vrf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "objects.h"
#include "server.h"
#include "fib/fib.h"
#include "ip/wire.h"
#include "map.h"
#include "hot.h"
#include "rcu.h"
#include "route/route.h"
#include "serve/refuse.h"
#include "subnet/subnet.h"
#include "xmalloc.h"

const struct vrf_fwd *vrf_fwd_table[VRF_MAX];
struct fib *vrf_fib;

static struct map by_id;
static struct vrf *by_index[VRF_MAX];
static uint32_t next_index = 1;

int vrf_init(void)
{
	const struct fib_size size = {
		.max_vrfs = VRF_MAX, .max_nodes = 1u << 25, .max_leaves = 1u << 25};

	map_init(&by_id);
	vrf_fib = fib_new(&size, true);
	return vrf_fib ? 0 : -errno;
}

struct vrf *vrf_find(uint32_t id)
{
	return map_find(&by_id, &id, sizeof(id));
}

struct vrf *vrf_by_index(uint32_t index)
{
	return index < VRF_MAX ? by_index[index] : NULL;
}

static uint32_t index_new(void)
{
	for (uint32_t n = 0; n < VRF_MAX - 1; n++) {
		uint32_t i = next_index;

		next_index = i + 1 < VRF_MAX ? i + 1 : 1;
		if (!by_index[i])
			return i;
	}
	return 0;
}

static void add_prefix(struct vrf_fwd *f, const struct ip_prefix *p)
{
	if (p->addr.family == IP_V4 && f->prefix4_count < VRF_PREFIXES_MAX) {
		struct vrf_prefix4 *dst = &f->prefix4[f->prefix4_count++];

		memcpy(&dst->addr, p->addr.bytes, 4);
		dst->mask = be32(p->len ? ~0u << (32 - p->len) : 0);
	} else if (p->addr.family == IP_V6 && f->prefix6_count < VRF_PREFIXES_MAX) {
		struct vrf_prefix6 *dst = &f->prefix6[f->prefix6_count++];
		struct ip_addr_words words = ip6_words(p->addr.bytes);
		unsigned hi = p->len < 64 ? p->len : 64, lo = p->len - hi;

		*dst = (struct vrf_prefix6){words.hi, words.lo, hi ? ~0ull << (64 - hi) : 0,
			lo ? ~0ull << (64 - lo) : 0};
	} else {
		f->prefixes_complete = false;
	}
}

// The source of ICMP errors: an address of ours there, the subnets' default gateway first.
static void choose_error_source(const struct vrf *v, struct vrf_fwd *f)
{
	const struct local_addr *a;

	LIST_FOREACH(a, &v->local_addrs, link)
	{
		if (!a->shown)
			continue;
		if (a->api.addr.family == IP_V4 && (!f->error_src4 || a->api.is_gateway))
			memcpy(&f->error_src4, a->api.addr.bytes, 4);
		if (a->api.addr.family == IP_V6 && (!f->has_error_src6 || a->api.is_gateway)) {
			memcpy(f->error_src6, a->api.addr.bytes, 16);
			f->has_error_src6 = true;
		}
	}
}

void vrf_refresh(struct vrf *v)
{
	struct vrf_fwd *f = hot_alloc(sizeof(*f));
	const struct vrf_fwd *old = vrf_fwd_table[v->index];
	const struct subnet *s;

	f->id = v->id;
	f->prefixes_complete = true;
	f->has_tun = v->tun_fd >= 0;
	LIST_FOREACH(s, &v->subnets, link)
	for (unsigned i = 0; i < s->api.prefix_count; i++)
		add_prefix(f, &s->api.prefix[i]);
	choose_error_source(v, f);
	rcu_store(&vrf_fwd_table[v->index], f);
	rcu_defer(hot_free, (void *)(uintptr_t)old);
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_vrf *o = object;
	struct vrf *v = vrf_find(o->vrf);
	uint32_t index;

	if (o->vrf == API_VRF_UNDERLAY)
		return refuse(ret_error, -EINVAL, "vrf: 0 is the underlay; ids start at 1");
	if (!memchr(o->name, 0, sizeof(o->name)))
		return refuse(ret_error, -EINVAL, "name: not terminated within 64 bytes");
	if (v) {
		if (strcmp(v->name, o->name) == 0)
			return API_UNCHANGED;
		memcpy(v->name, o->name, sizeof(v->name));
		return API_CHANGED;
	}
	index = index_new();
	if (!index)
		return refuse(
			ret_error, -ENOSPC, "vrf: %u routing domains are the limit", VRF_MAX - 1);
	v = xcalloc(1, sizeof(*v));
	v->id = o->vrf;
	v->index = index;
	v->tun_fd = -1;
	memcpy(v->name, o->name, sizeof(v->name));
	by_index[index] = v;
	map_set(&by_id, &v->id, sizeof(v->id), v);
	vrf_refresh(v);
	return API_CHANGED;
}

static void vrf_free(struct vrf *v)
{
	const struct vrf_fwd *old = vrf_fwd_table[v->index];

	rcu_store(&vrf_fwd_table[v->index], NULL);
	rcu_defer(hot_free, (void *)(uintptr_t)old);
	map_del(&by_id, &v->id, sizeof(v->id));
	by_index[v->index] = NULL;
	free(v);
}

static int del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_vrf *o = key;
	struct vrf *v = vrf_find(o->vrf);

	if (!v)
		return API_UNCHANGED;
	host_forget_vrf(v);
	if (v->users)
		return refuse(ret_error, -EBUSY, "vrf: %u objects still name it; delete them first",
			v->users);
	route_forget_vrf(v->index);
	vrf_free(v);
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct api_vrf *want = filter;
	uint64_t *cursor = api_emit_cursor(emit);

	for (uint32_t i = (uint32_t)*cursor; i < VRF_MAX; i++) {
		struct api_vrf out = {0};
		int r;

		*cursor = i + 1;
		if (!by_index[i] || (want && want->vrf && want->vrf != by_index[i]->id))
			continue;
		out.vrf = by_index[i]->id;
		memcpy(out.name, by_index[i]->name, sizeof(out.name));
		r = api_emit(emit, &out, sizeof(out));
		if (r < 0)
			return r;
	}
	return 0;
}

void vrf_fini(void)
{
	for (uint32_t i = 0; i < VRF_MAX; i++)
		if (by_index[i])
			vrf_free(by_index[i]);
	map_fini(&by_id);
	rcu_synchronize();
	fib_free(vrf_fib);
	vrf_fib = NULL;
	next_index = 1;
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_VRF,
		.size = sizeof(struct api_vrf),
		.min_size = sizeof(struct api_vrf),
		.key_size = offsetof(struct api_vrf, name),
		.name = "vrf",
		.set = set,
		.del = del,
		.dump = dump},
};

int vrf_serve(struct api_server *s)
{
	return api_server_add(s, handlers, 1, NULL);
}
