// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <encoding/message.h>

#include "exchange.h"

// What the message says, for ring_note(); nothing if it says nothing (a liveness check).
void exchange_decode_and_note(uint32_t conn, message_t *message, bool incoming);
