// SPDX-License-Identifier: Apache-2.0
#pragma once

// IPsec in the forwarder: what its two nodes and its control side share.

#include "esp.h"
#include "sa_table.h"
#include "worker.h"

extern struct esp_ctx ipsec_ctx[WORKER_MAX];
extern struct esp_lookup *ipsec_lookup; // NULL: not started

// Which back-end to use: "auto", "ipsec-mb", "openssl". Before the module starts.
extern const char *ipsec_crypto_name;
