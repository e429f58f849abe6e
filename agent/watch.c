// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <stdio.h>
#include <string.h>

static struct watch_peer *find(struct watch *w, const struct ip_addr *addr)
{
	for (size_t i = 0; i < w->len; i++) {
		if (ip_equal(&w->peers[i].addr, addr))
			return &w->peers[i];
	}
	return NULL;
}

static void add(struct watch *w, const struct watch *before, const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "name"));
	const char *text = json_string_value(json_object_get(entry, "address"));
	struct watch_peer *p = &w->peers[w->len];
	const struct watch_peer *old;

	if (!name || !text || w->len == WATCH_PEERS || ip_parse(text, &p->addr) < 0)
		return;
	old = find((struct watch *)before, &p->addr);
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->was_up = old && old->was_up;
	p->up = old && old->up;
	p->prompt = old && old->prompt;
	w->len++;
}

void watch_set(struct watch *w, const json_t *value)
{
	struct watch before = *w;
	const char *local = json_string_value(json_object_get(value, "local"));
	const json_t *entry;
	size_t i;

	*w = (struct watch){0};
	if (!local || ip_parse(local, &w->local) < 0)
		return;
	json_array_foreach (json_object_get(value, "peers"), i, entry)
		add(w, &before, entry);
}

bool watch_on_state(struct watch *w, const struct api_bfd_state *state)
{
	struct watch_peer *p;
	struct watch_peer was;

	if (state->vrf || !ip_equal(&state->local, &w->local))
		return false;
	p = find(w, &state->remote);
	if (!p)
		return false;
	was = *p;
	p->up = state->state == API_BFD_UP && !state->dormant;
	p->was_up |= p->up;
	p->prompt = p->up && state->detection_us && state->detection_us <= WATCH_DETECTION_US;
	return p->up != was.up || p->prompt != was.prompt;
}

void watch_forget(struct watch *w)
{
	for (size_t i = 0; i < w->len; i++)
		w->peers[i].up = w->peers[i].was_up = w->peers[i].prompt = false;
}

json_t *watch_votes(const struct watch *w)
{
	json_t *votes = NULL;

	for (size_t i = 0; i < w->len; i++) {
		const struct watch_peer *p = &w->peers[i];

		if (!p->was_up || (p->up && !p->prompt))
			continue;
		if (!votes)
			votes = json_object();
		json_object_set_new(votes, p->name, json_string(p->up ? "Up" : "Down"));
	}
	return votes;
}

static size_t count(const struct watch *w, bool was)
{
	size_t len = 0;

	for (size_t i = 0; i < w->len; i++)
		len += was ? w->peers[i].was_up : w->peers[i].up;
	return len;
}

bool watch_all_down(const struct watch *w)
{
	return count(w, true) > 1 && !count(w, false);
}

bool watch_is_minority(const struct watch *w)
{
	return count(w, true) && 2 * (1 + count(w, false)) <= 1 + w->len;
}
