// SPDX-License-Identifier: Apache-2.0
#pragma once

// ESP packets as a bench's peer sends them: AES-256-GCM with ESN.

#include <stdint.h>

#define SEAL_FRONT   16 // SPI, sequence number, IV
#define SEAL_TRAILER 4  // pad length and next header among them: what a frame's end must say

// Bytes from the SPI to the end of the ICV around an inner packet.
uint32_t seal_size(uint32_t inner_size);
// At `esp`: SPI, sequence number 0, IV, then `head` bytes of the inner packet; the rest and the ICV
// are written. What is arbitrary is chosen so that its ciphertext is `fill`.
void seal(uint8_t *esp, uint32_t inner_size, uint32_t head, const uint8_t key[36], uint8_t fill);
// The power of the hash key that the AAD of such a packet is multiplied by.
void seal_power(const uint8_t key[36], uint32_t inner_size, uint8_t ret_power[16]);
