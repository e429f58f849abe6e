// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <stdint.h>

// Bringing connections up, and down, as wanted. All of these only queue work for libcharon's
// threads and may be called from any.

void dial_now(uint32_t conn);
// Its dial has come to an end, well or badly: the next in line may begin.
void dial_settled(uint32_t conn);
// After a back-off with jitter (1 s doubling to 30 s, back to 1 s once it was up), if it is still
// wanted up then and is not.
void dial_later(uint32_t conn);
// Deletes every IKE_SA of the connection, with a DELETE to the peer.
void dial_hang_up(uint32_t conn);
