// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes pcapng (draft-ietf-opsawg-pcapng): one section, its interfaces first, then packets.

#include <stddef.h>
#include <stdint.h>

enum { PCAPNG_ETHERNET = 1, PCAPNG_RAW_IP = 101 }; // LINKTYPE_*

// Each appends one block at out, of `room` bytes, and returns its size; 0: no room.
size_t pcapng_section(uint8_t *out, size_t room);
size_t pcapng_interface(uint8_t *out, size_t room, uint16_t link_type, const char *name);
// ns: since 1970. size: captured bytes; orig_size: of the packet. comment: NULL or text.
size_t pcapng_packet(uint8_t *out, size_t room, uint32_t interface, uint64_t ns,
	const uint8_t *bytes, uint32_t size, uint32_t orig_size, const char *comment);
