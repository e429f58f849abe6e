// SPDX-License-Identifier: Apache-2.0
#pragma once

// A public address that several slots share. The gateway with the address passes what belongs to a
// slot held elsewhere on to that slot's PA, by IP-in-IP: ESP by its SPI's top 12 bits, IKE by the
// last 16 bits of our SPI in it, a first IKE message by the table of known remote addresses, else
// to the slot where connections from any address are. The slot's holder takes it from there, and
// answers directly.

#include <stdbool.h>
#include <stdint.h>

#include "ipaddr.h"
#include "packet.h"
#include "rcu.h"
#include "relay/relay.h"
#include "slot/slot.h"

struct api_server;

// By IP version (true: 6) and slot; NULL: nothing is passed on for it. ctl: rw, worker: ro
extern const struct relay_fwd *vip_relay_table[2][SLOT_MAX];

static inline const struct relay_fwd *vip_relay(bool is_v6, uint16_t slot)
{
	return slot < SLOT_MAX ? rcu_load(&vip_relay_table[is_v6][slot]) : NULL;
}

// Workers. Data starts at the outer IP header, m->l3_len its size.
// The slot of an IKE datagram, 0: unknown. The UDP header and an IKE header's size were checked.
uint16_t vip_slot_of_ike(const struct rte_mbuf *m);
// Whether a slot held here uses the address that came relayed, though another answers for it.
bool vip_is_used(const uint8_t *addr, bool is_v6);

int vip_init(void);
void vip_fini(void);
int vip_serve(struct api_server *s);
// Control thread. A slot was `before` and is `now`.
void vip_slot_changed(const struct api_slot *before, const struct api_slot *now);
// Whether that active slot may send from the address.
bool vip_may_send(uint16_t slot, const struct ip_addr *addr);
