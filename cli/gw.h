// SPDX-License-Identifier: Apache-2.0
#pragma once

// `isthmus gw`: what a daemon of this host holds. Each subject is a table of fields of its struct;
// rows and JSON come from it.

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum gw_kind {
	GW_U8,
	GW_U16,
	GW_U32,
	GW_U64,
	GW_SPI, // u32 in hex
	GW_BOOL,
	GW_TEXT,   // char[]
	GW_IP,     // struct ip_addr; IP_NONE is null
	GW_PREFIX, // struct ip_prefix
	GW_MAC,
	GW_WORD,   // u8, index into `words`
	GW_CUSTOM, // `custom` makes the value
};

struct gw_field {
	const char *name;    // in JSON
	const char *heading; // in the table; NULL: not there
	enum gw_kind kind;
	size_t offset;
	const char *const *words;
	size_t word_len;
	json_t *(*custom)(const void *object);
};

struct gw_subject {
	const char *name, *help;
	uint16_t type; // enum api_type
	size_t size;   // of the struct
	const struct gw_field *fields;
	size_t field_len;
	const char *socket;                               // default one
	int (*keep)(const void *object, const char *vrf); // NULL: all; vrf: --vrf's text or NULL
};

struct cli;
struct api_sync;
// gw doctor CONNECTION-ID over a connection to isthmus-ike: an exit code.
int gw_doctor(struct cli *cli, struct api_sync *s);

// gw capture FILE over a connection to the forwarder: an exit code.
int gw_capture(struct cli *cli, struct api_sync *s);

extern const struct gw_subject gw_subjects[];
extern const size_t gw_subject_len;
