// SPDX-License-Identifier: Apache-2.0
#pragma once

// One security association as the workers see it. Made, changed and freed by the control thread;
// its owner worker alone moves the sending side and the replay window (RFC 4303, RFC 4301 4.4.2).

#include <stdbool.h>
#include <stdint.h>

#include "crypto.h"
#include "drop.h"
#include "esp_replay.h"
#include "sa.h"

struct esp_policy;

#define ESP_OUTER_MAX    48 // IPv6 and UDP
#define ESP_COUNTER_BITS 40
#define ESP_COUNTER_END  (1ULL << ESP_COUNTER_BITS)
#define ESP_EPOCH_BITS   24
#define ESP_EPOCH_REKEY  (1ULL << 22) // of the installation's counter, past the SA's birth
#define ESP_EPOCH_STOP   (1ULL << 23)
#define ESP_SOFT(hard)   ((hard) - (hard) / 4) // where a rekey is asked for
#define ESP_EVENT_HARD   16                    // bit of a hard event = its kind + this

// Reasons counted per SA beside the worker's own counters.
struct esp_sa_faults {
	uint64_t replay, integrity, selector, malformed, refused;
};

// The outer addresses: a header ready to be copied, out; what is expected, in.
struct esp_outer {
	uint8_t header[ESP_OUTER_MAX] __attribute__((aligned(64)));
	uint32_t sum; // of an IPv4 header's words, id, length, TOS and checksum being zero
	uint8_t size;
	bool v4;
	uint16_t remote_port;
	bool any_remote;
};

struct esp_sa {
	// ctl: w before publishing, all: ro
	uint32_t spi;
	uint32_t conn; // id; the index in the connection table is conn_index
	uint32_t conn_index;
	uint32_t child;
	uint32_t flags; // API_SA_F_*
	uint16_t slot;
	uint8_t dir, mode;
	uint8_t iv_size, icv_size, align;
	uint8_t owner; // worker
	uint8_t df, dscp;
	// ctl: rw, worker: ro
	bool active;
	uint8_t outer_at;
	uint8_t stopped;           // enum drop_reason that ends it, or DROP_NONE
	uint64_t iv_base;          // epoch << 40
	uint64_t sequence_end;     // 0: no reservation
	uint32_t hop;              // out: where outer packets go
	struct esp_policy *policy; // in: whose selectors apply; NULL: nothing passes

	// worker: rw, ctl: ro
	uint64_t sequence __attribute__((aligned(64))); // out: last sent
	uint64_t counter;                               // out: nonces used in this process's life
	uint64_t packets, bytes;                        // bytes: inner
	uint64_t check_packets, check_bytes;            // esp_sa_admit() looks again from there on
	uint64_t last_ns;
	uint32_t events; // bits of enum api_sa_event_kind; hard ones above ESP_EVENT_HARD. worker
			 // sets, ctl clears
	uint32_t raised; // bits raised ever; worker: rw

	// One is in use, outer_at says which; ctl writes the other.
	struct esp_outer outer[2];

	struct esp_replay replay; // in
	struct esp_sa_faults faults;

	// ctl only
	uint64_t seen_sequence_end, grant_base; // worker: rw
	struct api_sa_limit limit_packets, limit_bytes, limit_ms;
	uint64_t birth_epoch;
	void *dest; // out: keeps the hop
	uint64_t installed_ns;
	uint16_t path_mtu; // ctl: rw, all: ro; 0: unknown
	// in, UDP: where the last genuine packet came from. worker: w
	struct ip_addr seen_remote;
	uint16_t seen_port;

	uint64_t ring[REPLAY_WORDS_MAX];
	struct esp_key key;
};

// Fills sa (zeroed, 64-byte aligned) from what the API said. 0, -EINVAL or -EOPNOTSUPP with
// *ret_words set to the reason, or -ENOMEM.
int esp_sa_init(struct esp_sa *sa, const struct api_sa *want, const struct esp_crypto *crypto,
	uint64_t now_ns, const char **ret_words);
// Wipes the keys.
void esp_sa_fini(struct esp_sa *sa, const struct esp_crypto *crypto);

// Worker: may one more packet go through? DROP_NONE, or why not. Raises what has come due. Called
// when packets or bytes have reached their check marks.
enum drop_reason esp_sa_admit(struct esp_sa *sa);

// The largest inner packet that fits a path; 0: none. path_mtu in bytes of the outer packet.
uint16_t esp_sa_inner_mtu(const struct esp_sa *sa, uint16_t path_mtu);

// Control: the slot's IV epoch for its counter nonces, and whether the slot is held here. Sets
// `stopped` and returns event bits once the installation's counter is too far past the SA's birth.
uint32_t esp_sa_activate(struct esp_sa *sa, bool active, uint64_t iv_epoch);
// Control: the peer's address or port has changed (MOBIKE, NAT). Waits until workers have left the
// one before the last.
void esp_sa_readdress(struct esp_sa *sa, const struct ip_addr *local, const struct ip_addr *remote,
	uint16_t local_port, uint16_t remote_port);
// Control: a later end of the reservation; an earlier one is ignored.
void esp_sa_grant(struct esp_sa *sa, uint64_t sequence_end);
// Control: another lifetime in time, still measured from the installation.
void esp_sa_limit_time(struct esp_sa *sa, const struct api_sa_limit *limit);
// Control: lifetime in time; returns event bits that have come due.
uint32_t esp_sa_age(struct esp_sa *sa, uint64_t now_ns);

// Control, while no worker runs the SA: its exact state for the next holder, and back.
void esp_sa_export(const struct esp_sa *sa, uint64_t now_ns, struct api_sa_record *ret_record);
int esp_sa_import(struct esp_sa *sa, const struct api_sa_record *record, uint64_t now_ns);

static inline const struct esp_outer *esp_sa_outer(const struct esp_sa *sa)
{
	return &sa->outer[__atomic_load_n(&sa->outer_at, __ATOMIC_ACQUIRE)];
}

// Everything but keys.
void esp_sa_stats(const struct esp_sa *sa, uint64_t now_ns, struct api_sa_stats *ret_stats);
