// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

enum config_kind { CONFIG_TEXT, CONFIG_NUMBER, CONFIG_CONTROLLER };

static const struct config_word {
	const char *word;
	enum config_kind kind;
	size_t offset;
	const char *fallback; // NULL: none
} words[] = {
	{"controller", CONFIG_CONTROLLER, 0, NULL},
	{"name", CONFIG_TEXT, offsetof(struct config, name), NULL},
	{"directory", CONFIG_TEXT, offsetof(struct config, directory), "/var/lib/isthmus"},
	{"certificates", CONFIG_TEXT, offsetof(struct config, certificates), "/etc/isthmus/pki"},
	{"token-file", CONFIG_TEXT, offsetof(struct config, token_file), "/etc/isthmus/token"},
	{"forwarder", CONFIG_TEXT, offsetof(struct config, forwarder),
		"/run/isthmus/forwarder.sock"},
	{"bgp", CONFIG_TEXT, offsetof(struct config, bgp), NULL},
	{"ike", CONFIG_TEXT, offsetof(struct config, ike), NULL},
	{"socket", CONFIG_TEXT, offsetof(struct config, socket), "/run/isthmus/agent.sock"},
	{"netns-directory", CONFIG_TEXT, offsetof(struct config, netns_dir), "/run/netns"},
	{"number", CONFIG_NUMBER, offsetof(struct config, number), NULL},
};
#define WORDS (sizeof(words) / sizeof(*words))

static const struct config_word *word_find(const char *word)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (!strcmp(words[i].word, word))
			return &words[i];
	}
	return NULL;
}

static char **config_text(struct config *c, const struct config_word *w)
{
	return (char **)((char *)c + w->offset);
}

static const char *config_set(struct config *c, const struct config_word *w, const char *value)
{
	char *end;

	switch (w->kind) {
	case CONFIG_TEXT:
		free(*config_text(c, w));
		*config_text(c, w) = xstrdup(value);
		return NULL;
	case CONFIG_NUMBER:
		*(uint64_t *)((char *)c + w->offset) = strtoull(value, &end, 10);
		return *end ? "not a number" : NULL;
	case CONFIG_CONTROLLER:
		if (strncmp(value, "https://", 8))
			return "a controller is named by its https:// URL";
		if (c->controller_len == CONFIG_CONTROLLERS)
			return "too many controllers";
		c->controllers[c->controller_len++] = xstrdup(value);
		return NULL;
	}
	return NULL;
}

// NULL, or what is wrong with the line (which is cut up).
static const char *config_line(struct config *c, char *line)
{
	const struct config_word *w;
	char *word, *value;

	line[strcspn(line, "#\r\n")] = '\0';
	word = strtok_r(line, " \t", &value);
	if (!word)
		return NULL;
	w = word_find(word);
	if (!w)
		return "unknown word";
	value = strtok_r(NULL, " \t", &value);
	if (!value)
		return "its value is missing";
	return config_set(c, w, value);
}

static void config_fill(struct config *c)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (words[i].fallback && !*config_text(c, &words[i]))
			*config_text(c, &words[i]) = xstrdup(words[i].fallback);
	}
	if (!c->number)
		c->number = 1;
}

int config_read(const char *path, struct config *ret_config, char **ret_text)
{
	struct config c = {0};
	const char *wrong = NULL;
	char *line = NULL;
	size_t cap = 0;
	unsigned no = 0;
	FILE *f = fopen(path, "re");

	if (!f) {
		int error = errno;

		*ret_text = xasprintf("%s: %s", path, strerror(error));
		return -error;
	}
	while (!wrong && getline(&line, &cap, f) >= 0) {
		no++;
		wrong = config_line(&c, line);
	}
	free(line);
	fclose(f);
	if (!wrong && !c.name)
		wrong = "the gateway's name is missing";
	if (wrong) {
		*ret_text = xasprintf("%s:%u: %s", path, no, wrong);
		config_fini(&c);
		return -EINVAL;
	}
	config_fill(&c);
	*ret_config = c;
	return 0;
}

void config_fini(struct config *c)
{
	for (size_t i = 0; i < c->controller_len; i++)
		free(c->controllers[i]);
	for (size_t i = 0; i < WORDS; i++) {
		if (words[i].kind == CONFIG_TEXT)
			free(*config_text(c, &words[i]));
	}
	*c = (struct config){0};
}
