// SPDX-License-Identifier: Apache-2.0
#pragma once

// Network namespaces with a name: a file that the namespace is bind-mounted on, so that it lives
// on without any process in it. Calls move the calling thread between namespaces; there is one.

#include <stdbool.h>

int netns_home(void); // the namespace of this process; a descriptor or -errno
// The namespace mounted at path. -ENOENT: none (a plain file left there counts as none).
int netns_open(const char *path);
// Makes one, mounts it at path, and leaves the thread in it. A descriptor or -errno; on failure
// the thread is back in `home`.
int netns_make(const char *path, int home);
int netns_enter(int netns);         // 0 or -errno
int netns_remove(const char *path); // unmounts and unlinks; 0 or -errno
