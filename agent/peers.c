// SPDX-License-Identifier: Apache-2.0
#include "peers.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "objects.h"
#include "proto.h"
#include "xmalloc.h"

#define STATES_MS 5000 // counters of peers are asked for this often
#define PAGES_MS  200  // changed pages are written this often
// What was learnt before is given up then, whatever isthmus-bgp has to say: its own wait is
// shorter.
#define SETTLE_MS 90000

struct peers_state {
	struct api_bgp_peer_state last;
	unsigned round;
};

struct route_key {
	uint32_t vrf;
	uint16_t slot;
	uint16_t pad;
	struct ip_prefix prefix;
};

struct block_key {
	uint32_t vrf, conn;
};

struct peers_page;

struct peers_route {
	LIST_ENTRY(peers_route) of_page;
	struct route_key key;
	struct peers_page *page; // NULL: its next hop is on no connection here
	struct ip_addr via;
	unsigned round;
};

struct peers_page {
	LIST_HEAD(, peers_route) routes;
	struct peers_block *block;
	unsigned no, len;
	bool changed;
};

struct peers_block {
	struct block_key key;
	struct peers_page **pages;
	size_t len, cap;
};

struct peers_vrf {
	uint32_t vrf;
	unsigned len;      // routes
	unsigned settling; // routers whose pages wait
};

struct router_key {
	uint32_t vrf;
	uint16_t slot;
	uint16_t pad;
};

// A router that learns again what it knew: from the start of isthmus-bgp, or of the router, on.
struct peers_settling {
	struct router_key key;
	int64_t until_ms;
};

struct way_key {
	uint32_t vrf;
	struct ip_addr via;
};

struct peers_way {
	struct way_key key;
	uint32_t conn; // 0: none
};

// -- peers

static void add_time(json_t *to, const char *name, int64_t unix_ms)
{
	time_t s = (time_t)(unix_ms / 1000);
	char text[40], whole[56];
	struct tm tm;

	if (!unix_ms)
		return;
	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(whole, sizeof(whole), "%s.%03dZ", text, (int)(unix_ms % 1000));
	json_object_set_new(to, name, json_string(whole));
}

static int64_t now_unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static json_t *message_stats(const struct api_bgp_message_stats *m)
{
	json_t *stats = json_pack("{s:I,s:I}", "sentCount", (json_int_t)m->sent, "receivedCount",
		(json_int_t)m->received);

	add_time(stats, "lastSent", m->last_sent_ms);
	add_time(stats, "lastReceived", m->last_received_ms);
	return stats;
}

// "withdrawl" is how the published API spells it.
static json_t *route_stats(const struct api_bgp_route_stats *r)
{
	return json_pack("{s:I,s:I,s:I,s:I}", "updateSentCount", (json_int_t)r->update_sent,
		"updateReceivedCount", (json_int_t)r->update_received, "withdrawlSentCount",
		(json_int_t)r->withdrawal_sent, "withdrawlReceivedCount",
		(json_int_t)r->withdrawal_received);
}

static json_t *peer_statistics(const struct api_bgp_peer_state *s)
{
	json_t *stats = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", //
		"openMessageStats", message_stats(&s->open),       //
		"notificationMessageStats", message_stats(&s->notification),
		"keepAliveMessageStats", message_stats(&s->keepalive), "routeRefreshMessageStats",
		message_stats(&s->refresh),                      //
		"updateMessageStats", message_stats(&s->update), //
		"ipv4Route", route_stats(&s->family[0]), "ipv6Route", route_stats(&s->family[1]));

	add_time(stats, "tcpConnectionEstablished", s->established_ms);
	add_time(stats, "tcpConnectionClosed", s->closed_ms);
	add_time(stats, "lastUpdated", now_unix_ms());
	return stats;
}

static json_t *both(const uint32_t n[2])
{
	return json_integer((json_int_t)n[0] + n[1]);
}

// Beyond what the published API shows: the extension of the peer.
static json_t *peer_session(const struct api_bgp_peer_state *s)
{
	static const char *const names[] = {[API_BGP_IDLE] = "Idle",
		[API_BGP_CONNECT] = "Connect",
		[API_BGP_ACTIVE] = "Active",
		[API_BGP_OPENSENT] = "OpenSent",
		[API_BGP_OPENCONFIRM] = "OpenConfirm",
		[API_BGP_ESTABLISHED] = "Established"};
	static const char *const bfd[] = {"", "AdminDown", "Down", "Init", "Up"};
	bool known = s->state && s->state < sizeof(names) / sizeof(*names);

	return json_pack("{s:s,s:o,s:o,s:o,s:o,s:i,s:i,s:b,s:s,s:s}", "session",
		known ? names[s->state] : "Idle", "receivedPrefixes", both(s->received),
		"acceptedPrefixes", both(s->accepted), "rejectedPrefixes",
		json_integer((json_int_t)s->received[0] + s->received[1] - s->accepted[0] -
			     s->accepted[1]),
		"advertisedPrefixes", both(s->advertised), "negotiatedHoldTimeS",
		(int)s->hold_time_s, "flaps", (int)s->flaps, "restarting", (int)s->restarting,
		"lastError", s->last_error, "bfdState",
		bfd[s->bfd < sizeof(bfd) / sizeof(*bfd) ? s->bfd : 0]);
}

static json_t *peer_value(const struct api_bgp_peer_state *s)
{
	json_t *value = json_pack("{s:s,s:o,s:o}", "state",
		s->state == API_BGP_ESTABLISHED ? "Connected" : "Disconnected", "isthmus",
		peer_session(s), "statistics", peer_statistics(s));

	if (s->warning[0])
		json_object_set_new(value, "warning", json_string(s->warning));
	return value;
}

static void peer_key(const struct api_bgp_peer_state *s, char *key, size_t size)
{
	char text[IP_TEXT_SIZE];

	snprintf(key, size, "%u/%u/%s", s->vrf, s->slot, ip_format(&s->address, text));
}

// -- routers that learn again

static struct peers_vrf *vrf_get(struct peers *p, uint32_t vrf)
{
	struct peers_vrf *v = map_find(&p->vrfs, &vrf, sizeof(vrf));

	if (!v) {
		v = xcalloc(1, sizeof(*v));
		v->vrf = vrf;
		map_set(&p->vrfs, &v->vrf, sizeof(v->vrf), v);
	}
	return v;
}

static void vrf_put(struct peers *p, struct peers_vrf *v)
{
	if (v->len || v->settling)
		return;
	map_del(&p->vrfs, &v->vrf, sizeof(v->vrf));
	free(v);
}

static void settling_end(struct peers *p, const struct router_key *key);

static struct peers_settling *settling_of(const struct peers *p, uint32_t vrf, uint16_t slot)
{
	const struct router_key key = {.vrf = vrf, .slot = slot};

	return map_find(&p->settling, &key, sizeof(key));
}

static void settling_begin(struct peers *p, uint32_t vrf, uint16_t slot)
{
	struct peers_settling *s = settling_of(p, vrf, slot);

	if (!s) {
		s = xcalloc(1, sizeof(*s));
		s->key = (struct router_key){.vrf = vrf, .slot = slot};
		map_set(&p->settling, &s->key, sizeof(s->key), s);
		vrf_get(p, vrf)->settling++;
	}
	s->until_ms = now_unix_ms() + SETTLE_MS;
}

static void settling_note(struct peers *p, const struct api_bgp_peer_state *state)
{
	struct peers_settling *s = settling_of(p, state->vrf, state->slot);

	if (state->settling && !s)
		settling_begin(p, state->vrf, state->slot);
	else if (!state->settling && s)
		settling_end(p, &s->key);
}

void peers_on_state(struct peers *p, const struct api_bgp_peer_state *state)
{
	size_t key_size = offsetof(struct api_bgp_peer_state, state);
	struct peers_state *s = map_find(&p->states, state, key_size);
	char key[64];

	if (!s) {
		s = xcalloc(1, sizeof(*s));
		s->last = *state;
		map_set(&p->states, &s->last, key_size, s);
	} else if (!memcmp(&s->last, state, sizeof(*state))) {
		s->round = p->round;
		settling_note(p, state);
		return;
	}
	s->last = *state;
	s->round = p->round;
	settling_note(p, state);
	peer_key(state, key, sizeof(key));
	report_state(p->report, "bgpPeer", key, peer_value(state));
	p->changed(p->ctx);
}

// Those that are wanted here no longer, or take too long, are waited for no more.
static void settling_look(struct peers *p)
{
	const struct desired_type *type = desired_type_find(API_TYPE_BGP_ROUTER);
	int64_t now_ms = now_unix_ms();
	struct peers_settling *s;
	size_t at = 0;

	while ((s = map_next(&p->settling, &at))) {
		const struct desired *d = desired_find(p->desired, type, &s->key);

		if (!d || !desired_is_wanted(d) || now_ms > s->until_ms)
			settling_end(p, &s->key);
	}
}

static void peers_on_state_item(void *ctx, const void *object, size_t size, int fd)
{
	struct api_bgp_peer_state state = {0};

	memcpy(&state, object, size < sizeof(state) ? size : sizeof(state));
	peers_on_state(ctx, &state);
}

static void peers_on_states(void *ctx, int status, const char *text)
{
	struct peers *p = ctx;
	struct peers_state *s;
	size_t at = 0;
	char key[64];

	p->asking_states = false;
	while (status >= 0 && (s = map_next(&p->states, &at))) {
		if (s->round == p->round)
			continue;
		peer_key(&s->last, key, sizeof(key));
		report_gone(p->report, "bgpPeer", key);
		map_del(&p->states, &s->last, offsetof(struct api_bgp_peer_state, state));
		free(s);
	}
	if (status >= 0)
		settling_look(p);
	p->changed(p->ctx);
}

static void peers_ask_states(struct peers *p)
{
	if (p->asking_states || !p->bgp)
		return;
	p->round++;
	p->asking_states = !api_client_dump(
		p->bgp, API_TYPE_BGP_PEER_STATE, NULL, 0, peers_on_state_item, peers_on_states, p);
}

static void peers_on_states_timer(evutil_socket_t sock, short what, void *arg)
{
	peers_ask_states(arg);
}

// -- which connection a next hop is on

// The longest static or connected prefix over it says.
static uint32_t way_look(const struct peers *p, const struct way_key *key)
{
	const struct desired_type *type = desired_type_find(API_TYPE_ROUTE);
	static const uint8_t sources[] = {API_ROUTE_STATIC, API_ROUTE_CONNECTED};

	for (unsigned len = ip_bits(&key->via) + 1; len-- > 0;) {
		struct api_route route = {.vrf = key->vrf, .prefix = prefix_make(&key->via, len)};

		for (size_t i = 0; i < sizeof(sources); i++) {
			const struct desired *d;
			const struct api_route *block;

			route.source = sources[i];
			d = desired_find(p->desired, type, &route);
			if (!d || !desired_is_wanted(d))
				continue;
			// Not the merged value: the connection may be another gateway's.
			block = (const struct api_route *)SLIST_FIRST(&d->contributions)->object;
			return block->path[0].type == API_PATH_CONN ? block->path[0].id : 0;
		}
	}
	return 0;
}

static uint32_t way_find(struct peers *p, uint32_t vrf, const struct ip_addr *via)
{
	struct way_key key = {vrf, *via};
	struct peers_way *way = map_find(&p->ways, &key, sizeof(key));

	if (way)
		return way->conn;
	way = xcalloc(1, sizeof(*way));
	way->key = key;
	way->conn = way_look(p, &key);
	map_set(&p->ways, &way->key, sizeof(way->key), way);
	return way->conn;
}

static void map_free_all(struct map *m)
{
	size_t at = 0;
	void *v;

	while ((v = map_next(m, &at)))
		free(v);
	map_fini(m);
	map_init(m);
}

// -- pages

static struct peers_page *page_with_room(struct peers *p, uint32_t vrf, uint32_t conn)
{
	struct block_key key = {vrf, conn};
	struct peers_block *b = map_find(&p->blocks, &key, sizeof(key));
	struct peers_page *page;

	if (!b) {
		b = xcalloc(1, sizeof(*b));
		b->key = key;
		map_set(&p->blocks, &b->key, sizeof(b->key), b);
	}
	for (size_t i = 0; i < b->len; i++) {
		if (b->pages[i]->len < PEERS_PAGE)
			return b->pages[i];
	}
	page = xcalloc(1, sizeof(*page));
	LIST_INIT(&page->routes);
	page->block = b;
	page->no = (unsigned)b->len;
	b->pages = xgrow(b->pages, &b->cap, b->len + 1, sizeof(*b->pages));
	b->pages[b->len++] = page;
	return page;
}

static void page_mark(struct peers *p, struct peers_page *page)
{
	page->changed = true;
	if (!event_pending(p->pages_timer, EV_TIMEOUT, NULL))
		event_add(p->pages_timer, &(struct timeval){.tv_usec = PAGES_MS * 1000});
}

static json_t *page_value(const struct peers_page *page)
{
	json_t *learnt = json_array();
	const struct peers_route *r;

	LIST_FOREACH(r, &page->routes, of_page)
	{
		char prefix[PREFIX_TEXT_SIZE], via[IP_TEXT_SIZE];

		json_array_append_new(learnt,
			json_pack("{s:s,s:s}", "prefix", prefix_format(&r->key.prefix, prefix),
				"via", ip_format(&r->via, via)));
	}
	return json_pack("{s:o}", "learnt", learnt);
}

static void page_write(struct peers *p, struct peers_page *page)
{
	const struct block_key *b = &page->block->key;
	char key[48];

	page->changed = false;
	if (page->no)
		snprintf(key, sizeof(key), "%u/%u/%u", b->vrf, b->conn, page->no);
	else
		snprintf(key, sizeof(key), "%u/%u", b->vrf, b->conn);
	if (page->len)
		report_state(p->report, "routes", key, page_value(page));
	else
		report_gone(p->report, "routes", key);
}

static void block_free(struct peers_block *b)
{
	for (size_t i = 0; i < b->len; i++)
		free(b->pages[i]);
	free(b->pages);
	free(b);
}

static bool vrf_is_settling(const struct peers *p, uint32_t vrf)
{
	const struct peers_vrf *v = map_find(&p->vrfs, &vrf, sizeof(vrf));

	return v && v->settling;
}

static bool block_write(struct peers *p, struct peers_block *b)
{
	bool empty = true;

	if (vrf_is_settling(p, b->key.vrf))
		return false;
	for (size_t i = 0; i < b->len; i++) {
		if (b->pages[i]->changed)
			page_write(p, b->pages[i]);
		empty &= !b->pages[i]->len;
	}
	return empty;
}

// -- routes

static void route_unlink(struct peers *p, struct peers_route *r)
{
	if (!r->page)
		return;
	LIST_REMOVE(r, of_page);
	r->page->len--;
	page_mark(p, r->page);
	r->page = NULL;
}

// To the page of the connection that its next hop is on now.
static void route_place(struct peers *p, struct peers_route *r)
{
	uint32_t conn = way_find(p, r->key.vrf, &r->via);

	if (r->page && r->page->block->key.conn == conn) {
		page_mark(p, r->page);
		return;
	}
	route_unlink(p, r);
	if (!conn)
		return;
	r->page = page_with_room(p, r->key.vrf, conn);
	LIST_INSERT_HEAD(&r->page->routes, r, of_page);
	r->page->len++;
	page_mark(p, r->page);
}

static void route_free(struct peers *p, struct peers_route *r)
{
	struct peers_vrf *v = vrf_get(p, r->key.vrf);

	route_unlink(p, r);
	map_del(&p->routes, &r->key, sizeof(r->key));
	free(r);
	v->len--;
	vrf_put(p, v);
}

// Ours, and what another gateway of the tenant learnt and reports itself, are not shown here.
static bool is_learnt(const struct api_bgp_route *route)
{
	return route->verdict && route->peer.family && !route->internal;
}

void peers_on_route(struct peers *p, const struct api_bgp_route *route)
{
	struct route_key key = {.vrf = route->vrf, .slot = route->slot, .prefix = route->prefix};
	struct peers_route *r = map_find(&p->routes, &key, sizeof(key));
	struct peers_vrf *v;

	if (!is_learnt(route)) {
		if (r)
			route_free(p, r);
		return;
	}
	if (!r) {
		v = vrf_get(p, route->vrf);
		if (v->len >= PEERS_ROUTES_MAX)
			return;
		v->len++;
		r = xcalloc(1, sizeof(*r));
		r->key = key;
		map_set(&p->routes, &r->key, sizeof(r->key), r);
	}
	r->round = p->route_round;
	if (r->page && ip_equal(&r->via, &route->next_hop))
		return;
	r->via = route->next_hop;
	route_place(p, r);
}

static void peers_on_route_item(void *ctx, const void *object, size_t size, int fd)
{
	struct api_bgp_route route = {0};

	memcpy(&route, object, size < sizeof(route) ? size : sizeof(route));
	peers_on_route(ctx, &route);
}

// What was learnt by an earlier isthmus-bgp and not since goes now, except where it learns again.
static void peers_drop_old(struct peers *p)
{
	struct peers_route *r;
	size_t at = 0;

	while ((r = map_next(&p->routes, &at))) {
		if (r->round != p->route_round && !settling_of(p, r->key.vrf, r->key.slot))
			route_free(p, r);
	}
}

static void peers_ask_routes(struct peers *p);

static void peers_on_routes(void *ctx, int status, const char *text)
{
	struct peers *p = ctx;

	p->asking_routes = false;
	if (status >= 0)
		peers_drop_old(p);
	if (p->ask_again)
		peers_ask_routes(p);
}

static void peers_ask_routes(struct peers *p)
{
	static const struct api_bgp_route best = {.view = API_BGP_VIEW_BEST};

	p->ask_again = p->asking_routes;
	if (p->asking_routes || !p->bgp)
		return;
	p->asking_routes = !api_client_dump(p->bgp, API_TYPE_BGP_ROUTE, &best,
		offsetof(struct api_bgp_route, verdict), peers_on_route_item, peers_on_routes, p);
}

// All that it knows now is there to be asked for.
static void settling_end(struct peers *p, const struct router_key *key)
{
	struct peers_vrf *v = vrf_get(p, key->vrf);

	free(map_del(&p->settling, key, sizeof(*key)));
	v->settling--;
	vrf_put(p, v);
	peers_ask_routes(p);
	if (!event_pending(p->pages_timer, EV_TIMEOUT, NULL))
		event_add(p->pages_timer, &(struct timeval){.tv_usec = PAGES_MS * 1000});
}

// Its routes stay until the new isthmus-bgp has learnt all again.
static void settling_begin_all(struct peers *p)
{
	const struct peers_route *r;
	size_t at = 0;

	while ((r = map_next(&p->routes, &at))) {
		if (!settling_of(p, r->key.vrf, r->key.slot))
			settling_begin(p, r->key.vrf, r->key.slot);
	}
}

static void peers_resolve(struct peers *p)
{
	struct peers_route *r;
	size_t at = 0;

	p->resolve = false;
	while ((r = map_next(&p->routes, &at))) {
		uint32_t conn = way_find(p, r->key.vrf, &r->via);

		if (conn != (r->page ? r->page->block->key.conn : 0))
			route_place(p, r);
	}
}

void peers_routes_changed(struct peers *p)
{
	if (!p->routes.len)
		return;
	p->resolve = true;
	if (!event_pending(p->pages_timer, EV_TIMEOUT, NULL))
		event_add(p->pages_timer, &(struct timeval){.tv_usec = PAGES_MS * 1000});
}

static void peers_on_pages_timer(evutil_socket_t sock, short what, void *arg)
{
	struct peers *p = arg;
	struct peers_block *b;
	size_t at = 0;

	map_free_all(&p->ways);
	if (p->resolve)
		peers_resolve(p);
	while ((b = map_next(&p->blocks, &at))) {
		if (!block_write(p, b))
			continue;
		map_del(&p->blocks, &b->key, sizeof(b->key));
		block_free(b);
	}
	p->changed(p->ctx);
}

// -- life

void peers_init(struct peers *p, struct event_base *base, struct report *report,
	const struct desired_set *desired, void (*changed)(void *ctx), void *ctx)
{
	*p = (struct peers){.report = report, .desired = desired, .changed = changed, .ctx = ctx};
	map_init(&p->states);
	map_init(&p->routes);
	map_init(&p->blocks);
	map_init(&p->vrfs);
	map_init(&p->ways);
	map_init(&p->settling);
	p->states_timer = event_new(base, -1, EV_PERSIST, peers_on_states_timer, p);
	p->pages_timer = evtimer_new(base, peers_on_pages_timer, p);
	if (!p->states_timer || !p->pages_timer)
		abort();
	event_add(p->states_timer, &(struct timeval){.tv_sec = STATES_MS / 1000});
}

void peers_fini(struct peers *p)
{
	struct peers_block *b;
	size_t at = 0;

	while ((b = map_next(&p->blocks, &at)))
		block_free(b);
	map_fini(&p->blocks);
	map_free_all(&p->states);
	map_free_all(&p->routes);
	map_free_all(&p->vrfs);
	map_free_all(&p->ways);
	map_free_all(&p->settling);
	event_free(p->states_timer);
	event_free(p->pages_timer);
}

void peers_set_bgp(struct peers *p, struct api_client *bgp)
{
	p->bgp = bgp;
	p->asking_states = p->asking_routes = p->ask_again = false;
	if (!bgp)
		return;
	settling_begin_all(p);
	p->route_round++;
	peers_ask_states(p);
	peers_ask_routes(p);
}
