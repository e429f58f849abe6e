// SPDX-License-Identifier: Apache-2.0
#pragma once

// GRE keepalives: a packet to the far end that holds one back to here, whose GRE header names
// protocol 0 and carries nothing. The far end need know nothing of it: it takes the tunnel's
// headers off and routes what was inside. The other way round, theirs are answered here.

#include <stdbool.h>
#include <stdint.h>

#include "ipaddr.h"
#include "worker.h"

struct conn_fwd;
struct keepalive;

// What both threads know of a connection's probes. A returned packet's identification must be one
// of the last KEEPALIVE_IDS sent, so that others cannot keep a dead tunnel up blindly.
struct keepalive_probe {
	uint32_t sent;  // identification of the last; ctl: rw, worker: ro
	uint32_t heard; // how many came back; worker: rw, ctl: ro
};

#define KEEPALIVE_IDS             4
#define KEEPALIVE_INTERVAL_MS_MIN 100

struct keepalive_config {
	uint32_t conn; // id
	struct ip_addr local, remote;
	bool has_key;
	uint32_t key;
	uint32_t hop;
	uint16_t interval_ms;
	uint16_t retries; // unanswered ones until the connection is down
};

// -- control thread

void keepalive_init(void);
// Begins, or goes on with other settings; NULL for config ends. Returns what to keep.
struct keepalive *keepalive_set(struct keepalive *k, const struct keepalive_config *config);
struct keepalive_probe *keepalive_probe(const struct keepalive *k); // NULL of NULL
void keepalive_tick(uint64_t now_ms);                               // sends, judges

// -- workers, off the usual path

// m, data at the outer header, is GRE of protocol 0 for c. Takes it.
void keepalive_returned(struct worker *w, struct rte_mbuf *m, const struct conn_fwd *c);
// m, data at the inner header, came in by c and has GRE inside. Takes it and says true when it is
// the site's keepalive: what it asks to be sent back is sent back, made anew from c, nothing else.
bool keepalive_answered(struct worker *w, struct rte_mbuf *m, const struct conn_fwd *c);

// Whether an IP packet has GRE in it, at a glance.
static inline bool keepalive_possible(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	return rte_pktmbuf_data_len(m) >= 20 && p[p[0] >> 4 == 4 ? 9 : 6] == 47;
}
