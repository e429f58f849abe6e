// SPDX-License-Identifier: Apache-2.0
#include "esp_sa.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "rcu.h"

#define IPPROTO_OF_ESP 50
#define IPPROTO_OF_UDP 17
#define OUTER_TTL      64

static uint64_t read_shared(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

// -- making one

static const char *check(const struct api_sa *want)
{
	if (want->spi < 256)
		return "spi: 0 to 255 are reserved";
	if (want->dir != API_SA_IN && want->dir != API_SA_OUT)
		return "dir: is neither in nor out";
	if (want->mode != API_SA_TUNNEL && want->mode != API_SA_TRANSPORT)
		return "mode: is neither tunnel nor transport";
	if (want->slot < 1 || want->slot > 4095)
		return "slot: is not in 1..4095";
	if (want->dir == API_SA_IN && API_SPI_SLOT(want->spi) != want->slot)
		return "spi: its top 12 bits do not name the SA's slot";
	if (want->replay_window != 0 && (want->replay_window < API_SA_WINDOW_MIN ||
						want->replay_window > API_SA_WINDOW_MAX))
		return "replay_window: is not 0 or in 32..4096";
	if (want->df > API_SA_DF_CLEAR || want->dscp > 63)
		return "df, dscp: out of range";
	if (want->local.family != IP_V4 && want->local.family != IP_V6)
		return "local: is no address";
	if (want->remote.family != want->local.family &&
		(want->dir == API_SA_OUT || want->remote.family != IP_NONE))
		return "remote: is not of the local address's family";
	if (want->key_size > sizeof(want->key) || want->auth_key_size > sizeof(want->auth_key))
		return "key_size, auth_key_size: larger than the field";
	if ((want->flags & API_SA_F_UDP) && want->dir == API_SA_OUT &&
		(want->local_port == 0 || want->remote_port == 0))
		return "local_port, remote_port: UDP encapsulation needs both";
	if (!(want->flags & API_SA_F_ESN) &&
		(want->sequence > UINT32_MAX || want->sequence_end > UINT32_MAX ||
			want->replay_top > UINT32_MAX))
		return "sequence, sequence_end, replay_top: above 2^32 without ESN";
	return NULL;
}

static void outer_v4(struct esp_outer *o, uint8_t protocol, const struct ip_addr *local,
	const struct ip_addr *remote)
{
	uint8_t *h = o->header;

	h[0] = 0x45;
	h[8] = OUTER_TTL;
	h[9] = protocol;
	memcpy(h + 12, local->bytes, 4);
	memcpy(h + 16, remote->bytes, 4);
	for (int i = 0; i < 20; i += 2)
		o->sum += (uint32_t)h[i] << 8 | h[i + 1];
	o->size = 20;
}

static void outer_v6(struct esp_outer *o, uint8_t protocol, const struct ip_addr *local,
	const struct ip_addr *remote)
{
	uint8_t *h = o->header;

	h[0] = 0x60;
	h[6] = protocol;
	h[7] = OUTER_TTL;
	memcpy(h + 8, local->bytes, 16);
	memcpy(h + 24, remote->bytes, 16);
	o->size = 40;
}

static void outer_init(struct esp_outer *o, bool udp, const struct ip_addr *local,
	const struct ip_addr *remote, uint16_t local_port, uint16_t remote_port)
{
	uint8_t protocol = udp ? IPPROTO_OF_UDP : IPPROTO_OF_ESP;
	uint16_t ports[2] = {htobe16(local_port), htobe16(remote_port)};

	*o = (struct esp_outer){
		.v4 = local->family == IP_V4,
		.remote_port = remote_port,
		.any_remote = remote->family == IP_NONE,
	};
	if (o->v4)
		outer_v4(o, protocol, local, remote);
	else
		outer_v6(o, protocol, local, remote);
	if (!udp)
		return;
	memcpy(o->header + o->size, ports, sizeof(ports));
	o->size = (uint8_t)(o->size + 8);
}

static void limit_init(struct api_sa_limit *limit, const struct api_sa_limit *want)
{
	limit->hard = want->hard ? want->hard : UINT64_MAX;
	limit->soft = want->soft ? want->soft : want->hard ? ESP_SOFT(want->hard) : UINT64_MAX;
}

int esp_sa_init(struct esp_sa *sa, const struct api_sa *want, const struct esp_crypto *crypto,
	uint64_t now_ns, const char **ret_words)
{
	const struct esp_suite *suite;
	const char *words = check(want);

	if (words != NULL) {
		*ret_words = words;
		return -EINVAL;
	}
	suite = esp_suite_find(
		want->cipher, want->integrity, want->key_size, want->auth_key_size, ret_words);
	if (suite == NULL)
		return -EOPNOTSUPP;
	*sa = (struct esp_sa){
		.spi = want->spi,
		.conn = want->conn,
		.child = want->child,
		.flags = want->flags,
		.slot = want->slot,
		.dir = want->dir,
		.mode = want->mode,
		.iv_size = suite->iv_size,
		.icv_size = suite->icv_size,
		.align = suite->align,
		.df = want->df,
		.sequence = want->sequence,
		.sequence_end = want->sequence_end,
		.birth_epoch = want->birth_epoch,
		.installed_ns = now_ns,
		.path_mtu = want->path_mtu,
		.key = {.suite = suite, .esn = want->flags & API_SA_F_ESN},
	};
	if (want->flags & API_SA_F_FIXED_DSCP)
		sa->dscp = want->dscp;
	limit_init(&sa->limit_packets, &want->packets);
	limit_init(&sa->limit_bytes, &want->bytes);
	limit_init(&sa->limit_ms, &want->time_ms);
	esp_replay_init(&sa->replay, sa->ring, want->replay_window, sa->key.esn, want->replay_top);
	if (!(want->flags & API_SA_F_REPLAY_CLOSED))
		sa->replay.closed = 0;
	outer_init(&sa->outer[0], want->flags & API_SA_F_UDP, &want->local, &want->remote,
		want->local_port, want->remote_port);
	memcpy(sa->key.salt, want->key + suite->key_size, suite->salt_size);
	return crypto->key_init(&sa->key, want->key, suite->auth_key_size ? want->auth_key : NULL,
		want->dir == API_SA_OUT);
}

void esp_sa_fini(struct esp_sa *sa, const struct esp_crypto *crypto)
{
	crypto->key_fini(&sa->key);
}

// -- limits

struct mark {
	uint64_t soft, hard; // of the thing counted
	uint64_t now;
	uint8_t kind;   // enum api_sa_event_kind
	uint8_t reason; // enum drop_reason
};

static void raise_event(struct esp_sa *sa, uint32_t bit)
{
	if (sa->raised & bit)
		return;
	sa->raised |= bit;
	__atomic_fetch_or(&sa->events, bit, __ATOMIC_RELAXED);
}

// Packets or bytes that may go before this mark wants attention; 0: ended.
static uint64_t mark_look(struct esp_sa *sa, const struct mark *m)
{
	uint32_t soft = 1u << m->kind;

	if (m->now >= m->hard) {
		raise_event(sa, soft << ESP_EVENT_HARD);
		return 0;
	}
	if (m->now < m->soft)
		return m->soft - m->now < m->hard - m->now ? m->soft - m->now : m->hard - m->now;
	raise_event(sa, soft);
	return m->hard - m->now;
}

// A grant's three quarters are counted from where the sender stood when it first saw the grant.
static void reservation_mark(struct esp_sa *sa, struct mark *m)
{
	uint64_t end = read_shared(&sa->sequence_end);

	*m = (struct mark){UINT64_MAX, UINT64_MAX, sa->sequence, API_SA_EVENT_RESERVATION,
		DROP_ESP_RESERVATION_END};
	if (end == 0)
		return;
	if (end != sa->seen_sequence_end) {
		uint32_t bits = 1u << API_SA_EVENT_RESERVATION;

		sa->seen_sequence_end = end;
		sa->grant_base = sa->sequence;
		sa->raised &= ~(bits | bits << ESP_EVENT_HARD);
	}
	m->hard = end;
	if (end > sa->grant_base)
		m->soft = sa->grant_base + ESP_SOFT(end - sa->grant_base);
}

static enum drop_reason admit_sender(struct esp_sa *sa, uint64_t *left)
{
	uint64_t last = sa->key.esn ? UINT64_MAX : UINT32_MAX;
	struct mark marks[3] = {
		{ESP_SOFT(last), last, sa->sequence, API_SA_EVENT_SEQUENCE, DROP_ESP_SEQUENCE_END},
		{ESP_SOFT(ESP_COUNTER_END), ESP_COUNTER_END - 1, sa->counter, API_SA_EVENT_COUNTER,
			DROP_ESP_COUNTER_END},
	};

	reservation_mark(sa, &marks[2]);
	if (esp_suite_counter_nonce(sa->key.suite) && read_shared(&sa->iv_base) == 0)
		return DROP_ESP_COUNTER_END; // no IV epoch was ever granted
	for (int i = 0; i < 3; i++) {
		uint64_t n = mark_look(sa, &marks[i]);

		if (n == 0)
			return marks[i].reason;
		if (n < *left)
			*left = n;
	}
	return DROP_NONE;
}

enum drop_reason esp_sa_admit(struct esp_sa *sa)
{
	struct mark packets = {sa->limit_packets.soft, sa->limit_packets.hard, sa->packets,
		API_SA_EVENT_PACKETS, DROP_ESP_LIFETIME_END};
	struct mark bytes = {sa->limit_bytes.soft, sa->limit_bytes.hard, sa->bytes,
		API_SA_EVENT_BYTES, DROP_ESP_LIFETIME_END};
	uint64_t packets_left = mark_look(sa, &packets), bytes_left = mark_look(sa, &bytes);
	enum drop_reason reason = DROP_NONE;

	if (packets_left == 0 || bytes_left == 0)
		return DROP_ESP_LIFETIME_END;
	if (sa->dir == API_SA_OUT)
		reason = admit_sender(sa, &packets_left);
	if (reason != DROP_NONE)
		return reason;
	sa->check_packets = sa->packets + packets_left;
	sa->check_bytes = sa->bytes + bytes_left;
	return DROP_NONE;
}

void esp_sa_readdress(struct esp_sa *sa, const struct ip_addr *local, const struct ip_addr *remote,
	uint16_t local_port, uint16_t remote_port)
{
	uint8_t next = !sa->outer_at;

	outer_init(
		&sa->outer[next], sa->flags & API_SA_F_UDP, local, remote, local_port, remote_port);
	__atomic_store_n(&sa->outer_at, next, __ATOMIC_RELEASE);
	rcu_synchronize();
}

void esp_sa_grant(struct esp_sa *sa, uint64_t sequence_end)
{
	if (sequence_end > sa->sequence_end)
		__atomic_store_n(&sa->sequence_end, sequence_end, __ATOMIC_RELAXED);
}

uint32_t esp_sa_activate(struct esp_sa *sa, bool active, uint64_t iv_epoch)
{
	uint64_t low = iv_epoch & ((1ULL << ESP_EPOCH_BITS) - 1), age = 0;
	uint32_t bit = 1u << API_SA_EVENT_EPOCH;

	__atomic_store_n(&sa->iv_base, low << ESP_COUNTER_BITS, __ATOMIC_RELAXED);
	if (sa->birth_epoch == 0)
		sa->birth_epoch = iv_epoch;
	if (iv_epoch > sa->birth_epoch)
		age = iv_epoch - sa->birth_epoch;
	if (age >= ESP_EPOCH_STOP)
		__atomic_store_n(&sa->stopped, (uint8_t)DROP_ESP_COUNTER_END, __ATOMIC_RELAXED);
	__atomic_store_n(&sa->active, active, __ATOMIC_RELEASE);
	if (age >= ESP_EPOCH_STOP)
		return bit << ESP_EVENT_HARD;
	return age >= ESP_EPOCH_REKEY ? bit : 0;
}

void esp_sa_limit_time(struct esp_sa *sa, const struct api_sa_limit *limit)
{
	limit_init(&sa->limit_ms, limit);
}

uint32_t esp_sa_age(struct esp_sa *sa, uint64_t now_ns)
{
	uint64_t age_ms = (now_ns - sa->installed_ns) / 1000000;
	uint32_t bit = 1u << API_SA_EVENT_TIME;

	if (age_ms >= sa->limit_ms.hard) {
		__atomic_store_n(&sa->stopped, (uint8_t)DROP_ESP_LIFETIME_END, __ATOMIC_RELAXED);
		return bit << ESP_EVENT_HARD;
	}
	return age_ms >= sa->limit_ms.soft ? bit : 0;
}

// -- sizes

uint16_t esp_sa_inner_mtu(const struct esp_sa *sa, uint16_t path_mtu)
{
	unsigned outer = esp_sa_outer(sa)->size;
	unsigned fixed = outer + ESP_HEADER_SIZE + sa->iv_size + sa->icv_size;
	unsigned room;

	if (path_mtu < fixed + sa->align)
		return 0;
	room = (path_mtu - fixed) / sa->align * sa->align - 2; // pad length, next header
	if (sa->mode == API_SA_TRANSPORT) // the packet keeps its own outer header
		room += outer - (sa->flags & API_SA_F_UDP ? 8 : 0);
	return (uint16_t)room;
}

// -- moving

void esp_sa_export(const struct esp_sa *sa, uint64_t now_ns, struct api_sa_record *ret_record)
{
	*ret_record = (struct api_sa_record){
		.conn = sa->conn,
		.spi = sa->spi,
		.dir = sa->dir,
		.sequence = read_shared(&sa->sequence),
		.sequence_end = sa->sequence_end,
		.replay_top = read_shared(&sa->replay.top),
		.packets = read_shared(&sa->packets),
		.bytes = read_shared(&sa->bytes),
		.age_ms = (now_ns - sa->installed_ns) / 1000000,
		.birth_epoch = sa->birth_epoch,
		.exact = 1,
	};
	esp_replay_export(&sa->replay, ret_record->window, API_SA_WINDOW_MAX / 64);
}

int esp_sa_import(struct esp_sa *sa, const struct api_sa_record *record, uint64_t now_ns)
{
	uint64_t closed = record->replay_top;

	if (sa->active || record->sequence < sa->sequence)
		return -EBUSY;
	sa->sequence = record->sequence;
	esp_sa_grant(sa, record->sequence_end);
	if (!record->exact && record->sequence_end > sa->sequence)
		sa->sequence = record->sequence_end; // all of it may have been sent
	sa->packets = record->packets;
	sa->bytes = record->bytes;
	sa->installed_ns = now_ns - record->age_ms * 1000000;
	sa->check_packets = sa->check_bytes = 0;
	if (record->birth_epoch != 0)
		sa->birth_epoch = record->birth_epoch;
	if (record->exact) {
		esp_replay_import(
			&sa->replay, record->replay_top, record->window, API_SA_WINDOW_MAX / 64);
		return 0;
	}
	if (closed < sa->replay.top)
		closed = sa->replay.top;
	esp_replay_init(&sa->replay, sa->ring, sa->replay.window, sa->key.esn, closed);
	return 0;
}

// -- reporting

static uint8_t stopped_by(const struct esp_sa *sa)
{
	uint32_t hard = __atomic_load_n(&sa->raised, __ATOMIC_RELAXED) >> ESP_EVENT_HARD;

	if (sa->stopped == DROP_ESP_LIFETIME_END)
		return API_SA_EVENT_TIME;
	if (sa->stopped == DROP_ESP_COUNTER_END)
		return API_SA_EVENT_EPOCH;
	return hard ? (uint8_t)__builtin_ctz(hard) : 0;
}

static void stats_addresses(const struct esp_outer *o, struct api_sa_stats *ret_stats)
{
	const uint8_t *h = o->header, *ports = h + (o->v4 ? 20 : 40);

	ret_stats->local = ip_from_bytes(o->v4 ? IP_V4 : IP_V6, h + (o->v4 ? 12 : 8));
	if (!o->any_remote)
		ret_stats->remote = ip_from_bytes(o->v4 ? IP_V4 : IP_V6, h + (o->v4 ? 16 : 24));
	if (!(ret_stats->flags & API_SA_F_UDP))
		return;
	ret_stats->local_port = (uint16_t)(ports[0] << 8 | ports[1]);
	ret_stats->remote_port = (uint16_t)(ports[2] << 8 | ports[3]);
}

void esp_sa_stats(const struct esp_sa *sa, uint64_t now_ns, struct api_sa_stats *ret_stats)
{
	uint64_t last = read_shared(&sa->last_ns);

	*ret_stats = (struct api_sa_stats){
		.conn = sa->conn,
		.spi = sa->spi,
		.dir = sa->dir,
		.active = sa->active,
		.mode = sa->mode,
		.stopped = stopped_by(sa),
		.child = sa->child,
		.slot = sa->slot,
		.worker = sa->owner,
		.flags = sa->flags,
		.cipher = sa->key.suite->cipher,
		.integrity = sa->key.suite->integrity,
		.key_bits = (uint16_t)(sa->key.suite->key_size * 8),
		.inner_mtu = esp_sa_inner_mtu(sa, sa->path_mtu ? sa->path_mtu : 1500),
		.replay_window = (uint16_t)sa->replay.window,
		.sequence = read_shared(&sa->sequence),
		.sequence_end = sa->sequence_end,
		.replay_top = read_shared(&sa->replay.top),
		.iv_counter = read_shared(&sa->counter),
		.packets = read_shared(&sa->packets),
		.bytes = read_shared(&sa->bytes),
		.age_ms = (now_ns - sa->installed_ns) / 1000000,
		.idle_ms = last == 0 || now_ns < last ? UINT64_MAX : (now_ns - last) / 1000000,
		.replay_drops = read_shared(&sa->faults.replay),
		.integrity_failures = read_shared(&sa->faults.integrity),
		.selector_mismatches = read_shared(&sa->faults.selector),
		.malformed = read_shared(&sa->faults.malformed),
		.refused = read_shared(&sa->faults.refused),
	};
	stats_addresses(esp_sa_outer(sa), ret_stats);
}
