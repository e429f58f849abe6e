// SPDX-License-Identifier: Apache-2.0
#pragma once

// BFD (api/bfd.h) in the control thread: sessions by key and by discriminator, their timers on one
// wheel, their packets to and from workers.

#include <rte_mbuf.h>
#include <stdint.h>

struct api_server;
struct event_base;

#define BFD_PORT          3784  // RFC 5881
#define BFD_PORT_MULTIHOP 4784  // RFC 5883
#define BFD_VRF_RATE      10000 // packets a second of one VRF that a worker passes on

int bfd_init(void);
void bfd_fini(void);
int bfd_serve(struct api_server *s);
// Timers run on this base; NULL (tests): bfd_run() is called instead. 0 or -errno.
int bfd_start(struct event_base *base);
void bfd_stop(void);
// Handler of CONTROL_PUNT_BFD; data at the IP header, m->l3_len its size.
void bfd_punt(struct rte_mbuf *m);
void bfd_tick(void); // about every 100 ms: which local addresses are held here now
// Lets time pass to now_us; sends what is due.
void bfd_run(uint64_t now_us);
