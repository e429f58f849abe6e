// SPDX-License-Identifier: Apache-2.0
//
// isthmus: the command for people. `get`, `describe`, `apply`, `delete` and `wait` talk to the
// controller's REST API and know the resources only through the model's tables; `gw` talks to the
// daemons of this host over their sockets.
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "gw.h"
#include "xmalloc.h"

const struct cli_command cli_commands[] = {
	{"get", "KIND [NAME]", "show resources, one a line", cmd_get, 1, 2},
	{"describe", "KIND [NAME]", "show resources, all members", cmd_describe, 1, 2},
	{"apply", "-f FILE", "create or change the resources in FILE (JSON)", cmd_apply, 0, 0},
	{"delete", "KIND NAME", "delete one resource", cmd_delete, 1, 2},
	{"wait", "KIND NAME [--for=MEMBER=VALUE|delete]", "wait until a resource is so", cmd_wait,
		1, 2},
	{"doctor", "GATEWAY/CONNECTION [--peer-config=FILE]",
		"say why an IPsec connection is not up", cmd_doctor, 0, 1},
	{"export-peer", "GATEWAY/CONNECTION --for PRODUCT",
		"print what the far end of an IPsec connection needs", cmd_export_peer, 0, 1},
	{"bgp", "routes GATEWAY[/ROUTER[/PEER]] [--view=VIEW]",
		"show the routes of BGP peers, and why each is used or not", cmd_bgp, 2, 2},
	{"drain", "GATEWAY", "give a gateway's slots to others, and no more to it", cmd_drain, 1,
		1},
	{"undrain", "GATEWAY", "let a drained gateway take slots again", cmd_undrain, 1, 1},
	{"failover", "GATEWAY", "move a gateway's slots away; it comes back as redundant",
		cmd_failover, 1, 1},
	{"rebalance", "[POOL] --dry-run|--apply", "even out the load of a pool's active gateways",
		cmd_rebalance, 0, 1},
	{"gw", "SUBJECT", "look into this gateway's daemons", cmd_gw, 1, 2},
	{"completion", "bash", "print a script for the shell", cmd_completion, 1, 1},
};
const size_t cli_command_len = sizeof(cli_commands) / sizeof(*cli_commands);

static const struct option options[] = {
	{"server", required_argument, NULL, 's'},
	{"cert", required_argument, NULL, 'C'},
	{"key", required_argument, NULL, 'K'},
	{"cacert", required_argument, NULL, 'A'},
	{"insecure", no_argument, NULL, 'k'},
	{"socket", required_argument, NULL, 'S'},
	{"output", required_argument, NULL, 'o'},
	{"file", required_argument, NULL, 'f'},
	{"for", required_argument, NULL, 'F'},
	{"timeout", required_argument, NULL, 't'},
	{"wait", no_argument, NULL, 'w'},
	{"peer-config", required_argument, NULL, 'P'},
	{"view", required_argument, NULL, 'W'},
	{"vrf", required_argument, NULL, 'v'},
	{"count", required_argument, NULL, 'n'},
	{"connection", required_argument, NULL, 'c'},
	{"rate", required_argument, NULL, 'r'},
	{"size", required_argument, NULL, 'z'},
	{"decrypt", no_argument, NULL, 'D'},
	{"dry-run", no_argument, NULL, 'd'},
	{"apply", no_argument, NULL, 'a'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static const char options_help[] =
	"Options:\n"
	"  -o, --output json|table  form of the output (default table)\n"
	"  -s, --server URL         controller; else ISTHMUS_SERVER\n"
	"      --cert, --key FILE   who asks; else ISTHMUS_CERT, ISTHMUS_KEY\n"
	"      --cacert FILE        whom to trust; else ISTHMUS_CACERT\n"
	"  -k, --insecure           trust anybody\n"
	"  -f, --file FILE          for apply; - is standard input\n"
	"  -w, --wait               apply, delete: wait until it is done\n"
	"      --for=CONDITION      wait: MEMBER=VALUE of the properties, or delete;\n"
	"                           export-peer: strongswan, libreswan, cisco-ios,\n"
	"                           juniper, fortios, vyos, mikrotik, windows-rras, azure\n"
	"      --dry-run, --apply   rebalance: only say what would move; move it\n"
	"      --peer-config FILE   doctor: compare with this swanctl.conf of the far end\n"
	"      --view VIEW          bgp routes: received, rejected, advertised or best\n"
	"  -t, --timeout SECONDS    of waiting (default 60)\n"
	"      --socket PATH        gw: another daemon's socket\n"
	"      --vrf N, --count N   gw: one tenant; trace, capture: how many packets\n"
	"      --connection N       gw capture: one connection\n"
	"      --rate N, --size N   gw capture: at most, packets a second, bytes\n"
	"      --decrypt            gw capture: in clear, for root; the journal notes it\n"
	"  -h, --help, --version\n"
	"\n"
	"~/.config/isthmus/config (or ISTHMUS_CONFIG) may say server, cert, key, cacert:\n"
	"a 'word value' a line.\n\nExit: 0 done, 1 refused, 2 usage, 3 not found, 4 timed out.\n";

int cli_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("isthmus: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

void cli_print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	fputc('\n', stdout);
}

// -- help

static void help_all(void)
{
	printf("Usage: isthmus COMMAND [ARGUMENT...] [OPTION...]\n\nCommands:\n");
	for (size_t i = 0; i < cli_command_len; i++)
		printf("  %-12s %s\n", cli_commands[i].name, cli_commands[i].help);
	printf("\n%s", options_help);
}

static void help_kinds(void)
{
	printf("\nKinds (singular, plural or short; children are named PARENT/CHILD):\n");
	for (const struct model_type *const *t = model_types; *t; t++)
		printf("  %-28s %-8s %s%s%s\n", (*t)->noun, (*t)->short_name,
			(*t)->parent ? "in a " : "", (*t)->parent ? (*t)->parent->noun : "", "");
	printf("  %-28s %-8s what hosts need to know\n", "hostroutes", "");
	printf("  %-28s %-8s what moves between gateways, and where\n", "slots", "");
	printf("  %-28s %-8s by its id\n", "operation", "");
}

static void help_gw(void)
{
	printf("\nSubjects:\n");
	for (size_t i = 0; i < gw_subject_len; i++)
		printf("  %-12s %s\n", gw_subjects[i].name, gw_subjects[i].help);
	printf("  %-12s CONNECTION-ID: why its IPsec tunnel is not up (by isthmus-ike)\n",
		"doctor");
	printf("  %-12s FILE: packets in pcapng, inner and outer (--vrf, --connection,\n"
	       "  %-12s --count, --rate, --size, --timeout); - is standard output;\n"
	       "  %-12s of IPsec in clear only with --connection and --decrypt\n",
		"capture", "", "");
	printf("  %-12s follow packets through the graph (--count, --vrf, --timeout)\n", "trace");
}

static void help_command(const struct cli_command *c)
{
	printf("Usage: isthmus %s %s [OPTION...]\n%s.\n", c->name, c->args, c->help);
	if (c->run == cmd_gw)
		help_gw();
	else if (strstr(c->args, "KIND"))
		help_kinds();
	printf("\n%s", options_help);
}

// -- configuration: flags, then environment, then file

// value is borrowed, for good.
static void take(const char **member, const char *value)
{
	if (!*member)
		*member = value;
}

static void read_file(struct cli *cli)
{
	const char *named = getenv("ISTHMUS_CONFIG"), *home = getenv("HOME");
	char *path =
		named ? xstrdup(named) : xasprintf("%s/.config/isthmus/config", home ? home : "");
	FILE *f = fopen(path, "re");
	char line[1024], word[16], value[1000];

	free(path);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%15s %999s", word, value) != 2)
			continue;
		if (!strcmp(word, "server"))
			take(&cli->server, xstrdup(value));
		else if (!strcmp(word, "cert"))
			take(&cli->cert, xstrdup(value));
		else if (!strcmp(word, "key"))
			take(&cli->key, xstrdup(value));
		else if (!strcmp(word, "cacert"))
			take(&cli->cacert, xstrdup(value));
	}
	if (f)
		fclose(f);
}

static void read_environment(struct cli *cli)
{
	take(&cli->server, getenv("ISTHMUS_SERVER"));
	take(&cli->cert, getenv("ISTHMUS_CERT"));
	take(&cli->key, getenv("ISTHMUS_KEY"));
	take(&cli->cacert, getenv("ISTHMUS_CACERT"));
	take(&cli->socket, getenv("ISTHMUS_SOCKET"));
}

// 0, or an exit code. help: asked for.
static int read_option(struct cli *cli, int option, bool *help)
{
	switch (option) {
	case 's': cli->server = optarg; return 0;
	case 'C': cli->cert = optarg; return 0;
	case 'K': cli->key = optarg; return 0;
	case 'A': cli->cacert = optarg; return 0;
	case 'k': cli->insecure = true; return 0;
	case 'S': cli->socket = optarg; return 0;
	case 'f': cli->file = optarg; return 0;
	case 'F': cli->wait_for = optarg; return 0;
	case 't': cli->timeout_s = strtod(optarg, NULL); return 0;
	case 'w': cli->wait = true; return 0;
	case 'd': cli->dry_run = true; return 0;
	case 'a': cli->apply = true; return 0;
	case 'P': cli->peer_config = optarg; return 0;
	case 'W': cli->view = optarg; return 0;
	case 'v': cli->vrf = optarg; return 0;
	case 'n': cli->count = strtol(optarg, NULL, 10); return 0;
	case 'c': cli->conn = strtol(optarg, NULL, 10); return 0;
	case 'D': cli->decrypt = true; return 0;
	case 'r': cli->rate = strtol(optarg, NULL, 10); return 0;
	case 'z': cli->size = strtol(optarg, NULL, 10); return 0;
	case 'h': *help = true; return 0;
	case 'o':
		if (strcmp(optarg, "json") != 0 && strcmp(optarg, "table") != 0)
			return cli_fail(CLI_USAGE, "-o json or -o table");
		cli->output = !strcmp(optarg, "json") ? CLI_JSON : CLI_TABLE;
		return 0;
	case 'V': printf("isthmus " ISTHMUS_VERSION "\n"); exit(CLI_OK);
	default: return CLI_USAGE;
	}
}

static const struct cli_command *find_command(const char *name)
{
	for (size_t i = 0; i < cli_command_len; i++) {
		if (!strcmp(cli_commands[i].name, name))
			return &cli_commands[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct cli cli = {.timeout_s = 60,
		.count = 10,
		.rate = 1000,
		.size = 100 << 20}; // owns what the file said
	const struct cli_command *c;
	bool help = false;
	int option, ret;

	while ((option = getopt_long(argc, argv, "s:o:f:t:wkh", options, NULL)) != -1) {
		ret = read_option(&cli, option, &help);
		if (ret)
			return ret;
	}
	if (optind == argc) {
		if (help)
			help_all();
		else
			cli_fail(CLI_USAGE, "a command is needed; 'isthmus --help' lists them");
		return help ? CLI_OK : CLI_USAGE;
	}
	c = find_command(argv[optind]);
	if (!c)
		return cli_fail(
			CLI_USAGE, "'%s' is no command; 'isthmus --help' lists them", argv[optind]);
	if (help) {
		help_command(c);
		return CLI_OK;
	}
	cli.argc = argc - optind - 1;
	cli.argv = argv + optind + 1;
	if (cli.argc < c->min_args || cli.argc > c->max_args)
		return cli_fail(CLI_USAGE, "usage: isthmus %s %s", c->name, c->args);
	read_environment(&cli);
	read_file(&cli);
	ret = c->run(&cli);
	return fflush(stdout) == 0 ? ret : CLI_FAILED;
}
