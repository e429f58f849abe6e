// SPDX-License-Identifier: Apache-2.0
#pragma once

// Helpers of the handlers of wanted state.

#include <stdarg.h>
#include <stdio.h>

#include "proto.h"

// Writes the text for the asker and returns status, to be returned in turn.
static inline __attribute__((format(printf, 3, 4))) int refuse(
	struct api_error *ret_error, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ret_error->text, sizeof(ret_error->text), fmt, ap);
	va_end(ap);
	return status;
}
