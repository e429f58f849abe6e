// SPDX-License-Identifier: Apache-2.0
#include "south.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "xmalloc.h"

#define POLL_WAIT_S        50
#define POLL_TIMEOUT_MS    ((POLL_WAIT_S + 10) * 1000)
#define POLL_RETRY_MIN_MS  50
#define POLL_RETRY_MAX_MS  1000
#define REPORT_DELAY_MS    5
#define REPORT_RETRY_MS    500
#define REPORT_TIMEOUT_MS  10000
#define HEARTBEAT_MS       100
#define HEARTBEAT_LIMIT_MS 1000
#define FRESH_MS           1000
#define SILENCE_MS         400 // without an answer: by then others may have taken over

struct south {
	const char *const *urls;
	size_t url_len, url_no;
	const struct south_ops *ops;
	void *ctx;
	struct event_base *base;
	const struct http_tls *tls;
	struct http_channel *poll, *report, *heartbeat, *answer;
	json_t *answers; // to be sent
	struct event *poll_timer, *report_timer, *heartbeat_timer;
	uint64_t term, revision;
	uint64_t beat, answered; // beats of HEARTBEAT_MS since the start: now, last answered
	unsigned retry_ms;
	bool up, beat_due;
	char told[128]; // why the controller does not serve, as last logged
};

static void south_poll(struct south *s);
static void south_on_poll_timer(evutil_socket_t sock, short what, void *arg);
static void south_on_report_timer(evutil_socket_t sock, short what, void *arg);
static void south_on_heartbeat_timer(evutil_socket_t sock, short what, void *arg);

static void timer_set(struct event *timer, unsigned ms)
{
	event_add(timer, &(struct timeval){ms / 1000, (suseconds_t)(ms % 1000) * 1000});
}

struct south *south_new(struct event_base *base, const char *const *urls, size_t url_len,
	const struct http_tls *tls, uint64_t term, uint64_t revision, const struct south_ops *ops,
	void *ctx)
{
	struct south *s = xcalloc(1, sizeof(*s));

	s->base = base;
	s->tls = tls;
	s->urls = urls;
	s->url_len = url_len;
	s->ops = ops;
	s->ctx = ctx;
	s->term = term;
	s->revision = revision;
	s->retry_ms = POLL_RETRY_MIN_MS;
	s->poll = http_channel_new(base, tls);
	s->report = http_channel_new(base, tls);
	s->heartbeat = http_channel_new(base, tls);
	s->answer = http_channel_new(base, tls);
	s->answers = json_array();
	s->poll_timer = evtimer_new(base, south_on_poll_timer, s);
	s->report_timer = evtimer_new(base, south_on_report_timer, s);
	s->heartbeat_timer = event_new(base, -1, EV_PERSIST, south_on_heartbeat_timer, s);
	if (!s->poll_timer || !s->report_timer || !s->heartbeat_timer)
		abort();
	timer_set(s->heartbeat_timer, HEARTBEAT_MS);
	timer_set(s->poll_timer, 0);
	return s;
}

void south_free(struct south *s)
{
	if (!s)
		return;
	http_channel_free(s->poll);
	http_channel_free(s->report);
	http_channel_free(s->heartbeat);
	http_channel_free(s->answer);
	json_decref(s->answers);
	event_free(s->poll_timer);
	event_free(s->report_timer);
	event_free(s->heartbeat_timer);
	free(s);
}

const char *south_url(const struct south *s)
{
	return s->urls[s->url_no];
}

bool south_is_up(const struct south *s)
{
	return s->up;
}

void south_refresh(struct south *s)
{
	http_channel_refresh(s->poll);
	http_channel_refresh(s->report);
	http_channel_refresh(s->heartbeat);
	http_channel_refresh(s->answer);
}

bool south_is_fresh(const struct south *s)
{
	return s->answered && s->beat - s->answered <= FRESH_MS / HEARTBEAT_MS;
}

uint64_t south_silence_ms(const struct south *s)
{
	return s->answered ? (s->beat - s->answered) * HEARTBEAT_MS : UINT64_MAX;
}

static void south_set_up(struct south *s, bool up)
{
	if (s->up == up)
		return;
	s->up = up;
	if (up)
		log_info("connected to controller %s", south_url(s));
	if (up)
		s->told[0] = '\0';
	s->ops->link(s->ctx, up);
}

// -- objects

// 0, or what is wrong with the answer.
static const char *south_take(struct south *s, json_t *answer)
{
	const char *version = json_string_value(json_object_get(answer, "version"));
	const json_t *objects = json_object_get(answer, "objects");
	json_int_t term = json_integer_value(json_object_get(answer, "term"));
	json_int_t revision = json_integer_value(json_object_get(answer, "revision"));
	bool full = json_is_true(json_object_get(answer, "full"));

	if (!version || strncmp(version, "1.", 2))
		return "its version is not 1.x";
	if (!json_is_array(objects) || term < 0 || revision < 0)
		return "it is malformed";
	if ((uint64_t)term < s->term ||
		((uint64_t)term == s->term && (uint64_t)revision < s->revision))
		return "it is older than what was applied";
	s->term = (uint64_t)term;
	s->revision = (uint64_t)revision;
	s->ops->objects(s->ctx, s->term, s->revision, full, objects);
	return NULL;
}

static void south_failed(struct south *s, const char *why)
{
	if (strncmp(s->told, why, sizeof(s->told) - 1) != 0)
		log_warning("controller %s does not serve: %s", south_url(s), why);
	snprintf(s->told, sizeof(s->told), "%s", why);
	south_set_up(s, false);
	s->url_no = (s->url_no + 1) % s->url_len;
	timer_set(s->poll_timer, s->retry_ms);
	s->retry_ms = s->retry_ms * 2 < POLL_RETRY_MAX_MS ? s->retry_ms * 2 : POLL_RETRY_MAX_MS;
}

static void south_on_polled(void *ctx, long status, const char *body, size_t size)
{
	struct south *s = ctx;
	const char *wrong = NULL;
	char text[128];

	if (status == 200) {
		json_t *answer = json_loadb(body, size, 0, NULL);

		wrong = answer ? south_take(s, answer) : "it is not JSON";
		json_decref(answer);
	} else {
		snprintf(text, sizeof(text), "%ld %.100s", status, body);
		wrong = status ? text : body;
	}
	if (wrong) {
		south_failed(s, wrong);
		return;
	}
	s->retry_ms = POLL_RETRY_MIN_MS;
	south_set_up(s, true);
	south_poll(s);
}

static void south_poll(struct south *s)
{
	// The first question after a silence is answered at once, so that it shows who serves.
	char *url = xasprintf("%s/southbound/v1/objects?since=%llu&wait=%d", south_url(s),
		(unsigned long long)s->revision, s->up ? POLL_WAIT_S : 0);

	http_channel_request(s->poll, url, NULL, POLL_TIMEOUT_MS, south_on_polled, s);
	free(url);
}

static void south_on_poll_timer(evutil_socket_t sock, short what, void *arg)
{
	south_poll(arg);
}

// -- reports

static void south_on_reported(void *ctx, long status, const char *body, size_t size)
{
	struct south *s = ctx;

	s->ops->reported(s->ctx, status == 200);
	if (status != 200)
		log_debug("report: %ld %.100s", status, body);
	timer_set(s->report_timer, status == 200 ? REPORT_DELAY_MS : REPORT_RETRY_MS);
}

// Takes the value.
static void south_post(struct south *s, struct http_channel *channel, const char *name,
	json_t *value, http_done_fn *done)
{
	char *body = json_dumps(value, JSON_COMPACT);
	char *url = xasprintf("%s/southbound/v1/%s", south_url(s), name);

	http_channel_request(channel, url, body, REPORT_TIMEOUT_MS, done, s);
	json_decref(value);
	free(body);
	free(url);
}

static void south_on_report_timer(evutil_socket_t sock, short what, void *arg)
{
	struct south *s = arg;
	json_t *report;

	if (!s->up || http_channel_busy(s->report))
		return;
	report = s->ops->report(s->ctx);
	if (report)
		south_post(s, s->report, "report", report, south_on_reported);
}

void south_report_soon(struct south *s)
{
	if (!event_pending(s->report_timer, EV_TIMEOUT, NULL))
		timer_set(s->report_timer, REPORT_DELAY_MS);
}

// -- answers

static void south_send_answers(struct south *s);

static void south_on_answered(void *ctx, long status, const char *body, size_t size)
{
	if (status != 200)
		log_debug("answers: %ld %.100s", status, body);
	south_send_answers(ctx);
}

static void south_send_answers(struct south *s)
{
	json_t *all;

	if (!json_array_size(s->answers) || http_channel_busy(s->answer))
		return;
	all = json_pack("{s:o}", "answers", s->answers);
	s->answers = json_array();
	south_post(s, s->answer, "answers", all, south_on_answered);
}

void south_answer(struct south *s, json_t *answer)
{
	json_array_append_new(s->answers, answer);
	south_send_answers(s);
}

// -- heartbeats

// After a cut the poll's connection may wait for a retransmission for as long as the cut has
// lasted, with the word in it that the slots here are somebody else's: ask anew at once.
static void south_poll_anew(struct south *s)
{
	http_channel_free(s->poll);
	s->poll = http_channel_new(s->base, s->tls);
	timer_set(s->poll_timer, 0);
}

static void south_send_beat(struct south *s);

static void south_on_beaten(void *ctx, long status, const char *body, size_t size)
{
	struct south *s = ctx;
	json_t *answer = status == 200 ? json_loadb(body, size, 0, NULL) : NULL;
	json_int_t term = json_integer_value(json_object_get(answer, "term"));
	const json_t *epochs = json_object_get(answer, "epochs");

	if (status == 200 && s->answered && s->beat - s->answered > SILENCE_MS / HEARTBEAT_MS)
		south_poll_anew(s);
	if (status == 200)
		s->answered = s->beat;
	if (json_is_object(epochs) && term >= 0 && (uint64_t)term >= s->term)
		s->ops->epochs(s->ctx, (uint64_t)term, epochs);
	if (json_is_array(json_object_get(answer, "ask")))
		s->ops->asked(s->ctx, json_object_get(answer, "ask"));
	json_decref(answer);
	if (s->beat_due)
		south_send_beat(s);
}

static void south_send_beat(struct south *s)
{
	json_t *members;
	char *body, *url;

	if (!s->up || http_channel_busy(s->heartbeat))
		return;
	s->beat_due = false;
	members = s->ops->beat(s->ctx);
	json_object_set_new(members, "beat", json_integer((json_int_t)s->beat));
	body = json_dumps(members, JSON_COMPACT);
	json_decref(members);
	url = xasprintf("%s/southbound/v1/heartbeat", south_url(s));
	http_channel_request(s->heartbeat, url, body, HEARTBEAT_LIMIT_MS, south_on_beaten, s);
	free(body);
	free(url);
}

void south_beat_soon(struct south *s)
{
	s->beat_due = true;
	south_send_beat(s);
}

static void south_on_heartbeat_timer(evutil_socket_t sock, short what, void *arg)
{
	struct south *s = arg;

	s->beat++;
	s->ops->tick(s->ctx);
	south_send_beat(s);
}
