// SPDX-License-Identifier: Apache-2.0
#pragma once

// The command `isthmus`: what its files share.

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "model.h"

// What a command ends with.
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,    // refused, or nobody answers
	CLI_USAGE = 2,     // the command line makes no sense
	CLI_NOT_FOUND = 3, // there is no such resource
	CLI_TIMEOUT = 4,   // what was waited for did not come
};

enum cli_output { CLI_TABLE, CLI_JSON };

struct cli {
	const char *server, *cert, *key,
		*cacert; // from flags, environment or file; NULL: not given
	bool insecure;
	const char *socket; // of `isthmus gw`
	enum cli_output output;
	const char *file;     // -f
	const char *wait_for; // --for
	double timeout_s;
	const char *peer_config; // doctor
	const char *view;        // bgp routes; NULL: not given
	const char *vrf;
	long count;
	long conn, rate, size; // gw capture
	bool wait, dry_run, apply, decrypt;
	int argc; // words that are no options
	char **argv;
};

struct cli_command {
	const char *name, *args, *help; // args: as shown after the name
	int (*run)(struct cli *cli);
	int min_args, max_args;
};

extern const struct cli_command cli_commands[];
extern const size_t cli_command_len;

int cmd_get(struct cli *cli);
int cmd_describe(struct cli *cli);
int cmd_apply(struct cli *cli);
int cmd_delete(struct cli *cli);
int cmd_wait(struct cli *cli);
int cmd_export_peer(struct cli *cli);
int cmd_doctor(struct cli *cli);
// The connection that is named, as GET shows it, or what -f holds.
int cli_read_connection(struct cli *cli, json_t **ret);
int cmd_bgp(struct cli *cli);
int cmd_drain(struct cli *cli);
int cmd_undrain(struct cli *cli);
int cmd_rebalance(struct cli *cli);
int cmd_failover(struct cli *cli);
int cmd_gw(struct cli *cli);
int cmd_completion(struct cli *cli);

// One line to stderr, "isthmus: ..."; returns code.
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_print_json(const json_t *json);

// -- rest.c

struct rest_answer {
	long status;  // HTTP's
	json_t *body; // NULL: none, or not JSON
	char *etag;   // NULL: none
};

// One request to the controller. path: "/virtualGateways/T"; body may be NULL. 0, or an exit code
// with the reason on stderr (no answer at all).
int rest_request(struct cli *cli, const char *method, const char *path, const json_t *body,
	struct rest_answer *ret_answer);
void rest_answer_fini(struct rest_answer *a);
// CLI_OK for a status below 400; else says the server's error on stderr.
int rest_check(const struct rest_answer *a, const char *path);
// GET of what must be there: its JSON, or an exit code with the reason on stderr and NULL.
int rest_get(struct cli *cli, const char *path, json_t **ret_body);

// -- names.c

// What words on the command line name: "vgw", "vgw T", "nc T/C", "vgw/T", "/virtualGateways/T".
struct cli_target {
	const struct model_type *type; // NULL: `path` is of no resource (hostRoutes, operations/ID)
	bool is_collection;
	char path[MODEL_PATH_SIZE]; // without the parents' ids when is_collection and depth > 1
};

// 0, or an exit code with the reason on stderr.
int cli_target_parse(const char *word, const char *name, struct cli_target *ret_target);
// Appends all resources of the type, under all parents, to list. 0 or an exit code.
int cli_list(struct cli *cli, const struct model_type *type, json_t *list);
// "T/C": the ids along a resourceRef.
void cli_short_name(const char *ref, char *buf, size_t size);

// -- table.c

struct table;
// Columns are as wide as their widest cell; what exceeds the terminal (80 columns) is cut, from
// the widest column on.
struct table *table_new(void);
void table_column(struct table *t, const char *heading);
void table_cut_first(struct table *t); // the last column given is cut before all others
void table_cell(struct table *t, const char *text); // row by row, left to right
void table_print(struct table *t);                  // and frees it
