// SPDX-License-Identifier: Apache-2.0
#pragma once

// What may leave while the fence is up: what the gateway sends from its own addresses on the link
// they live on. Workers.

#include <rte_mbuf.h>
#include <stdbool.h>

bool fence_pass(const struct rte_mbuf *m); // an Ethernet frame, on the port of its meta
