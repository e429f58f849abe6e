// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <kernel/kernel_net.h>

// The plugin feature "kernel-net" of this daemon: no network of its own.
kernel_net_t *gateway_net_create(void);
