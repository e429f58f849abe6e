// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "gw.h"

static const char script_head[] =
	"# bash completion of isthmus; load with: source <(isthmus completion bash)\n"
	"_isthmus() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=\n"
	"\tcase $COMP_CWORD:$command in\n";
// Names of resources are asked from the server, quickly or not at all.
static const char script_tail[] =
	"\t3:get|3:describe|3:delete|3:wait)\n"
	"\t\twords=$(timeout 2 isthmus get \"${COMP_WORDS[2]}\" 2>/dev/null | awk 'NR>1{print "
	"$1}') ;;\n"
	"\t2:bgp) words=routes ;;\n"
	"\t3:bgp)\n"
	"\t\twords=$(timeout 2 isthmus get bgpPeer 2>/dev/null | awk 'NR>1{print $1}') ;;\n"
	"\t2:drain|2:undrain|2:failover)\n"
	"\t\twords=$(timeout 2 isthmus get gateways 2>/dev/null | awk 'NR>1{print $1}') ;;\n"
	"\tesac\n"
	"\tcase $cur in -*) words=\"--server --cert --key --cacert --insecure --output --file\n"
	"\t\t--for --timeout --wait --socket --view --vrf --count --help --version\" ;; esac\n"
	"\tcase ${COMP_WORDS[COMP_CWORD-1]} in\n"
	"\t-o|--output) words='json table' ;;\n"
	"\t--view) words='received rejected advertised best' ;;\n"
	"\t-f|--file|--cert|--key|--cacert|--socket) COMPREPLY=($(compgen -f -- \"$cur\")); return "
	";;\n"
	"\tesac\n"
	"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	"}\n"
	"complete -F _isthmus isthmus\n";

int cmd_completion(struct cli *cli)
{
	if (strcmp(cli->argv[0], "bash") != 0)
		return cli_fail(CLI_USAGE, "completion is there for bash");
	printf("%s\t1:*) words='", script_head);
	for (size_t i = 0; i < cli_command_len; i++)
		printf("%s ", cli_commands[i].name);
	printf("' ;;\n\t2:get|2:describe|2:delete|2:wait) words='");
	for (const struct model_type *const *t = model_types; *t; t++)
		printf("%s ", (*t)->noun);
	printf("hostroutes slots operation' ;;\n\t2:gw) words='");
	for (size_t i = 0; i < gw_subject_len; i++)
		printf("%s ", gw_subjects[i].name);
	printf("trace capture' ;;\n\t2:completion) words=bash ;;\n%s", script_tail);
	return CLI_OK;
}
