// SPDX-License-Identifier: Apache-2.0
#pragma once

// Starts DPDK's environment as this project uses it: no PCI scan unless asked, addresses as
// virtual ones, private to the process, control thread on the core it already runs on.

#include <stdbool.h>

struct env_config {
	const char *name;    // of the program
	bool hugepages;      // else ordinary pages
	bool pci;            // look for PCI devices
	unsigned memory_mib; // without hugepages: all there will be
};

// Once per process, before any thread. 0 or -errno. Reserves the packet metadata and starts RCU.
int env_init(const struct env_config *config);
void env_fini(void);
bool env_hugepages_present(void); // any free 2 MiB or 1 GiB page
