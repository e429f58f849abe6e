// SPDX-License-Identifier: Apache-2.0
#include "fsm.h"

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

enum {
	OPEN_HOLD_MS = 240000,  // RFC 4271 8.2.2: a large value while OPENs are exchanged
	BACKOFF_MAX_MS = 30000, // between attempts after errors
	UNREAD_GRACE_MS = 1000,
	DIAL_MAX_MS = 10000, // for a connection to come about
	YOUNG_MS = 5000,     // a session so young may still be half of a collision
};

static uint64_t now(const struct fsm *f)
{
	return f->env->now_ms;
}

// xorshift64*; good enough to keep neighbours out of step.
static uint32_t random_below(struct fsm_env *env, uint32_t limit)
{
	uint64_t x = env->random ? env->random : 88172645463325252ull;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	env->random = x;
	return (uint32_t)((x * 2685821657736338717ull >> 33) % limit);
}

// RFC 4271 10: three quarters to the whole.
static uint64_t jitter(struct fsm *f, uint64_t ms)
{
	return ms - ms / 4 + random_below(f->env, (uint32_t)(ms / 4) + 1);
}

static void state_changed(struct fsm *f)
{
	f->ops->state(f->ctx);
}

void fsm_init(struct fsm *f, const struct fsm_ops *ops, void *ctx, struct fsm_env *env)
{
	*f = (struct fsm){.ops = ops, .ctx = ctx, .env = env};
	for (int i = 0; i < 2; i++) {
		f->conn[i].fsm = f;
		f->conn[i].outgoing = i == CONN_OUT;
		f->conn[i].state = API_BGP_IDLE;
	}
}

static void conn_clear(struct conn *c)
{
	struct fsm *f = c->fsm;
	bool outgoing = c->outgoing;

	free(c->partial);
	*c = (struct conn){.fsm = f, .outgoing = outgoing, .state = API_BGP_IDLE};
}

static void conn_close(struct conn *c)
{
	if (c->state == API_BGP_CONNECT)
		c->fsm->ops->dial_cancel(c->fsm->ctx);
	else if (c->state != API_BGP_IDLE)
		c->fsm->ops->close(c->fsm->ctx, c);
	conn_clear(c);
}

void fsm_fini(struct fsm *f)
{
	f->running = false;
	for (int i = 0; i < 2; i++)
		conn_close(&f->conn[i]);
	f->established = NULL;
}

static void schedule_retry(struct fsm *f)
{
	uint64_t ms = f->config.connect_retry_s * 1000ull;

	for (uint32_t i = 0; i < f->failures && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	f->retry_at_ms = now(f) + jitter(f, ms);
}

static void dial(struct fsm *f)
{
	f->retry_at_ms = 0;
	if (!f->running || f->config.passive || f->conn[CONN_OUT].state != API_BGP_IDLE)
		return;
	f->conn[CONN_OUT].state = API_BGP_CONNECT;
	f->conn[CONN_OUT].hold_at_ms = now(f) + DIAL_MAX_MS;
	state_changed(f);
	f->ops->dial(f->ctx);
}

void fsm_start(struct fsm *f, const struct fsm_config *config)
{
	f->config = *config;
	f->running = true;
	f->failures = 0;
	f->blocked_until_ms = 0;
	dial(f);
}

// Errors after which nothing of the neighbour's shall stay: sent as Hard Reset (RFC 8538 4).
static bool is_hard(const struct bgp_error *error)
{
	return error->code == BGP_ERR_CEASE &&
	       (error->subcode == BGP_CEASE_HARD_RESET || error->subcode == BGP_CEASE_MAX_PREFIX ||
		       error->subcode == BGP_CEASE_SHUTDOWN ||
		       error->subcode == BGP_CEASE_DECONFIGURED ||
		       error->subcode == BGP_CEASE_BFD_DOWN);
}

static bool notification_agreed(const struct conn *c)
{
	return c->fsm->config.open.restart_notification && c->remote.restart_notification;
}

// Whether the neighbour's routes stay although its session ended: it can restart gracefully, and
// either the connection just went or both agreed that a NOTIFICATION is no reason (RFC 8538).
static bool keeps_routes(const struct conn *c, const struct bgp_error *error)
{
	if (!c->fsm->config.open.graceful_restart || !c->remote.graceful_restart)
		return false;
	return !error || (notification_agreed(c) && !is_hard(error));
}

// RFC 8538 3.1: the true reason is the data of a Hard Reset.
static struct bgp_error wrap(const struct bgp_error *error)
{
	uint8_t data[2 + BGP_ERROR_DATA_SIZE] = {error->code, error->subcode};

	memcpy(data + 2, error->data, error->data_size);
	return bgp_error_make(BGP_ERR_CEASE, BGP_CEASE_HARD_RESET, data, 2u + error->data_size);
}

static struct bgp_error unwrap(const struct bgp_error *error)
{
	if (error->code != BGP_ERR_CEASE || error->subcode != BGP_CEASE_HARD_RESET ||
		error->data_size < 2)
		return *error;
	return bgp_error_make(
		error->data[0], error->data[1], error->data + 2, error->data_size - 2u);
}

// Takes the connection down; the neighbour starts over later unless stopped.
static void conn_end(struct conn *c, bool restart)
{
	struct fsm *f = c->fsm;
	bool was_up = f->established == c;

	conn_close(c);
	if (was_up) {
		f->established = NULL;
		f->flaps++;
		f->closed_ms = now(f);
		f->ops->down(f->ctx, restart);
	}
	if (f->running && !f->retry_at_ms && !f->established)
		schedule_retry(f);
	state_changed(f);
}

static void conn_fail(struct conn *c, const struct bgp_error *error, const char *reason)
{
	struct fsm *f = c->fsm;
	bool restart = keeps_routes(c, error);
	uint8_t bytes[BGP_HEADER_SIZE + 2 + BGP_ERROR_DATA_SIZE];
	struct bgp_error sent = is_hard(error) && notification_agreed(c) && f->established == c
					? wrap(error)
					: *error;
	size_t size = notification_write(bytes, sizeof(bytes), &sent);

	if (c->state >= API_BGP_OPENSENT)
		conn_send(c, BGP_NOTIFICATION, bytes, size);
	f->last_error = *error;
	f->last_error_sent = true;
	f->last_reason = reason;
	if (error->code != BGP_ERR_CEASE)
		f->failures++;
	conn_end(c, restart);
}

static void fail(struct conn *c, uint8_t code, uint8_t subcode, const char *reason)
{
	struct bgp_error error = bgp_error_make(code, subcode, NULL, 0);

	conn_fail(c, &error, reason);
}

static void end_all(struct fsm *f, const struct bgp_error *error)
{
	for (int i = 0; i < 2; i++)
		if (f->conn[i].state != API_BGP_IDLE)
			conn_fail(&f->conn[i], error, NULL);
}

void fsm_stop(struct fsm *f, const struct bgp_error *error)
{
	f->running = false;
	end_all(f, error);
	f->retry_at_ms = 0;
	state_changed(f);
}

void fsm_reset(struct fsm *f, const struct bgp_error *error)
{
	end_all(f, error);
}

void fsm_unreachable(struct fsm *f, bool forwarding_lost, const char *reason)
{
	struct bgp_error error = bgp_error_make(BGP_ERR_CEASE, BGP_CEASE_BFD_DOWN, NULL, 0);
	struct conn *c = f->established;

	if (!c)
		return;
	if (forwarding_lost || !keeps_routes(c, NULL)) {
		conn_fail(c, &error, reason);
		return;
	}
	// Without a NOTIFICATION, which would be a reason for the neighbour to forget our routes.
	f->last_error = error;
	f->last_error_sent = false;
	f->last_reason = reason;
	conn_end(c, true);
}

void fsm_block(struct fsm *f, const struct bgp_error *error)
{
	end_all(f, error);
	f->blocked_until_ms = now(f) + f->config.max_restart_s * 1000ull;
	f->retry_at_ms = f->blocked_until_ms;
}

void conn_send(struct conn *c, enum bgp_message_type type, const uint8_t *bytes, size_t size)
{
	struct fsm *f = c->fsm;

	f->count[type].sent++;
	f->count[type].last_sent_ms = now(f);
	if (c->keepalive_at_ms && type != BGP_NOTIFICATION)
		c->keepalive_at_ms = now(f) + jitter(f, c->hold_time_s * 1000ull / 3);
	f->ops->send(f->ctx, c, bytes, size);
}

static void send_keepalive(struct conn *c)
{
	uint8_t bytes[BGP_HEADER_SIZE];

	conn_send(c, BGP_KEEPALIVE, bytes, keepalive_write(bytes, sizeof(bytes)));
}

static void conn_open(struct conn *c, void *io)
{
	struct fsm *f = c->fsm;
	uint8_t bytes[BGP_MESSAGE_MAX];
	size_t size;

	c->io = io;
	c->state = API_BGP_OPENSENT;
	c->max_rx = BGP_MESSAGE_MAX;
	c->hold_at_ms = now(f) + OPEN_HOLD_MS;
	size = open_write(bytes, sizeof(bytes), &f->config.open);
	conn_send(c, BGP_OPEN, bytes, size);
	state_changed(f);
}

void fsm_dialled(struct fsm *f, void *io)
{
	conn_open(&f->conn[CONN_OUT], io);
}

void fsm_dial_failed(struct fsm *f)
{
	conn_clear(&f->conn[CONN_OUT]);
	if (f->running && !f->established)
		f->retry_at_ms = now(f) + jitter(f, f->config.connect_retry_s * 1000ull);
	state_changed(f);
}

static bool is_young(const struct fsm *f)
{
	return now(f) - f->established_ms < YOUNG_MS;
}

struct conn *fsm_accept(struct fsm *f, void *io)
{
	struct conn *c = &f->conn[CONN_IN];

	if (!f->running || now(f) < f->blocked_until_ms)
		return NULL;
	if (c->state != API_BGP_IDLE && c != f->established)
		conn_close(c); // the other side has begun anew
	if (c == f->established) {
		// Its slot is taken by the session itself. RFC 4724 4.2: a neighbour that restarts
		// gracefully and comes back has lost the old one.
		if (!keeps_routes(c, NULL) || is_young(f))
			return NULL;
		conn_end(c, true);
	}
	conn_open(c, io);
	return c;
}

// -- OPEN

static bool role_fits(uint8_t ours, uint8_t theirs)
{
	static const uint8_t match[] = {
		[BGP_ROLE_PROVIDER] = BGP_ROLE_CUSTOMER,
		[BGP_ROLE_RS] = BGP_ROLE_RS_CLIENT,
		[BGP_ROLE_RS_CLIENT] = BGP_ROLE_RS,
		[BGP_ROLE_CUSTOMER] = BGP_ROLE_PROVIDER,
		[BGP_ROLE_PEER] = BGP_ROLE_PEER,
	};

	return ours < sizeof(match) && match[ours] == theirs;
}

// 0: acceptable, else the subcode to answer.
static uint8_t check_open(const struct fsm *f, const struct bgp_open *open)
{
	uint8_t ours = f->config.open.role;

	if (open->asn != f->config.peer_as)
		return BGP_OPEN_BAD_PEER_AS;
	if (open->identifier == f->config.open.identifier && open->asn == f->config.local_as)
		return BGP_OPEN_BAD_IDENTIFIER; // RFC 6286 2.2
	if (ours != BGP_ROLE_NONE && open->role != BGP_ROLE_NONE && !role_fits(ours, open->role))
		return BGP_OPEN_ROLE_MISMATCH;
	if (f->config.strict_role && open->role == BGP_ROLE_NONE)
		return BGP_OPEN_ROLE_MISMATCH;
	for (int i = 0; i < BGP_FAMILIES; i++)
		if (f->config.open.family[i] && open->family[i])
			return 0;
	return BGP_OPEN_BAD_CAPABILITY;
}

static void agree(struct conn *c)
{
	const struct fsm_config *config = &c->fsm->config;
	const struct bgp_open *ours = &config->open, *theirs = &c->remote;
	struct update_options o = {.as4 = ours->as4 && theirs->as4,
		.internal = config->local_as == config->peer_as,
		.ipv6_nexthop = ours->ipv6_nexthop && theirs->ipv6_nexthop};
	bool extended = ours->extended_message && theirs->extended_message;

	o.max_size = extended ? BGP_EXTENDED_MAX : BGP_MESSAGE_MAX;
	for (int i = 0; i < BGP_FAMILIES; i++)
		o.family[i] = ours->family[i] && theirs->family[i];
	c->rx = c->tx = o;
	for (int i = 0; i < BGP_FAMILIES; i++) {
		c->rx.add_path[i] = ours->add_path_receive[i] && theirs->add_path_send[i];
		c->tx.add_path[i] = ours->add_path_send[i] && theirs->add_path_receive[i];
	}
	c->max_rx = o.max_size;
	c->hold_time_s =
		ours->hold_time_s < theirs->hold_time_s ? ours->hold_time_s : theirs->hold_time_s;
	c->hold_at_ms = 0;
	if (c->hold_time_s) {
		c->hold_at_ms = now(c->fsm) + c->hold_time_s * 1000ull;
		c->keepalive_at_ms = now(c->fsm) + jitter(c->fsm, c->hold_time_s * 1000ull / 3);
	}
}

// RFC 4271 6.8, 6286 2.3: the connection dialled by the greater (identifier, AS) stays.
static bool we_are_greater(const struct fsm *f, const struct bgp_open *theirs)
{
	if (f->config.open.identifier != theirs->identifier)
		return f->config.open.identifier > theirs->identifier;
	return f->config.local_as > theirs->asn;
}

// False: c lost and is closed.
static bool settle_collision(struct conn *c, const struct bgp_open *open)
{
	struct fsm *f = c->fsm;
	struct conn *other = &f->conn[!c->outgoing];
	struct bgp_error error = bgp_error_make(BGP_ERR_CEASE, BGP_CEASE_COLLISION, NULL, 0);
	bool keep_outgoing = we_are_greater(f, open);

	if (other->state == API_BGP_ESTABLISHED && !is_young(f)) {
		// RFC 4724 4.2: the restarting neighbour's new connection replaces the old.
		if (open->graceful_restart && keeps_routes(other, NULL)) {
			conn_end(other, true);
			return true;
		}
		conn_fail(c, &error, NULL);
		return false;
	}
	// A young session is judged like OpenConfirm (CollisionDetectEstablishedState), or else the
	// two sides, one of which got further, would each close what the other keeps.
	if (other->state < API_BGP_OPENCONFIRM)
		return true;
	if (c->outgoing == keep_outgoing) {
		conn_fail(other, &error, NULL);
		return true;
	}
	conn_fail(c, &error, NULL);
	return false;
}

static void on_open(struct conn *c, const uint8_t *body, size_t size)
{
	struct fsm *f = c->fsm;
	struct bgp_error error;
	struct bgp_open open;
	uint8_t subcode;

	if (open_read(body, size, &open, &error)) {
		conn_fail(c, &error, "malformed OPEN");
		return;
	}
	subcode = check_open(f, &open);
	if (subcode) {
		fail(c, BGP_ERR_OPEN, subcode, "OPEN does not fit the configuration");
		return;
	}
	if (!settle_collision(c, &open))
		return;
	c->remote = open;
	agree(c);
	c->state = API_BGP_OPENCONFIRM;
	send_keepalive(c);
	state_changed(f);
}

// -- the other messages

static void establish(struct conn *c)
{
	struct fsm *f = c->fsm;
	struct conn *other = &f->conn[!c->outgoing];

	c->state = API_BGP_ESTABLISHED;
	f->established = c;
	f->established_ms = now(f);
	f->retry_at_ms = 0;
	f->failures = 0;
	if (other->state == API_BGP_CONNECT)
		conn_close(other); // one whose OPEN is under way is settled when that comes
	f->ops->up(f->ctx, c);
	state_changed(f);
}

static void on_keepalive(struct conn *c, const uint8_t *body, size_t size)
{
	if (c->state == API_BGP_OPENCONFIRM)
		establish(c);
}

static void on_update(struct conn *c, const uint8_t *body, size_t size)
{
	struct fsm *f = c->fsm;
	uint32_t done = c->done;
	struct update u;
	bool whole;

	update_read(body, size, &c->rx, f->env->scratch, &u);
	f->withdrawn += !done && u.verdict == UPDATE_WITHDRAW;
	f->discarded += !done && u.verdict == UPDATE_DISCARD;
	if (u.verdict == UPDATE_RESET) {
		conn_fail(c, &u.error, u.reason);
		return;
	}
	whole = f->ops->update(f->ctx, &u, &done);
	if (c == f->established)
		c->done = whole ? 0 : done;
}

static void on_notification(struct conn *c, const uint8_t *body, size_t size)
{
	struct fsm *f = c->fsm;
	struct bgp_error error;

	if (notification_read(body, size, &error))
		error = bgp_error_make(0, 0, NULL, 0);
	f->last_error = unwrap(&error);
	f->last_error_sent = false;
	f->last_reason = NULL;
	if (error.code != BGP_ERR_CEASE || error.subcode != BGP_CEASE_COLLISION)
		f->failures++;
	conn_end(c, keeps_routes(c, &error));
}

static void on_refresh(struct conn *c, const uint8_t *body, size_t size)
{
	struct bgp_refresh refresh;
	struct bgp_error error;

	if (refresh_read(body, size, &refresh, &error))
		conn_fail(c, &error, "malformed ROUTE-REFRESH");
	else
		c->fsm->ops->refresh(c->fsm->ctx, &refresh);
}

struct message_rule {
	uint8_t states; // a bit each in which the message may come
	void (*take)(struct conn *c, const uint8_t *body, size_t size);
};

#define IN(state) (1u << API_BGP_##state)

static const struct message_rule rules[] = {
	[BGP_OPEN] = {IN(OPENSENT), on_open},
	[BGP_UPDATE] = {IN(ESTABLISHED), on_update},
	[BGP_NOTIFICATION] = {IN(OPENSENT) | IN(OPENCONFIRM) | IN(ESTABLISHED), on_notification},
	[BGP_KEEPALIVE] = {IN(OPENCONFIRM) | IN(ESTABLISHED), on_keepalive},
	[BGP_ROUTE_REFRESH] = {IN(ESTABLISHED), on_refresh},
};

static void dispatch(struct conn *c, const struct bgp_header *h, const uint8_t *body)
{
	struct fsm *f = c->fsm;

	f->count[h->type].received += !c->done;
	f->count[h->type].last_received_ms = now(f);
	if (!(rules[h->type].states & 1u << c->state)) {
		// RFC 6608: the subcode names the state.
		fail(c, BGP_ERR_FSM, (uint8_t)(c->state - API_BGP_OPENSENT + 1),
			"message not expected in this state");
		return;
	}
	if (c->state >= API_BGP_OPENCONFIRM && c->hold_time_s)
		c->hold_at_ms = now(f) + c->hold_time_s * 1000ull;
	rules[h->type].take(c, body, h->size - BGP_HEADER_SIZE);
}

// Whole messages at the front are handled; returns how many bytes they took, or SIZE_MAX when the
// connection is gone.
static size_t consume(struct conn *c, const uint8_t *bytes, size_t size)
{
	void *io = c->io;
	size_t used = 0;

	while (used < size) {
		struct bgp_header h;
		struct bgp_error error;
		int got = message_peek(bytes + used, size - used, c->max_rx, &h, &error);

		if (got == 0)
			break;
		if (got < 0) {
			conn_fail(c, &error, "malformed message header");
			return SIZE_MAX;
		}
		dispatch(c, &h, bytes + used + BGP_HEADER_SIZE);
		if (c->state < API_BGP_OPENSENT || c->io != io)
			return SIZE_MAX;
		c->more = c->done;
		if (c->done)
			break;
		used += h.size;
		c->more = used < size && c->fsm->ops->slice_over(c->fsm->ctx);
		if (c->more)
			break;
	}
	return used;
}

bool conn_receive(struct conn *c, const uint8_t *bytes, size_t size)
{
	uint8_t *joined = NULL;
	size_t used;

	if (c->partial_size) {
		joined = xrealloc(c->partial, c->partial_size + size);
		if (size)
			memcpy(joined + c->partial_size, bytes, size);
		size += c->partial_size;
		bytes = joined;
		c->partial = NULL;
		c->partial_size = 0;
	}
	c->more = false;
	used = consume(c, bytes, size);
	if (used != SIZE_MAX && used < size) {
		c->partial_size = size - used;
		c->partial = xmalloc(c->partial_size);
		memcpy(c->partial, bytes + used, c->partial_size);
	}
	free(joined);
	return used != SIZE_MAX;
}

void conn_lost(struct conn *c)
{
	c->fsm->failures += c->fsm->established != c;
	conn_end(c, keeps_routes(c, NULL));
}

// -- time

static uint64_t send_hold_at(const struct conn *c)
{
	uint64_t s = c->fsm->config.send_hold_time_s;

	if (!c->stuck_at_ms || !c->hold_time_s)
		return UINT64_MAX;
	if (!s) // RFC 9687 4.2
		s = 2u * c->hold_time_s > 480 ? 2u * c->hold_time_s : 480;
	return c->stuck_at_ms + s * 1000;
}

static uint64_t min_deadline(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

uint64_t fsm_deadline(const struct fsm *f)
{
	uint64_t at = min_deadline(UINT64_MAX, f->retry_at_ms);

	for (int i = 0; i < 2; i++) {
		if (f->conn[i].state == API_BGP_IDLE)
			continue;
		at = min_deadline(at, f->conn[i].hold_at_ms);
		at = min_deadline(at, f->conn[i].keepalive_at_ms);
		at = min_deadline(at, send_hold_at(&f->conn[i]));
	}
	return at;
}

static bool due(const struct fsm *f, uint64_t at)
{
	return at && at <= now(f);
}

static void conn_tick(struct conn *c)
{
	struct fsm *f = c->fsm;

	if (c->state == API_BGP_CONNECT && due(f, c->hold_at_ms)) {
		f->ops->dial_cancel(f->ctx);
		fsm_dial_failed(f);
	}
	if (c->state < API_BGP_OPENSENT)
		return;
	if (due(f, c->hold_at_ms)) {
		// What came in time but was not read yet counts: we were slow, not they.
		if (c->more || f->ops->unread(f->ctx, c)) {
			c->hold_at_ms = now(f) + UNREAD_GRACE_MS;
		} else {
			fail(c, BGP_ERR_HOLD_TIMER, 0, "nothing heard for the hold time");
			return;
		}
	}
	if (send_hold_at(c) <= now(f)) {
		fail(c, BGP_ERR_SEND_HOLD_TIMER, 0, "the other side takes no bytes");
		return;
	}
	if (due(f, c->keepalive_at_ms))
		send_keepalive(c);
}

void fsm_tick(struct fsm *f)
{
	for (int i = 0; i < 2; i++)
		conn_tick(&f->conn[i]);
	if (due(f, f->retry_at_ms)) {
		f->blocked_until_ms = 0;
		dial(f);
	}
}

enum api_bgp_state fsm_state(const struct fsm *f)
{
	uint8_t state = API_BGP_IDLE;

	for (int i = 0; i < 2; i++)
		if (f->conn[i].state > state)
			state = f->conn[i].state;
	if (state == API_BGP_IDLE && f->running && now(f) >= f->blocked_until_ms)
		return API_BGP_ACTIVE;
	return (enum api_bgp_state)state;
}
