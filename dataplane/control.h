// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the workers to the control thread: packets that want a system call (a TUN, a socket) or
// touch what the control thread owns (neighbours). One ring for all workers, bounded.

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define CONTROL_RING_SIZE 8192 // packets

enum control_what {
	CONTROL_PUNT_TUN = 0, // to the TUN of meta.vrf
	CONTROL_PUNT_IKE,     // underlay datagram for ike
	CONTROL_PUNT_BFD,     // for a BFD session
	CONTROL_NEIGHBOUR,    // resolve or learn
	CONTROL_ICMP_ERROR,   // reserved for errors that need rate limits across workers
	CONTROL_CAPTURE,      // a copy for a capture file
	CONTROL_WHAT_COUNT,
};

const char *control_name(uint8_t what); // for people

// Owns m. Runs in the control thread.
typedef void (*control_fn)(struct rte_mbuf *m);

// Control thread. 0 or -errno.
int control_init(void);
void control_fini(void);
void control_handle(enum control_what what, control_fn fn); // NULL: such packets are freed
int control_fd(void);     // readable when control_drain() has something to do
void control_drain(void); // calls the handlers; at most CONTROL_RING_SIZE packets

// Workers: through control_push() of worker.h.
bool control_enqueue(struct rte_mbuf *m);
void control_kick(void); // once a loop, after pushes
