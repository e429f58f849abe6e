// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// The forwarder as libcharon's kernel interface for IPsec.
//
// Every SA and policy libcharon installs is kept here too, in the form the forwarder is told, with
// the sequence numbers granted and the last replay top reported: a restarted forwarder is given all
// of it again, goes on from the end of each grant and accepts nothing it may have seen before.
// Lifetimes run in the forwarder; its events become libcharon's expire().

#include <kernel/kernel_ipsec.h>

#include "sa.h"

struct api_client;

kernel_ipsec_t *forwarder_sa_create(void);

// On the API thread.
void forwarder_sa_event(const struct api_sa_event *event);
void forwarder_sa_reinstall(struct api_client *client);
// Takes note of what the forwarder reports of its SAs: replay tops, for the next reinstallation.
void forwarder_sa_note(const struct api_sa_stats *stats);
