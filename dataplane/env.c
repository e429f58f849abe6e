// SPDX-License-Identifier: Apache-2.0
#include "env.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "packet.h"
#include "rcu.h"

#define ARGS_MAX 16
#define ARG_SIZE 64

struct args {
	int len;
	char *argv[ARGS_MAX + 1];
	char text[ARGS_MAX][ARG_SIZE]; // DPDK wants to write into its arguments
};

static void add(struct args *a, const char *text)
{
	if (a->len == ARGS_MAX)
		return;
	snprintf(a->text[a->len], ARG_SIZE, "%s", text);
	a->argv[a->len] = a->text[a->len];
	a->len++;
}

static int first_core(const cpu_set_t *set)
{
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, set))
			return i;
	}
	return 0;
}

int env_init(const struct env_config *config)
{
	static struct args a;
	char text[ARG_SIZE];
	cpu_set_t allowed;
	int r;

	add(&a, config->name);
	add(&a, "--iova-mode=va");
	CPU_ZERO(&allowed);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -errno;
	snprintf(text, sizeof(text), "--lcores=0@%d", first_core(&allowed));
	add(&a, text);
	add(&a, "--no-telemetry");
	add(&a, "--log-level=warning");
	if (!config->pci)
		add(&a, "--no-pci");
	if (config->hugepages) {
		add(&a, "--in-memory");
	} else {
		add(&a, "--no-huge");
		add(&a, "--no-shconf");
		snprintf(text, sizeof(text), "-m%u", config->memory_mib);
		add(&a, text);
	}
	snprintf(text, sizeof(text), "--file-prefix=%.32s-%d", config->name, (int)getpid());
	add(&a, text);
	if (rte_eal_init(a.len, a.argv) < 0)
		return -rte_errno;
	// It has bound this thread to one core; the scheduler shall choose again.
	(void)sched_setaffinity(0, sizeof(allowed), &allowed);
	r = packet_init();
	return r < 0 ? r : rcu_init();
}

void env_fini(void)
{
	rcu_fini();
	rte_eal_cleanup();
}

bool env_hugepages_present(void)
{
	static const char *const files[] = {
		"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
		"/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages",
	};
	bool present = false;

	for (unsigned i = 0; i < 2; i++) {
		unsigned pages = 0;
		FILE *f = fopen(files[i], "re");

		if (!f)
			continue;
		if (fscanf(f, "%u", &pages) == 1 && pages)
			present = true;
		fclose(f);
	}
	return present;
}
