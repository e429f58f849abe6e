// SPDX-License-Identifier: Apache-2.0
//
// Sessions of BFD and their time. A session lives while it is wanted (API_TYPE_BFD) and is awake
// while its local address is held here: a slot's new holder wakes its sessions, the old one's fall
// silent without a word, so that the peer sees no difference.
//
// One timerfd drives the wheel. If the thread was away for long, packets that came meanwhile are
// taken before anything is held against their senders.

#include "peers.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "beat.h"
#include "control.h"
#include "ip/wire.h"
#include "log.h"
#include "map.h"
#include "peer.h"
#include "serve/refuse.h"
#include "server.h"
#include "underlay/underlay.h"
#include "vrf/vrf.h"
#include "xmalloc.h"

#define RETIRED_TICKS      2
#define SPACING_US         2000  // between two runs: sessions share them
#define AWAY_US            50000 // late by so much: this process did not run
#define AWAY_GRACE_US      5000
#define DEFAULT_US         300000
#define DEFAULT_MULTIPLIER 3
#define LEAST_US           10000
#define MOST_US            60000000
#define SOURCE_PORT        49152 // RFC 5881 4: 49152 to 65535
#define ALL_FLAGS                                                                          \
	(API_BFD_F_MULTIHOP | API_BFD_F_PASSIVE | API_BFD_F_ADMIN_DOWN | API_BFD_F_C_BIT | \
		API_BFD_F_POOL | API_BFD_F_RESUME)

struct retired {
	struct underlay_dest *dest;
	unsigned ticks;
};

static struct {
	struct map by_key, by_discr;
	struct wheel wheel;
	struct wheel_entry beat_timer;
	unsigned pool_sessions;
	bool beating; // all workers turn
	uint16_t next_port;
	uint64_t random;
	uint64_t run_us;   // last run
	uint64_t armed_us; // what the timerfd waits for
	int timer_fd;
	struct event *timer;
	// Destinations of removed sessions, whose last packet is on its way to their hop.
	struct retired *retired;
	size_t retired_len, retired_cap;
} bfd;

uint64_t bfd_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint32_t next_random(void)
{
	bfd.random = bfd.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(bfd.random >> 32);
}

// -- time

static void arm(void)
{
	uint64_t at = wheel_next_us(&bfd.wheel);
	struct itimerspec spec = {0};

	if (at < bfd.run_us + SPACING_US)
		at = bfd.run_us + SPACING_US;
	if (!bfd.timer || at >= bfd.armed_us)
		return;
	bfd.armed_us = at;
	spec.it_value.tv_sec = (time_t)(at / 1000000);
	spec.it_value.tv_nsec = (long)(at % 1000000 * 1000);
	timerfd_settime(bfd.timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void set_timer(struct bfd_peer *p)
{
	uint64_t at = bfd_session_deadline(&p->session);

	// One that is early is looked at in vain, which costs less than moving it with each packet.
	if (at != BFD_NEVER && (!p->timer.set || at < p->timer.at_us))
		wheel_set(&bfd.wheel, &p->timer, at);
	arm();
}

static void tell(struct bfd_peer *p, uint64_t now_us)
{
	const struct bfd_session *s = &p->session;
	static const char *const names[] = {"AdminDown", "Down", "Init", "Up"};
	uint32_t detection_us = s->state == BFD_UP ? (uint32_t)bfd_session_detection_us(s) : 0;
	char local[IP_TEXT_SIZE], remote[IP_TEXT_SIZE];

	if (p->told.state == s->state && p->told.remote_state == s->remote_state &&
		p->told.awake == p->awake && p->told.detection_us == detection_us)
		return;
	if (p->told.state != s->state && (p->told.state == BFD_UP || s->state == BFD_UP))
		log_info("bfd: vrf %u, %s to %s: %s, diagnostic %u, peer's %u", p->api.vrf,
			ip_format(&p->api.local, local), ip_format(&p->api.remote, remote),
			names[s->state], s->diag, s->remote_diag);
	p->told.state = s->state;
	p->told.remote_state = s->remote_state;
	p->told.awake = p->awake;
	p->told.detection_us = detection_us;
	bfd_state_tell(p, now_us);
}

void bfd_peer_step(struct bfd_peer *p, uint64_t now_us)
{
	struct bfd_packet packet;

	// A Final and a change may both be due; no more.
	for (unsigned n = 0; p->awake && n < 3; n++) {
		if (!bfd_session_poll(&p->session, now_us, next_random(), &packet))
			break;
		if (bfd.beating || !(p->api.flags & API_BFD_F_POOL))
			bfd_peer_send(p, &packet);
	}
	tell(p, now_us);
	if (p->awake)
		set_timer(p);
}

static void check_beat(uint64_t now_us)
{
	bool was = bfd.beating;

	bfd.beating = beat_check(now_us);
	if (was && !bfd.beating)
		log_error("bfd: a worker stands still: no word to the pool");
	wheel_set(&bfd.wheel, &bfd.beat_timer, now_us + BEAT_CHECK_US);
}

void bfd_run(uint64_t now_us)
{
	struct wheel_entry *e;

	bfd.run_us = now_us;
	while ((e = wheel_take(&bfd.wheel, now_us))) {
		if (e == &bfd.beat_timer)
			check_beat(now_us);
		else
			bfd_peer_step(
				(struct bfd_peer *)((char *)e - offsetof(struct bfd_peer, timer)),
				now_us);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	uint64_t expirations, now_us = bfd_now_us();
	bool away = now_us > bfd.armed_us + AWAY_US;

	(void)!read(bfd.timer_fd, &expirations, sizeof(expirations));
	bfd.armed_us = UINT64_MAX;
	if (away) {
		control_drain();
		bfd.run_us = now_us + AWAY_GRACE_US - SPACING_US;
	} else {
		bfd_run(now_us);
	}
	arm();
}

int bfd_start(struct event_base *base)
{
	if (!base)
		return 0;
	bfd.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (bfd.timer_fd < 0)
		return -errno;
	bfd.timer = event_new(base, bfd.timer_fd, EV_READ | EV_PERSIST, on_timer, NULL);
	event_add(bfd.timer, NULL);
	return 0;
}

void bfd_stop(void)
{
	if (!bfd.timer)
		return;
	event_free(bfd.timer);
	close(bfd.timer_fd);
	bfd.timer = NULL;
}

// -- sessions

struct bfd_peer *bfd_peer_find(const struct api_bfd *key)
{
	return map_find(&bfd.by_key, key, BFD_KEY_SIZE);
}

struct bfd_peer *bfd_peer_by_discr(uint32_t discr)
{
	return map_find(&bfd.by_discr, &discr, sizeof(discr));
}

struct bfd_peer *bfd_peer_next(size_t *at)
{
	return map_next(&bfd.by_key, at);
}

static struct bfd_config config_of(const struct api_bfd *o)
{
	struct bfd_config c = {
		.min_tx_us = o->min_tx_us ? o->min_tx_us : DEFAULT_US,
		.min_rx_us = o->min_rx_us ? o->min_rx_us : DEFAULT_US,
		.floor_us = o->floor_us,
		.multiplier = o->multiplier ? o->multiplier : DEFAULT_MULTIPLIER,
		.passive = o->flags & API_BFD_F_PASSIVE,
		.admin_down = o->flags & API_BFD_F_ADMIN_DOWN,
		.c_bit = o->flags & API_BFD_F_C_BIT,
	};

	if (o->vrf && c.floor_us < API_BFD_TENANT_FLOOR_US)
		c.floor_us = API_BFD_TENANT_FLOOR_US;
	return c;
}

static bool is_interval(uint32_t us)
{
	return us == 0 || (us >= LEAST_US && us <= MOST_US);
}

static int check(const struct api_bfd *o, const struct bfd_peer *had, struct api_error *ret_error)
{
	const struct bfd_peer *other =
		o->discriminator ? bfd_peer_by_discr(o->discriminator) : NULL;

	if ((o->local.family != IP_V4 && o->local.family != IP_V6) || ip_is_zero(&o->remote))
		return refuse(ret_error, -EINVAL, "local, remote: name no address");
	if (o->remote.family != o->local.family)
		return refuse(ret_error, -EINVAL, "remote: not of the IP version of local");
	if (o->vrf && !vrf_find(o->vrf))
		return refuse(ret_error, -ENOENT, "vrf: %u is not known; set it first", o->vrf);
	if (o->flags & ~(uint32_t)ALL_FLAGS)
		return refuse(ret_error, -EINVAL, "flags: 0x%x are not known here",
			o->flags & ~(uint32_t)ALL_FLAGS);
	if (!is_interval(o->min_tx_us) || !is_interval(o->min_rx_us))
		return refuse(ret_error, -EINVAL, "min_tx_us, min_rx_us: not %u to %u", LEAST_US,
			MOST_US);
	if (o->floor_us > MOST_US)
		return refuse(ret_error, -EINVAL, "floor_us: over %u", MOST_US);
	if (other && other != had)
		return refuse(ret_error, -EEXIST, "discriminator: %u is another session's",
			o->discriminator);
	if (!had && bfd.by_key.len >= API_BFD_SESSIONS)
		return refuse(ret_error, -ENOSPC, "%u sessions are the limit", API_BFD_SESSIONS);
	return 0;
}

static uint32_t discr_new(uint32_t wanted)
{
	while (!wanted || bfd_peer_by_discr(wanted))
		wanted = next_random();
	return wanted;
}

static void begin(struct bfd_peer *p, uint32_t discr, uint64_t now_us)
{
	struct bfd_config config = config_of(&p->api);

	map_del(&bfd.by_discr, &p->session.discr, sizeof(p->session.discr));
	bfd_session_init(&p->session, &config, discr, p->api.flags & API_BFD_F_RESUME, now_us);
	map_set(&bfd.by_discr, &p->session.discr, sizeof(p->session.discr), p);
}

static void look_at_address(struct bfd_peer *p, uint64_t now_us)
{
	bool local = bfd_peer_is_local(p);

	if (local == p->awake)
		return;
	p->awake = local;
	p->since_us = now_us;
	if (local)
		begin(p, p->session.discr, now_us);
	else
		wheel_clear(&bfd.wheel, &p->timer);
	bfd_peer_step(p, now_us);
}

static void count_pool(const struct api_bfd *o, int by)
{
	if (!(o->flags & API_BFD_F_POOL))
		return;
	bfd.pool_sessions = (unsigned)((int)bfd.pool_sessions + by);
	if (!bfd.pool_sessions)
		wheel_clear(&bfd.wheel, &bfd.beat_timer);
	else if (!bfd.beat_timer.set)
		check_beat(bfd_now_us());
}

static struct bfd_peer *peer_new(const struct api_bfd *o)
{
	struct bfd_peer *p = xcalloc(1, sizeof(*p));

	p->api = *o;
	p->told.state = UINT8_MAX;
	p->source_port = (uint16_t)(SOURCE_PORT + bfd.next_port++ % (65536 - SOURCE_PORT));
	p->vrf = o->vrf ? vrf_find(o->vrf) : NULL;
	if (p->vrf)
		p->vrf->users++;
	else
		p->dest = underlay_dest_get(&o->remote);
	map_set(&bfd.by_key, &p->api, BFD_KEY_SIZE, p);
	return p;
}

int bfd_peer_set(const struct api_bfd *o, struct api_error *ret_error)
{
	struct bfd_peer *p = bfd_peer_find(o);
	uint64_t now_us = bfd_now_us();
	struct bfd_config config = config_of(o);
	int r = check(o, p, ret_error);

	if (r < 0)
		return r;
	if (p && memcmp(&p->api, o, sizeof(*o)) == 0)
		return API_UNCHANGED;
	count_pool(o, 1);
	if (!p) {
		p = peer_new(o);
		p->since_us = now_us;
		begin(p, discr_new(o->discriminator), now_us);
		look_at_address(p, now_us);
		tell(p, now_us);
		return API_CHANGED;
	}
	count_pool(&p->api, -1);
	p->api = *o;
	if (o->discriminator && o->discriminator != p->session.discr)
		begin(p, o->discriminator, now_us);
	else
		bfd_session_configure(&p->session, &config, now_us);
	bfd_peer_step(p, now_us);
	return API_CHANGED;
}

static void retire(struct underlay_dest *dest)
{
	bfd.retired =
		xgrow(bfd.retired, &bfd.retired_cap, bfd.retired_len + 1, sizeof(*bfd.retired));
	bfd.retired[bfd.retired_len++] = (struct retired){dest, 0};
}

static void release_retired(unsigned ticks)
{
	size_t kept = 0;

	for (size_t i = 0; i < bfd.retired_len; i++) {
		struct retired *r = &bfd.retired[i];

		if (r->ticks++ < ticks)
			bfd.retired[kept++] = *r;
		else
			underlay_dest_put(r->dest);
	}
	bfd.retired_len = kept;
}

void bfd_peer_free(struct bfd_peer *p)
{
	struct bfd_config off = config_of(&p->api);
	struct bfd_packet packet;

	// RFC 5880 6.8.16: on purpose, and not for want of life.
	off.admin_down = true;
	bfd_session_configure(&p->session, &off, bfd_now_us());
	while (p->awake && bfd_session_poll(&p->session, bfd_now_us(), 0, &packet))
		bfd_peer_send(p, &packet);
	wheel_clear(&bfd.wheel, &p->timer);
	count_pool(&p->api, -1);
	map_del(&bfd.by_discr, &p->session.discr, sizeof(p->session.discr));
	map_del(&bfd.by_key, &p->api, BFD_KEY_SIZE);
	if (p->vrf)
		p->vrf->users--;
	else
		retire(p->dest);
	free(p);
}

void bfd_tick(void)
{
	uint64_t now_us = bfd_now_us();
	struct bfd_peer *p;
	size_t at = 0;

	while ((p = map_next(&bfd.by_key, &at)))
		look_at_address(p, now_us);
	release_retired(RETIRED_TICKS);
}

int bfd_init(void)
{
	memset(&bfd, 0, sizeof(bfd));
	map_init(&bfd.by_key);
	map_init(&bfd.by_discr);
	wheel_init(&bfd.wheel, bfd_now_us());
	bfd.beating = true;
	bfd.armed_us = UINT64_MAX;
	beat_init();
	return getrandom(&bfd.random, sizeof(bfd.random), 0) < 0 ? -errno : 0;
}

void bfd_fini(void)
{
	struct bfd_peer *p;
	size_t at = 0;

	bfd_stop();
	while ((p = map_next(&bfd.by_key, &at))) {
		p->awake = false; // silent: whoever starts next may resume
		bfd_peer_free(p);
	}
	release_retired(0);
	free(bfd.retired);
	map_fini(&bfd.by_key);
	map_fini(&bfd.by_discr);
}
