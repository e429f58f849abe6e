// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "describe.h"
#include "diagnose.h"
#include "log.h"
#include "nouns.h"
#include "pki.h"
#include "server.h"
#include "space.h"
#include "translate.h"
#include "xmalloc.h"

#define ROWS         "plan/"
#define CERTIFICATES "fleet/certificate/"
#define GATEWAYS     "/gateways/"

#define MARKS 1024 // steps whose revisions are remembered while a report is awaited

struct mark {
	uint64_t step, revision;
};

struct wire {
	struct event_base *base;
	const struct resource_store *resources;
	struct rest *rest;
	struct plan *plan;
	struct fleet *fleet;
	struct pki *pki;
	struct server *server;
	struct translate translate;
	struct describe describe;
	struct learnt *learnt;
	struct diagnose diagnose;
	struct event *again; // the plan wants a step without a change
	struct mark marks[MARKS];
	uint64_t marks_len; // all that ever were: the last is at (len - 1) % MARKS
	bool awaits;        // the plan waits for a gateway's report
	uint64_t epoch;     // the last number taken from the store
	bool stepping;      // rows of the plan come back as a change: nothing to do
	struct rest_hooks hooks;
	struct rest_list host_routes, slots, rebalance;
};

static int64_t now_ms(void *arg)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

// -- the plan's step

static int put_row(struct store *store, const struct plan_row *row)
{
	char *key = xasprintf(ROWS "%s", row->key);
	json_t *value;
	int rc;

	if (!row->value) {
		rc = store_delete(store, key);
		rc = rc == -ENOENT ? 0 : rc;
	} else {
		value = json_loads(row->value, 0, NULL);
		rc = value ? store_put(store, key, value) : -EINVAL;
		json_decref(value);
	}
	free(key);
	return rc;
}

// -- a slot's addresses are claimed in their subnets, so that nobody else is given them

struct claim {
	struct store *store;
	const char *owner;
	struct ip_addr addr;
	int rc;
};

static int claim_in(void *arg, const struct resource *res)
{
	struct claim *c = arg;
	char key[MODEL_PATH_SIZE], space[SPACE_SIZE], value[SPACE_VALUE_SIZE];
	const struct model_lsubnet *s;
	void *properties;

	if (res->path.type != &model_type_lsubnet)
		return 0;
	s = properties = model_load(&model_type_lsubnet, res->doc);
	if (prefix_contains(&s->address_prefix, &c->addr))
		c->rc = store_claim(c->store,
			space_of_subnet(model_path_key(&res->path, key), space),
			space_ip(&c->addr, value), c->owner);
	model_free(properties);
	return 0;
}

static void claim_all(struct wire *w, const char *owner, const json_t *addresses)
{
	struct claim c = {.store = w->resources->store, .owner = owner};
	struct model_path networks;
	const json_t *one;
	size_t i;

	if (model_path_parse("/logicalNetworks", &networks))
		return;
	json_array_foreach (addresses, i, one) {
		if (!json_is_string(one) || ip_parse(json_string_value(one), &c.addr))
			continue;
		resource_each(w->resources, &networks, claim_in, &c);
		if (c.rc)
			log_warning("%s of %s is claimed by somebody else", json_string_value(one),
				owner);
	}
}

static void claim_slot(struct wire *w, const struct plan_row *row)
{
	json_t *value = row->value ? json_loads(row->value, 0, NULL) : NULL;
	char *owner = xasprintf(ROWS "%s", row->key);

	store_claim_release_owner(w->resources->store, owner, 0);
	claim_all(w, owner, json_object_get(value, "pa"));
	claim_all(w, owner, json_object_get(value, "greVip"));
	free(owner);
	json_decref(value);
}

// Numbers are durable before anybody hears of them.
static int save(struct wire *w, const struct plan_result *r)
{
	struct store *store = w->resources->store;
	uint64_t first;
	int rc = 0;

	if (r->next_epoch > w->epoch) {
		rc = store_epoch_take(store, r->next_epoch - w->epoch, &first);
		w->epoch = r->next_epoch;
	}
	if (rc || !r->rows_len)
		return rc;
	rc = store_begin(store);
	for (size_t i = 0; !rc && i < r->rows_len; i++) {
		rc = put_row(store, &r->rows[i]);
		if (!strncmp(r->rows[i].key, "slot/", 5))
			claim_slot(w, &r->rows[i]);
	}
	if (rc) {
		store_rollback(store);
		return rc;
	}
	return store_commit(store, NULL);
}

static void step_later(struct wire *w, int64_t at_ms)
{
	int64_t in_ms = at_ms - now_ms(NULL);
	struct timeval tv = {0};

	if (at_ms < 0) {
		event_del(w->again);
		return;
	}
	if (in_ms > 0) {
		tv.tv_sec = in_ms / 1000;
		tv.tv_usec = in_ms % 1000 * 1000;
	}
	event_add(w->again, &tv);
}

// The last step of which a gateway has done everything.
static uint64_t step_reached(const struct wire *w, const char *gateway)
{
	uint64_t revision = fleet_reached(w->fleet, gateway);

	for (uint64_t n = w->marks_len; n > 0 && n + MARKS > w->marks_len; n--) {
		const struct mark *m = &w->marks[(n - 1) % MARKS];

		if (m->revision <= revision)
			return m->step;
	}
	return 0;
}

static void tell_reached(void *arg, const char *gateway)
{
	struct wire *w = arg;

	if (plan_set_reached(w->plan, gateway, step_reached(w, gateway)))
		step_later(w, now_ms(NULL));
}

static void note_step(struct wire *w, const struct plan_result *r)
{
	w->awaits = r->awaits;
	if (!r->awaits)
		return;
	w->marks[w->marks_len++ % MARKS] = (struct mark){r->step, fleet_revision(w->fleet)};
	fleet_each(w->fleet, tell_reached, w);
}

static void step(struct wire *w)
{
	struct plan_result r;
	int rc;

	w->stepping = true;
	r = plan_step(w->plan, now_ms(NULL));
	rc = save(w, &r);
	w->stepping = false;
	if (rc) {
		// What is told must be remembered: better to start over from what is stored.
		log_error("the plan's allocations cannot be stored: %s", strerror(-rc));
		abort();
	}
	fleet_apply(w->fleet, r.events, r.events_len);
	step_later(w, r.next_ms);
	note_step(w, &r);
	if (w->server)
		server_wake(w->server);
	rest_wake(w->rest);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	step(arg);
}

static void revoke(struct wire *w, const char *gateway);

static void on_commit(void *arg, const struct store_change *changes, size_t len)
{
	struct wire *w = arg;
	bool resources = false;

	if (w->stepping)
		return;
	for (size_t i = 0; i < len; i++) {
		resources |= changes[i].key[0] == '/';
		if (changes[i].deleted && !strncmp(changes[i].key, GATEWAYS, strlen(GATEWAYS)))
			revoke(w, changes[i].key + strlen(GATEWAYS));
		translate_change(&w->translate, changes[i].key, changes[i].deleted);
	}
	if (resources)
		step(w);
}

// -- what the fleet says

static void on_health(void *arg, const char *gateway, enum plan_health health)
{
	struct wire *w = arg;

	plan_set_health(w->plan, gateway, health);
	step_later(w, now_ms(NULL));
}

static void on_changed(void *arg)
{
	struct wire *w = arg;

	rest_wake(w->rest);
}

static void on_epoch(void *arg, uint64_t epoch)
{
	struct wire *w = arg;

	if (!store_epoch_raise(w->resources->store, epoch) &&
		!store_epoch_take(w->resources->store, 1, &w->epoch))
		plan_set_epoch(w->plan, w->epoch);
}

static void on_iv_next(void *arg, const char *gateway, uint64_t next)
{
	struct wire *w = arg;

	if (plan_set_iv_next(w->plan, gateway, next))
		step_later(w, now_ms(NULL));
}

static void on_reached(void *arg, const char *gateway)
{
	struct wire *w = arg;

	if (w->awaits)
		tell_reached(w, gateway);
}

static void on_learnt(void *arg, const char *gateway, const char *key, const json_t *value)
{
	struct wire *w = arg;

	if (key)
		learnt_report(w->learnt, gateway, key, value, now_ms(NULL));
	else
		learnt_begins(w->learnt, gateway, now_ms(NULL));
}

static const char *on_reflector(void *arg, uint32_t vrf)
{
	const struct wire *w = arg;

	return plan_reflector_holder(w->plan, vrf);
}

// -- certificates: the two newest of each gateway are good, so that a renewal drops nothing

static char *certificate_key(const char *gateway)
{
	return xasprintf(CERTIFICATES "%s", gateway);
}

static json_t *certificates_of(struct wire *w, const char *gateway)
{
	char *key = certificate_key(gateway);
	struct store_row row;
	json_t *serials = NULL;

	if (!store_get(w->resources->store, key, &row)) {
		serials = json_incref(json_object_get(row.value, "serials"));
		store_row_fini(&row);
	}
	free(key);
	return serials;
}

static int put_value(struct store *store, const char *key, const json_t *value)
{
	int rc = store_begin(store);

	if (rc)
		return rc;
	rc = value ? store_put(store, key, value) : store_delete(store, key);
	if (rc && rc != -ENOENT) {
		store_rollback(store);
		return rc;
	}
	return store_commit(store, NULL);
}

static int on_issued(void *arg, const char *gateway, const char *serial)
{
	struct wire *w = arg;
	json_t *before = certificates_of(w, gateway), *row;
	const char *last = json_string_value(
		json_array_get(before, json_array_size(before) ? json_array_size(before) - 1 : 0));
	char *key = certificate_key(gateway);
	int rc;

	row = last ? json_pack("{s:[s,s]}", "serials", last, serial)
		   : json_pack("{s:[s]}", "serials", serial);
	rc = put_value(w->resources->store, key, row);
	json_decref(row);
	json_decref(before);
	free(key);
	return rc;
}

// A gateway that was removed has no good certificate, also if one of its name is added later.
static void revoke(struct wire *w, const char *gateway)
{
	char *key = certificate_key(gateway);

	if (put_value(w->resources->store, key, NULL))
		log_error("%s was removed, but its certificates stay good for its name", gateway);
	free(key);
}

// Who enrols once more has lost its certificate, and with it all it knew: what others may have
// found of that is good no longer.
static void on_enrolled(void *arg, const char *gateway)
{
	struct wire *w = arg;
	json_t *before = certificates_of(w, gateway);
	char *key = certificate_key(gateway);

	if (before) {
		if (put_value(w->resources->store, key, NULL))
			log_error("%s joins again, but its former certificates stay good", gateway);
		if (plan_renew_iv(w->plan, gateway))
			step_later(w, now_ms(NULL));
	}
	free(key);
	json_decref(before);
}

static bool on_is_good(void *arg, const char *gateway, const char *serial)
{
	json_t *serials = certificates_of(arg, gateway), *one;
	bool good = false;
	size_t i;

	json_array_foreach (serials, i, one) {
		const char *text = json_string_value(one);

		good |= text && !strcmp(text, serial);
	}
	json_decref(serials);
	return good;
}

static void on_epochs(void *arg, const char *gateway,
	void (*each)(void *each_arg, uint16_t slot, uint64_t epoch), void *each_arg)
{
	struct wire *w = arg;

	plan_gateway_slots(w->plan, gateway, each, each_arg);
}

// -- what the API asks

static enum rest_progress on_progress(void *arg, const struct model_path *path, uint64_t revision)
{
	struct wire *w = arg;

	return describe_progress(&w->describe, path, revision);
}

static void on_describe(void *arg, const struct model_path *path, json_t *properties)
{
	struct wire *w = arg;

	describe_resource(&w->describe, path, properties);
}

static json_t *on_generated(void *arg, const struct model_path *collection)
{
	struct wire *w = arg;

	return describe_generated(&w->describe, collection);
}

static const char *on_keeps(void *arg, const struct model_path *path)
{
	struct wire *w = arg;

	return describe_keeps(&w->describe, path);
}

static uint64_t on_ask(void *arg, const struct model_path *path, const char *view,
	void (*done)(void *done_arg, int status, json_t *body), void *done_arg)
{
	struct wire *w = arg;

	return diagnose_ask(&w->diagnose, path, view, done, done_arg);
}

static void on_ask_forget(void *arg, uint64_t id)
{
	struct wire *w = arg;

	diagnose_forget(&w->diagnose, id);
}

// -- start

static int load_row(void *arg, const struct store_row *row)
{
	struct wire *w = arg;
	char *text = json_dumps(row->value, JSON_COMPACT);

	if (plan_load(w->plan, row->key + strlen(ROWS), text))
		log_warning("the stored allocation %s is not understood", row->key);
	free(text);
	return 0;
}

static int take_term(struct wire *w, uint64_t *ret_term)
{
	struct store *store = w->resources->store;
	int rc = store_begin(store);

	if (!rc)
		rc = store_counter_take(store, "term", 1, ret_term);
	if (rc)
		return rc;
	return store_commit(store, NULL);
}

static int start_plan(struct wire *w)
{
	const struct fleet_ops ops = {
		w, on_health, on_changed, on_epoch, on_iv_next, on_enrolled, on_reached, on_learnt};
	uint64_t term;
	int rc = take_term(w, &term);

	if (!rc)
		rc = store_epoch_take(w->resources->store, 1, &w->epoch);
	if (rc)
		return rc;
	w->plan = plan_new();
	w->learnt = learnt_new(on_reflector, w);
	w->fleet = fleet_new(term, now_ms(NULL), &ops);
	plan_set_epoch(w->plan, w->epoch);
	plan_expect_reports(w->plan);
	store_each(w->resources->store, ROWS, load_row, w);
	w->translate = (struct translate){w->resources, w->plan, w->fleet};
	translate_all(&w->translate);
	return 0;
}

static int start_server(struct wire *w, const struct wire_config *config)
{
	const struct server_config sc = {
		.address = config->southbound_address, .port = config->southbound_port};
	const struct server_ops ops = {w, on_issued, on_is_good, on_epochs, now_ms};
	int rc = pki_open(config->pki_dir, &w->pki);

	if (rc == -ENOENT) {
		log_warning("no certificate authority in %s: gateways are not served (see "
			    "isthmus-controller bootstrap)",
			config->pki_dir);
		return 0;
	}
	if (!rc)
		rc = server_new(w->base, &sc, w->pki, w->fleet, &ops, &w->server);
	if (rc)
		log_error("the southbound server on %s port %u: %s", config->southbound_address,
			config->southbound_port, strerror(-rc));
	else
		log_info("serving gateways on %s port %u", config->southbound_address,
			server_port(w->server));
	return rc;
}

int wire_new(struct event_base *base, const struct wire_config *config,
	const struct resource_store *resources, struct rest *rest, struct wire **ret_wire)
{
	struct wire *w = xcalloc(1, sizeof(*w));
	int rc;

	w->base = base;
	w->resources = resources;
	w->rest = rest;
	w->again = evtimer_new(base, on_again, w);
	rc = start_plan(w);
	if (!rc)
		rc = start_server(w, config);
	if (rc) {
		wire_free(w);
		return rc;
	}
	w->describe =
		(struct describe){w->resources, w->plan, w->fleet, w->learnt, now_ms(NULL), now_ms};
	w->diagnose = (struct diagnose){&w->describe, w->server};
	w->hooks = (struct rest_hooks){
		w, on_progress, on_describe, on_generated, on_ask, on_ask_forget, on_keeps};
	w->host_routes = (struct rest_list){
		"hostRoutes", &w->describe, describe_host_routes, describe_host_routes_revision};
	w->slots = (struct rest_list){"slots", &w->describe, describe_slots};
	rest_set_hooks(rest, &w->hooks);
	rest_add_list(rest, &w->host_routes);
	rest_add_list(rest, &w->slots);
	w->rebalance = (struct rest_list){"rebalance", &w->describe, describe_rebalance};
	rest_add_list(rest, &w->rebalance);
	store_subscribe(resources->store, on_commit, w);
	step(w);
	*ret_wire = w;
	return 0;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	server_free(w->server);
	pki_close(w->pki);
	fleet_free(w->fleet);
	plan_free(w->plan);
	learnt_free(w->learnt);
	if (w->again)
		event_free(w->again);
	free(w);
}
