// SPDX-License-Identifier: Apache-2.0
#pragma once

// IV epochs (DESIGN: nonces never repeat): which number a slot's counter nonces begin with. A
// number is used by one life of the forwarder, ever. The one granted with a slot's activation
// serves the life that uses it first; a later life takes one from the block granted ahead. Every
// use is on disk before the forwarder hears of it.

#include <stdbool.h>
#include <stdint.h>

#include "slots.h"

struct disk;

struct iv_slot {
	uint64_t own;  // the slot's number as granted with its activation; 0: none used yet
	uint64_t life; // of the forwarder that uses `number`
	uint64_t number;
};

struct iv {
	struct disk *disk;
	uint64_t first, len; // the block granted ahead; len 0: none
	uint64_t next;       // lowest number of any block not written off
	uint64_t life;       // of the forwarder; 0: it is not there
	uint64_t start;      // number taken for this life; 0: none needed yet
	uint64_t start_life; // the life that `start` is of
	struct iv_slot slots[SLOTS_MAX];
};

// 0, or -EIO: what was used before is not known.
int iv_init(struct iv *iv, struct disk *disk);
void iv_grant(struct iv *iv, uint64_t first, uint64_t len);
void iv_set_life(struct iv *iv, uint64_t life);
// The forwarder, in life `life`, was found to use `number` for the slot. Says something new only
// when the disk does not know.
void iv_adopt(struct iv *iv, uint16_t slot, uint64_t own, uint64_t life, uint64_t number);
// The number for an active slot whose own is `own`; 0: none can be had, and the slot must not be
// used.
uint64_t iv_number(struct iv *iv, uint16_t slot, uint64_t own);
