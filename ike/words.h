// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// IANA numbers in the words of the API (docs/api-reference.md), for people.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike.h"

#define WORD_SIZE 32

// All return text. is_ike: mainMode's word, else quickMode's, where they differ.
const char *word_transform(
	uint8_t type, uint16_t id, uint16_t bits, bool is_ike, char text[WORD_SIZE]);
const char *word_notify(uint16_t type, char text[WORD_SIZE]);
const char *word_exchange(uint16_t exchange);
const char *word_auth(uint8_t method);
// "10.0.0.0-10.0.0.255 tcp 80-80"; "any" when there is none.
char *word_selectors(const struct api_ike_selector *ts, size_t len, char *text, size_t size);
// Appends formatted text at the end of what is there, cut to size.
void word_append(char *text, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
