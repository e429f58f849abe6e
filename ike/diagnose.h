// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

struct api_server;

// Serves the decoded exchanges and the doctor. 0 or -errno.
int diagnose_init(struct api_server *server);
