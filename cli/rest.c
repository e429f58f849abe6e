// SPDX-License-Identifier: Apache-2.0
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "xmalloc.h"

#define REST_BODY_MAX (1u << 30)

struct rest_buffer {
	char *bytes;
	size_t size, cap;
};

static size_t on_body(char *bytes, size_t one, size_t size, void *arg)
{
	struct rest_buffer *b = arg;

	if (b->size + size > REST_BODY_MAX)
		return 0;
	b->bytes = xgrow(b->bytes, &b->cap, b->size + size + 1, 1);
	memcpy(b->bytes + b->size, bytes, size);
	b->size += size;
	return size;
}

static size_t on_header(char *bytes, size_t one, size_t size, void *arg)
{
	struct rest_answer *a = arg;

	if (size > 5 && !strncasecmp(bytes, "etag:", 5)) {
		const char *from = bytes + 5, *end = bytes + size;

		while (from < end && *from == ' ')
			from++;
		while (end > from && (end[-1] == '\r' || end[-1] == '\n'))
			end--;
		free(a->etag);
		a->etag = strndup(from, (size_t)(end - from));
	}
	return size;
}

// One handle for the command: the connection is kept.
static CURL *rest_handle(struct cli *cli)
{
	static CURL *curl;

	if (curl)
		return curl;
	curl_global_init(CURL_GLOBAL_ALL);
	curl = curl_easy_init();
	if (!curl)
		abort();
	curl_easy_setopt(curl, CURLOPT_CAINFO, cli->cacert);
	curl_easy_setopt(curl, CURLOPT_SSLCERT, cli->cert);
	curl_easy_setopt(curl, CURLOPT_SSLKEY, cli->key);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 120L);
	if (cli->insecure) {
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return curl;
}

int rest_request(struct cli *cli, const char *method, const char *path, const json_t *body,
	struct rest_answer *ret_answer)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL, *url;
	char error[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers;
	struct rest_buffer buffer = {0};
	CURL *curl;
	CURLcode code;

	*ret_answer = (struct rest_answer){0};
	if (!cli->server) {
		free(text);
		return cli_fail(CLI_USAGE,
			"no server: give --server URL, or set ISTHMUS_SERVER, or write it to "
			"~/.config/isthmus/config");
	}
	curl = rest_handle(cli);
	url = xasprintf("%s/networking/v1%s", cli->server, path);
	headers = curl_slist_append(NULL, "Content-Type: application/json; charset=UTF-8");
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	if (!text)
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &buffer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, ret_answer);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	code = curl_easy_perform(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret_answer->status);
	if (buffer.size)
		ret_answer->body = json_loadb(buffer.bytes, buffer.size, 0, NULL);
	free(buffer.bytes);
	curl_slist_free_all(headers);
	free(text);
	if (code != CURLE_OK)
		cli_fail(CLI_FAILED, "%s: %s", url, *error ? error : curl_easy_strerror(code));
	free(url);
	return code == CURLE_OK ? CLI_OK : CLI_FAILED;
}

void rest_answer_fini(struct rest_answer *a)
{
	json_decref(a->body);
	free(a->etag);
	*a = (struct rest_answer){0};
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(model_member(object, name));

	return text ? text : "";
}

int rest_check(const struct rest_answer *a, const char *path)
{
	const json_t *error = model_member(a->body, "error"), *details, *detail;
	size_t i;

	if (a->status < 400)
		return CLI_OK;
	if (!error)
		return cli_fail(a->status == 404 ? CLI_NOT_FOUND : CLI_FAILED, "%s: HTTP %ld", path,
			a->status);
	cli_fail(CLI_FAILED, "%s: %s: %s%s%s", path, text_of(error, "code"),
		text_of(error, "message"), *text_of(error, "target") ? " at " : "",
		text_of(error, "target"));
	details = model_member(error, "details");
	json_array_foreach ((json_t *)details, i, detail)
		cli_fail(CLI_FAILED, "  %s: %s", text_of(detail, "code"),
			text_of(detail, "message"));
	return a->status == 404 ? CLI_NOT_FOUND : CLI_FAILED;
}

int rest_get(struct cli *cli, const char *path, json_t **ret_body)
{
	struct rest_answer a;
	int ret = rest_request(cli, "GET", path, NULL, &a);

	if (!ret)
		ret = rest_check(&a, path);
	if (!ret && !a.body)
		ret = cli_fail(CLI_FAILED, "%s: the answer is no JSON", path);
	*ret_body = ret ? NULL : json_incref(a.body);
	rest_answer_fini(&a);
	return ret;
}
