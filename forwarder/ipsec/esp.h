// SPDX-License-Identifier: Apache-2.0
#pragma once

// ESP itself (RFC 4303, RFC 3948): vectors of packets in, vectors of packets out, no graph. Tests,
// benches and fuzzers call this as the nodes do.
//
// A vector goes through three stages: headers and sequence numbers for all, cryptography for all,
// then what can only be known afterwards. Stages are visible so that a test can put its own IV
// between the first and the second; nothing else may.

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "crypto.h"
#include "esp_sa.h"
#include "policy.h"

// What one worker needs. Not shared.
struct esp_ctx {
	const struct esp_crypto *crypto;
	struct esp_crypto_thread *thread;
	uint64_t now_ns; // set by the caller before each vector
	uint8_t *bounce; // a chained packet is worked on here: no cipher call spans segments
	uint32_t events; // times an SA raised something; worker: rw, ctl: ro
	uint16_t len;    // ops in use
	uint8_t at[ESP_OPS_MAX]; // op -> packet of the vector
	struct esp_op ops[ESP_OPS_MAX];
	uint64_t seq[ESP_OPS_MAX];    // of packet i
	uint16_t offset[ESP_OPS_MAX]; // out: of its ESP header
};

// 0 or -ENOMEM.
int esp_ctx_init(struct esp_ctx *ctx, const struct esp_crypto *crypto);
void esp_ctx_fini(struct esp_ctx *ctx);

// -- out. Packet i starts at an IP header and goes out by sas[i]; it ends up starting at the outer
// IP header. ret_verdicts[i] is DROP_NONE, or why it may not go; it stays the caller's.
void esp_encap(struct esp_ctx *ctx, struct rte_mbuf **pkts, struct esp_sa **sas,
	uint8_t *ret_verdicts, uint16_t n);
void esp_encap_prepare(struct esp_ctx *ctx, struct rte_mbuf **pkts, struct esp_sa **sas,
	uint8_t *ret_verdicts, uint16_t n);
void esp_encap_seal(struct esp_ctx *ctx, struct rte_mbuf **pkts, struct esp_sa **sas,
	uint8_t *verdicts, uint16_t n);

// -- in. Where ESP stands in a packet that starts at its outer IP header.
struct esp_at {
	uint32_t spi;
	uint16_t offset; // of the SPI
	bool udp;
};

// The packet is cut to the length its IP header says. DROP_NONE, or why it is none.
enum drop_reason esp_find(struct rte_mbuf *m, struct esp_at *ret_at);
// Packet i, found at at[i], of SA sas[i]; it ends up starting at the inner IP header (transport
// mode: at its own). ret_verdicts as above.
void esp_decap(struct esp_ctx *ctx, struct rte_mbuf **pkts, struct esp_sa **sas,
	const struct esp_at *at, uint8_t *ret_verdicts, uint16_t n);
