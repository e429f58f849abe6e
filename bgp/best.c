// SPDX-License-Identifier: Apache-2.0
#include "speaker_impl.h"

// Who wants to know each prefix's best path (the agent) is told of changes from a queue: a prefix
// that changes again before it was its turn is told once, as it is then. So a flood of updates
// costs who listens nothing but time.

static void tell(struct router *r, int family, uint32_t dest)
{
	struct speaker *s = router_speaker(r);
	struct table *t = &r->table[family];
	const struct dest *d = table_dest(t, dest);
	const struct path *path = d->flags & DEST_HAS_BEST ? table_path(t, d->paths) : NULL;
	struct api_bgp_route route = {.vrf = r->cfg.vrf,
		.slot = r->cfg.slot,
		.view = API_BGP_VIEW_BEST,
		.prefix = table_prefix(t, dest)};
	struct attrs attrs;

	if (path) {
		attrstore_view(s->attrs, path->attrs, &attrs);
		route.verdict = API_BGP_BEST;
		route.origin = attrs.origin;
		route.next_hop = attrs.next_hop;
		route.med = attrs_med(&attrs);
		route.local_pref = attrs_local_pref(&attrs);
		route.internal = path->source && !(path->flags & PATH_EXTERNAL);
		if (path->source)
			route.peer = r->peers[path->source]->cfg.address;
		aspath_format(attrs.as_path, route.as_path, sizeof(route.as_path));
	}
	s->ops->best(s->ctx, &route);
}

static void tell_next(struct router *r, int family)
{
	uint32_t dest = queue_take(&r->best[family]);

	table_dest(&r->table[family], dest)->queued--;
	tell(r, family, dest);
	table_release(&r->table[family], dest);
}

static bool best_run(struct job *job)
{
	struct router *r =
		(struct router *)(void *)((char *)job - offsetof(struct router, best_job));
	struct speaker *s = router_speaker(r);
	unsigned n = 0;

	for (int f = 0; f < BGP_FAMILIES; f++) {
		while (n < JOB_SLICE && !queue_is_empty(&r->best[f])) {
			if (s->ops->best_full && s->ops->best_full(s->ctx)) {
				job_wait(&r->best_job, &s->best_waiting);
				return false;
			}
			tell_next(r, f);
			n = slice_over(s) ? JOB_SLICE : n + 1;
		}
	}
	if (!queue_is_empty(&r->best[0]) || !queue_is_empty(&r->best[1]))
		return true;
	router_check_gone(r);
	return false;
}

void best_init(struct router *r)
{
	r->best_job = (struct job){.run = best_run, .vrf = r->vrf};
}

void best_queue(struct router *r, int family, uint32_t dest)
{
	const struct speaker *s = router_speaker(r);

	if (!s->ops->best || (s->ops->best_wanted && !s->ops->best_wanted(s->ctx)))
		return;
	if (queue_add(&r->best[family], dest))
		table_dest(&r->table[family], dest)->queued++;
	job_schedule(&r->best_job);
}

void speaker_best_writable(struct speaker *s)
{
	jobs_resume(&s->best_waiting);
}
