// SPDX-License-Identifier: GPL-3.0-or-later
#include "dial_window.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "map.h"
#include "xmalloc.h"

struct waiting {
	uint32_t conn;
	struct waiting *next;
};

static struct {
	pthread_mutex_t mutex;
	struct map known; // who waits
	struct waiting *first, *last;
	struct {
		uint32_t conn; // 0: free
		uint64_t since_ms;
	} place[DIAL_WINDOW];
} line = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void dial_window_add(uint32_t conn)
{
	pthread_mutex_lock(&line.mutex);
	if (!map_find(&line.known, &conn, sizeof(conn))) {
		struct waiting *w = xcalloc(1, sizeof(*w));

		w->conn = conn;
		map_set(&line.known, &w->conn, sizeof(w->conn), w);
		*(line.last ? &line.last->next : &line.first) = w;
		line.last = w;
	}
	pthread_mutex_unlock(&line.mutex);
}

static uint32_t first_out(void)
{
	struct waiting *w = line.first;
	uint32_t conn = w->conn;

	line.first = w->next;
	if (!line.first)
		line.last = NULL;
	map_del(&line.known, &conn, sizeof(conn));
	free(w);
	return conn;
}

uint32_t dial_window_take(uint64_t now_ms, uint32_t *ret_wait_ms)
{
	uint64_t oldest_ms = now_ms;
	uint32_t conn = 0;

	*ret_wait_ms = 0;
	pthread_mutex_lock(&line.mutex);
	for (size_t i = 0; line.first && !conn && i < DIAL_WINDOW; i++) {
		if (line.place[i].conn && now_ms - line.place[i].since_ms < DIAL_PLACE_MS) {
			if (line.place[i].since_ms < oldest_ms)
				oldest_ms = line.place[i].since_ms;
			continue;
		}
		conn = line.place[i].conn = first_out();
		line.place[i].since_ms = now_ms;
	}
	if (!conn && line.first)
		*ret_wait_ms = (uint32_t)(oldest_ms + DIAL_PLACE_MS - now_ms);
	pthread_mutex_unlock(&line.mutex);
	return conn;
}

void dial_window_settle(uint32_t conn)
{
	pthread_mutex_lock(&line.mutex);
	for (size_t i = 0; i < DIAL_WINDOW; i++) {
		if (line.place[i].conn == conn)
			line.place[i].conn = 0;
	}
	pthread_mutex_unlock(&line.mutex);
}

void dial_window_fini(void)
{
	pthread_mutex_lock(&line.mutex);
	while (line.first)
		first_out();
	map_fini(&line.known);
	pthread_mutex_unlock(&line.mutex);
}
