// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "export_peer.h"

int cli_read_connection(struct cli *cli, json_t **ret)
{
	struct cli_target target;
	json_error_t error;
	int rc;

	if (cli->file) {
		*ret = strcmp(cli->file, "-") != 0 ? json_load_file(cli->file, 0, &error)
						   : json_loadf(stdin, 0, &error);
		return *ret ? CLI_OK : cli_fail(CLI_FAILED, "%s: %s", cli->file, error.text);
	}
	if (!cli->argc)
		return cli_fail(CLI_USAGE, "name a connection, as GATEWAY/CONNECTION, or give -f");
	rc = cli_target_parse("networkConnection", cli->argv[0], &target);
	return rc ? rc : rest_get(cli, target.path, ret);
}

int cmd_export_peer(struct cli *cli)
{
	json_t *resource = NULL;
	char err[256], *text = NULL;
	size_t size;
	FILE *out;
	int rc;

	if (!cli->wait_for) {
		for (size_t i = 0; i < PEER_PRODUCTS; i++)
			fprintf(stderr, "%s%s", i ? "|" : "isthmus: --for ", peer_products[i]);
		return cli_fail(CLI_USAGE, " is needed");
	}
	rc = cli_read_connection(cli, &resource);
	if (rc)
		return rc;
	// All or nothing: half a configuration must not be pasted.
	out = open_memstream(&text, &size);
	rc = out ? peer_export(resource, cli->wait_for, out, err, sizeof(err)) : -1;
	if (out)
		fclose(out);
	if (rc == 0)
		fputs(text, stdout);
	else
		rc = cli_fail(CLI_FAILED, "%s", err);
	free(text);
	json_decref(resource);
	return rc;
}
