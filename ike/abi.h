// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// libcharon has no stable ABI, and its SONAME is the same in every release: what was built against
// the headers of one upstream release must run with that release only.

// "isthmus-ike 0.1.0, libcharon 5.9.8 (headers of 5.9.8-5+deb12u5)"
const char *abi_version(void);
// 0; -ENOEXEC and a logged line when the library here is of another upstream release.
int abi_check(void);
