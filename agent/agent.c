// SPDX-License-Identifier: Apache-2.0
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api_fence.h"
#include "ask.h"
#include "bfd.h"
#include "log.h"
#include "objects.h"
#include "proto.h"
#include "server.h"
#include "xmalloc.h"

// -- errors of objects

// An object suffers from itself or from the first of its local objects that was refused.
static const char *wanted_trouble(const struct wanted *w)
{
	const struct contribution *c;

	if (w->text)
		return w->text;
	SLIST_FOREACH (c, &w->contributions, of_owner) {
		if (c->desired->status)
			return c->desired->text;
	}
	return NULL;
}

static void agent_note_trouble(struct agent *a, struct wanted *w)
{
	const char *text = wanted_trouble(w);
	char kind[32];

	if (!text && !w->troubled)
		return;
	wanted_kind_name(w, kind, sizeof(kind));
	if (text && !w->troubled)
		log_warning("%s %s: %s", kind, wanted_key(w), text);
	w->troubled = text;
	report_error(&a->report, kind, wanted_key(w), text);
}

static void agent_on_trouble(void *ctx, struct wanted *w)
{
	agent_note_trouble(ctx, w);
}

static void agent_on_warning(void *ctx, struct wanted *w)
{
	struct agent *a = ctx;

	if (w->kind && !strcmp(w->kind->name, "connection"))
		stats_set_warning(
			&a->stats, (uint32_t)strtoul(wanted_key(w), NULL, 10), w->warning);
}

static void agent_on_status(void *ctx, const struct desired *d)
{
	struct contribution *c;

	SLIST_FOREACH (c, &d->contributions, of_desired)
		agent_note_trouble(ctx, c->owner);
}

// -- targets

bool agent_is_settled(const struct agent *a)
{
	const struct target *forwarder = a->targets[DESIRED_FORWARDER];

	if (forwarder && !target_is_ready(forwarder))
		return false;
	if (a->desired.queued_len[DESIRED_KERNEL])
		return false;
	for (size_t i = 0; i < DESIRED_TARGETS; i++) {
		if (a->targets[i] &&
			(target_is_learning(a->targets[i]) || a->desired.queued_len[i] ||
				a->desired.in_flight_len[i]))
			return false;
	}
	return true;
}

void agent_report(struct agent *a)
{
	if (agent_is_settled(a))
		report_reached(&a->report, a->term, a->revision);
	if (a->south && report_due(&a->report))
		south_report_soon(a->south);
}

static void agent_on_settled(void *ctx, enum desired_target id)
{
	agent_report(ctx);
}

static void agent_on_found(
	void *ctx, enum desired_target id, uint16_t type, const void *object, size_t size)
{
	struct agent *a = ctx;
	const struct api_slot *slot = object;

	const struct desired *d;

	// What the forwarder does already, under whatever epoch, it may go on doing.
	if (type != API_TYPE_SLOT || size < sizeof(*slot) || !slot->active)
		return;
	slots_confirm(&a->slots, slot->slot, slot->epoch);
	d = desired_find(&a->desired, desired_type_find(API_TYPE_SLOT), &slot->slot);
	if (d && desired_is_wanted(d))
		iv_adopt(&a->iv, slot->slot, ((const struct api_slot *)d->value)->iv_epoch,
			target_instance(a->targets[id]), slot->iv_epoch);
}

static void agent_start_speakers(struct agent *a);

static void agent_on_ike_item(void *ctx, const void *object, size_t size, int fd)
{
	struct api_ike_state state = {0};
	struct agent *a = ctx;

	memcpy(&state, object, size < sizeof(state) ? size : sizeof(state));
	stats_on_ike(&a->stats, &state);
}

static void agent_on_bfd(struct agent *a, const void *object, size_t size)
{
	struct api_bfd_state state = {0};

	memcpy(&state, object, size < sizeof(state) ? size : sizeof(state));
	if (watch_on_state(&a->watch, &state) && a->south)
		south_beat_soon(a->south);
}

static void agent_on_bfd_item(void *ctx, const void *object, size_t size, int fd)
{
	agent_on_bfd(ctx, object, size);
}

static void agent_on_ready(void *ctx, enum desired_target id, bool restarted)
{
	static const struct {
		uint16_t types[3];
		size_t len;
	} events[DESIRED_TARGETS] = {
		[DESIRED_FORWARDER] = {{API_TYPE_CONN_EVENT, API_TYPE_FENCE_STATE,
					       API_TYPE_BFD_STATE},
			3},
		[DESIRED_BGP] = {{API_TYPE_BGP_SOCKET, API_TYPE_BGP_PEER_STATE, API_TYPE_BGP_ROUTE},
			3},
		[DESIRED_IKE] = {{API_TYPE_IKE_STATE}, 1},
	};
	struct agent *a = ctx;
	struct api_client *client = target_client(a->targets[id]);

	api_client_subscribe(client, events[id].types, events[id].len);
	if (id == DESIRED_FORWARDER) {
		iv_set_life(&a->iv, target_instance(a->targets[id]));
		stats_set_forwarder(&a->stats, client);
		fence_on_ready(a);
		api_client_dump(client, API_TYPE_BFD_STATE, NULL, 0, agent_on_bfd_item, NULL, a);
		agent_start_speakers(a);
	} else if (id == DESIRED_BGP) {
		peers_set_bgp(&a->peers, client);
	} else if (id == DESIRED_IKE) {
		api_client_dump(client, API_TYPE_IKE_STATE, NULL, 0, agent_on_ike_item, NULL, a);
	}
}

static void agent_on_down(void *ctx, enum desired_target id)
{
	struct agent *a = ctx;

	if (id == DESIRED_BGP)
		peers_set_bgp(&a->peers, NULL);
	if (id != DESIRED_FORWARDER)
		return;
	stats_set_forwarder(&a->stats, NULL);
	watch_forget(&a->watch);
	// A forwarder that starts anew claims addresses only if somebody confirms them meanwhile.
	if (!a->south || !south_is_fresh(a->south)) {
		a->slots.confirmed = false;
		memset(a->slots.epochs, 0, sizeof(a->slots.epochs));
		a->slots.changed = true;
	}
}

static void agent_on_event(
	void *ctx, enum desired_target id, uint16_t type, const void *object, size_t size)
{
	struct agent *a = ctx;

	switch (type) {
	case API_TYPE_CONN_EVENT: stats_conn_event(&a->stats); break;
	case API_TYPE_BFD_STATE: agent_on_bfd(a, object, size); break;
	case API_TYPE_FENCE_STATE:
		if (size >= sizeof(struct api_fence_state))
			fence_on_state(a, object);
		break;
	case API_TYPE_IKE_STATE: agent_on_ike_item(a, object, size, -1); break;
	case API_TYPE_BGP_SOCKET:
		if (size >= sizeof(struct api_bgp_socket))
			agent_give_socket(a, object);
		break;
	case API_TYPE_BGP_PEER_STATE:
		if (size >= sizeof(struct api_bgp_peer_state))
			peers_on_state(&a->peers, object);
		break;
	case API_TYPE_BGP_ROUTE:
		if (size >= sizeof(struct api_bgp_route))
			peers_on_route(&a->peers, object);
		break;
	default: break;
	}
}

// -- slots

static bool agent_holds(const struct agent *a, const struct desired *d)
{
	const struct api_slot *slot = (const struct api_slot *)d->value;

	return desired_is_wanted(d) && slot->active && !a->slots.starved[slot->slot] &&
	       slots_may_activate(&a->slots, slot->slot, slot->epoch);
}

static bool agent_is_held(void *ctx, uint16_t slot)
{
	const struct agent *a = ctx;

	// 0 is what is the gateway's own.
	return !slot || (slot < SLOTS_MAX && a->slots.held[slot]);
}

// Looks again at which slots are held; what speaks for those that came or went follows.
static void agent_update_held(struct agent *a)
{
	const struct desired_type *type = desired_type_find(API_TYPE_SLOT);
	bool changed = false;

	for (uint16_t slot = 1; slot < SLOTS_MAX; slot++) {
		struct desired *d = desired_find(&a->desired, type, &slot);
		bool held = d && agent_holds(a, d);

		changed |= held != a->slots.held[slot];
		a->slots.held[slot] = held;
	}
	if (changed)
		desired_slots_changed(&a->desired);
	a->slots.changed = false;
}

static bool agent_is_conn_usable(void *ctx, uint32_t conn)
{
	const struct agent *a = ctx;

	return stats_is_usable(&a->stats, conn);
}

// Routes over a connection are chosen anew: it went up or down, or came or went as a whole.
static void agent_touch_routes(struct agent *a, uint32_t conn, uint32_t vrf)
{
	const struct contribution *c;
	struct wanted *block;
	char key[24];

	snprintf(key, sizeof(key), "%u/%u", vrf, conn);
	block = wanted_find(&a->wanted, "routes", key);
	if (!block)
		return;
	SLIST_FOREACH (c, &block->contributions, of_owner)
		desired_touch(&a->desired, c->desired);
}

static void agent_on_conn_moved(void *ctx, uint32_t conn)
{
	struct agent *a = ctx;
	const struct desired *d =
		desired_find(&a->desired, desired_type_find(API_TYPE_CONN), &conn);

	if (!d || !desired_is_wanted(d))
		return;
	agent_touch_routes(a, conn, ((const struct api_conn *)d->value)->vrf);
	agent_push(a);
}

static void agent_on_value(void *ctx, const struct desired *d, bool moved)
{
	struct agent *a = ctx;

	if (d->type->type == API_TYPE_SLOT)
		a->slots.changed = true;
	else if (d->type->type == API_TYPE_ROUTE)
		peers_routes_changed(&a->peers);
	else if (d->type->type == API_TYPE_CONN && moved) // the value is its last, if it went
		agent_touch_routes(a, *(const uint32_t *)(const void *)d->key,
			((const struct api_conn *)d->value)->vrf);
}

// An active slot goes with an IV epoch that no earlier life of the forwarder has used.
static bool agent_may_use(struct agent *a, struct api_slot *slot)
{
	uint64_t number;

	a->slots.starved[slot->slot] = false;
	if (!slots_may_activate(&a->slots, slot->slot, slot->epoch)) {
		log_info("slot %u waits for somebody to confirm epoch %llu", slot->slot,
			(unsigned long long)slot->epoch);
		return false;
	}
	number = iv_number(&a->iv, slot->slot, slot->iv_epoch);
	if (!number) {
		log_error("slot %u waits for an IV epoch: none is left of what was granted",
			slot->slot);
		a->slots.starved[slot->slot] = a->slots.changed = true;
		return false;
	}
	slot->iv_epoch = number;
	report_state(&a->report, "gateway", "self",
		json_pack("{s:I}", "ivNext", (json_int_t)a->iv.next));
	return true;
}

static bool agent_before_slot(struct agent *a, struct api_slot *slot)
{
	if (slot->slot >= SLOTS_MAX)
		return true;
	a->slots.withheld[slot->slot] = slot->active && !agent_may_use(a, slot);
	if (a->slots.withheld[slot->slot])
		slot->active = 0;
	return true;
}

static bool agent_before_set(void *ctx, const struct desired *d, void *object, int *ret_fd)
{
	switch (d->type->type) {
	case API_TYPE_SLOT: return agent_before_slot(ctx, object);
	case API_TYPE_TUN: return agent_before_tun(ctx, object, ret_fd);
	case API_TYPE_BGP_SOCKET: return agent_before_socket(ctx, object, ret_fd);
	case API_TYPE_BGP_ROUTER:
		if (d->has_come)
			((struct api_bgp_router *)object)->flags |= API_BGP_ROUTER_TAKEN_OVER;
		return true;
	default: return true;
	}
}

static const struct target_ops agent_target_ops = {.ready = agent_on_ready,
	.settled = agent_on_settled,
	.down = agent_on_down,
	.event = agent_on_event,
	.found = agent_on_found,
	.before_set = agent_before_set};

void agent_push(struct agent *a)
{
	if (a->slots.changed)
		agent_update_held(a);
	agent_push_kernel(a);
	for (size_t i = 0; i < DESIRED_TARGETS; i++) {
		if (a->targets[i])
			target_push(a->targets[i]);
	}
}

static void agent_start_target(struct agent *a, enum desired_target id)
{
	const char *const paths[DESIRED_TARGETS] = {
		a->config.forwarder, a->config.bgp, a->config.ike};

	if (paths[id] && !a->targets[id])
		a->targets[id] =
			target_new(a->base, id, paths[id], &a->desired, &agent_target_ops, a);
}

// Whether a slot is held may be known by the forwarder alone (slots.h); until it has been asked,
// nothing is said to those that speak for slots, so that what they do is not taken back.
static void agent_start_speakers(struct agent *a)
{
	agent_update_held(a);
	agent_start_target(a, DESIRED_BGP);
	agent_start_target(a, DESIRED_IKE);
}

void agent_start_targets(struct agent *a)
{
	agent_start_target(a, DESIRED_FORWARDER);
}

// Slots that were given as inactive and may now be used.
static void agent_release_slots(struct agent *a)
{
	const struct desired_type *type = desired_type_find(API_TYPE_SLOT);

	for (uint16_t slot = 0; slot < SLOTS_MAX; slot++) {
		struct desired *d =
			a->slots.withheld[slot] ? desired_find(&a->desired, type, &slot) : NULL;
		const struct api_slot *value = d ? (const struct api_slot *)d->value : NULL;

		if (value && d->value_size && slots_may_activate(&a->slots, slot, value->epoch)) {
			desired_enqueue(&a->desired, d);
			a->slots.changed = true;
		}
	}
	agent_push(a);
}

// -- the controller

// What of the gateway's own object is for the agent itself.
static void agent_take_gateway(struct agent *a, const json_t *value)
{
	const json_t *block = json_object_get(value, "ivBlock");
	json_int_t first = json_integer_value(json_array_get(block, 0));
	json_int_t len = json_integer_value(json_array_get(block, 1));

	const json_t *entry;
	size_t i;

	a->slots.alone = json_is_true(json_object_get(value, "alone"));
	a->stats.underlay_ports = 0;
	json_array_foreach (json_object_get(value, "underlay"), i, entry) {
		json_int_t port = json_integer_value(json_object_get(entry, "port"));

		if (port >= 0 && port < 64)
			a->stats.underlay_ports |= UINT64_C(1) << port;
	}
	fence_update(a);
	if (first > 0 && len > 0)
		iv_grant(&a->iv, (uint64_t)first, (uint64_t)len);
}

static void agent_forget(struct agent *a, const char *kind, const char *key)
{
	report_gone(&a->report, kind, key);
	if (!strcmp(kind, "watch"))
		watch_set(&a->watch, NULL);
	if (!strcmp(kind, "connection"))
		stats_forget(&a->stats, (uint32_t)strtoul(key, NULL, 10));
}

// One object of an answer: to memory, and to the disk if it is another than before.
static void agent_take_object(struct agent *a, const json_t *object)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));
	const char *key = json_string_value(json_object_get(object, "key"));
	uint64_t revision = (uint64_t)json_integer_value(json_object_get(object, "revision"));
	const json_t *value = json_object_get(object, "value");
	bool must = json_is_true(json_object_get(object, "must"));
	const struct kind *known;
	struct wanted *w;
	char *text;

	if (!kind || !key || strchr(kind, WANTED_SEPARATOR))
		return;
	if (json_is_true(json_object_get(object, "deleted"))) {
		if (wanted_del(&a->wanted, kind, key))
			disk_del(a->disk, kind, key);
		agent_forget(a, kind, key);
		return;
	}
	if (!wanted_put(&a->wanted, kind, key, revision, value, must))
		return;
	w = wanted_find(&a->wanted, kind, key);
	agent_note_trouble(a, w);
	known = w->kind;
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text)
		disk_put(a->disk, kind, key, revision, text, must, !known || known->secret);
	free(text);
	if (!strcmp(kind, "gateway"))
		agent_take_gateway(a, value);
	if (!strcmp(kind, "watch"))
		watch_set(&a->watch, value);
}

static void agent_drop_unlisted(struct agent *a)
{
	struct wanted *w;
	size_t at = 0;

	while ((w = map_next(&a->wanted.objects, &at))) {
		char kind[32], *key;

		if (w->listed)
			continue;
		key = xstrdup(wanted_key(w));
		wanted_kind_name(w, kind, sizeof(kind));
		wanted_del(&a->wanted, kind, key);
		disk_del(a->disk, kind, key);
		agent_forget(a, kind, key);
		free(key);
	}
}

static void agent_on_objects(
	void *ctx, uint64_t term, uint64_t revision, bool full, const json_t *objects)
{
	struct agent *a = ctx;
	struct wanted *w;
	const json_t *object;
	size_t i, at = 0;

	disk_begin(a->disk);
	while (full && (w = map_next(&a->wanted.objects, &at)))
		w->listed = false;
	json_array_foreach ((json_t *)objects, i, object)
		agent_take_object(a, object);
	if (full)
		agent_drop_unlisted(a);
	a->term = term;
	a->revision = revision;
	a->slots.confirmed = true;
	if (json_array_size(objects))
		desired_retry_refused(&a->desired);
	if (disk_commit(a->disk, term, revision) < 0)
		log_error("writing what the gateway should be to disk: %s", disk_error(a->disk));
	agent_release_slots(a); // and sends everything else
	agent_report(a);
}

static json_t *agent_on_report(void *ctx)
{
	struct agent *a = ctx;

	return report_take(&a->report);
}

static void agent_on_reported(void *ctx, bool taken)
{
	struct agent *a = ctx;

	report_done(&a->report, taken);
}

// The highest epoch under which anything here is to be active.
static uint64_t agent_highest_epoch(const struct agent *a)
{
	const struct desired_type *type = desired_type_find(API_TYPE_SLOT);
	uint64_t highest = 0;

	for (uint16_t slot = 1; slot < SLOTS_MAX; slot++) {
		const struct desired *d = desired_find(&a->desired, type, &slot);
		uint64_t epoch =
			d && d->value_size ? ((const struct api_slot *)d->value)->epoch : 0;

		highest = epoch > highest ? epoch : highest;
	}
	return highest;
}

static json_t *agent_on_beat(void *ctx)
{
	struct agent *a = ctx;
	json_t *beat = json_pack("{s:I}", "workers", (json_int_t)a->stats.workers);
	json_t *votes = watch_votes(&a->watch);

	if (votes)
		json_object_set_new(beat, "peers", votes);
	if (stats_is_unplugged(&a->stats) || watch_all_down(&a->watch))
		json_object_set_new(beat, "cutOff", json_true());
	a->slots.asked = agent_highest_epoch(a);
	fence_on_asked(a);
	return beat;
}

static void agent_on_beat_tick(void *ctx)
{
	fence_update(ctx);
}

// Slots that the controller no longer counts as ours, in an answer to a question asked when we
// thought so.
static bool agent_deny_slots(struct agent *a, const json_t *epochs)
{
	const struct desired_type *type = desired_type_find(API_TYPE_SLOT);
	bool denied = false;
	char name[8];

	for (uint16_t slot = 1; slot < SLOTS_MAX; slot++) {
		struct desired *d = desired_find(&a->desired, type, &slot);
		const struct api_slot *value = d ? (const struct api_slot *)d->value : NULL;

		if (!value || !d->value_size || !value->active || value->epoch > a->slots.asked)
			continue;
		snprintf(name, sizeof(name), "%u", slot);
		if ((uint64_t)json_integer_value(json_object_get(epochs, name)) == value->epoch ||
			!slots_deny(&a->slots, slot, value->epoch))
			continue;
		log_info("slot %u is not ours under epoch %llu any more", slot,
			(unsigned long long)value->epoch);
		desired_enqueue(&a->desired, d);
		a->slots.changed = denied = true;
	}
	return denied;
}

static void agent_on_epochs(void *ctx, uint64_t term, const json_t *epochs)
{
	struct agent *a = ctx;
	bool released = false;
	const char *slot;
	json_t *epoch;

	json_object_foreach ((json_t *)epochs, slot, epoch)
		released |= slots_confirm(&a->slots, (uint16_t)strtoul(slot, NULL, 10),
			(uint64_t)json_integer_value(epoch));
	if (agent_deny_slots(a, epochs) || released)
		agent_release_slots(a);
	fence_on_answered(a);
}

static void agent_on_link(void *ctx, bool up)
{
	struct agent *a = ctx;

	// Who answers now may be another that knows nothing of what was told before.
	if (up)
		report_restart(&a->report);
	agent_report(a);
}

static const struct south_ops agent_south_ops = {.objects = agent_on_objects,
	.report = agent_on_report,
	.reported = agent_on_reported,
	.beat = agent_on_beat,
	.epochs = agent_on_epochs,
	.asked = agent_on_asked,
	.tick = agent_on_beat_tick,
	.link = agent_on_link};

static void agent_on_joined(void *ctx, int renewed)
{
	struct agent *a = ctx;

	if (renewed)
		south_refresh(a->south);
	else
		a->south = south_new(a->base, (const char *const *)a->config.controllers,
			a->config.controller_len, &a->tls, a->term, a->revision, &agent_south_ops,
			a);
}

void agent_start_south(struct agent *a)
{
	if (a->config.controller_len)
		join_init(&a->join, a->base, &a->config, &a->tls, agent_on_joined, a);
}

// -- start and end

static void agent_on_loaded(void *ctx, const char *kind, const char *key, uint64_t revision,
	const char *value, bool must)
{
	struct agent *a = ctx;
	json_t *json = json_loads(value, JSON_DECODE_ANY, NULL);

	if (!json)
		return;
	wanted_put(&a->wanted, kind, key, revision, json, must);
	agent_note_trouble(a, wanted_find(&a->wanted, kind, key));
	if (!strcmp(kind, "gateway"))
		agent_take_gateway(a, json);
	if (!strcmp(kind, "watch"))
		watch_set(&a->watch, json);
	json_decref(json);
}

static int agent_open_disk(struct agent *a)
{
	unsigned lost = 0;

	a->disk = disk_open(a->config.directory);
	if (!a->disk) {
		int error = errno;

		log_error("opening the state in %s: %s", a->config.directory, strerror(error));
		return -error;
	}
	disk_position(a->disk, &a->term, &a->revision);
	if (iv_init(&a->iv, a->disk) < 0) {
		log_error("the IV epochs used before cannot be read: %s", disk_error(a->disk));
		return -EIO;
	}
	if (disk_load(a->disk, agent_on_loaded, a, &lost) < 0 || lost) {
		// Start over with the controller's full list rather than miss something for ever.
		log_warning("%u objects on disk cannot be read: asking for all", lost);
		a->revision = 0;
	}
	if (a->revision)
		log_info("revision %llu from disk", (unsigned long long)a->revision);
	return 0;
}

static void agent_on_stats(void *ctx)
{
	agent_report(ctx);
}

int agent_init(struct agent *a, struct event_base *base)
{
	uint64_t random[2];
	char instance[33];
	int ret;

	a->base = base;
	desired_init(&a->desired);
	a->desired.on_status = agent_on_status;
	a->desired.on_value = agent_on_value;
	a->desired.is_held = agent_is_held;
	a->desired.is_conn_usable = agent_is_conn_usable;
	a->desired.ctx = a;
	wanted_init(&a->wanted, &a->desired);
	a->wanted.on_trouble = agent_on_trouble;
	a->wanted.on_warning = agent_on_warning;
	a->wanted.ctx = a;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(instance, sizeof(instance), "%016llx%016llx", (unsigned long long)random[0],
		(unsigned long long)random[1]);
	report_init(&a->report, instance);
	stats_init(&a->stats, base, &a->report, agent_on_stats, a);
	a->stats.conn_moved = agent_on_conn_moved;
	peers_init(&a->peers, base, &a->report, &a->desired, agent_on_stats, a);
	a->ca_file = xasprintf("%s/ca.pem", a->config.certificates);
	a->identity_file = xasprintf("%s/identity.pem", a->config.certificates);
	a->tls = (struct http_tls){
		.ca_file = a->ca_file, .cert_file = a->identity_file, .key_file = a->identity_file};
	ret = agent_open_disk(a);
	if (!ret)
		ret = agent_start_kernel(a);
	return ret < 0 ? ret : agent_start_status(a, random[0]);
}

void agent_fini(struct agent *a)
{
	api_server_free(a->server);
	join_fini(&a->join);
	south_free(a->south);
	a->south = NULL; // what daemons still answer goes nowhere
	for (size_t i = 0; i < DESIRED_TARGETS; i++)
		target_free(a->targets[i]);
	agent_stop_kernel(a);
	stats_fini(&a->stats);
	peers_fini(&a->peers);
	report_fini(&a->report);
	desired_fini(&a->desired);
	wanted_fini(&a->wanted);
	disk_close(a->disk);
	free(a->ca_file);
	free(a->identity_file);
	config_fini(&a->config);
}
