// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <stdint.h>

// Our ESP SPIs: slot, generation, index as api/sa.h lays them out. A taken index is free again when
// given back, with the next generation, so that a late packet of a gone SA finds nothing.
// Thread safe.

void spi_pool_init(void);
// Host order; 0: the slot has 65 535 SAs, or is no slot.
uint32_t spi_pool_take(uint16_t slot);
void spi_pool_give(uint32_t spi);
// Marks one as in use that somebody else installed: what a restarted daemon finds in the forwarder.
void spi_pool_mark(uint32_t spi);
