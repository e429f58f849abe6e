// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <network/socket.h>

#include "punt.h"

// libcharon's socket: datagrams come from the forwarder and go back to it (api/punt.h). Outgoing
// ones pass here, which is where one may be held until a copy of what it changes is safe elsewhere.

socket_t *punt_socket_create(void);

// A datagram from the forwarder, on the API thread. Copies it; drops and counts when the queue of
// PUNT_QUEUE datagrams is full, so that a flood costs a bounded amount of memory.
void punt_socket_receive(const struct api_punt *datagram);
uint64_t punt_socket_dropped(void);

// Who carries outgoing datagrams: set once before libcharon starts. Called from several threads.
void punt_socket_set_sender(int (*send)(const struct api_punt *datagram, size_t size));

#define PUNT_QUEUE 4096 // datagrams waiting for libcharon's receiver
