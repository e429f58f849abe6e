// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "xmalloc.h"

#define TABLE_GAP     2
#define TABLE_WIDTH   80
#define TABLE_NARROW  5 // a column is not cut below this
#define TABLE_COLUMNS 32

struct table {
	size_t column_len;
	size_t width[TABLE_COLUMNS];
	size_t cut_first; // a column; 0: none
	char **cells;
	size_t len, cap;
};

struct table *table_new(void)
{
	return xcalloc(1, sizeof(struct table));
}

void table_cell(struct table *t, const char *text)
{
	size_t *width = &t->width[t->len % t->column_len], size = strlen(text);

	if (size > *width)
		*width = size;
	t->cells = xgrow(t->cells, &t->cap, t->len + 1, sizeof(*t->cells));
	t->cells[t->len++] = xstrdup(text);
}

void table_column(struct table *t, const char *heading)
{
	if (t->column_len == TABLE_COLUMNS)
		return;
	t->column_len++;
	t->cells = xgrow(t->cells, &t->cap, t->len + 1, sizeof(*t->cells));
	t->cells[t->len++] = xstrdup(heading);
	t->width[t->column_len - 1] = strlen(heading);
}

void table_cut_first(struct table *t)
{
	t->cut_first = t->column_len - 1;
}

static size_t terminal_width(void)
{
	struct winsize w = {0};

	if (!isatty(STDOUT_FILENO))
		return TABLE_WIDTH;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || !w.ws_col ? TABLE_WIDTH : w.ws_col;
}

static bool column_is_empty(const struct table *t, size_t column)
{
	for (size_t i = t->column_len + column; i < t->len; i += t->column_len) {
		if (*t->cells[i])
			return false;
	}
	return t->len > t->column_len;
}

// The widest column beside the first, which names the row and is cut last of all.
static size_t column_to_cut(const struct table *t)
{
	size_t widest = 0;

	if (t->width[t->cut_first] > TABLE_NARROW && t->cut_first)
		return t->cut_first;
	for (size_t i = 1; i < t->column_len; i++) {
		if (t->width[i] > TABLE_NARROW && (!widest || t->width[i] > t->width[widest]))
			widest = i;
	}
	return widest;
}

static void table_fit(struct table *t)
{
	size_t limit = terminal_width(), total = 0;

	for (size_t i = 0; i < t->column_len; i++) {
		if (column_is_empty(t, i))
			t->width[i] = 0; // nothing to show: not shown
		total += t->width[i] ? t->width[i] + (i ? TABLE_GAP : 0) : 0;
	}
	while (total > limit) {
		size_t column = column_to_cut(t);

		if (t->width[column] <= TABLE_NARROW)
			break;
		t->width[column]--;
		total--;
	}
}

static void cell_print(const char *text, size_t width, bool last)
{
	size_t size = strlen(text);

	if (size > width)
		printf("%.*s~", (int)width - 1, text);
	else if (last)
		printf("%s", text);
	else
		printf("%-*s", (int)width, text);
	printf("%s", last ? "\n" : "  ");
}

void table_print(struct table *t)
{
	size_t last = t->column_len - 1;

	table_fit(t);
	while (last && !t->width[last])
		last--;
	for (size_t i = 0; i < t->len; i++) {
		size_t column = i % t->column_len;

		if (t->width[column] || !column)
			cell_print(t->cells[i], t->width[column], column == last);
		free(t->cells[i]);
	}
	free(t->cells);
	free(t);
}
