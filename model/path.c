// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// The next segment of a URL path, percent-decoded. 1: there was one; 0: the end; -EINVAL.
static int next_segment(const char **at, char *buf, size_t size)
{
	const char *p = *at;
	size_t n = 0;

	while (*p == '/')
		p++;
	if (!*p)
		return 0;
	for (; *p && *p != '/'; p++) {
		char c = *p;

		if (c == '%') {
			static const char digits[] = "0123456789abcdef";
			const char *hi = p[1] ? strchr(digits, tolower((unsigned char)p[1])) : NULL;
			const char *lo =
				hi && p[2] ? strchr(digits, tolower((unsigned char)p[2])) : NULL;

			if (!lo)
				return -EINVAL;
			c = (char)((hi - digits) << 4 | (lo - digits));
			p += 2;
		}
		if ((unsigned char)c < 0x20 || c == 0x7f || c == '/' || n + 1 >= size)
			return -EINVAL;
		buf[n++] = c;
	}
	buf[n] = '\0';
	*at = p;
	return 1;
}

static bool is_version(const char *s)
{
	if (tolower((unsigned char)*s++) != 'v' || !isdigit((unsigned char)*s))
		return false;
	return strspn(s, "0123456789.") == strlen(s);
}

// Skips "https://host", "/networking" and "/v1" when present.
static const char *skip_prefix(const char *text)
{
	const char *scheme = strstr(text, "://"), *next;
	char word[MODEL_ID_SIZE];

	if (scheme && scheme < strchr(text, '/')) {
		text = strchr(scheme + 3, '/');
		if (!text)
			return "";
	}
	next = text;
	if (next_segment(&next, word, sizeof(word)) == 1 && !strcasecmp(word, "networking"))
		text = next;
	next = text;
	if (next_segment(&next, word, sizeof(word)) == 1 && is_version(word))
		text = next;
	return text;
}

int model_path_parse(const char *text, struct model_path *ret_path)
{
	struct model_path path = {.is_collection = true};
	char word[MODEL_ID_SIZE];
	int rc;

	text = skip_prefix(text);
	while ((rc = next_segment(&text, word, sizeof(word))) == 1) {
		if (path.is_collection && path.type && path.depth < MODEL_DEPTH) {
			memcpy(path.id[path.depth++], word, sizeof(word));
			path.is_collection = false;
			continue;
		}
		path.type = model_type_child(path.type, word);
		if (!path.type)
			return -EINVAL;
		path.is_collection = true;
	}
	if (rc < 0 || !path.type)
		return -EINVAL;
	*ret_path = path;
	return 0;
}

static size_t type_depth(const struct model_type *type)
{
	size_t n = 0;

	for (; type; type = type->parent)
		n++;
	return n;
}

const char *model_path_format(const struct model_path *path, char *buf)
{
	const struct model_type *chain[MODEL_DEPTH] = {0};
	size_t n = type_depth(path->type), at = 0;

	for (const struct model_type *t = path->type; t && n; t = t->parent)
		chain[--n] = t;
	buf[0] = '\0';
	for (size_t i = 0; i < MODEL_DEPTH && chain[i] && at < MODEL_PATH_SIZE; i++) {
		const char *slash = i < path->depth ? "/" : "";

		at += (size_t)snprintf(buf + at, MODEL_PATH_SIZE - at, "/%s%s%s",
			chain[i]->ref_name, slash, i < path->depth ? path->id[i] : "");
	}
	return buf;
}

const char *model_path_key(const struct model_path *path, char *buf)
{
	model_path_format(path, buf);
	for (char *p = buf; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return buf;
}

const char *model_ref_key(const char *ref, char *buf)
{
	struct model_path path;

	if (model_path_parse(ref, &path) < 0 || path.is_collection)
		return NULL;
	return model_path_key(&path, buf);
}

struct model_path model_path_parent(const struct model_path *path)
{
	struct model_path up = *path;

	up.type = path->type->parent;
	up.depth = type_depth(up.type);
	up.is_collection = false;
	return up;
}

struct model_path model_path_child(
	const struct model_path *path, const struct model_type *type, const char *id)
{
	struct model_path down = *path;

	down.type = type;
	down.is_collection = !id;
	if (id && down.depth < MODEL_DEPTH)
		snprintf(down.id[down.depth++], MODEL_ID_SIZE, "%s", id);
	return down;
}
