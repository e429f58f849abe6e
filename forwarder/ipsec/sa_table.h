// SPDX-License-Identifier: Apache-2.0
#pragma once

// All SAs and policies of a forwarder. Workers find inbound SAs by SPI and a connection's policies
// by its index; the control thread does everything else.
//
// Two things outlive an SA: the nonce counters of keys that were in use here, so that a key set
// again in the same IV epoch goes on where it stopped; and the slot's state, so that SAs may be
// installed before the slot is held here.

#include <stdbool.h>
#include <stdint.h>

#include "esp_sa.h"
#include "policy.h"

struct esp_table;

#define ESP_SLOTS      4096
#define ESP_SAS_MAX    131072 // SAs of one forwarder, both directions
#define ESP_LEDGER_MAX 262144 // keys remembered after their SA is gone

struct esp_spi_dir {
	uint32_t len;
	struct esp_sa *sas[]; // by the SPI's index; ctl: rw, worker: ro
};

// The one SA of a connection with a single policy that lets everything pass; NULL: ask its
// policies.
struct esp_sole {
	struct esp_sa *sa; // ctl: rw, worker: ro; the SA names its connection
};

struct esp_lookup {
	struct esp_spi_dir *slots[ESP_SLOTS]; // ctl: rw, worker: ro
	struct esp_policy_set **conns;        // by connection index; ctl: rw, worker: ro
	struct esp_sole *soles;               // likewise
	uint32_t conns_len;
};

// What the connection table says of an SA's connection, and who owns the SA.
struct esp_place {
	uint32_t conn_index;
	uint8_t owner;
};

struct esp_table *esp_table_new(const struct esp_crypto *crypto, uint32_t conns_len);
void esp_table_free(struct esp_table *t);                 // workers have ended
struct esp_lookup *esp_table_lookup(struct esp_table *t); // for workers, same for life

// -- workers

// Who is at this place; the caller compares the SPI, once the SA's memory is at hand. May be NULL.
static inline struct esp_sa *esp_lookup_in(const struct esp_lookup *l, uint32_t spi)
{
	const struct esp_spi_dir *dir = __atomic_load_n(&l->slots[spi >> 20], __ATOMIC_ACQUIRE);
	uint32_t index = spi & 0xffff;

	if (dir == NULL || index >= dir->len)
		return NULL;
	return __atomic_load_n(&dir->sas[index], __ATOMIC_ACQUIRE);
}

// Where esp_lookup_in() will look; NULL: nowhere.
static inline const void *esp_lookup_in_at(const struct esp_lookup *l, uint32_t spi)
{
	const struct esp_spi_dir *dir = __atomic_load_n(&l->slots[spi >> 20], __ATOMIC_ACQUIRE);
	uint32_t index = spi & 0xffff;

	return dir != NULL && index < dir->len ? &dir->sas[index] : NULL;
}

static inline struct esp_sa *esp_lookup_sole(const struct esp_lookup *l, uint32_t conn)
{
	return conn < l->conns_len ? __atomic_load_n(&l->soles[conn].sa, __ATOMIC_ACQUIRE) : NULL;
}

static inline const struct esp_policy_set *esp_lookup_out(const struct esp_lookup *l, uint32_t conn)
{
	return conn < l->conns_len ? __atomic_load_n(&l->conns[conn], __ATOMIC_ACQUIRE) : NULL;
}

// -- control thread. All return 1 changed, 0 unchanged, or -errno with *ret_words set.

int esp_table_set(struct esp_table *t, const struct api_sa *want, const struct esp_place *place,
	uint64_t now_ns, const char **ret_words);
int esp_table_del(struct esp_table *t, uint32_t conn, uint32_t spi, uint8_t dir);
int esp_table_grant(struct esp_table *t, uint32_t conn, uint32_t spi, uint64_t sequence_end);
int esp_table_policy_set(struct esp_table *t, const struct api_sa_policy *want,
	const struct esp_place *place, const char **ret_words);
int esp_table_policy_del(struct esp_table *t, uint32_t conn, uint32_t child);
// The slot is held here or not, and the IV epoch of its counter nonces.
void esp_table_slot(struct esp_table *t, uint16_t slot, bool active, uint64_t iv_epoch);
// Exact state of an SA whose slot is inactive, workers having left it; and into one.
int esp_table_export(struct esp_table *t, uint32_t conn, uint32_t spi, uint8_t dir, uint64_t now_ns,
	struct api_sa_record *ret_record);
int esp_table_import(struct esp_table *t, const struct api_sa_record *record, uint64_t now_ns,
	const char **ret_words);

struct esp_sa *esp_table_find(struct esp_table *t, uint32_t conn, uint32_t spi, uint8_t dir);
// size_t at = 0; while ((x = next(t, &at)))
struct esp_sa *esp_table_next(struct esp_table *t, size_t *at);
const struct esp_policy *esp_table_policy_next(struct esp_table *t, size_t *at);
// Does the connection have an outbound SA for every policy, and any policy at all?
bool esp_table_conn_up(struct esp_table *t, uint32_t conn);
// Smallest inner MTU of the connection's outbound SAs on a path of path_mtu bytes; 0: no SA.
uint16_t esp_table_conn_mtu(struct esp_table *t, uint32_t conn, uint16_t path_mtu);

// Calls emit for everything that has come due since the last call; looks at each SA.
typedef void (*esp_event_fn)(void *ctx, const struct api_sa_event *event);
void esp_table_events(struct esp_table *t, uint64_t now_ns, esp_event_fn emit, void *ctx);

// RFC 4301 section 8.2: an unauthenticated ICMP error says that a packet of ours, quoted as far as
// this, was too big for a path.
struct esp_pmtu {
	struct ip_addr local, remote; // of the quoted outer header
	uint32_t spi, sequence;
	uint16_t size; // of the quoted packet
	uint16_t mtu;
	bool udp;
};

#define ESP_PMTU_NS       (600ull * 1000000000) // then the path is tried again (RFC 1191 6.3)
#define ESP_PMTU_SENT_AGO 65536                 // quoted sequence numbers are at most that old

// Believed only of an outbound SA with these addresses that has sent this number and may have sent
// a packet of this size; only downwards; never below the least MTU of the IP version; and not for
// ever. The SA whose path MTU went down, or NULL.
const struct esp_sa *esp_table_pmtu(
	struct esp_table *t, const struct esp_pmtu *said, uint64_t now_ns);
// Forgets what was learnt longer ago than ESP_PMTU_NS; calls `changed` for each SA.
void esp_table_pmtu_age(
	struct esp_table *t, uint64_t now_ns, void (*changed)(const struct esp_sa *sa));
