// SPDX-License-Identifier: GPL-3.0-or-later
// Loaded before an isthmus-ike that plays the peer in a test (LD_PRELOAD): while the file named by
// ISTHMUS_TEST_REFUSE begins with '1', its child configurations find no traffic selector
// acceptable, so that it answers TS_UNACCEPTABLE, at a rekey too. Nothing else is changed. The file
// is mapped at the start: later the process may open none.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <daemon.h>

static const volatile char *refuse; // NULL: never

static linked_list_t *(*original)(
	child_cfg_t *this, bool local, linked_list_t *supplied, linked_list_t *hosts, bool log);

static linked_list_t *get_or_refuse(
	child_cfg_t *this, bool local, linked_list_t *supplied, linked_list_t *hosts, bool log)
{
	if (supplied && refuse && *refuse == '1')
		return linked_list_create();
	return original(this, local, supplied, hosts, log);
}

bool library_init(char *settings, const char *namespace)
{
	bool (*init)(char *, const char *) = dlsym(RTLD_NEXT, "library_init");
	const char *path = getenv("ISTHMUS_TEST_REFUSE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		void *at = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

		refuse = at == MAP_FAILED ? NULL : at;
		close(fd);
	}
	return init(settings, namespace);
}

child_cfg_t *child_cfg_create(char *name, child_cfg_create_t *data)
{
	child_cfg_t *(*create)(char *, child_cfg_create_t *) = dlsym(RTLD_NEXT, "child_cfg_create");
	child_cfg_t *cfg = create(name, data);

	original = cfg->get_traffic_selectors;
	cfg->get_traffic_selectors = (void *)get_or_refuse;
	return cfg;
}
