// SPDX-License-Identifier: GPL-3.0-or-later
// Loaded before an isthmus-ike that plays the peer in a test (LD_PRELOAD): while the file named by
// ISTHMUS_TEST_REFUSE exists, its child configurations find no traffic selector acceptable, so that
// it answers TS_UNACCEPTABLE, at a rekey too. Nothing else is changed.
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include <daemon.h>

static linked_list_t *(*original)(
	child_cfg_t *this, bool local, linked_list_t *supplied, linked_list_t *hosts, bool log);

static linked_list_t *get_or_refuse(
	child_cfg_t *this, bool local, linked_list_t *supplied, linked_list_t *hosts, bool log)
{
	const char *path = getenv("ISTHMUS_TEST_REFUSE");

	if (supplied && path && access(path, F_OK) == 0)
		return linked_list_create();
	return original(this, local, supplied, hosts, log);
}

child_cfg_t *child_cfg_create(char *name, child_cfg_create_t *data)
{
	child_cfg_t *(*create)(char *, child_cfg_create_t *) = dlsym(RTLD_NEXT, "child_cfg_create");
	child_cfg_t *cfg = create(name, data);

	original = cfg->get_traffic_selectors;
	cfg->get_traffic_selectors = (void *)get_or_refuse;
	return cfg;
}
