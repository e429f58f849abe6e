// SPDX-License-Identifier: Apache-2.0
#include "env.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
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

int env_init(const struct env_config *config)
{
	static struct args a;
	char text[ARG_SIZE];
	int r;

	add(&a, config->name);
	add(&a, "--iova-mode=va");
	add(&a, "--lcores=0");
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
