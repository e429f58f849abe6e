// SPDX-License-Identifier: Apache-2.0
#pragma once

// One request on its way through the server, for the files of this folder.

#include <event2/http.h>
#include <openssl/ssl.h>

#include "operation.h"
#include "rest.h"

#define REST_VERSION "v1" // in the URLs that we hand out

struct rest_fault {
	int status;         // HTTP
	const char *code;   // [MS-NCNBI] 3.1.5.35; static
	const char *detail; // code of the details, or NULL
	char target[96];
	char message[384];
	struct model_errors errors; // more of them, for the details
};

struct rest_request {
	struct rest *rest;
	struct evhttp_request *http;
	enum evhttp_cmd_type method;
	const char *path; // "/networking/v1/...", borrowed
	const char *query;
	const char *host;   // for URLs that we hand out
	const char *client; // name, for the log
	enum rest_role role;
	char id[RESOURCE_ETAG_SIZE]; // x-ms-request-id: also of the operation it starts
	struct model_path target;
	struct rest_fault fault;
};

struct rest_wait;      // requests that wait for a change
struct rest_diagnosis; // requests that wait for a gateway's answer

struct rest {
	struct event_base *base;
	struct rest_config config;
	const struct resource_store *resources;
	struct rest_hooks hooks;
	struct rest_list lists[8];
	size_t list_len;
	struct evhttp *http;
	struct evhttp_bound_socket *bound;
	struct guard_set *guards;
	SSL_CTX *tls;
	struct operations *operations;
	struct rest_wait *waiting;
	struct rest_diagnosis *diagnoses;
	uint16_t port;
};

// Fills the request's fault; returns -EINVAL, so that callers can return it.
int rest_fail(struct rest_request *req, int status, const char *code, const char *target,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
// A fault from what the model found.
int rest_fail_errors(struct rest_request *req, const struct model_errors *errors);

// Answers; each is called once for a request. body is taken; NULL: none.
void rest_reply(struct rest_request *req, int status, json_t *body);
void rest_reply_fault(struct rest_request *req);
void rest_header(struct rest_request *req, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
const char *rest_input_header(const struct rest_request *req, const char *name); // NULL: absent

// Methods. 0 after an answer, or negative with the fault filled.
int rest_get(struct rest_request *req);
int rest_put(struct rest_request *req);
int rest_delete(struct rest_request *req);
// Answers a PUT or DELETE that was stored. body is taken.
void rest_accepted(struct rest_request *req, const struct model_path *path, bool is_delete,
	int status, json_t *body);
// Whether this is a repetition of an answered request; then it has been answered again.
bool rest_repeat(struct rest_request *req);
// Within the open transaction: removes all at and below a path; gives all above it new ETags.
int rest_delete_tree(const struct resource_store *rs, const struct model_path *path);
int rest_touch_above(const struct resource_store *rs, const struct model_path *path);
// What is no resource of the store. -ENOENT: nothing of this name.
int rest_builtin(struct rest_request *req, const char *path);
int rest_get_statistics(struct rest_request *req, const char *rest);
void rest_waiting_look(struct rest *rest);
void rest_waiting_drop(struct rest *rest);
// A path below /networking/v1 that ends in a question, as /diagnose. -ENOENT: it does not.
int rest_diagnose(struct rest_request *req, const char *path);
void rest_diagnoses_drop(struct rest *rest);

// -- precondition.c: the table of If-Match and If-None-Match. etag NULL: the resource is absent.
int rest_precondition(struct rest_request *req, const char *etag);

// -- show.c
json_t *rest_show(const struct rest *rest, const struct resource *resource);
// Appends what is generated of a collection.
void rest_show_generated(
	const struct rest *rest, const struct model_path *collection, json_t *items);

// -- integrity.c: checks across resources, within the open transaction

// What is written: its references exist (and get their targets' spelling), it does not overlap
// with its siblings, and so on.
int rest_check_put(struct rest_request *req, struct resource *resource, const json_t *old);
// What is deleted (with all below it): nobody outside needs it.
int rest_check_delete(struct rest_request *req, const struct model_path *path);

// -- allocate.c: what the controller chooses (addresses, MACs, VSIDs), within the transaction
int rest_allocate(struct rest_request *req, struct resource *resource, const json_t *old);
json_t *rest_usage(const struct resource_store *rs, const struct resource *pool);
