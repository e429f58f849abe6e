// SPDX-License-Identifier: Apache-2.0
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

#define HTTP_CONNECT_MS 2000

struct http_channel {
	struct event_base *base;
	const struct http_tls *tls;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct event *timer;
	bool busy, refresh;
	char *answer;
	size_t answer_size, answer_cap;
	char error[CURL_ERROR_SIZE];
	http_done_fn *done;
	void *ctx;
};

static void channel_check(struct http_channel *ch)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(ch->multi, &left))) {
		long status = 0;
		const char *body;
		size_t size;
		char *answer = ch->answer;

		if (msg->msg != CURLMSG_DONE)
			continue;
		if (msg->data.result == CURLE_OK)
			curl_easy_getinfo(ch->easy, CURLINFO_RESPONSE_CODE, &status);
		else if (!ch->error[0])
			strncpy(ch->error, curl_easy_strerror(msg->data.result),
				sizeof(ch->error) - 1);
		curl_multi_remove_handle(ch->multi, ch->easy);
		body = !status ? ch->error : answer ? answer : "";
		size = status ? ch->answer_size : strlen(ch->error);
		ch->busy = false;
		ch->answer = NULL;
		ch->answer_size = ch->answer_cap = 0;
		ch->done(ch->ctx, status, body, size); // may start the next request
		free(answer);
		return;
	}
}

static void channel_on_socket(evutil_socket_t sock, short what, void *arg)
{
	struct http_channel *ch = arg;
	int running, flags = 0;

	if (what & EV_READ)
		flags |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(ch->multi, sock, flags, &running);
	channel_check(ch);
}

static void channel_on_timer(evutil_socket_t sock, short what, void *arg)
{
	struct http_channel *ch = arg;
	int running;

	curl_multi_socket_action(ch->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	channel_check(ch);
}

static int channel_set_socket(CURL *easy, curl_socket_t sock, int what, void *arg, void *socket_arg)
{
	struct http_channel *ch = arg;
	struct event *event = socket_arg;
	short flags = EV_PERSIST;

	if (event)
		event_free(event);
	curl_multi_assign(ch->multi, sock, NULL);
	if (what == CURL_POLL_REMOVE)
		return 0;
	if (what & CURL_POLL_IN)
		flags |= EV_READ;
	if (what & CURL_POLL_OUT)
		flags |= EV_WRITE;
	event = event_new(ch->base, sock, flags, channel_on_socket, ch);
	event_add(event, NULL);
	curl_multi_assign(ch->multi, sock, event);
	return 0;
}

static int channel_set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_channel *ch = arg;
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	if (timeout_ms < 0)
		event_del(ch->timer);
	else
		event_add(ch->timer, &tv);
	return 0;
}

static size_t channel_on_body(char *bytes, size_t one, size_t size, void *arg)
{
	struct http_channel *ch = arg;

	if (ch->answer_size + size > HTTP_BODY_MAX)
		return 0;
	ch->answer = xgrow(ch->answer, &ch->answer_cap, ch->answer_size + size + 1, 1);
	memcpy(ch->answer + ch->answer_size, bytes, size);
	ch->answer_size += size;
	ch->answer[ch->answer_size] = '\0';
	return size;
}

// -- enrolment: only the CA's fingerprint is known

static bool cert_has_pin(const X509 *cert, const uint8_t *pin)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	return X509_digest(cert, EVP_sha256(), digest, &size) == 1 && size == HTTP_PIN_SIZE &&
	       !memcmp(digest, pin, size);
}

// Takes the pinned certificate for the only trusted one and verifies as usual.
static int channel_verify_pinned(X509_STORE_CTX *store_ctx, void *arg)
{
	struct http_channel *ch = arg;
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store_ctx);
	STACK_OF(X509) * trusted;
	int ret = 0;

	for (int i = 0; i < sk_X509_num(chain); i++) {
		if (!cert_has_pin(sk_X509_value(chain, i), ch->tls->pin))
			continue;
		trusted = sk_X509_new_null();
		sk_X509_push(trusted, sk_X509_value(chain, i));
		X509_STORE_CTX_set0_trusted_stack(store_ctx, trusted);
		ret = X509_verify_cert(store_ctx);
		sk_X509_free(trusted);
		return ret;
	}
	X509_STORE_CTX_set_error(store_ctx, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
	return 0;
}

static CURLcode channel_set_ssl(CURL *easy, void *ssl_ctx, void *arg)
{
	SSL_CTX_set_cert_verify_callback(ssl_ctx, channel_verify_pinned, arg);
	return CURLE_OK;
}

static void channel_set_tls(struct http_channel *ch)
{
	const struct http_tls *tls = ch->tls;

	curl_easy_setopt(ch->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(ch->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(ch->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(ch->easy, CURLOPT_CAPATH, NULL);
	if (tls->pin) {
		curl_easy_setopt(ch->easy, CURLOPT_CAINFO, NULL);
		curl_easy_setopt(ch->easy, CURLOPT_SSL_CTX_FUNCTION, channel_set_ssl);
		curl_easy_setopt(ch->easy, CURLOPT_SSL_CTX_DATA, ch);
		return;
	}
	curl_easy_setopt(ch->easy, CURLOPT_CAINFO, tls->ca_file);
	curl_easy_setopt(ch->easy, CURLOPT_SSLCERT, tls->cert_file);
	curl_easy_setopt(ch->easy, CURLOPT_SSLKEY, tls->key_file);
}

// -- public

struct http_channel *http_channel_new(struct event_base *base, const struct http_tls *tls)
{
	static bool started;
	struct http_channel *ch = xcalloc(1, sizeof(*ch));

	if (!started)
		curl_global_init(CURL_GLOBAL_ALL);
	started = true;
	ch->base = base;
	ch->tls = tls;
	ch->multi = curl_multi_init();
	ch->easy = curl_easy_init();
	ch->timer = evtimer_new(base, channel_on_timer, ch);
	ch->headers = curl_slist_append(NULL, "Content-Type: application/json; charset=UTF-8");
	// No "Expect: 100-continue": it would cost a round trip.
	ch->headers = curl_slist_append(ch->headers, "Expect:");
	if (!ch->multi || !ch->easy || !ch->timer || !ch->headers)
		abort();
	curl_multi_setopt(ch->multi, CURLMOPT_SOCKETFUNCTION, channel_set_socket);
	curl_multi_setopt(ch->multi, CURLMOPT_SOCKETDATA, ch);
	curl_multi_setopt(ch->multi, CURLMOPT_TIMERFUNCTION, channel_set_timer);
	curl_multi_setopt(ch->multi, CURLMOPT_TIMERDATA, ch);
	curl_multi_setopt(ch->multi, CURLMOPT_MAXCONNECTS, 1L);
	curl_easy_setopt(ch->easy, CURLOPT_ERRORBUFFER, ch->error);
	curl_easy_setopt(ch->easy, CURLOPT_WRITEFUNCTION, channel_on_body);
	curl_easy_setopt(ch->easy, CURLOPT_WRITEDATA, ch);
	curl_easy_setopt(ch->easy, CURLOPT_HTTPHEADER, ch->headers);
	curl_easy_setopt(ch->easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(ch->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(ch->easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(ch->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(ch->easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(ch->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS);
	channel_set_tls(ch);
	return ch;
}

void http_channel_free(struct http_channel *ch)
{
	if (!ch)
		return;
	http_channel_abort(ch);
	curl_easy_cleanup(ch->easy);
	curl_multi_cleanup(ch->multi);
	curl_slist_free_all(ch->headers);
	event_free(ch->timer);
	free(ch);
}

bool http_channel_busy(const struct http_channel *ch)
{
	return ch->busy;
}

int http_channel_request(struct http_channel *ch, const char *url, const char *body,
	unsigned timeout_ms, http_done_fn *done, void *ctx)
{
	if (ch->busy)
		return -EBUSY;
	ch->busy = true;
	ch->done = done;
	ch->ctx = ctx;
	ch->error[0] = '\0';
	curl_easy_setopt(ch->easy, CURLOPT_URL, url);
	curl_easy_setopt(ch->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(ch->easy, CURLOPT_FRESH_CONNECT, ch->refresh ? 1L : 0L);
	ch->refresh = false;
	if (body) {
		curl_easy_setopt(ch->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
		curl_easy_setopt(ch->easy, CURLOPT_COPYPOSTFIELDS, body);
	} else {
		curl_easy_setopt(ch->easy, CURLOPT_HTTPGET, 1L);
	}
	if (curl_multi_add_handle(ch->multi, ch->easy) != CURLM_OK)
		abort();
	return 0;
}

void http_channel_abort(struct http_channel *ch)
{
	if (!ch->busy)
		return;
	curl_multi_remove_handle(ch->multi, ch->easy);
	ch->busy = false;
	free(ch->answer);
	ch->answer = NULL;
	ch->answer_size = ch->answer_cap = 0;
}

void http_channel_refresh(struct http_channel *ch)
{
	ch->refresh = true;
}
