// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which keys seal here or have sealed, and how far their nonce counters went. A key that is set
// again goes on there; a key that is in use cannot be set a second time. Keys are remembered by a
// digest. Control thread only.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger;
struct ledger_entry;

struct ledger *ledger_new(size_t max); // entries not in use that are kept, oldest go first
void ledger_free(struct ledger *l);
// Takes the key into use; *ret_counter is where its nonces go on. NULL: it is in use.
struct ledger_entry *ledger_take(
	struct ledger *l, const uint8_t *key, size_t size, uint64_t *ret_counter);
// Out of use: no nonce above counter was used.
void ledger_put(struct ledger *l, struct ledger_entry *e, uint64_t counter);
