// SPDX-License-Identifier: GPL-3.0-or-later
#include "abi.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <config.h>

#include "log.h"

#define STATUS_FILE "/var/lib/dpkg/status"

const char *abi_version(void)
{
	return "isthmus-ike " PROJECT_VERSION ", libcharon " PACKAGE_VERSION
	       " (headers of " STRONGSWAN_HEADERS ")";
}

// The installed version of a package, from dpkg's own list. libcharon.so itself holds none.
static bool package_version(const char *package, char *version, size_t size)
{
	FILE *f = fopen(STATUS_FILE, "r");
	char line[1024];
	bool here = false, found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "Package: ", 9))
			here = !strcmp(line + 9, package);
		else if (here && !strncmp(line, "Version: ", 9))
			found = snprintf(version, size, "%s", line + 9) > 0;
	}
	if (f)
		fclose(f);
	return found;
}

int abi_check(void)
{
	char version[128];
	size_t n = strlen(PACKAGE_VERSION);

	if (!package_version("strongswan-libcharon", version, sizeof(version))) {
		log_error("cannot tell the version of strongswan-libcharon: it must be %s",
			PACKAGE_VERSION);
		return -ENOEXEC;
	}
	if (strncmp(version, PACKAGE_VERSION, n) || version[n] != '-') {
		log_error("strongswan-libcharon %s is installed, this is built for %s: rebuild",
			version, PACKAGE_VERSION);
		return -ENOEXEC;
	}
	return 0;
}
