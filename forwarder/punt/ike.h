// SPDX-License-Identifier: Apache-2.0
#pragma once

// IKE for its daemon (api/punt.h): datagrams to a public address leave by the local socket, the
// daemon's answers come back by it. Control thread.

#include <rte_mbuf.h>

struct api_server;

struct ip_addr;

// Control thread. One more (1) or one fewer (-1) connection has this remote address.
void ike_peer(const struct ip_addr *remote, int by);
int ike_peers_init(void); // the two below call them
void ike_peers_fini(void);

int ike_punt_init(void);
void ike_punt_fini(void);
int ike_punt_serve(struct api_server *s);
void ike_punt(struct rte_mbuf *m); // handler of CONTROL_PUNT_IKE; data at the outer IP header
