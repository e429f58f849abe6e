// SPDX-License-Identifier: Apache-2.0
#pragma once

// The TUN devices of VRFs: where a tenant's TCP and UDP to the gateway itself goes and comes from.
// Made by the agent, whose descriptor comes with API_TYPE_TUN. VRF 0 is the underlay: BGP with the
// provider's routers. Control thread.

#include <stdatomic.h>
#include <stdbool.h>

#include <rte_mbuf.h>

struct api_server;
struct event_base;

extern atomic_bool tun_underlay; // there is one; ctl: rw, worker: ro

int tun_init(struct event_base *base); // base NULL: nothing is read from TUNs
void tun_fini(void);
int tun_serve(struct api_server *s);
void tun_punt(struct rte_mbuf *m); // handler of CONTROL_PUNT_TUN
