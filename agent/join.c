// SPDX-License-Identifier: Apache-2.0
#include "join.h"

#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "xmalloc.h"

#define JOIN_RETRY_MS   1000
#define JOIN_TIMEOUT_MS 10000
#define JOIN_LOOK_MS    60000 // the clock may be set; look again at least this often

static void join_on_timer(evutil_socket_t sock, short what, void *arg);

static void join_later(struct join *j, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(j->timer, &tv);
}

static void join_failed(struct join *j, const char *why)
{
	if (!j->told)
		log_warning("%s a certificate: %s", j->end ? "renewing" : "asking for", why);
	j->told = 1;
	pki_request_fini(&j->request);
	http_channel_free(j->channel);
	j->channel = NULL;
	j->url_no = (j->url_no + 1) % j->config->controller_len;
	join_later(j, JOIN_RETRY_MS);
}

// Sleeps until two thirds of the certificate's life.
static void join_wait(struct join *j)
{
	int64_t due_ms = (j->begin + (j->end - j->begin) * 2 / 3 - (int64_t)time(NULL)) * 1000;

	if (due_ms < JOIN_RETRY_MS)
		due_ms = JOIN_RETRY_MS;
	join_later(j, due_ms < JOIN_LOOK_MS ? due_ms : JOIN_LOOK_MS);
}

static int join_save(struct join *j, const char *certificate, const char *ca)
{
	int ret = pki_fits(&j->request, certificate);

	if (!ret)
		ret = pki_write(j->tls->ca_file, ca, NULL);
	if (!ret)
		ret = pki_write(j->tls->cert_file, certificate, j->request.key);
	if (!ret)
		ret = pki_times(j->tls->cert_file, &j->begin, &j->end);
	return ret;
}

static void join_on_answer(void *ctx, long status, const char *body, size_t size)
{
	struct join *j = ctx;
	int renewed = j->end != 0, ret;
	json_t *answer = status == 200 ? json_loadb(body, size, 0, NULL) : NULL;
	const char *certificate = json_string_value(json_object_get(answer, "certificate"));
	const char *ca = json_string_value(json_object_get(answer, "ca"));
	char text[160];

	if (!certificate || !ca) {
		snprintf(text, sizeof(text), "%ld %.120s", status, body);
		json_decref(answer);
		join_failed(j, text);
		return;
	}
	ret = join_save(j, certificate, ca);
	json_decref(answer);
	if (ret < 0) {
		join_failed(j, strerror(-ret));
		return;
	}
	if (!renewed)
		unlink(j->config->token_file); // it is used up
	log_info("%s a certificate", renewed ? "renewed" : "got");
	j->told = 0;
	pki_request_fini(&j->request);
	http_channel_free(j->channel);
	j->channel = NULL;
	join_wait(j);
	j->ready(j->ctx, renewed);
}

// "secret:fingerprint"; the secret is left in line. 0 or -errno.
static int token_read(const char *path, char *line, size_t size, uint8_t pin[HTTP_PIN_SIZE])
{
	FILE *f = fopen(path, "re");
	char *hex = NULL;
	int ret = -EINVAL;

	if (!f)
		return -errno;
	if (fgets(line, (int)size, f)) {
		line[strcspn(line, "\r\n ")] = '\0';
		hex = strrchr(line, ':');
	}
	fclose(f);
	if (!hex || strlen(hex + 1) != HTTP_PIN_SIZE * 2)
		return ret;
	*hex++ = '\0';
	ret = 0;
	for (size_t i = 0; i < HTTP_PIN_SIZE; i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			ret = -EINVAL;
		pin[i] = (uint8_t)byte;
	}
	return ret;
}

// Takes body.
static void join_ask(struct join *j, const char *what, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);
	char *url = xasprintf("%s/southbound/v1/%s", j->config->controllers[j->url_no], what);

	json_decref(body);
	http_channel_request(j->channel, url, text, JOIN_TIMEOUT_MS, join_on_answer, j);
	free(text);
	free(url);
}

static void join_enrol(struct join *j)
{
	char secret[256];
	int ret = token_read(j->config->token_file, secret, sizeof(secret), j->pin);

	if (!ret)
		ret = pki_request_make(j->config->name, &j->request);
	if (ret < 0) {
		char *text =
			xasprintf("the token in %s: %s", j->config->token_file, strerror(-ret));

		join_failed(j, text);
		free(text);
		return;
	}
	j->enrol_tls = (struct http_tls){.pin = j->pin};
	j->channel = http_channel_new(j->base, &j->enrol_tls);
	join_ask(j, "enrol",
		json_pack("{s:s,s:s,s:s}", "token", secret, "gateway", j->config->name, "csr",
			j->request.csr));
}

static void join_renew(struct join *j)
{
	if (pki_request_make(j->config->name, &j->request) < 0) {
		join_failed(j, "no key can be made");
		return;
	}
	j->channel = http_channel_new(j->base, j->tls);
	join_ask(j, "renew", json_pack("{s:s}", "csr", j->request.csr));
}

static void join_on_timer(evutil_socket_t sock, short what, void *arg)
{
	struct join *j = arg;

	if (j->channel)
		return;
	if (!j->end)
		join_enrol(j);
	else if ((int64_t)time(NULL) >= j->begin + (j->end - j->begin) * 2 / 3)
		join_renew(j);
	else
		join_wait(j);
}

void join_init(struct join *j, struct event_base *base, const struct config *config,
	const struct http_tls *tls, void (*ready)(void *ctx, int renewed), void *ctx)
{
	*j = (struct join){.config = config, .tls = tls, .base = base, .ready = ready, .ctx = ctx};
	j->timer = evtimer_new(base, join_on_timer, j);
	if (!j->timer)
		abort();
	if (pki_times(tls->cert_file, &j->begin, &j->end) < 0) {
		join_later(j, 0);
		return;
	}
	join_wait(j);
	ready(ctx, 0);
}

void join_fini(struct join *j)
{
	http_channel_free(j->channel);
	pki_request_fini(&j->request);
	if (j->timer)
		event_free(j->timer);
}
