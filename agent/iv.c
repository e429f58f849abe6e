// SPDX-License-Identifier: Apache-2.0
#include "iv.h"

#include <string.h>

#include "disk.h"

static void on_slot(void *ctx, uint16_t slot, uint64_t own, uint64_t life, uint64_t number)
{
	struct iv *iv = ctx;

	if (slot < SLOTS_MAX)
		iv->slots[slot] = (struct iv_slot){own, life, number};
}

int iv_init(struct iv *iv, struct disk *disk)
{
	*iv = (struct iv){.disk = disk};
	return disk_load_iv(disk, &iv->next, &iv->start_life, &iv->start, on_slot, iv);
}

void iv_grant(struct iv *iv, uint64_t first, uint64_t len)
{
	iv->first = first;
	iv->len = len;
}

void iv_set_life(struct iv *iv, uint64_t life)
{
	iv->life = life;
}

void iv_adopt(struct iv *iv, uint16_t slot, uint64_t own, uint64_t life, uint64_t number)
{
	if (slot >= SLOTS_MAX || iv->slots[slot].own ||
		disk_save_iv_slot(iv->disk, slot, own, life, number))
		return;
	iv->slots[slot] = (struct iv_slot){own, life, number};
}

// The number of this life: taken once, when the first slot needs it.
static uint64_t iv_start(struct iv *iv)
{
	uint64_t next = iv->next > iv->first ? iv->next : iv->first;

	if (iv->start_life == iv->life && iv->start)
		return iv->start;
	if (next >= iv->first + iv->len || disk_save_iv_start(iv->disk, next + 1, iv->life, next))
		return 0;
	iv->next = next + 1;
	iv->start_life = iv->life;
	iv->start = next;
	return next;
}

uint64_t iv_number(struct iv *iv, uint16_t slot, uint64_t own)
{
	struct iv_slot *used = &iv->slots[slot], now = {own, iv->life, own};

	if (!iv->life)
		return 0;
	if (used->own == own && used->life == iv->life)
		return used->number;
	if (used->own == own)
		now.number = iv_start(iv);
	if (!now.number || disk_save_iv_slot(iv->disk, slot, now.own, now.life, now.number))
		return 0;
	*used = now;
	return now.number;
}
