// SPDX-License-Identifier: Apache-2.0
#pragma once

// One session with what surrounds its machine. Between peers.c (sessions and time), peers_api.c
// (the local protocol) and peer_io.c (packets). Control thread.

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bfd.h"
#include "proto.h"
#include "session.h"
#include "wheel.h"

#define BFD_KEY_SIZE offsetof(struct api_bfd, flags)

struct underlay_dest;
struct vrf;

struct bfd_peer {
	struct api_bfd api; // as set
	struct bfd_session session;
	struct wheel_entry timer;
	struct vrf *vrf;            // NULL: the underlay
	struct underlay_dest *dest; // of an underlay session
	bool awake;                 // the local address is held here
	uint16_t source_port;
	struct {
		uint8_t state, remote_state, awake;
		uint32_t detection_us;
	} told;            // to subscribers
	uint64_t since_us; // awake, or set
	uint64_t rx_packets, tx_packets, rx_dropped;
};

// peers.c
uint64_t bfd_now_us(void);
struct bfd_peer *bfd_peer_find(const struct api_bfd *key);
struct bfd_peer *bfd_peer_by_discr(uint32_t discr);
struct bfd_peer *bfd_peer_next(size_t *at); // of all, as map_next()
// API_CHANGED, API_UNCHANGED or -errno with words.
int bfd_peer_set(const struct api_bfd *o, struct api_error *ret_error);
void bfd_peer_free(struct bfd_peer *p); // says AdminDown if it was Up
// After anything that may have moved its machine: sends, tells, sets the timer.
void bfd_peer_step(struct bfd_peer *p, uint64_t now_us);

// peers_api.c
void bfd_state_tell(const struct bfd_peer *p, uint64_t now_us);

// peer_io.c
bool bfd_peer_is_local(const struct bfd_peer *p); // its address is held here now
void bfd_peer_send(struct bfd_peer *p, const struct bfd_packet *packet);
