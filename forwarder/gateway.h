// SPDX-License-Identifier: Apache-2.0
#pragma once

// All tables of the forwarder and their handlers: the visible list of its features.

#include <stdint.h>

struct api_server;
struct event_base;

// Control thread, after rcu_init() and control_init(). conns_size: connections that workers can
// count. base may be NULL (tests): no TUN is read.
// 0 or -errno.
int gateway_init(struct event_base *base, uint32_t conns_size);
void gateway_fini(void); // no worker may run
int gateway_serve(struct api_server *s);
void gateway_tick(uint64_t now_ms); // about every 100 ms, monotonic
