// SPDX-License-Identifier: GPL-3.0-or-later
#include "dial.h"

#include <daemon.h>
#include <processing/jobs/callback_job.h>
#include <processing/jobs/delete_ike_sa_job.h>
#include <threading/mutex.h>

#include "conn.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 30000

static bool wanted(uint32_t conn)
{
	const uint32_t both = API_IKE_F_ENABLED | API_IKE_F_INITIATE;
	struct api_ike_conn c;

	return conn_get(conn, &c) && (c.flags & both) == both && c.remote.family != IP_NONE;
}

static job_requeue_t dial_job(void *data)
{
	uint32_t conn = (uint32_t)(uintptr_t)data;
	struct api_ike_state state;
	child_cfg_t *child;
	peer_cfg_t *peer;

	if (!wanted(conn) || !conn_state_get(conn, &state) || state.state == API_IKE_UP)
		return JOB_REQUEUE_NONE;
	peer = conn_peer_cfg(conn);
	child = conn_child_cfg(conn);
	if (peer && child)
		charon->controller->initiate(charon->controller, peer, child, NULL, NULL, 0, FALSE);
	else {
		DESTROY_IF(peer);
		DESTROY_IF(child);
	}
	return JOB_REQUEUE_NONE;
}

static void schedule(uint32_t conn, uint32_t ms)
{
	job_t *job = (job_t *)callback_job_create(dial_job, (void *)(uintptr_t)conn, NULL, NULL);

	if (ms)
		lib->scheduler->schedule_job_ms(lib->scheduler, job, ms);
	else
		lib->processor->queue_job(lib->processor, job);
}

void dial_now(uint32_t conn)
{
	if (wanted(conn))
		schedule(conn, 0);
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
	schedule(conn, ms - (uint32_t)random() % (ms / 4));
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
