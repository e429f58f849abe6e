// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writing pcapng (draft-ietf-opsawg-pcapng): one section, little-endian, times in nanoseconds.

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PCAPNG_ETHERNET 1   // LINKTYPE_ETHERNET
#define PCAPNG_RAW      101 // LINKTYPE_RAW: an IP packet

enum pcapng_direction { PCAPNG_UNKNOWN = 0, PCAPNG_IN = 1, PCAPNG_OUT = 2 };

struct pcapng_packet {
	uint32_t interface; // in the order of pcapng_interface()
	enum pcapng_direction direction;
	uint64_t time_ns; // since 1970
	const void *bytes;
	uint32_t kept, size; // bytes there, and of the whole packet
	const char *comment; // NULL: none
};

// 0 or -errno of the stream.
int pcapng_start(FILE *f, const char *application);
int pcapng_interface(FILE *f, uint16_t link_type, const char *name, uint32_t snap);
int pcapng_packet(FILE *f, const struct pcapng_packet *p);
