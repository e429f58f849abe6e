// SPDX-License-Identifier: GPL-3.0-or-later
#include "dial.h"

#include <pthread.h>

#include <daemon.h>
#include <processing/jobs/callback_job.h>
#include <processing/jobs/delete_ike_sa_job.h>

#include "conn.h"
#include "dial_window.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 30000

static uint64_t now_ms(void)
{
	timeval_t now;

	time_monotonic(&now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

static bool wanted(uint32_t conn)
{
	const uint32_t both = API_IKE_F_ENABLED | API_IKE_F_INITIATE;
	struct api_ike_conn c;

	return conn_get(conn, &c) && (c.flags & both) == both && c.remote.family != IP_NONE;
}

static void pump(void);

static job_requeue_t dial_job(void *data)
{
	uint32_t conn = (uint32_t)(uintptr_t)data;
	struct api_ike_state state;
	child_cfg_t *child = NULL;
	peer_cfg_t *peer = NULL;

	if (wanted(conn) && conn_state_get(conn, &state) && state.state != API_IKE_UP) {
		peer = conn_peer_cfg(conn);
		child = conn_child_cfg(conn);
	}
	if (peer && child) {
		charon->controller->initiate(charon->controller, peer, child, NULL, NULL, 0, FALSE);
	} else {
		DESTROY_IF(peer);
		DESTROY_IF(child);
		dial_settled(conn);
	}
	return JOB_REQUEUE_NONE;
}

static job_requeue_t pump_job(void *data)
{
	pump();
	return JOB_REQUEUE_NONE;
}

// Dials as many as may be; the rest when a place is free, or a silent peer has had its time.
static void pump(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static uint64_t timer_ms; // when the next look is due
	uint32_t conn, wait_ms;
	uint64_t now = now_ms();
	bool schedule;

	while ((conn = dial_window_take(now, &wait_ms)))
		lib->processor->queue_job(
			lib->processor, (job_t *)callback_job_create(
						dial_job, (void *)(uintptr_t)conn, NULL, NULL));
	pthread_mutex_lock(&mutex);
	schedule = wait_ms && timer_ms <= now;
	if (schedule)
		timer_ms = now + wait_ms;
	pthread_mutex_unlock(&mutex);
	if (schedule)
		lib->scheduler->schedule_job_ms(lib->scheduler,
			(job_t *)callback_job_create(pump_job, NULL, NULL, NULL), wait_ms);
}

void dial_settled(uint32_t conn)
{
	dial_window_settle(conn);
	pump();
}

void dial_now(uint32_t conn)
{
	if (!wanted(conn))
		return;
	dial_window_add(conn);
	pump();
}

static job_requeue_t later_job(void *data)
{
	dial_now((uint32_t)(uintptr_t)data);
	return JOB_REQUEUE_NONE;
}

static void next_backoff(struct api_ike_state *state, void *ctx)
{
	uint32_t *ms = ctx;

	*ms = BACKOFF_MIN_MS << (state->attempts < 5 ? state->attempts : 5);
	if (*ms > BACKOFF_MAX_MS)
		*ms = BACKOFF_MAX_MS;
	if (state->attempts < UINT16_MAX)
		state->attempts++;
}

void dial_later(uint32_t conn)
{
	uint32_t ms = BACKOFF_MIN_MS;

	if (!wanted(conn))
		return;
	conn_state_update(conn, next_backoff, &ms);
	lib->scheduler->schedule_job_ms(lib->scheduler,
		(job_t *)callback_job_create(later_job, (void *)(uintptr_t)conn, NULL, NULL),
		ms - (uint32_t)random() % (ms / 4));
}

void dial_hang_up(uint32_t conn)
{
	linked_list_t *sas = conn_ike_sas(conn);
	ike_sa_id_t *id;

	while (sas->remove_first(sas, (void **)&id) == SUCCESS) {
		lib->processor->queue_job(
			lib->processor, (job_t *)delete_ike_sa_job_create(id, TRUE));
		id->destroy(id);
	}
	sas->destroy(sas);
}
