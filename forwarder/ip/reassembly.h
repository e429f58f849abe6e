// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fragments of outer packets. What waits is bounded in number, bytes and time.

#define REASSEMBLY_PACKETS   256            // that wait on one worker
#define REASSEMBLY_FRAGMENTS 64             // of one packet
#define REASSEMBLY_BYTES     (2u << 20)     // of buffers on one worker
#define REASSEMBLY_NS        15000000000ull // RFC 791 section 3.2: at least 15 s

// No worker runs: gives back what waits.
void reassembly_fini(void);
