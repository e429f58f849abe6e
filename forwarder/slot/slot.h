// SPDX-License-Identifier: Apache-2.0
#pragma once

// Slots: the units that change holder. Which are held here, under which epoch, with which floating
// addresses. Rule of epochs: never down; activation, deactivation and addresses follow the message.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipaddr.h"

struct api_server;
struct api_slot;

#define SLOT_MAX 4096

// Something that must be built again when a slot comes or goes.
struct slot_user {
	LIST_ENTRY(slot_user) link;
	void (*changed)(struct slot_user *user);
};

int slot_init(void);
void slot_fini(void);
int slot_serve(struct api_server *s);
bool slot_is_active(uint16_t slot);
extern uint8_t
	slot_yields[SLOT_MAX]; // nobody who asks for its addresses is answered; ctl: rw, worker: ro
const struct api_slot *slot_find(uint16_t slot); // NULL: never heard of
void slot_join(uint16_t slot, struct slot_user *user);
void slot_leave(struct slot_user *user);
// Its floating VTEP of that IP version, else of the other one; NULL: none.
const struct ip_addr *slot_pa(uint16_t slot, uint8_t family);
