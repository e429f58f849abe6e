// SPDX-License-Identifier: Apache-2.0
#include "peer_compare.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "export_peer.h"

#define DEPTH_MAX 8
#define WORD_MAX  256

// -- swanctl.conf: sections of sections and of "key = value"

enum key {
	KEY_VERSION,
	KEY_LOCAL_ADDRS,
	KEY_REMOTE_ADDRS,
	KEY_PROPOSALS,
	KEY_LOCAL_ID,
	KEY_LOCAL_AUTH,
	KEY_REMOTE_ID,
	KEY_REMOTE_AUTH,
	KEY_ESP,
	KEY_LOCAL_TS,
	KEY_REMOTE_TS,
	KEY_MODE,
	KEYS,
};

// Below a connection; a child's and a connection's own name are "*".
static const char *const ways[KEYS] = {
	[KEY_VERSION] = "version",
	[KEY_LOCAL_ADDRS] = "local_addrs",
	[KEY_REMOTE_ADDRS] = "remote_addrs",
	[KEY_PROPOSALS] = "proposals",
	[KEY_LOCAL_ID] = "local.id",
	[KEY_LOCAL_AUTH] = "local.auth",
	[KEY_REMOTE_ID] = "remote.id",
	[KEY_REMOTE_AUTH] = "remote.auth",
	[KEY_ESP] = "children.*.esp_proposals",
	[KEY_LOCAL_TS] = "children.*.local_ts",
	[KEY_REMOTE_TS] = "children.*.remote_ts",
	[KEY_MODE] = "children.*.mode",
};

struct config {
	char value[KEYS][WORD_MAX]; // "" when absent; the first one counts
	bool found;                 // a connection
};

struct parser {
	const char *at;
	char section[DEPTH_MAX][WORD_MAX];
	size_t depth;
};

static void skip_blanks(struct parser *p)
{
	while (isspace((unsigned char)*p->at) || *p->at == '#') {
		if (*p->at == '#')
			p->at += strcspn(p->at, "\n");
		else
			p->at++;
	}
}

static void read_until(struct parser *p, const char *ends, char *word)
{
	size_t size = strcspn(p->at, ends);

	snprintf(word, WORD_MAX, "%.*s", (int)(size < WORD_MAX ? size : WORD_MAX - 1), p->at);
	p->at += size;
	for (size_t n = strlen(word); n && isspace((unsigned char)word[n - 1]); n--)
		word[n - 1] = '\0';
}

static void read_value(struct parser *p, char *word)
{
	p->at += strspn(p->at, " \t");
	if (*p->at == '"') {
		p->at++;
		read_until(p, "\"\n", word);
		p->at += *p->at == '"';
	} else {
		read_until(p, "\n}#", word);
	}
}

// "local-1" is "local": strongSwan numbers rounds of authentication.
static void way_of(const struct parser *p, const char *name, char *way)
{
	way[0] = '\0';
	for (size_t i = 2; i < p->depth; i++) {
		size_t used = strlen(way);
		bool child = i == 3 && !strcmp(p->section[2], "children");

		snprintf(way + used, WORD_MAX - used, "%.*s.",
			child ? 1 : (int)strcspn(p->section[i], "-"), child ? "*" : p->section[i]);
	}
	snprintf(way + strlen(way), WORD_MAX - strlen(way), "%s", name);
}

static void take(struct config *c, const struct parser *p, const char *name, const char *value)
{
	char way[WORD_MAX];

	if (p->depth < 2 || strcmp(p->section[0], "connections") != 0)
		return;
	way_of(p, name, way);
	for (size_t i = 0; i < KEYS; i++) {
		if (!strcmp(way, ways[i]) && !*c->value[i])
			snprintf(c->value[i], WORD_MAX, "%s", value);
	}
}

static int parse(const char *text, struct config *ret)
{
	struct parser p = {.at = text};
	char word[WORD_MAX], value[WORD_MAX];
	bool ended = false; // the first connection

	*ret = (struct config){0};
	for (skip_blanks(&p); *p.at; skip_blanks(&p)) {
		if (*p.at == '}') {
			p.at++;
			if (!p.depth)
				return -1;
			p.depth--;
			ended |= ret->found && p.depth == 1;
			continue;
		}
		read_until(&p, "={}\n", word);
		p.at += strspn(p.at, " \t\n");
		if (*p.at == '{') {
			if (p.depth == DEPTH_MAX)
				return -1;
			snprintf(p.section[p.depth++], WORD_MAX, "%s", word);
			ret->found |= p.depth == 2 && !strcmp(p.section[0], "connections");
		} else if (*p.at == '=') {
			p.at++;
			read_value(&p, value);
			if (!ended)
				take(ret, &p, word, value);
			continue;
		} else {
			return -1;
		}
		p.at++;
	}
	return p.depth ? -1 : 0;
}

// -- comparing

static void add(json_t *to, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void add(json_t *to, const char *field, const char *fmt, ...)
{
	char text[4 * WORD_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(to, json_pack("{s:s,s:s}", "field", field, "verdict", text));
}

enum kind { CIPHER, INTEGRITY, GROUP, OTHER };

static enum kind kind_of(const char *word)
{
	static const struct {
		const char *start;
		enum kind kind;
	} starts[] = {{"aes", CIPHER}, {"3des", CIPHER}, {"des", CIPHER}, {"chacha", CIPHER},
		{"null", CIPHER}, {"camellia", CIPHER}, {"sha", INTEGRITY}, {"md5", INTEGRITY},
		{"modp", GROUP}, {"ecp", GROUP}, {"curve", GROUP}, {"x25519", GROUP}};

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		if (!strncasecmp(word, starts[i].start, strlen(starts[i].start)))
			return starts[i].kind;
	}
	return OTHER;
}

// The words of one kind in a proposal, and whether `word` is among them ("" asks for none).
static bool has(const char *proposal, enum kind kind, const char *word, char *all)
{
	char copy[WORD_MAX], *rest = copy, *one;
	bool found = false;

	snprintf(copy, sizeof(copy), "%s", proposal);
	all[0] = '\0';
	while ((one = strsep(&rest, "-"))) {
		if (kind_of(one) != kind)
			continue;
		snprintf(all + strlen(all), WORD_MAX - strlen(all), "%s%s", *all ? "-" : "", one);
		found |= !strcasecmp(one, word);
	}
	return *word ? found : !*all;
}

static void compare_proposals(
	json_t *to, const char *ours, const char *theirs, const char *const fields[3])
{
	char copy[WORD_MAX], *rest = copy, *one, best[WORD_MAX] = "", want[WORD_MAX], all[WORD_MAX];
	int best_score = -1;

	if (!*theirs || !strcasecmp(theirs, "default")) {
		add(to, fields[0],
			"the peer leaves its proposals to strongSwan's defaults, which "
			"change with its version: write %s",
			ours);
		return;
	}
	snprintf(copy, sizeof(copy), "%s", theirs);
	while ((one = strsep(&rest, ","))) {
		int score = 0;

		one += strspn(one, " ");
		for (enum kind k = CIPHER; k <= GROUP; k++) {
			has(ours, k, "", want);
			score += has(one, k, want, all);
		}
		if (score > best_score) {
			best_score = score;
			snprintf(best, sizeof(best), "%s", one);
		}
	}
	for (enum kind k = CIPHER; best_score < 3 && k <= GROUP; k++) {
		has(ours, k, "", want);
		if (!has(best, k, want, all))
			add(to, fields[k],
				"the peer has %s; this connection demands %s: set %s or "
				"change the peer",
				*all ? all : "none", *want ? want : "none", fields[k]);
	}
}

static const char *bare(const char *identity)
{
	return identity + (*identity == '@');
}

static void compare_text(
	json_t *to, const char *field, const char *what, const char *ours, const char *theirs)
{
	if (*theirs && strncmp(theirs, "%any", 4) != 0 && strcasecmp(bare(ours), bare(theirs)) != 0)
		add(to, field, "%s is '%s' at the peer and '%s' here: set %s or change the peer",
			what, theirs, ours, field);
}

static void compare(json_t *to, const struct config *ours, const struct config *theirs)
{
	static const char *const ike[] = {"mainMode.encryptionAlgorithm",
		"mainMode.integrityAlgorithm", "mainMode.diffieHellmanGroup"};
	static const char *const esp[] = {"quickMode.cipherTransformationConstant",
		"quickMode.authenticationTransformationConstant",
		"quickMode.perfectForwardSecrecy"};
	const char *mode = theirs->value[KEY_MODE];
	// An identity that is not written is the address.
	const char *site = *theirs->value[KEY_LOCAL_ID] ? theirs->value[KEY_LOCAL_ID]
							: theirs->value[KEY_LOCAL_ADDRS];

	if (!strcmp(theirs->value[KEY_VERSION], "1"))
		add(to, "", "the peer speaks IKEv1, which this gateway does not: version = 2");
	compare_text(to, "sourceIPAddress", "the gateway's address", ours->value[KEY_REMOTE_ADDRS],
		theirs->value[KEY_REMOTE_ADDRS]);
	if (*ours->value[KEY_LOCAL_ADDRS] != '%')
		compare_text(to, "destinationIPAddress", "the site's address",
			ours->value[KEY_LOCAL_ADDRS], theirs->value[KEY_LOCAL_ADDRS]);
	compare_proposals(to, ours->value[KEY_PROPOSALS], theirs->value[KEY_PROPOSALS], ike);
	compare_text(
		to, "isthmus.peerIdentity", "the site's identity", ours->value[KEY_LOCAL_ID], site);
	compare_text(to, "isthmus.localIdentity", "the gateway's identity",
		ours->value[KEY_REMOTE_ID], theirs->value[KEY_REMOTE_ID]);
	compare_text(to, "authenticationMethod", "how the site proves itself",
		ours->value[KEY_LOCAL_AUTH],
		*theirs->value[KEY_LOCAL_AUTH] ? theirs->value[KEY_LOCAL_AUTH] : "pubkey");
	compare_text(to, "authenticationMethod", "how the gateway is to prove itself",
		ours->value[KEY_REMOTE_AUTH],
		*theirs->value[KEY_REMOTE_AUTH] ? theirs->value[KEY_REMOTE_AUTH] : "pubkey");
	compare_proposals(to, ours->value[KEY_ESP], theirs->value[KEY_ESP], esp);
	if (*mode && strcasecmp(mode, "tunnel") != 0)
		add(to, "", "the peer's child has mode '%s'; this gateway makes tunnels", mode);
	compare_text(to, "remoteVpnTrafficSelector", "what lies at the site",
		ours->value[KEY_LOCAL_TS],
		*theirs->value[KEY_LOCAL_TS] ? theirs->value[KEY_LOCAL_TS] : "dynamic");
	compare_text(to, "localVpnTrafficSelector", "what lies behind the gateway",
		ours->value[KEY_REMOTE_TS],
		*theirs->value[KEY_REMOTE_TS] ? theirs->value[KEY_REMOTE_TS] : "dynamic");
}

json_t *peer_compare(const json_t *resource, const char *config, char *err, size_t err_size)
{
	struct config ours, theirs;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc = out ? peer_export(resource, "strongswan", out, err, err_size) : -1;
	json_t *verdicts;

	if (out)
		fclose(out);
	if (rc == 0)
		rc = parse(text, &ours);
	free(text);
	if (rc < 0)
		return NULL;
	if (parse(config, &theirs) < 0 || !theirs.found) {
		snprintf(err, err_size, "no swanctl.conf with a connection in 'connections'");
		return NULL;
	}
	verdicts = json_array();
	compare(verdicts, &ours, &theirs);
	return verdicts;
}
