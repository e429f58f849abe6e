// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shorthand of the field tables, for the files that hold them.

#include "nouns.h"

#define AT(noun, member) .offset = offsetof(struct noun, member)
#define LEN(a)           (sizeof(a) / sizeof((a)[0]))

// The table of one noun from its array of fields.
#define TABLE(fields_, noun)                                                          \
	{                                                                             \
		.fields = (fields_), .len = LEN(fields_), .size = sizeof(struct noun) \
	}

// Said in many tables.
extern const char *const model_allocation_names[]; // enum model_allocation
extern const char *const model_ip_version_names[]; // "IPv4", "IPv6"
extern const struct model_table model_management_table;
extern const struct model_table model_bfd_table;
