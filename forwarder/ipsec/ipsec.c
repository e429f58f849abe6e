// SPDX-License-Identifier: Apache-2.0

// IPsec's control side: SAs, policies, reservations and records come in by the local API, events
// and counters go out. Keys come in and never go out.
//
// Control thread throughout. Each worker has an esp_ctx; the table belongs to this thread and is
// read by workers (sa_table.h). A connection is up as far as IPsec is concerned when each of its
// policies has an outbound SA that has not stopped.

#include "ipsec.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <time.h>

#include "conn/conn.h"
#include "control.h"
#include "esp_stage.h"
#include "log.h"
#include "modules.h"
#include "objects.h"
#include "rcu.h"
#include "serve/refuse.h"
#include "slot/slot.h"
#include "underlay/underlay.h"

#define TICK_MS        100
#define SCAN_TICKS     10 // every SA is looked at once a second
#define PMTU_PER_TICK  5
#define CONN_REASON_SA 3 // of struct api_conn_event
#define IP_ONLY_MTU    1500

struct esp_ctx ipsec_ctx[WORKER_MAX];
struct esp_lookup *ipsec_lookup;
const char *ipsec_crypto_name = "auto";

static struct {
	struct esp_table *table;
	struct api_server *server;
	struct event *tick;
	uint16_t workers;
	unsigned ticks;
	unsigned pmtu_left; // ICMP errors looked at before the next tick
	uint32_t events_seen[WORKER_MAX];
	struct slot_user slots[ESP_SLOTS];
} ipsec;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// -- connections

static void refresh_conn(uint32_t id)
{
	const struct conn *c = conn_find(id);
	uint16_t path = IP_ONLY_MTU;

	if (c == NULL)
		return;
	conn_set_tunnel_mtu(id, esp_table_conn_mtu(ipsec.table, id, path));
	conn_set_up(id, esp_table_conn_up(ipsec.table, id), CONN_REASON_SA);
}

static int place_of(
	uint32_t id, uint8_t dir, struct esp_place *ret_place, struct api_error *ret_error)
{
	const struct conn *c = conn_find(id);

	if (c == NULL)
		return refuse(ret_error, -ENOENT, "conn: no connection %u; set it first", id);
	ret_place->conn_index = conn_index(c);
	ret_place->owner = (uint8_t)((ret_place->conn_index + (dir == API_SA_IN)) % ipsec.workers);
	return 0;
}

// -- SAs

static void dest_free(void *dest)
{
	underlay_dest_put(dest);
}

// The hop of an outbound SA's outer packets; the old one goes when no worker uses it.
static void point(struct esp_sa *sa, const struct ip_addr *remote)
{
	struct underlay_dest *dest = underlay_dest_get(remote);
	void *old = sa->dest;

	__atomic_store_n(&sa->hop, dest != NULL ? underlay_dest_hop(dest) : 0, __ATOMIC_RELAXED);
	sa->dest = dest;
	if (old != NULL)
		rcu_defer(dest_free, old);
}

static int sa_set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_sa *want = object;
	const char *words = "";
	struct esp_place place;
	struct esp_sa *sa;
	int r = place_of(want->conn, want->dir, &place, ret_error);

	if (r < 0)
		return r;
	r = esp_table_set(ipsec.table, want, &place, now_ns(), &words);
	if (r < 0)
		return refuse(ret_error, r, "%s", words);
	if (r == 0)
		return API_UNCHANGED;
	sa = esp_table_find(ipsec.table, want->conn, want->spi, want->dir);
	if (want->dir == API_SA_OUT)
		point(sa, &want->remote);
	refresh_conn(want->conn);
	return API_CHANGED;
}

static int sa_del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_sa *want = key;
	struct esp_sa *sa = esp_table_find(ipsec.table, want->conn, want->spi, want->dir);
	void *dest = sa != NULL ? sa->dest : NULL;

	if (!esp_table_del(ipsec.table, want->conn, want->spi, want->dir))
		return API_UNCHANGED;
	if (dest != NULL)
		rcu_defer(dest_free, dest);
	refresh_conn(want->conn);
	return API_CHANGED;
}

static bool passes(uint32_t filter, uint32_t value)
{
	return filter == 0 || filter == value;
}

static int sa_stats_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	static const struct api_sa_stats any;
	const struct api_sa_stats *f = filter != NULL ? filter : &any;
	size_t at = *api_emit_cursor(emit);
	const struct esp_sa *sa;
	int r = 0;

	while (r == 0 && (sa = esp_table_next(ipsec.table, &at)) != NULL) {
		struct api_sa_stats stats;

		if (!passes(f->conn, sa->conn) || !passes(f->spi, sa->spi) ||
			!passes(f->dir, sa->dir))
			continue;
		esp_sa_stats(sa, now_ns(), &stats);
		r = api_emit(emit, &stats, sizeof(stats));
		*api_emit_cursor(emit) = at;
	}
	return r;
}

static int grant_set(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_sa_grant *g = object;
	int r = esp_table_grant(ipsec.table, g->conn, g->spi, g->sequence_end);

	return r < 0 ? refuse(ret_error, r, "spi: no outbound SA %08x of connection %u", g->spi,
			       g->conn)
		     : r;
}

// -- policies

static int policy_set(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_sa_policy *want = object;
	const char *words = "";
	struct esp_place place;
	int r = place_of(want->conn, 0, &place, ret_error);

	if (r < 0)
		return r;
	r = esp_table_policy_set(ipsec.table, want, &place, &words);
	if (r < 0)
		return refuse(ret_error, r, "%s", words);
	if (r > 0)
		refresh_conn(want->conn);
	return r;
}

static int policy_del(void *ctx, const void *key, struct api_error *ret_error)
{
	const struct api_sa_policy *want = key;
	int r = esp_table_policy_del(ipsec.table, want->conn, want->child);

	if (r > 0)
		refresh_conn(want->conn);
	return r;
}

static int policy_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	static const struct api_sa_policy any;
	const struct api_sa_policy *f = filter != NULL ? filter : &any;
	size_t at = *api_emit_cursor(emit);
	const struct esp_policy *p;
	int r = 0;

	while (r == 0 && (p = esp_table_policy_next(ipsec.table, &at)) != NULL) {
		if (!passes(f->conn, p->conn) || !passes(f->child, p->child))
			continue;
		r = api_emit(emit, &p->want, sizeof(p->want));
		*api_emit_cursor(emit) = at;
	}
	return r;
}

// -- moving

static int record_call(void *ctx, const void *object, size_t size, int fd, struct api_emit *emit,
	struct api_error *ret_error)
{
	const struct api_sa_record *key = object;
	struct api_sa_record record;
	int r = esp_table_export(ipsec.table, key->conn, key->spi, key->dir, now_ns(), &record);

	if (r < 0)
		return refuse(
			ret_error, r, "spi: no SA %08x of connection %u", key->spi, key->conn);
	api_emit(emit, &record, sizeof(record));
	return API_UNCHANGED;
}

static int record_set(
	void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const char *words = "";
	int r = esp_table_import(ipsec.table, object, now_ns(), &words);

	return r < 0 ? refuse(ret_error, r, "%s", words) : r;
}

static void slot_changed(struct slot_user *user)
{
	uint16_t number = (uint16_t)(user - ipsec.slots);
	const struct api_slot *s = slot_find(number);

	esp_table_slot(ipsec.table, number, slot_is_active(number), s != NULL ? s->iv_epoch : 0);
}

// -- ICMP errors about what we sent

// The outer header; its size, or 0: not one of ours.
static size_t quoted_ip(const uint8_t *ip, size_t size, struct esp_pmtu *ret_said)
{
	bool v4 = size >= 20 && ip[0] >> 4 == 4;
	size_t header = v4 ? (size_t)(ip[0] & 15) * 4 : 40, from = v4 ? 12 : 8;
	uint8_t protocol, family = v4 ? IP_V4 : IP_V6;

	if (size < header || header < 20 || (!v4 && ip[0] >> 4 != 6))
		return 0;
	protocol = v4 ? ip[9] : ip[6];
	ret_said->udp = protocol == ESP_PROTOCOL_UDP;
	ret_said->size = v4 ? esp_be16(ip + 2) : (uint16_t)(40 + esp_be16(ip + 4));
	ret_said->local = ip_from_bytes(family, ip + from);
	ret_said->remote = ip_from_bytes(family, ip + from + (v4 ? 4 : 16));
	return ret_said->udp || protocol == ESP_PROTOCOL ? header : 0;
}

// RFC 792 promises 8 bytes behind the IP header: in UDP they are not enough to tell.
static bool quoted_esp(const uint8_t *ip, size_t size, struct esp_pmtu *ret_said)
{
	size_t at = quoted_ip(ip, size, ret_said) + (ret_said->udp ? 8 : 0);

	if (at < 20 || size < at + ESP_HEADER_SIZE)
		return false;
	ret_said->spi = esp_be32(ip + at);
	ret_said->sequence = esp_be32(ip + at + 4);
	return true;
}

// m starts at the IP header of an ICMP error of which a worker has seen that it says "too big" and
// has verified the checksum.
static bool pmtu_read(const struct rte_mbuf *m, struct esp_pmtu *ret_said)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v4 = ip[0] >> 4 == 4;
	size_t at = v4 ? (size_t)(ip[0] & 15) * 4 : 40;

	if (m->data_len < at + 8)
		return false;
	ret_said->mtu = esp_be16(ip + at + 6);
	if (!v4 && esp_be16(ip + at + 4) != 0)
		return false; // more than any packet here
	return quoted_esp(ip + at + 8, m->data_len - at - 8, ret_said);
}

static void on_icmp_error(struct rte_mbuf *m)
{
	const struct esp_sa *sa = NULL;
	struct esp_pmtu said = {0};

	// Anyone can send these, and each looks through all SAs.
	if (ipsec.pmtu_left != 0 && pmtu_read(m, &said)) {
		ipsec.pmtu_left--;
		sa = esp_table_pmtu(ipsec.table, &said, now_ns());
	}
	if (sa != NULL)
		refresh_conn(sa->conn);
	rte_pktmbuf_free(m);
}

static void pmtu_changed(const struct esp_sa *sa)
{
	refresh_conn(sa->conn);
}

// -- time

static void report(void *ctx, const struct api_sa_event *event)
{
	if (ipsec.server != NULL)
		api_server_event(ipsec.server, API_TYPE_SA_EVENT, event, sizeof(*event));
	if (event->hard)
		refresh_conn(event->conn);
}

static bool workers_raised(void)
{
	bool raised = false;

	for (uint16_t i = 0; i < ipsec.workers; i++) {
		uint32_t n = __atomic_load_n(&ipsec_ctx[i].events, __ATOMIC_RELAXED);

		raised |= n != ipsec.events_seen[i];
		ipsec.events_seen[i] = n;
	}
	return raised;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	ipsec.pmtu_left = PMTU_PER_TICK;
	esp_table_pmtu_age(ipsec.table, now_ns(), pmtu_changed);
	if (workers_raised() || ++ipsec.ticks % SCAN_TICKS == 0)
		esp_table_events(ipsec.table, now_ns(), report, NULL);
}

// -- module

static int ipsec_init(const struct module_env *env)
{
	const struct esp_crypto *crypto = esp_crypto_find(ipsec_crypto_name);
	const struct timeval period = {.tv_usec = TICK_MS * 1000};

	if (crypto == NULL) {
		log_error("crypto back-end '%s' cannot be used here", ipsec_crypto_name);
		return -ENOTSUP;
	}
	for (uint16_t i = 0; i < env->workers; i++)
		if (esp_ctx_init(&ipsec_ctx[i], crypto) < 0)
			return -ENOMEM;
	ipsec.workers = env->workers;
	ipsec.server = env->server;
	ipsec.table = esp_table_new(crypto, env->conns_size);
	ipsec_lookup = esp_table_lookup(ipsec.table);
	for (uint16_t i = 1; i < ESP_SLOTS; i++) {
		ipsec.slots[i].changed = slot_changed;
		slot_join(i, &ipsec.slots[i]);
	}
	control_handle(CONTROL_ICMP_ERROR, on_icmp_error);
	ipsec.pmtu_left = PMTU_PER_TICK;
	log_info("IPsec by %s", crypto->name);
	if (env->base == NULL)
		return 0;
	ipsec.tick = event_new(env->base, -1, EV_PERSIST, on_tick, NULL);
	event_add(ipsec.tick, &period);
	return 0;
}

static void ipsec_fini(void)
{
	struct esp_sa *sa;
	size_t at = 0;

	control_handle(CONTROL_ICMP_ERROR, NULL);
	if (ipsec.tick != NULL)
		event_free(ipsec.tick);
	for (uint16_t i = 1; i < ESP_SLOTS; i++)
		slot_leave(&ipsec.slots[i]);
	while ((sa = esp_table_next(ipsec.table, &at)) != NULL)
		if (sa->dest != NULL)
			underlay_dest_put(sa->dest);
	esp_table_free(ipsec.table);
	ipsec_lookup = NULL;
	for (uint16_t i = 0; i < ipsec.workers; i++)
		esp_ctx_fini(&ipsec_ctx[i]);
	memset(&ipsec, 0, sizeof(ipsec));
}

static const struct api_handler handlers[] = {
	{
		.type = API_TYPE_SA,
		.size = sizeof(struct api_sa),
		.min_size = sizeof(struct api_sa),
		.key_size = offsetof(struct api_sa, child),
		.name = "sa",
		.set = sa_set,
		.del = sa_del,
	},
	{
		.type = API_TYPE_SA_POLICY,
		.size = sizeof(struct api_sa_policy),
		.min_size = sizeof(struct api_sa_policy),
		.key_size = offsetof(struct api_sa_policy, out_spi),
		.name = "sa_policy",
		.set = policy_set,
		.del = policy_del,
		.dump = policy_dump,
	},
	{
		.type = API_TYPE_SA_GRANT,
		.size = sizeof(struct api_sa_grant),
		.min_size = sizeof(struct api_sa_grant),
		.key_size = offsetof(struct api_sa_grant, sequence_end),
		.name = "sa_grant",
		.set = grant_set,
	},
	{
		.type = API_TYPE_SA_STATS,
		.size = sizeof(struct api_sa_stats),
		.min_size = offsetof(struct api_sa_stats, child),
		.key_size = offsetof(struct api_sa_stats, child),
		.name = "sa_stats",
		.dump = sa_stats_dump,
	},
	{
		.type = API_TYPE_SA_EVENT,
		.size = sizeof(struct api_sa_event),
		.min_size = sizeof(struct api_sa_event),
		.key_size = offsetof(struct api_sa_event, child),
		.name = "sa_event",
	},
	{
		.type = API_TYPE_SA_RECORD,
		.size = sizeof(struct api_sa_record),
		.min_size = offsetof(struct api_sa_record, sequence),
		.key_size = offsetof(struct api_sa_record, sequence),
		.name = "sa_record",
		.set = record_set,
		.call = record_call,
	},
};

const struct module module_ipsec = {
	.name = "ipsec",
	.init = ipsec_init,
	.fini = ipsec_fini,
	.handlers = handlers,
	.handlers_len = sizeof(handlers) / sizeof(handlers[0]),
};
