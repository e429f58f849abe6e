// SPDX-License-Identifier: GPL-3.0-or-later
#include "forwarder.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "client.h"
#include "forwarder_sa.h"
#include "log.h"
#include "objects.h"
#include "punt.h"
#include "punt_socket.h"
#include "sync.h"

#define FORWARDER_TIMEOUT_MS 2000 // for one request of a libcharon thread

// One blocking connection: SAs and datagrams have one each, so that neither waits for the other.
struct lane {
	pthread_mutex_t mutex;
	struct api_sync *sync; // NULL: to be opened
};

static struct {
	const char *path;
	struct api_client *client;
	struct lane sas, datagrams;
} link_ = {
	.sas = {.mutex = PTHREAD_MUTEX_INITIALIZER},
	.datagrams = {.mutex = PTHREAD_MUTEX_INITIALIZER},
};

static void lane_close(struct lane *lane)
{
	if (lane->sync)
		api_sync_close(lane->sync);
	lane->sync = NULL;
}

static bool lane_is_broken(int rc)
{
	return rc == -EPIPE || rc == -ECONNRESET || rc == -ENOTCONN || rc == -ETIMEDOUT;
}

typedef int request_fn(struct api_sync *sync, void *ctx);

// Runs one request; a connection that broke since the last one is opened anew once.
static int lane_request(struct lane *lane, request_fn *request, void *ctx)
{
	int rc = -ENOTCONN;

	pthread_mutex_lock(&lane->mutex);
	for (int attempt = 0; attempt < 2; attempt++) {
		if (!lane->sync)
			lane->sync = api_sync_open(link_.path, "isthmus-ike", FORWARDER_TIMEOUT_MS);
		if (!lane->sync) {
			rc = -ENOTCONN;
			break;
		}
		rc = request(lane->sync, ctx);
		if (rc < 0 && !lane_is_broken(rc))
			log_warning("forwarder refused: %s", api_sync_error(lane->sync));
		if (!lane_is_broken(rc))
			break;
		lane_close(lane);
	}
	pthread_mutex_unlock(&lane->mutex);
	return rc;
}

struct request {
	uint16_t type;
	const void *object;
	size_t size;
	void (*each)(void *ctx, const void *object, size_t size, int fd);
	void *ctx;
};

static int request_set(struct api_sync *sync, void *ctx)
{
	const struct request *r = ctx;

	return api_sync_set(sync, r->type, r->object, r->size);
}

static int request_del(struct api_sync *sync, void *ctx)
{
	const struct request *r = ctx;

	return api_sync_del(sync, r->type, r->object, r->size);
}

static int request_dump(struct api_sync *sync, void *ctx)
{
	const struct request *r = ctx;

	return api_sync_dump(sync, r->type, r->object, r->size, r->each, r->ctx);
}

static int request_call(struct api_sync *sync, void *ctx)
{
	const struct request *r = ctx;

	return api_sync_call(sync, r->type, r->object, r->size, FORWARDER_TIMEOUT_MS, NULL, NULL);
}

int forwarder_set(uint16_t type, const void *object, size_t size)
{
	return lane_request(&link_.sas, request_set,
		&(struct request){.type = type, .object = object, .size = size});
}

int forwarder_del(uint16_t type, const void *key, size_t size)
{
	return lane_request(&link_.sas, request_del,
		&(struct request){.type = type, .object = key, .size = size});
}

int forwarder_dump(uint16_t type, const void *filter, size_t size,
	void (*each)(void *ctx, const void *object, size_t size, int fd), void *ctx)
{
	return lane_request(
		&link_.sas, request_dump, &(struct request){type, filter, size, each, ctx});
}

int forwarder_send(const struct api_punt *datagram, size_t size)
{
	return lane_request(&link_.datagrams, request_call,
		&(struct request){.type = API_TYPE_PUNT, .object = datagram, .size = size});
}

void forwarder_grant(const struct api_sa_grant *grant)
{
	api_client_set(link_.client, API_TYPE_SA_GRANT, grant, sizeof(*grant), 0);
}

static void on_up(void *ctx, const struct api_hello *server, bool restarted)
{
	static const uint16_t types[] = {API_TYPE_PUNT, API_TYPE_SA_EVENT};

	api_client_subscribe(link_.client, types, sizeof(types) / sizeof(*types));
	if (restarted)
		forwarder_sa_reinstall(link_.client);
}

static void on_event(void *ctx, uint16_t type, const void *object, size_t size)
{
	if (type == API_TYPE_PUNT && size >= offsetof(struct api_punt, data)) {
		const struct api_punt *d = object;

		if (size >= offsetof(struct api_punt, data) + d->size)
			punt_socket_receive(d);
	} else if (type == API_TYPE_SA_EVENT && size >= sizeof(struct api_sa_event)) {
		forwarder_sa_event(object);
	}
}

static void on_done(void *ctx, uint64_t cookie, int status, const char *text)
{
	if (status < 0)
		log_warning("forwarder refused an SA it had before: %s", text);
}

void forwarder_init(struct event_base *base, const char *path)
{
	static const struct api_client_ops ops = {
		.up = on_up,
		.done = on_done,
		.event = on_event,
	};

	link_.path = path;
	link_.client = api_client_new(base, path, "isthmus-ike", &ops, NULL);
}

bool forwarder_is_up(void)
{
	return link_.client && api_client_is_up(link_.client);
}

void forwarder_fini(void)
{
	api_client_free(link_.client);
	link_.client = NULL;
	lane_close(&link_.sas);
	lane_close(&link_.datagrams);
}
