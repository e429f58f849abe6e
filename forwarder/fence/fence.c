// SPDX-License-Identifier: Apache-2.0

// API_TYPE_FENCE: arms the fence of dataplane/fence.h, tells when it went up, lifts it.

#include "fence.h"

#include <event2/event.h>
#include <stddef.h>
#include <sys/eventfd.h>

#include "api_fence.h"
#include "fence_pass.h"
#include "log.h"
#include "modules.h"
#include "proto.h"
#include "serve/refuse.h"
#include "worker_loop.h"

#define TICK_MS      20
#define LIMIT_MIN_US 100000 // five ticks

static struct {
	struct api_fence api;
	struct api_server *server;
	struct event *raised, *tick;
	uint64_t told;
} control;

static struct api_fence_state state_now(void)
{
	return (struct api_fence_state){.number = fence_number(), .up = fence_is_up()};
}

static void tell(void)
{
	struct api_fence_state state = state_now();

	if (state.number == control.told)
		return;
	control.told = state.number;
	log_warning("fence: up, number %llu: nothing leaves from floating addresses until their "
		    "epochs are confirmed",
		(unsigned long long)state.number);
	if (control.server)
		api_server_event(control.server, API_TYPE_FENCE_STATE, &state, sizeof(state));
}

static void on_raised(evutil_socket_t fd, short what, void *arg)
{
	eventfd_t raises;

	eventfd_read(fence_fd(), &raises);
	fence_control_ran(clock_ns());
	tell();
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	fence_control_ran(clock_ns());
}

static void arm(uint32_t limit_us)
{
	static const struct timeval period = {.tv_usec = TICK_MS * 1000};

	fence_arm(limit_us, clock_ns());
	if (!control.tick)
		return;
	if (limit_us)
		event_add(control.tick, &period);
	else
		event_del(control.tick);
	// Those that sleep for good are to look at the clock from now on.
	for (uint16_t i = 0; i < worker_count; i++)
		eventfd_write(worker_table[i]->wake_fd, 1);
}

static int set(void *ctx, const void *object, size_t size, int fd, struct api_error *ret_error)
{
	const struct api_fence *o = object;
	struct api_fence before = control.api;

	if (o->limit_us && o->limit_us < LIMIT_MIN_US)
		return refuse(ret_error, -EINVAL, "limit_us: less than %u", LIMIT_MIN_US);
	control.api = *o;
	if (o->limit_us != before.limit_us)
		arm(o->limit_us);
	if (o->hold && !before.hold)
		fence_raise();
	if (o->lift && !o->hold && fence_lift(o->lift))
		log_info("fence: lifted, number %llu", (unsigned long long)o->lift);
	return API_CHANGED;
}

static int dump(void *ctx, const void *filter, struct api_emit *emit)
{
	return api_emit(emit, &control.api, sizeof(control.api));
}

static int dump_state(void *ctx, const void *filter, struct api_emit *emit)
{
	struct api_fence_state state = state_now();

	return api_emit(emit, &state, sizeof(state));
}

static const struct api_handler handlers[] = {
	{.type = API_TYPE_FENCE,
		.size = sizeof(struct api_fence),
		.min_size = sizeof(struct api_fence),
		.name = "fence",
		.set = set,
		.dump = dump},
	{.type = API_TYPE_FENCE_STATE,
		.size = sizeof(struct api_fence_state),
		.name = "fence state",
		.dump = dump_state},
};

static int module_init(const struct module_env *env)
{
	int r = fence_init(fence_pass);

	if (r < 0)
		return r;
	control.server = env->server;
	control.raised = event_new(env->base, fence_fd(), EV_READ | EV_PERSIST, on_raised, NULL);
	control.tick = event_new(env->base, -1, EV_PERSIST, on_tick, NULL);
	event_add(control.raised, NULL);
	return 0;
}

static void module_fini(void)
{
	event_free(control.raised);
	event_free(control.tick);
	control.raised = control.tick = NULL;
	fence_fini();
}

const struct module module_fence = {.name = "fence",
	.init = module_init,
	.fini = module_fini,
	.handlers = handlers,
	.handlers_len = sizeof(handlers) / sizeof(handlers[0])};
