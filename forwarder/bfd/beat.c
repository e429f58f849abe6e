// SPDX-License-Identifier: Apache-2.0

#include "beat.h"

#include <string.h>
#include <sys/eventfd.h>

#include "worker_loop.h"

static struct {
	uint64_t loops;
	uint64_t asked_us; // first wake since it was seen to move; 0: not asked
} seen[WORKER_MAX];

void beat_init(void)
{
	memset(seen, 0, sizeof(seen));
}

bool beat_check(uint64_t now_us)
{
	struct worker_report r;
	bool alive = true;

	for (uint16_t i = 0; worker_report(i, &r); i++) {
		if (r.loops != seen[i].loops || !worker_table[i]) {
			seen[i].loops = r.loops;
			seen[i].asked_us = 0;
			continue;
		}
		if (!seen[i].asked_us)
			seen[i].asked_us = now_us;
		eventfd_write(worker_table[i]->wake_fd, 1);
		alive &= now_us - seen[i].asked_us < BEAT_LIMIT_US;
	}
	return alive;
}
