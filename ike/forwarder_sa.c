// SPDX-License-Identifier: GPL-3.0-or-later
#include "forwarder_sa.h"

#include <stddef.h>

#include <daemon.h>
#include <processing/jobs/callback_job.h>
#include <threading/mutex.h>

#include "address.h"
#include "client.h"
#include "conn.h"
#include "forwarder.h"
#include "map.h"
#include "proto.h"
#include "spi_pool.h"
#include "xmalloc.h"

#define GRANT_PACKETS (1u << 20) // sequence numbers granted at a time

struct sa_key {
	uint32_t conn, spi;
	uint8_t dir, pad[3];
};

struct sa {
	struct sa_key key;
	struct api_sa api; // as installed; keys included
	host_t *dst;       // how libcharon names it
	uint64_t replay_top;
};

// A child's policies: libcharon installs one for each pair of selectors.
struct pair {
	traffic_selector_t *local, *remote;
	uint32_t count; // old and new SA share a policy through a rekey
};

struct policy_key {
	uint32_t conn, child;
};

struct policy {
	struct policy_key key;
	linked_list_t *pairs;
	struct api_sa_policy api;
};

static struct {
	mutex_t *mutex;
	struct map sas;      // by sa_key
	struct map policies; // by policy_key
} db;

static uint32_t conn_at_hand(void)
{
	ike_sa_t *sa = charon->bus->get_sa(charon->bus);
	peer_cfg_t *peer = sa ? sa->get_peer_cfg(sa) : NULL;

	return peer ? conn_of_name(peer->get_name(peer)) : 0;
}

static struct sa_key key_of(uint32_t conn, uint32_t spi, uint8_t dir)
{
	return (struct sa_key){.conn = conn, .spi = spi, .dir = dir};
}

// libcharon gives no direction when it asks for or deletes an SA. An SPI of ours is inbound if one
// is installed so to that destination.
static struct sa *find_sa(uint32_t conn, uint32_t spi, host_t *dst)
{
	static const uint8_t dirs[] = {API_SA_IN, API_SA_OUT};

	for (size_t i = 0; i < countof(dirs); i++) {
		struct sa_key key = key_of(conn, spi, dirs[i]);
		struct sa *sa = map_find(&db.sas, &key, sizeof(key));

		if (sa && sa->dst->ip_equals(sa->dst, dst))
			return sa;
	}
	return NULL;
}

METHOD(kernel_ipsec_t, get_features, kernel_feature_t, kernel_ipsec_t *this)
{
	return KERNEL_ESP_V3_TFC | KERNEL_POLICY_SPI | KERNEL_NO_POLICY_UPDATES;
}

METHOD(kernel_ipsec_t, get_spi, status_t, kernel_ipsec_t *this, host_t *src, host_t *dst,
	uint8_t protocol, uint32_t *spi)
{
	struct api_ike_conn conn;
	uint32_t drawn;

	if (protocol != IPPROTO_ESP || !conn_get(conn_at_hand(), &conn))
		return FAILED;
	drawn = spi_pool_take(conn.slot);
	if (!drawn)
		return FAILED;
	*spi = htonl(drawn);
	return SUCCESS;
}

METHOD(kernel_ipsec_t, get_cpi, status_t, kernel_ipsec_t *this, host_t *src, host_t *dst,
	uint16_t *cpi)
{
	return FAILED; // no IPComp
}

static void set_keys(struct api_sa *a, const kernel_ipsec_add_sa_t *data)
{
	a->cipher = data->enc_alg;
	a->integrity = data->int_alg == AUTH_UNDEFINED ? API_INTEGRITY_NONE : data->int_alg;
	a->key_size = (uint8_t)data->enc_key.len;
	a->auth_key_size = (uint8_t)data->int_key.len;
	memcpy(a->key, data->enc_key.ptr, data->enc_key.len);
	if (data->int_key.len)
		memcpy(a->auth_key, data->int_key.ptr, data->int_key.len);
}

static void set_lifetime(struct api_sa *a, const lifetime_cfg_t *l)
{
	a->time_ms = (struct api_sa_limit){l->time.rekey * 1000, l->time.life * 1000};
	a->bytes = (struct api_sa_limit){l->bytes.rekey, l->bytes.life};
	a->packets = (struct api_sa_limit){l->packets.rekey, l->packets.life};
}

static void set_addresses(struct api_sa *a, host_t *src, host_t *dst, bool encap)
{
	bool in = a->dir == API_SA_IN;
	host_t *local = in ? dst : src, *remote = in ? src : dst;

	a->local = address_of(local);
	a->remote = address_of(remote);
	a->local_port = encap ? local->get_port(local) : 0;
	a->remote_port = encap ? remote->get_port(remote) : 0;
	if (encap)
		a->flags |= API_SA_F_UDP;
	else
		a->flags &= ~(uint32_t)API_SA_F_UDP;
}

static void sa_free(struct sa *sa)
{
	memwipe(&sa->api, sizeof(sa->api));
	DESTROY_IF(sa->dst);
	free(sa);
}

static int sa_store(const struct api_sa *a, host_t *dst)
{
	struct sa_key key = key_of(a->conn, a->spi, a->dir);
	struct sa *sa = map_find(&db.sas, &key, sizeof(key));

	if (!sa) {
		sa = xcalloc(1, sizeof(*sa));
		sa->key = key;
		map_set(&db.sas, &sa->key, sizeof(sa->key), sa);
	}
	DESTROY_IF(sa->dst);
	sa->dst = dst->clone(dst);
	sa->api = *a;
	return 0;
}

METHOD(kernel_ipsec_t, add_sa, status_t, kernel_ipsec_t *this, kernel_ipsec_sa_id_t *id,
	kernel_ipsec_add_sa_t *data)
{
	struct api_ike_conn conn;
	struct api_sa a = {
		.conn = id->if_id,
		.spi = ntohl(id->spi),
		.dir = data->inbound ? API_SA_IN : API_SA_OUT,
		.child = data->reqid,
		.mode = data->mode == MODE_TRANSPORT ? API_SA_TRANSPORT : API_SA_TUNNEL,
		.flags = (data->esn ? API_SA_F_ESN : 0) | (data->copy_ecn ? 0 : API_SA_F_NO_ECN),
		.replay_window = (uint16_t)data->replay_window,
	};
	int rc;

	if (id->proto != IPPROTO_ESP || data->ipcomp != IPCOMP_NONE ||
		data->enc_key.len > sizeof(a.key) || data->int_key.len > sizeof(a.auth_key) ||
		!conn_get(id->if_id, &conn))
		return FAILED;
	a.slot = conn.slot;
	set_keys(&a, data);
	set_lifetime(&a, data->lifetime);
	set_addresses(&a, id->src, id->dst, data->encap);
	if (!data->inbound) {
		a.replay_window = 0;
		a.sequence_end = GRANT_PACKETS;
	}
	rc = forwarder_set(API_TYPE_SA, &a, sizeof(a));
	if (rc >= 0) {
		db.mutex->lock(db.mutex);
		sa_store(&a, id->dst);
		db.mutex->unlock(db.mutex);
	}
	memwipe(&a, sizeof(a));
	return rc < 0 ? FAILED : SUCCESS;
}

METHOD(kernel_ipsec_t, update_sa, status_t, kernel_ipsec_t *this, kernel_ipsec_sa_id_t *id,
	kernel_ipsec_update_sa_t *data)
{
	struct api_sa a = {0};
	struct sa *sa;
	int rc;

	db.mutex->lock(db.mutex);
	sa = find_sa(id->if_id, ntohl(id->spi), id->dst);
	if (sa) {
		set_addresses(&sa->api, data->new_src, data->new_dst, data->new_encap);
		sa->dst->destroy(sa->dst);
		sa->dst = data->new_dst->clone(data->new_dst);
		a = sa->api;
	}
	db.mutex->unlock(db.mutex);
	if (!sa)
		return NOT_FOUND;
	rc = forwarder_set(API_TYPE_SA, &a, sizeof(a));
	memwipe(&a, sizeof(a));
	return rc < 0 ? FAILED : SUCCESS;
}

static void keep_stats(void *ctx, const void *object, size_t size, int fd)
{
	if (size >= sizeof(struct api_sa_stats))
		*(struct api_sa_stats *)ctx = *(const struct api_sa_stats *)object;
}

METHOD(kernel_ipsec_t, query_sa, status_t, kernel_ipsec_t *this, kernel_ipsec_sa_id_t *id,
	kernel_ipsec_query_sa_t *data, uint64_t *bytes, uint64_t *packets, time_t *time)
{
	struct api_sa_stats filter = {.conn = id->if_id, .spi = ntohl(id->spi)}, stats = {0};
	struct sa *sa;

	db.mutex->lock(db.mutex);
	sa = find_sa(id->if_id, filter.spi, id->dst);
	if (sa)
		filter.dir = sa->key.dir;
	db.mutex->unlock(db.mutex);
	if (!sa ||
		forwarder_dump(API_TYPE_SA_STATS, &filter, sizeof(filter), keep_stats, &stats) <
			0 ||
		!stats.spi)
		return NOT_FOUND;
	if (bytes)
		*bytes = stats.bytes;
	if (packets)
		*packets = stats.packets;
	if (time)
		*time = stats.idle_ms == UINT64_MAX
				? 0
				: time_monotonic(NULL) - (time_t)(stats.idle_ms / 1000);
	return SUCCESS;
}

METHOD(kernel_ipsec_t, del_sa, status_t, kernel_ipsec_t *this, kernel_ipsec_sa_id_t *id,
	kernel_ipsec_del_sa_t *data)
{
	struct sa_key key;
	struct sa *sa;

	db.mutex->lock(db.mutex);
	sa = find_sa(id->if_id, ntohl(id->spi), id->dst);
	if (sa) {
		key = sa->key;
		map_del(&db.sas, &sa->key, sizeof(sa->key));
	}
	db.mutex->unlock(db.mutex);
	if (!sa) {
		spi_pool_give(ntohl(id->spi)); // allocated, never installed
		return SUCCESS;
	}
	forwarder_del(API_TYPE_SA, &sa->api, offsetof(struct api_sa, child));
	if (key.dir == API_SA_IN)
		spi_pool_give(key.spi);
	sa_free(sa);
	return SUCCESS;
}

METHOD(kernel_ipsec_t, flush_nothing, status_t, kernel_ipsec_t *this)
{
	return SUCCESS; // a restart of this daemon never stops a packet
}

// -- policies

static struct api_selector selector_of(traffic_selector_t *ts)
{
	chunk_t from = ts->get_from_address(ts), to = ts->get_to_address(ts);
	enum ip_family family = from.len == 16 ? IP_V6 : IP_V4;

	return (struct api_selector){
		.protocol = ts->get_protocol(ts),
		.port_first = ts->get_from_port(ts),
		.port_last = ts->get_to_port(ts),
		.first = ip_from_bytes(family, from.ptr),
		.last = ip_from_bytes(family, to.ptr),
	};
}

static void add_selector(struct api_selector *list, uint8_t *len, traffic_selector_t *ts)
{
	struct api_selector s = selector_of(ts);

	for (uint8_t i = 0; i < *len; i++) {
		if (!memcmp(&list[i], &s, sizeof(s)))
			return;
	}
	if (*len < API_SELECTORS)
		list[(*len)++] = s;
}

// The forwarder's policy of the pairs at hand: libcharon makes every pair of the two lists.
static void compose(struct policy *p)
{
	enumerator_t *pairs = p->pairs->create_enumerator(p->pairs);
	uint32_t out_spi = p->api.out_spi;
	struct pair *pair;

	p->api = (struct api_sa_policy){
		.conn = p->key.conn, .child = p->key.child, .out_spi = out_spi};
	while (pairs->enumerate(pairs, &pair)) {
		add_selector(p->api.local, &p->api.local_count, pair->local);
		add_selector(p->api.remote, &p->api.remote_count, pair->remote);
	}
	pairs->destroy(pairs);
}

static struct pair *find_pair(struct policy *p, const kernel_ipsec_policy_id_t *id)
{
	enumerator_t *pairs = p->pairs->create_enumerator(p->pairs);
	struct pair *pair, *found = NULL;

	while (!found && pairs->enumerate(pairs, &pair)) {
		if (pair->local->equals(pair->local, id->src_ts) &&
			pair->remote->equals(pair->remote, id->dst_ts))
			found = pair;
	}
	pairs->destroy(pairs);
	return found;
}

static struct policy *policy_get(uint32_t conn, uint32_t child)
{
	struct policy_key key = {conn, child};
	struct policy *p = map_find(&db.policies, &key, sizeof(key));

	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->key = key;
		p->pairs = linked_list_create();
		map_set(&db.policies, &p->key, sizeof(p->key), p);
	}
	return p;
}

METHOD(kernel_ipsec_t, add_policy, status_t, kernel_ipsec_t *this, kernel_ipsec_policy_id_t *id,
	kernel_ipsec_manage_policy_t *data)
{
	struct api_sa_policy before, now;
	struct policy *p;
	struct pair *pair;

	// One policy serves both directions: what may go out to them may come in from them.
	if (id->dir != POLICY_OUT || data->type != POLICY_IPSEC)
		return SUCCESS;
	db.mutex->lock(db.mutex);
	p = policy_get(id->if_id, data->sa->reqid);
	before = p->api;
	pair = find_pair(p, id);
	if (!pair) {
		pair = xcalloc(1, sizeof(*pair));
		pair->local = id->src_ts->clone(id->src_ts);
		pair->remote = id->dst_ts->clone(id->dst_ts);
		p->pairs->insert_last(p->pairs, pair);
	}
	pair->count++;
	p->api.out_spi = ntohl(data->sa->esp.spi);
	compose(p);
	now = p->api;
	db.mutex->unlock(db.mutex);
	if (!memcmp(&before, &now, sizeof(now)))
		return SUCCESS;
	return forwarder_set(API_TYPE_SA_POLICY, &now, sizeof(now)) < 0 ? FAILED : SUCCESS;
}

METHOD(kernel_ipsec_t, query_policy, status_t, kernel_ipsec_t *this, kernel_ipsec_policy_id_t *id,
	kernel_ipsec_query_policy_t *data, time_t *use_time)
{
	return NOT_SUPPORTED; // the SA's own last use serves
}

static void pair_free(struct pair *pair)
{
	pair->local->destroy(pair->local);
	pair->remote->destroy(pair->remote);
	free(pair);
}

// Takes one use of the pair away; true when the policy has none left and is out of the table.
static bool policy_put(struct policy *p, struct pair *pair)
{
	if (--pair->count)
		return false;
	p->pairs->remove(p->pairs, pair, NULL);
	pair_free(pair);
	if (p->pairs->get_count(p->pairs))
		return false;
	map_del(&db.policies, &p->key, sizeof(p->key));
	return true;
}

METHOD(kernel_ipsec_t, del_policy, status_t, kernel_ipsec_t *this, kernel_ipsec_policy_id_t *id,
	kernel_ipsec_manage_policy_t *data)
{
	struct policy_key key = {id->if_id, data->sa ? data->sa->reqid : 0};
	struct api_sa_policy before, now;
	struct policy *p;
	struct pair *pair;
	bool gone;

	if (id->dir != POLICY_OUT || data->type != POLICY_IPSEC)
		return SUCCESS;
	db.mutex->lock(db.mutex);
	p = map_find(&db.policies, &key, sizeof(key));
	pair = p ? find_pair(p, id) : NULL;
	if (!pair) {
		db.mutex->unlock(db.mutex);
		return NOT_FOUND;
	}
	before = p->api;
	gone = policy_put(p, pair);
	if (!gone)
		compose(p);
	now = p->api;
	db.mutex->unlock(db.mutex);
	if (gone) {
		forwarder_del(API_TYPE_SA_POLICY, &key, sizeof(key));
		p->pairs->destroy(p->pairs);
		free(p);
	} else if (memcmp(&before, &now, sizeof(now))) {
		forwarder_set(API_TYPE_SA_POLICY, &now, sizeof(now));
	}
	return SUCCESS;
}

METHOD(kernel_ipsec_t, bypass_socket, bool, kernel_ipsec_t *this, int fd, int family)
{
	return TRUE;
}

METHOD(kernel_ipsec_t, enable_udp_decap, bool, kernel_ipsec_t *this, int fd, int family,
	uint16_t port)
{
	return TRUE;
}

METHOD(kernel_ipsec_t, destroy, void, kernel_ipsec_t *this)
{
	free(this);
}

kernel_ipsec_t *forwarder_sa_create(void)
{
	kernel_ipsec_t *this;

	db.mutex = mutex_create(MUTEX_TYPE_DEFAULT);
	map_init(&db.sas);
	map_init(&db.policies);
	spi_pool_init();
	INIT(this, .get_features = _get_features, .get_spi = _get_spi, .get_cpi = _get_cpi,
		.add_sa = _add_sa, .update_sa = _update_sa, .query_sa = _query_sa,
		.del_sa = _del_sa, .flush_sas = _flush_nothing, .add_policy = _add_policy,
		.query_policy = _query_policy, .del_policy = _del_policy,
		.flush_policies = _flush_nothing, .bypass_socket = _bypass_socket,
		.enable_udp_decap = _enable_udp_decap, .destroy = _destroy, );
	return this;
}

// -- the API thread

struct expiry {
	uint32_t spi; // network order
	host_t *dst;
	bool hard;
};

static void expiry_free(void *data)
{
	struct expiry *e = data;

	e->dst->destroy(e->dst);
	free(e);
}

static job_requeue_t expire_job(void *data)
{
	struct expiry *e = data;

	charon->kernel->expire(charon->kernel, IPPROTO_ESP, e->spi, e->dst, e->hard);
	return JOB_REQUEUE_NONE;
}

static void grant_more(const struct api_sa_event *event)
{
	struct sa_key key = key_of(event->conn, event->spi, event->dir);
	struct api_sa_grant grant = {.conn = event->conn, .spi = event->spi};
	struct sa *sa;

	db.mutex->lock(db.mutex);
	sa = map_find(&db.sas, &key, sizeof(key));
	if (sa) {
		sa->api.sequence_end += GRANT_PACKETS;
		// Without ESN the number ends with 32 bits; the SA is rekeyed long before.
		if (!(sa->api.flags & API_SA_F_ESN) && sa->api.sequence_end > UINT32_MAX)
			sa->api.sequence_end = UINT32_MAX;
		grant.sequence_end = sa->api.sequence_end;
	}
	db.mutex->unlock(db.mutex);
	if (sa)
		forwarder_grant(&grant);
}

void forwarder_sa_event(const struct api_sa_event *event)
{
	struct sa_key key = key_of(event->conn, event->spi, event->dir);
	struct expiry *e = NULL;
	struct sa *sa;

	if (event->kind == API_SA_EVENT_RESERVATION) {
		grant_more(event);
		return;
	}
	db.mutex->lock(db.mutex);
	sa = map_find(&db.sas, &key, sizeof(key));
	if (sa && event->kind != API_SA_EVENT_MAPPING) {
		e = xcalloc(1, sizeof(*e));
		e->spi = htonl(event->spi);
		e->dst = sa->dst->clone(sa->dst);
		e->hard = event->hard;
	}
	db.mutex->unlock(db.mutex);
	if (e)
		lib->processor->queue_job(lib->processor,
			(job_t *)callback_job_create(expire_job, e, expiry_free, NULL));
}

void forwarder_sa_note(const struct api_sa_stats *stats)
{
	struct sa_key key = key_of(stats->conn, stats->spi, stats->dir);
	struct sa *sa;

	db.mutex->lock(db.mutex);
	sa = map_find(&db.sas, &key, sizeof(key));
	if (sa && stats->replay_top > sa->replay_top)
		sa->replay_top = stats->replay_top;
	db.mutex->unlock(db.mutex);
}

// Outbound goes on behind the grant, inbound takes nothing at or below the top last reported.
static void reinstall_one(struct api_client *client, struct sa *sa)
{
	struct api_sa *a = &sa->api;

	if (a->dir == API_SA_OUT) {
		a->sequence = a->sequence_end;
		a->sequence_end += GRANT_PACKETS;
	} else {
		a->replay_top = sa->replay_top;
		a->flags |= API_SA_F_REPLAY_CLOSED;
	}
	api_client_set(client, API_TYPE_SA, a, sizeof(*a), 0);
}

void forwarder_sa_reinstall(struct api_client *client)
{
	struct policy *p;
	struct sa *sa;
	size_t at = 0;

	db.mutex->lock(db.mutex);
	while ((sa = map_next(&db.sas, &at)))
		reinstall_one(client, sa);
	for (at = 0; (p = map_next(&db.policies, &at));)
		api_client_set(client, API_TYPE_SA_POLICY, &p->api, sizeof(p->api), 0);
	db.mutex->unlock(db.mutex);
}
