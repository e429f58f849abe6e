// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// SPIs name the slot: the last 16 bits (bytes 6 and 7 on the wire) of our IKE SPIs, the top 12 bits
// of our ESP SPIs. libcharon's SPI callback is not told for whom it draws, so the manager's entry
// points that create IKE_SAs are wrapped: they leave the slot with the thread, the callback reads
// it.

#include <library.h>
#include <networking/host.h>

// Wraps charon->ike_sa_manager and installs the callback; after charon->initialize().
void spi_init(void);
// For code that creates an IKE_SA itself (initiation) on this thread; 0 ends it.
void spi_set_thread_slot(uint16_t slot);
uint16_t spi_slot(uint64_t spi); // as libcharon keeps it: network order in a uint64_t
// The slot a datagram of ours belongs to: of our SPI in it, else by the addresses.
uint16_t spi_slot_of_datagram(chunk_t data, uint16_t src_port, host_t *local, host_t *remote);
