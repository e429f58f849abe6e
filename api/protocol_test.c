// SPDX-License-Identifier: Apache-2.0
// Server and client of the local protocol in one process, over a socketpair.
#include "client.h"
#include "objects.h"
#include "server.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "link.h"

// This release's object, the one before and the one after.
struct thing_old {
	uint32_t id;
	uint32_t colour;
};
struct thing {
	uint32_t id;
	uint32_t colour;
	uint64_t weight;
};
struct thing_new {
	uint32_t id;
	uint32_t colour;
	uint64_t weight;
	uint64_t smell;
};

#define TYPE_THING API_TYPE_VRF
#define TYPE_PIPE  API_TYPE_TUN
#define TYPE_LATE  API_TYPE_TRACE
#define THINGS     1000

struct rig {
	struct event_base *base;
	struct api_server *server;
	struct api_client *client;
	struct thing things[THINGS];
	bool exists[THINGS];
	size_t last_size;
	struct api_emit *late;
	unsigned up, down, restarted, events, done_len, object_len, answers, drained;
	int last_status, answer_status, last_fd;
	uint64_t last_cookie, failed_cookie;
	char text[API_TEXT_SIZE];
	unsigned dump_rounds;
};

static int thing_set(void *ctx, const void *object, size_t size, int fd, struct api_error *error)
{
	struct rig *rig = ctx;
	const struct thing *t = object;

	rig->last_size = size;
	if (t->id >= THINGS) {
		snprintf(error->text, sizeof(error->text), "id: %u is too large", t->id);
		return -ERANGE;
	}
	if (rig->exists[t->id] && !memcmp(&rig->things[t->id], t, sizeof(*t)))
		return API_UNCHANGED;
	rig->things[t->id] = *t;
	rig->exists[t->id] = true;
	return API_CHANGED;
}

static int thing_del(void *ctx, const void *key, struct api_error *error)
{
	struct rig *rig = ctx;
	const struct thing *t = key;

	if (t->id >= THINGS || !rig->exists[t->id])
		return API_UNCHANGED;
	rig->exists[t->id] = false;
	return API_CHANGED;
}

// Every thing 200 times, so that the output fills up and the dump must go on later.
static int thing_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	struct rig *rig = ctx;
	const struct thing *want = filter;
	uint64_t *at = api_emit_cursor(emit);

	rig->dump_rounds++;
	for (; *at < THINGS; ++*at) {
		if (!rig->exists[*at] || (want && want->id && want->id != *at))
			continue;
		for (int i = 0; i < (want ? 1 : 400); i++)
			api_emit(emit, &rig->things[*at], sizeof(*rig->things));
		if (api_emit(emit, &rig->things[*at], sizeof(*rig->things)) == -EAGAIN) {
			++*at;
			return -EAGAIN;
		}
	}
	return 0;
}

static int pipe_set(void *ctx, const void *object, size_t size, int fd, struct api_error *error)
{
	struct rig *rig = ctx;

	rig->last_fd = fd;
	return API_CHANGED;
}

static int pipe_call(void *ctx, const void *object, size_t size, int fd, struct api_emit *emit,
	struct api_error *error)
{
	struct api_tun tun = {.vrf = 7};

	return api_emit_fd(emit, &tun, sizeof(tun), fd);
}

static int late_call(void *ctx, const void *object, size_t size, int fd, struct api_emit *emit,
	struct api_error *error)
{
	struct rig *rig = ctx;

	rig->late = emit;
	return API_DEFERRED;
}

static const struct api_handler handlers[] = {
	{.type = TYPE_THING,
		.name = "thing",
		.size = sizeof(struct thing),
		.min_size = sizeof(struct thing_old),
		.key_size = sizeof(uint32_t),
		.set = thing_set,
		.del = thing_del,
		.dump = thing_dump},
	{.type = TYPE_PIPE,
		.name = "pipe",
		.flags = API_HANDLER_FD,
		.size = sizeof(struct api_tun),
		.key_size = sizeof(uint32_t),
		.set = pipe_set,
		.call = pipe_call},
	{.type = TYPE_LATE, .name = "late", .size = 8, .key_size = 4, .call = late_call},
};

static void on_up(void *ctx, const struct api_hello *server, bool restarted)
{
	struct rig *rig = ctx;

	rig->up++;
	rig->restarted += restarted;
}

static void on_down(void *ctx, int error)
{
	struct rig *rig = ctx;

	rig->down++;
}

static void on_done(void *ctx, uint64_t cookie, int status, const char *text)
{
	struct rig *rig = ctx;

	rig->done_len++;
	rig->last_status = status;
	rig->last_cookie = cookie;
	if (status < 0)
		rig->failed_cookie = cookie;
	if (status < 0)
		snprintf(rig->text, sizeof(rig->text), "%s", text);
}

static void on_event(void *ctx, uint16_t type, const void *object, size_t size)
{
	struct rig *rig = ctx;

	rig->events++;
}

static void on_drained(void *ctx)
{
	struct rig *rig = ctx;

	rig->drained++;
}

static void on_object(void *ctx, const void *object, size_t size, int fd)
{
	struct rig *rig = ctx;

	rig->object_len++;
	rig->last_size = size;
	if (fd >= 0)
		rig->last_fd = fd;
}

static void on_answer(void *ctx, int status, const char *text)
{
	struct rig *rig = ctx;

	rig->answers++;
	rig->answer_status = status;
}

static const struct api_client_ops ops = {
	.up = on_up, .down = on_down, .done = on_done, .event = on_event, .drained = on_drained};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

// Runs the loop until the counter reaches the value; fails after 20 s.
static void run_until(struct rig *rig, const unsigned *counter, unsigned value)
{
	double end = now_s() + 20;
	struct timeval tick = {.tv_usec = 10000};

	while (*counter < value && now_s() < end) {
		event_base_loopexit(rig->base, &tick);
		event_base_loop(rig->base, EVLOOP_ONCE);
	}
	assert_true(*counter >= value);
}

static void pair(int socks[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	int socks[2];

	rig->base = event_base_new();
	rig->last_fd = -1;
	rig->server = api_server_new(rig->base, "test-server", 42);
	assert_int_equal(api_server_add(rig->server, handlers, 3, rig), 0);
	pair(socks);
	api_server_attach(rig->server, socks[0]);
	rig->client = api_client_attach(rig->base, socks[1], "test", &ops, rig);
	run_until(rig, &rig->up, 1);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	api_client_free(rig->client);
	api_server_free(rig->server);
	event_base_free(rig->base);
	if (rig->last_fd >= 0)
		close(rig->last_fd);
	free(rig);
	return 0;
}

static struct api_message_count counts(struct rig *rig)
{
	struct api_message_count count;

	assert_int_equal(api_server_count(rig->server, TYPE_THING, &count), 0);
	return count;
}

static void set_is_idempotent_and_counted(void **state)
{
	struct rig *rig = *state;
	struct thing t = {.id = 3, .colour = 9, .weight = 1};

	api_client_set(rig->client, TYPE_THING, &t, sizeof(t), 1);
	api_client_set(rig->client, TYPE_THING, &t, sizeof(t), 2);
	run_until(rig, &rig->done_len, 2);
	api_client_del(rig->client, TYPE_THING, &t, sizeof(t.id), 3);
	api_client_del(rig->client, TYPE_THING, &t, sizeof(t.id), 4);
	run_until(rig, &rig->done_len, 4);
	assert_int_equal(rig->last_cookie, 4);
	assert_int_equal(counts(rig).sets, 1);
	assert_int_equal(counts(rig).dels, 1);
	assert_int_equal(counts(rig).unchanged, 2);
	assert_int_equal(counts(rig).refused, 0);
}

static void a_refused_item_does_not_stop_the_others(void **state)
{
	struct rig *rig = *state;

	for (uint32_t id = 1; id <= 5; id++) {
		struct thing t = {.id = id == 3 ? THINGS : id};

		api_client_set(rig->client, TYPE_THING, &t, sizeof(t), id);
	}
	run_until(rig, &rig->done_len, 5);
	assert_int_equal(rig->failed_cookie, 3);
	assert_string_equal(rig->text, "id: 1000 is too large");
	assert_true(rig->exists[2] && rig->exists[4] && rig->exists[5]);
	assert_int_equal(counts(rig).refused, 1);
	assert_int_equal(counts(rig).sets, 4);
}

// Release N-1 sends a shorter object: what it does not know is zero.
static void an_older_peers_object_is_extended_by_zeros(void **state)
{
	struct rig *rig = *state;
	struct thing full = {.id = 1, .colour = 1, .weight = 77};
	struct thing_old old = {.id = 1, .colour = 2};

	api_client_set(rig->client, TYPE_THING, &full, sizeof(full), 1);
	api_client_set(rig->client, TYPE_THING, &old, sizeof(old), 2);
	run_until(rig, &rig->done_len, 2);
	assert_int_equal(rig->things[1].colour, 2);
	assert_int_equal(rig->things[1].weight, 0);
	assert_int_equal(rig->last_size, sizeof(old));
}

// Release N+1 sends a longer one: what we do not know is ignored.
static void a_newer_peers_object_is_cut(void **state)
{
	struct rig *rig = *state;
	struct thing_new new = {.id = 1, .colour = 2, .weight = 3, .smell = 4};

	api_client_set(rig->client, TYPE_THING, &new, sizeof(new), 1);
	run_until(rig, &rig->done_len, 1);
	assert_int_equal(rig->last_status, 0);
	assert_int_equal(rig->things[1].weight, 3);
	assert_int_equal(rig->last_size, sizeof(struct thing));
}

static void a_too_short_object_is_refused(void **state)
{
	struct rig *rig = *state;
	uint32_t id = 1;

	api_client_set(rig->client, TYPE_THING, &id, sizeof(id), 1);
	run_until(rig, &rig->done_len, 1);
	assert_int_equal(rig->last_status, -EINVAL);
	assert_false(rig->exists[1]);
}

// -- raw bytes, for what the client library never sends

struct raw {
	struct rig *rig;
	struct api_link *link;
	unsigned messages, closed;
	int closed_error;
	struct api_header last;
};

static int raw_on_message(void *ctx, const struct api_message *m)
{
	struct raw *raw = ctx;

	raw->messages++;
	raw->last = m->header;
	return 0;
}

static void raw_on_closed(void *ctx, int error)
{
	struct raw *raw = ctx;

	raw->closed++;
	raw->closed_error = error;
}

static const struct api_link_ops raw_ops = {.message = raw_on_message, .closed = raw_on_closed};

static void raw_open(struct raw *raw, struct rig *rig)
{
	int socks[2];

	*raw = (struct raw){.rig = rig};
	pair(socks);
	api_server_attach(rig->server, socks[0]);
	raw->link = api_link_new(rig->base, socks[1], &raw_ops, raw);
}

static void raw_hello(struct raw *raw, uint16_t major)
{
	struct api_header header = {.op = API_OP_HELLO};
	struct api_hello hello = {.major = major};

	api_link_send(raw->link, &header, &hello, sizeof(hello), -1);
}

static void raw_set(struct raw *raw, uint16_t flags, const void *object, uint32_t size)
{
	struct {
		struct api_item item;
		uint8_t bytes[64];
	} payload = {.item.size = size};
	struct api_header header = {.op = API_OP_SET, .type = TYPE_THING, .flags = flags, .seq = 5};

	memcpy(payload.bytes, object, size);
	api_link_send(raw->link, &header, &payload, sizeof(struct api_item) + size, -1);
}

static void must_understand_refuses_only_what_is_unknown(void **state)
{
	struct raw raw;
	struct thing_new new = {.id = 1, .colour = 2, .smell = 0};

	raw_open(&raw, *state);
	raw_hello(&raw, API_MAJOR);
	raw_set(&raw, API_F_MUST, &new, sizeof(new));
	run_until(raw.rig, &raw.messages, 2); // HELLO, ACK
	assert_int_equal(raw.last.status, 0);
	new.smell = 1;
	raw_set(&raw, API_F_MUST, &new, sizeof(new));
	run_until(raw.rig, &raw.messages, 3);
	assert_int_equal(raw.last.status, -E2BIG);
	assert_int_equal(counts(raw.rig).refused, 1);
	api_link_free(raw.link);
}

static void without_all_the_first_refusal_stops(void **state)
{
	struct raw raw;
	struct {
		struct api_item a_item;
		struct thing a;
		struct api_item b_item;
		struct thing b;
		struct api_item c_item;
		struct thing c;
	} payload = {.a_item.size = sizeof(struct thing),
		.b_item.size = sizeof(struct thing),
		.c_item.size = sizeof(struct thing),
		.a.id = 1,
		.b.id = THINGS,
		.c.id = 2};
	struct api_header header = {.op = API_OP_SET, .type = TYPE_THING, .seq = 5};

	raw_open(&raw, *state);
	raw_hello(&raw, API_MAJOR);
	api_link_send(raw.link, &header, &payload, sizeof(payload), -1);
	run_until(raw.rig, &raw.messages, 2);
	assert_int_equal(raw.last.status, -ERANGE);
	assert_int_equal(raw.last.done, 1);
	assert_true(raw.rig->exists[1]);
	assert_false(raw.rig->exists[2]);
	api_link_free(raw.link);
}

static void another_major_version_is_told_and_closed(void **state)
{
	struct raw raw;

	raw_open(&raw, *state);
	raw_hello(&raw, API_MAJOR + 1);
	run_until(raw.rig, &raw.closed, 1);
	assert_int_equal(raw.last.op, API_OP_ACK);
	assert_int_equal(raw.last.status, -EPROTONOSUPPORT);
	api_link_free(raw.link);
}

static void a_request_before_hello_closes(void **state)
{
	struct raw raw;
	struct thing t = {.id = 1};

	raw_open(&raw, *state);
	raw_set(&raw, 0, &t, sizeof(t));
	run_until(raw.rig, &raw.closed, 1);
	assert_false(raw.rig->exists[1]);
	api_link_free(raw.link);
}

static void items_beyond_the_message_close(void **state)
{
	struct raw raw;
	struct {
		struct api_item item;
		uint8_t bytes[16];
	} payload = {.item.size = 17};
	struct api_header header = {.op = API_OP_SET, .type = TYPE_THING};

	raw_open(&raw, *state);
	raw_hello(&raw, API_MAJOR);
	api_link_send(raw.link, &header, &payload, sizeof(payload), -1);
	run_until(raw.rig, &raw.closed, 1);
	api_link_free(raw.link);
}

static void a_message_beyond_the_maximum_closes(void **state)
{
	struct raw raw;
	uint8_t *payload = calloc(1, API_MAX_PAYLOAD + 8);
	struct api_header header = {.op = API_OP_SET, .type = TYPE_THING};

	raw_open(&raw, *state);
	raw_hello(&raw, API_MAJOR);
	api_link_send(raw.link, &header, payload, API_MAX_PAYLOAD + 8, -1);
	run_until(raw.rig, &raw.closed, 1);
	assert_true(api_client_is_up(raw.rig->client)); // the others stay
	api_link_free(raw.link);
	free(payload);
}

// -- the rest

static void unknown_types_and_missing_verbs_are_refused_in_words(void **state)
{
	struct rig *rig = *state;
	struct thing t = {.id = 1};

	api_client_set(rig->client, API_TYPE_HOST, &t, sizeof(t), 1);
	run_until(rig, &rig->done_len, 1);
	assert_int_equal(rig->last_status, -EOPNOTSUPP);
	assert_non_null(strstr(rig->text, "test-server"));
	assert_int_equal(
		api_client_dump(rig->client, TYPE_PIPE, NULL, 0, on_object, on_answer, rig), 0);
	run_until(rig, &rig->answers, 1);
	assert_int_equal(rig->answer_status, -EOPNOTSUPP);
}

static void a_dump_waits_for_a_slow_reader_and_is_whole(void **state)
{
	struct rig *rig = *state;

	for (uint32_t id = 0; id < THINGS; id++) {
		struct thing t = {.id = id, .colour = 1};

		api_client_set(rig->client, TYPE_THING, &t, sizeof(t), id);
	}
	api_client_dump(rig->client, TYPE_THING, NULL, 0, on_object, on_answer, rig);
	run_until(rig, &rig->answers, 1);
	assert_int_equal(rig->answer_status, 0);
	assert_int_equal(rig->object_len, THINGS * 401);
	assert_true(rig->dump_rounds > 1);
}

static void a_dump_is_filtered_by_its_key(void **state)
{
	struct rig *rig = *state;
	uint32_t key = 2;

	for (uint32_t id = 1; id <= 3; id++) {
		struct thing t = {.id = id};

		api_client_set(rig->client, TYPE_THING, &t, sizeof(t), id);
	}
	api_client_dump(rig->client, TYPE_THING, &key, sizeof(key), on_object, on_answer, rig);
	run_until(rig, &rig->answers, 1);
	assert_int_equal(rig->object_len, 2); // once from the loop, once after it
}

static void message_counts_can_be_dumped(void **state)
{
	struct rig *rig = *state;
	struct api_message_count key = {.type = TYPE_THING};

	api_client_dump(rig->client, API_TYPE_MESSAGE_COUNT, &key, sizeof(key.type), on_object,
		on_answer, rig);
	run_until(rig, &rig->answers, 1);
	assert_int_equal(rig->object_len, 1);
	assert_int_equal(rig->last_size, sizeof(key));
}

static bool same_file(int a, const char *content)
{
	char text[32] = {0};

	return pread(a, text, sizeof(text) - 1, 0) > 0 && !strcmp(text, content);
}

static int file_with(const char *content)
{
	char path[] = "/tmp/isthmus-api-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	unlink(path);
	return fd;
}

static void a_descriptor_travels_with_its_own_message(void **state)
{
	struct rig *rig = *state;
	struct thing t = {.id = 1};
	struct api_tun tun = {.vrf = 1};

	for (uint32_t i = 0; i < 3; i++) {
		char content[8];

		snprintf(content, sizeof(content), "file%u", i);
		api_client_set(rig->client, TYPE_THING, &t, sizeof(t), 0);
		api_client_set_fd(rig->client, TYPE_PIPE, &tun, sizeof(tun), file_with(content), i);
		api_client_set(rig->client, TYPE_THING, &t, sizeof(t), 0);
		run_until(rig, &rig->done_len, 3 * (i + 1));
		assert_int_equal(rig->last_status, 0);
		assert_true(same_file(rig->last_fd, content));
		close(rig->last_fd);
		rig->last_fd = -1;
	}
}

static void a_descriptor_comes_back_with_an_answer(void **state)
{
	struct rig *rig = *state;
	struct api_tun tun = {.vrf = 1};

	api_client_call(rig->client, TYPE_PIPE, &tun, sizeof(tun), file_with("back"), on_object,
		on_answer, rig);
	run_until(rig, &rig->answers, 1);
	assert_int_equal(rig->answer_status, 0);
	assert_true(same_file(rig->last_fd, "back"));
}

static void a_descriptor_is_refused_where_none_belongs(void **state)
{
	struct rig *rig = *state;
	struct thing t = {.id = 1};
	struct api_tun tun = {.vrf = 1};

	api_client_set_fd(rig->client, TYPE_THING, &t, sizeof(t), file_with("x"), 1);
	run_until(rig, &rig->done_len, 1);
	assert_int_equal(rig->last_status, -EBADF);
	api_client_set(rig->client, TYPE_PIPE, &tun, sizeof(tun), 2);
	run_until(rig, &rig->done_len, 2);
	assert_int_equal(rig->last_status, -EBADF);
}

static void events_reach_only_subscribers(void **state)
{
	struct rig *rig = *state;
	struct thing t = {.id = 1};
	uint16_t type = TYPE_THING;

	api_server_event(rig->server, TYPE_THING, &t, sizeof(t));
	api_client_subscribe(rig->client, &type, 1);
	api_client_barrier(rig->client, on_answer, rig);
	run_until(rig, &rig->answers, 1);
	assert_int_equal(rig->events, 0);
	api_server_event(rig->server, TYPE_THING, &t, sizeof(t));
	assert_int_equal(api_server_event_lossy(rig->server, TYPE_THING, &t, sizeof(t)), 1);
	run_until(rig, &rig->events, 2);
}

static void a_late_answer_finds_its_question(void **state)
{
	struct rig *rig = *state;
	uint64_t question = 1;

	api_client_call(
		rig->client, TYPE_LATE, &question, sizeof(question), -1, on_object, on_answer, rig);
	api_client_barrier(rig->client, on_answer, rig);
	run_until(rig, &rig->answers, 1);
	assert_non_null(rig->late);
	api_emit(rig->late, &question, sizeof(question));
	api_emit_finish(rig->late, -ETIMEDOUT, "nothing matched");
	run_until(rig, &rig->answers, 2);
	assert_int_equal(rig->answer_status, -ETIMEDOUT);
	assert_int_equal(rig->object_len, 1);
}

static void a_late_answer_survives_its_asker(void **state)
{
	struct rig *rig = *state;
	uint64_t question = 1;

	api_client_call(
		rig->client, TYPE_LATE, &question, sizeof(question), -1, on_object, on_answer, rig);
	api_client_barrier(rig->client, on_answer, rig);
	run_until(rig, &rig->answers, 1);
	api_client_free(rig->client);
	rig->client = NULL;
	assert_int_equal(rig->answers, 2); // the call's, by force
	// The server notices on its next turn.
	for (int i = 0; i < 10; i++)
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(api_emit(rig->late, &question, sizeof(question)), -EPIPE);
	api_emit_finish(rig->late, 0, NULL);
}

static void half_a_million_sets_take_well_under_a_second(void **state)
{
	struct rig *rig = *state;
	const unsigned len = 500000;
	double start = now_s();

	for (uint32_t i = 0; i < len; i++) {
		struct thing t = {.id = i % THINGS, .colour = i};

		api_client_set(rig->client, TYPE_THING, &t, sizeof(t), i);
	}
	run_until(rig, &rig->done_len, len);
	print_message("%u sets in %.0f ms\n", len, (now_s() - start) * 1e3);
	assert_int_equal(counts(rig).sets, len);
	assert_true(
		now_s() - start < 5.0); // the machine may be busy; a quadratic step takes minutes
}

static void a_restarted_server_is_told_from_a_lost_connection(void **state)
{
	struct rig *rig = *state;
	char dir[] = "/tmp/isthmus-api-XXXXXX", path[64];
	struct api_server *server;
	struct api_client *client;
	unsigned up = rig->up, restarted = rig->restarted;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	client = api_client_new(rig->base, path, "test", &ops, rig);
	run_until(rig, &rig->down, 1); // nobody there yet
	for (uint64_t i = 0; i < 3; i++) {
		unsigned down = rig->down;

		server = api_server_new(rig->base, "test-server", i ? 2 : 1);
		assert_int_equal(api_server_listen(server, path), 0);
		run_until(rig, &rig->up, ++up);
		api_server_free(server);
		run_until(rig, &rig->down, down + 1);
	}
	assert_int_equal(rig->restarted - restarted, 2);
	api_client_free(client);
	rmdir(dir);
}

static void a_live_servers_path_is_not_taken_over(void **state)
{
	struct rig *rig = *state;
	char dir[] = "/tmp/isthmus-api-XXXXXX", path[64];
	struct api_server *other = api_server_new(rig->base, "other", 2);

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	assert_int_equal(api_server_listen(rig->server, path), 0);
	assert_int_equal(api_server_listen(other, path), -EADDRINUSE);
	api_server_free(other);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(set_is_idempotent_and_counted),
		TEST(a_refused_item_does_not_stop_the_others),
		TEST(an_older_peers_object_is_extended_by_zeros),
		TEST(a_newer_peers_object_is_cut),
		TEST(a_too_short_object_is_refused),
		TEST(must_understand_refuses_only_what_is_unknown),
		TEST(without_all_the_first_refusal_stops),
		TEST(another_major_version_is_told_and_closed),
		TEST(a_request_before_hello_closes),
		TEST(items_beyond_the_message_close),
		TEST(a_message_beyond_the_maximum_closes),
		TEST(unknown_types_and_missing_verbs_are_refused_in_words),
		TEST(a_dump_waits_for_a_slow_reader_and_is_whole),
		TEST(a_dump_is_filtered_by_its_key),
		TEST(message_counts_can_be_dumped),
		TEST(a_descriptor_travels_with_its_own_message),
		TEST(a_descriptor_comes_back_with_an_answer),
		TEST(a_descriptor_is_refused_where_none_belongs),
		TEST(events_reach_only_subscribers),
		TEST(a_late_answer_finds_its_question),
		TEST(a_late_answer_survives_its_asker),
		TEST(half_a_million_sets_take_well_under_a_second),
		TEST(a_restarted_server_is_told_from_a_lost_connection),
		TEST(a_live_servers_path_is_not_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
