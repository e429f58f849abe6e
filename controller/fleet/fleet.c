// SPDX-License-Identifier: Apache-2.0
#include "fleet.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "takeover.h"
#include "xmalloc.h"

// One entry of what a gateway said about one object.
struct note {
	json_t *state;        // or NULL
	char *code, *message; // an error, or NULL
	char id[];            // "kind/key"
};

struct fleet_gateway {
	char *name;
	struct view view;
	bool known; // a resource exists; the hosts' view always is
	char *instance;
	uint64_t reached;
	struct map notes;
	bool full; // said once that it reports too much
	uint32_t errors_len;
};

// Where the objects of a resource are, and since when.
struct place {
	struct fleet_gateway *gateway;
	uint64_t revision;
};

struct resource_ref {
	struct place *places;
	size_t len, cap;
	char ref[]; // lower case
};

struct fleet {
	struct fleet_ops ops;
	uint64_t term, revision;
	struct takeover *takeover;
	struct map gateways, refs;
};

static struct fleet_gateway *find(const struct fleet *f, const char *name)
{
	return map_find_str(&f->gateways, name);
}

static struct fleet_gateway *get(struct fleet *f, const char *name)
{
	struct fleet_gateway *g = find(f, name);

	if (g)
		return g;
	g = xcalloc(1, sizeof(*g));
	g->name = xstrdup(name);
	view_init(&g->view, f->term << 32);
	map_set_str(&f->gateways, g->name, g);
	return g;
}

static void on_health(void *arg, const char *gateway, enum plan_health health)
{
	static const char *const words[] = {
		[PLAN_HEALTH_UNKNOWN] = "not heard",
		[PLAN_HEALTH_UP] = "up",
		[PLAN_HEALTH_LOST] = "lost",
	};
	struct fleet *f = arg;
	struct fleet_gateway *g = find(f, gateway);

	log_info("gateway %s is %s", gateway, words[health]);
	// It may come back as another that has nothing yet: until it reports, it has reached
	// nothing.
	if (g && health != PLAN_HEALTH_UP)
		g->reached = 0;
	f->ops.health(f->ops.arg, gateway, health);
	f->ops.changed(f->ops.arg);
}

struct fleet *fleet_new(uint64_t term, int64_t now_ms, const struct fleet_ops *ops)
{
	struct fleet *f = xcalloc(1, sizeof(*f));

	f->ops = *ops;
	f->term = term;
	f->revision = term << 32;
	f->takeover = takeover_new(now_ms, on_health, f);
	get(f, PLAN_HOSTS)->known = true;
	return f;
}

static void note_free(struct note *n)
{
	json_decref(n->state);
	free(n->code);
	free(n->message);
	free(n);
}

static void forget_notes(struct fleet_gateway *g)
{
	struct note *n;
	size_t at = 0;

	while ((n = map_next(&g->notes, &at)))
		note_free(n);
	map_fini(&g->notes);
	g->errors_len = 0;
}

static void gateway_free(struct fleet *f, struct fleet_gateway *g)
{
	map_del_str(&f->gateways, g->name);
	forget_notes(g);
	view_fini(&g->view);
	free(g->instance);
	free(g->name);
	free(g);
}

void fleet_free(struct fleet *f)
{
	struct fleet_gateway *g;
	struct resource_ref *r;
	size_t at = 0;

	if (!f)
		return;
	while ((g = map_next(&f->gateways, &at)))
		gateway_free(f, g);
	map_fini(&f->gateways);
	takeover_free(f->takeover);
	for (at = 0; (r = map_next(&f->refs, &at));) {
		free(r->places);
		free(r);
	}
	map_fini(&f->refs);
	free(f);
}

uint64_t fleet_term(const struct fleet *f)
{
	return f->term;
}

uint64_t fleet_revision(const struct fleet *f)
{
	return f->revision;
}

void fleet_add(struct fleet *f, const char *gateway, const char *pool)
{
	get(f, gateway)->known = true;
	takeover_add(f->takeover, gateway, pool);
}

void fleet_spare(struct fleet *f, const char *pool, uint32_t redundant_count)
{
	takeover_spare(f->takeover, pool, redundant_count);
}

static void leave_refs(struct fleet *f, const struct fleet_gateway *g);

void fleet_remove(struct fleet *f, const char *gateway)
{
	struct fleet_gateway *g = find(f, gateway);

	if (!g)
		return;
	leave_refs(f, g);
	takeover_remove(f->takeover, gateway);
	gateway_free(f, g);
}

bool fleet_knows(const struct fleet *f, const char *gateway)
{
	const struct fleet_gateway *g = find(f, gateway);

	return g && g->known && *gateway;
}

void fleet_enrolled(struct fleet *f, const char *gateway)
{
	if (f->ops.enrolled)
		f->ops.enrolled(f->ops.arg, gateway);
}

const struct view *fleet_view(const struct fleet *f, const char *name)
{
	const struct fleet_gateway *g = find(f, name);

	return g ? &g->view : NULL;
}

// -- where the objects of a resource are

static struct resource_ref *ref_find(const struct fleet *f, const char *ref, bool make)
{
	size_t size = strlen(ref) + 1;
	struct resource_ref *r = xcalloc(1, sizeof(*r) + size), *found;

	for (size_t i = 0; i + 1 < size; i++)
		r->ref[i] = (char)tolower((unsigned char)ref[i]);
	found = map_find_str(&f->refs, r->ref);
	if (found || !make) {
		free(r);
		return found;
	}
	map_set_str((struct map *)(uintptr_t)&f->refs, r->ref, r);
	return r;
}

static void note_place(struct fleet *f, struct fleet_gateway *g, const char *ref, uint64_t revision)
{
	struct resource_ref *r;

	if (!*ref || !*g->name)
		return;
	r = ref_find(f, ref, true);
	for (size_t i = 0; i < r->len; i++) {
		if (r->places[i].gateway != g)
			continue;
		r->places[i].revision = revision;
		return;
	}
	r->places = xgrow(r->places, &r->cap, r->len + 1, sizeof(*r->places));
	r->places[r->len++] = (struct place){g, revision};
}

static void leave_refs(struct fleet *f, const struct fleet_gateway *g)
{
	struct resource_ref *r;
	size_t at = 0;

	while ((r = map_next(&f->refs, &at))) {
		for (size_t i = r->len; i-- > 0;) {
			if (r->places[i].gateway == g)
				r->places[i] = r->places[--r->len];
		}
	}
}

uint64_t fleet_apply(struct fleet *f, const struct plan_event *events, size_t len)
{
	uint64_t revision = f->revision + 1;
	bool news = false;

	for (size_t i = 0; i < len; i++) {
		struct fleet_gateway *g =
			events[i].gone ? find(f, events[i].view) : get(f, events[i].view);
		struct plan_object *o = events[i].object;

		if (!g || !(events[i].gone ? view_del(&g->view, o, revision)
					   : view_set(&g->view, o, revision)))
			continue;
		news = true;
		note_place(f, g, o->ref, revision);
	}
	if (news)
		f->revision = revision;
	return f->revision;
}

uint64_t fleet_reached(const struct fleet *f, const char *gateway)
{
	const struct fleet_gateway *g = find(f, gateway);

	if (!g)
		return 0;
	return g->reached >= g->view.revision ? UINT64_MAX : g->reached;
}

void fleet_each(const struct fleet *f, void (*each)(void *arg, const char *gateway), void *arg)
{
	const struct fleet_gateway *g;
	size_t at = 0;

	while ((g = map_next(&f->gateways, &at))) {
		if (*g->name)
			each(arg, g->name);
	}
}

// -- reports

static struct note *note_get(struct fleet_gateway *g, const json_t *entry, bool make)
{
	const char *kind = json_string_value(json_object_get(entry, "kind"));
	const char *key = json_string_value(json_object_get(entry, "key"));
	struct note *n;
	char *id;

	if (!kind || !key)
		return NULL;
	id = xasprintf("%s/%s", kind, key);
	n = map_find_str(&g->notes, id);
	if (!n && make && g->notes.len < FLEET_STATES_MAX) {
		n = xcalloc(1, sizeof(*n) + strlen(id) + 1);
		memcpy(n->id, id, strlen(id) + 1);
		map_set_str(&g->notes, n->id, n);
	} else if (!n && make && !g->full) {
		g->full = true;
		log_warning("gateway %s reports more than %d objects: the rest is not kept",
			g->name, FLEET_STATES_MAX);
	}
	free(id);
	return n;
}

static void take_errors(struct fleet_gateway *g, const json_t *errors)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (errors, i, entry) {
		const char *code = json_string_value(json_object_get(entry, "code"));
		const char *words = json_string_value(json_object_get(entry, "message"));
		struct note *n = note_get(g, entry, code != NULL);

		if (!n)
			continue;
		g->errors_len += (code != NULL) - (n->code != NULL);
		free(n->code);
		free(n->message);
		n->code = code ? xstrdup(code) : NULL;
		n->message = code ? xstrdup(words ? words : "") : NULL;
	}
}

static void tell_learnt(const struct fleet *f, const struct fleet_gateway *g, const json_t *entry,
	const json_t *value)
{
	const char *kind = json_string_value(json_object_get(entry, "kind"));
	const char *key = json_string_value(json_object_get(entry, "key"));

	if (f->ops.learnt && kind && key && !strcmp(kind, "routes"))
		f->ops.learnt(f->ops.arg, g->name, key, value);
}

static void take_states(const struct fleet *f, struct fleet_gateway *g, const json_t *states)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (states, i, entry) {
		json_t *value = json_object_get(entry, "value");
		struct note *n;

		if (json_array_size(json_object_get(value, "learnt")) > FLEET_LEARNT_MAX)
			continue;
		n = note_get(g, entry, true);
		if (!n)
			continue;
		json_decref(n->state);
		n->state = json_incref(value);
		tell_learnt(f, g, entry, value);
	}
}

static void take_gone(const struct fleet *f, struct fleet_gateway *g, const json_t *gone)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (gone, i, entry) {
		struct note *n = note_get(g, entry, false);

		if (!n)
			continue;
		g->errors_len -= n->code != NULL;
		map_del_str(&g->notes, n->id);
		note_free(n);
		tell_learnt(f, g, entry, NULL);
	}
}

static void tell_iv_next(struct fleet *f, const struct fleet_gateway *g)
{
	json_int_t next = json_integer_value(
		json_object_get(fleet_state(f, g->name, "gateway", "self"), "ivNext"));

	if (next > 0 && f->ops.iv_next)
		f->ops.iv_next(f->ops.arg, g->name, (uint64_t)next);
}

int fleet_report(struct fleet *f, const char *gateway, const json_t *report, int64_t now_ms)
{
	struct fleet_gateway *g = find(f, gateway);
	const char *instance = json_string_value(json_object_get(report, "instance"));
	json_int_t revision = json_integer_value(json_object_get(report, "revision"));
	bool moved;

	if (!g || !g->known)
		return -ENOENT;
	if (!json_is_object(report) || !instance || revision < 0)
		return -EINVAL;
	if (!g->instance || strcmp(g->instance, instance)) {
		forget_notes(g);
		free(g->instance);
		g->instance = xstrdup(instance);
		g->full = false;
		if (f->ops.learnt)
			f->ops.learnt(f->ops.arg, g->name, NULL, NULL);
	}
	// A revision of an earlier term says nothing about this one's objects.
	moved = g->reached != (uint64_t)revision;
	g->reached = (uint64_t)revision;
	take_errors(g, json_object_get(report, "errors"));
	take_states(f, g, json_object_get(report, "state"));
	take_gone(f, g, json_object_get(report, "gone"));
	tell_iv_next(f, g);
	if (moved && f->ops.reached)
		f->ops.reached(f->ops.arg, g->name);
	fleet_polled(f, gateway, now_ms);
	f->ops.changed(f->ops.arg);
	return 0;
}

// -- life

#define VOTES_MAX 128 // gateways of a pool that one watches
#define DEAD_MAX  8   // processes of a gateway

static size_t read_votes(const json_t *peers, struct takeover_vote votes[VOTES_MAX])
{
	const char *name;
	json_t *state;
	size_t len = 0;

	json_object_foreach ((json_t *)peers, name, state) {
		const char *word = json_string_value(state);

		if (word && len < VOTES_MAX)
			votes[len++] = (struct takeover_vote){name, strcmp(word, "Up") != 0};
	}
	return len;
}

static size_t read_dead(const json_t *processes, struct takeover_dead dead[DEAD_MAX])
{
	const char *name;
	json_t *ms;
	size_t len = 0;

	json_object_foreach ((json_t *)processes, name, ms) {
		if (json_is_integer(ms) && json_integer_value(ms) >= 0 && len < DEAD_MAX)
			dead[len++] =
				(struct takeover_dead){name, (uint32_t)json_integer_value(ms)};
	}
	return len;
}

int fleet_beat(struct fleet *f, const char *gateway, const json_t *beat, int64_t now_ms)
{
	struct fleet_gateway *g = find(f, gateway);
	struct takeover_vote votes[VOTES_MAX];
	struct takeover_dead dead[DEAD_MAX];
	struct takeover_beat b = {
		.workers = (uint64_t)json_integer_value(json_object_get(beat, "workers")),
		.cut_off = json_is_true(json_object_get(beat, "cutOff")),
		.votes = votes,
		.dead = dead,
	};

	if (!g || !g->known)
		return -ENOENT;
	b.votes_len = read_votes(json_object_get(beat, "peers"), votes);
	b.dead_len = read_dead(json_object_get(beat, "dead"), dead);
	takeover_beat(f->takeover, gateway, &b, now_ms);
	return 0;
}

// An agent that asks for objects lives, but only heartbeats tell of its forwarder.
void fleet_polled(struct fleet *f, const char *gateway, int64_t now_ms)
{
	takeover_heard(f->takeover, gateway, now_ms);
}

void fleet_tick(struct fleet *f, int64_t now_ms)
{
	takeover_tick(f->takeover, now_ms);
}

enum plan_health fleet_health(const struct fleet *f, const char *gateway)
{
	return takeover_health(f->takeover, gateway);
}

// -- for the API

static const struct note *error_of(const struct fleet_gateway *g, const char *ref)
{
	const struct note *n;
	size_t at = 0;

	while (g->errors_len && (n = map_next(&g->notes, &at))) {
		const struct view_entry *e = NULL;
		const char *slash = strchr(n->id, '/');

		if (!n->code)
			continue;
		for (int k = 0; k < PLAN_KINDS && !e; k++) {
			size_t size = (size_t)(slash - n->id);

			if (strlen(plan_kind_name(k)) == size &&
				!strncmp(plan_kind_name(k), n->id, size))
				e = view_find(&g->view, k, slash + 1);
		}
		if (e && !strcasecmp(e->object->ref, ref))
			return n;
	}
	return NULL;
}

enum fleet_progress fleet_progress(
	const struct fleet *f, const char *ref, struct fleet_error *ret_error)
{
	const struct resource_ref *r = ref_find(f, ref, false);
	enum fleet_progress progress = FLEET_DONE;

	for (size_t i = 0; r && i < r->len; i++) {
		const struct fleet_gateway *g = r->places[i].gateway;
		const struct note *n;

		if (takeover_health(f->takeover, g->name) != PLAN_HEALTH_UP)
			continue;
		n = error_of(g, ref);
		if (n) {
			if (ret_error)
				*ret_error = (struct fleet_error){g->name, n->code, n->message};
			return FLEET_FAILED;
		}
		if (g->reached < r->places[i].revision)
			progress = FLEET_UPDATING;
	}
	return progress;
}

bool fleet_has_reported(const struct fleet *f, const char *gateway)
{
	const struct fleet_gateway *g = find(f, gateway);

	return g && g->instance;
}

const json_t *fleet_state(
	const struct fleet *f, const char *gateway, const char *kind, const char *key)
{
	const struct fleet_gateway *g = find(f, gateway);
	struct note *n;
	char *id;

	if (!g)
		return NULL;
	id = xasprintf("%s/%s", kind, key);
	n = map_find_str(&g->notes, id);
	free(id);
	return n ? n->state : NULL;
}
