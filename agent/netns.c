// SPDX-License-Identifier: Apache-2.0
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char own[] = "/proc/thread-self/ns/net";

int netns_home(void)
{
	int fd = open(own, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int netns_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return -errno;
	if (!fstatfs(fd, &fs) && fs.f_type == NSFS_MAGIC)
		return fd;
	close(fd);
	return -ENOENT;
}

int netns_enter(int netns)
{
	return setns(netns, CLONE_NEWNET) < 0 ? -errno : 0;
}

int netns_make(const char *path, int home)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444), ret = 0;

	if (fd < 0)
		return -errno;
	close(fd);
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	if (mount(own, path, "none", MS_BIND, NULL) < 0)
		ret = -errno;
	fd = ret ? -1 : open(own, O_RDONLY | O_CLOEXEC);
	if (!ret && fd < 0)
		ret = -errno;
	if (!ret)
		return fd;
	netns_enter(home);
	return ret;
}

int netns_remove(const char *path)
{
	// More than one mount may lie on it; EINVAL says that none is left.
	while (!umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW))
		;
	if (errno != EINVAL && errno != ENOENT)
		return -errno;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
