// SPDX-License-Identifier: Apache-2.0
#pragma once

// Security associations and the policies that use them: what a keying daemon, or a person with keys
// by hand, tells the forwarder, and what it reports. Ciphers and integrity algorithms carry their
// IANA IKEv2 transform numbers. Durations, not dates: the two sides share no clock.
//
// Who installs an SA grants its sequence numbers (`sequence_end`, optional) and keeps the last
// reported `replay_top`. A restarted forwarder is given `sequence` = the granted end and that top
// with API_SA_F_REPLAY_CLOSED, and so repeats nothing.

#include <stdint.h>

#include "ipaddr.h"

// An SPI of ours: slot, then a generation, then an index into the slot's table. Whoever allocates
// takes a free index and raises its generation, so that a late packet of a gone SA finds nothing.
#define API_SPI_SLOT(spi)       ((uint16_t)((spi) >> 20))
#define API_SPI_INDEX(spi)      ((spi)&0xffff)
#define API_SPI_GENERATION(spi) (((spi) >> 16) & 0xf)
#define API_SPI_MAKE(slot, generation, index) \
	((uint32_t)(slot) << 20 | ((uint32_t)(generation)&0xf) << 16 | ((uint32_t)(index)&0xffff))

enum api_sa_dir { API_SA_IN = 1, API_SA_OUT = 2 };

enum api_sa_mode {
	API_SA_TUNNEL = 1,
	API_SA_TRANSPORT = 2, // protects the GRE of a GRE connection
};

// IKEv2 transform type 1. Those marked "refused" are known only to be named in the refusal.
enum api_sa_cipher {
	API_CIPHER_DES_IV64 = 1, // refused
	API_CIPHER_DES = 2,      // refused
	API_CIPHER_3DES = 3,
	API_CIPHER_NULL = 11, // refused
	API_CIPHER_AES_CBC = 12,
	API_CIPHER_AES_GCM_16 = 20,
	API_CIPHER_AES_GMAC = 21,
	API_CIPHER_CHACHA20_POLY1305 = 28,
};

// IKEv2 transform type 3; 0 with the combined-mode ciphers.
enum api_sa_integrity {
	API_INTEGRITY_NONE = 0,
	API_INTEGRITY_HMAC_MD5_96 = 1, // refused
	API_INTEGRITY_HMAC_SHA1_96 = 2,
	API_INTEGRITY_HMAC_SHA2_256_128 = 12,
	API_INTEGRITY_HMAC_SHA2_384_192 = 13,
};

enum {
	API_SA_F_ESN = 1 << 0,           // 64-bit sequence numbers (RFC 4303 2.2.1)
	API_SA_F_UDP = 1 << 1,           // UDP encapsulation (RFC 3948)
	API_SA_F_REPLAY_CLOSED = 1 << 2, // nothing at or below replay_top is accepted
	API_SA_F_FIXED_DSCP = 1 << 3,    // outer DSCP is `dscp`, not the inner one's
	API_SA_F_NO_ECN = 1 << 4,        // RFC 6040 compatibility mode: outer is Not-ECT
};

// IPv4 outer header's DF (RFC 4301 8.1).
enum api_sa_df { API_SA_DF_COPY = 0, API_SA_DF_SET, API_SA_DF_CLEAR };

#define API_SA_WINDOW_MIN 32
#define API_SA_WINDOW_MAX 4096

struct api_sa_limit {
	uint64_t soft; // a rekey is asked for; 0: three quarters of hard
	uint64_t hard; // the SA stops; 0: none
};

struct api_sa {
	uint32_t conn;
	uint32_t spi;
	uint8_t dir; // enum api_sa_dir
	uint8_t pad[3];
	// end of key
	uint32_t child; // the connection's policy this SA serves; the same over rekeys
	uint16_t slot;  // in: the SPI's
	uint8_t mode;   // enum api_sa_mode
	uint8_t df;     // enum api_sa_df
	uint32_t flags;
	uint16_t cipher;        // enum api_sa_cipher
	uint16_t integrity;     // enum api_sa_integrity
	uint16_t replay_window; // packets, 32..4096; 0: none (inbound of keys by hand only)
	uint16_t path_mtu;      // of the outer path, bytes; 0: the port's
	uint16_t local_port, remote_port; // with API_SA_F_UDP
	uint8_t dscp;                     // with API_SA_F_FIXED_DSCP, 0..63
	uint8_t key_size, auth_key_size;  // bytes used below
	uint8_t pad2;
	uint8_t key[36];      // combined-mode ciphers: key, then the 4-byte salt (RFC 4106 8.1)
	uint8_t auth_key[48]; // HMAC
	struct ip_addr local, remote; // outer addresses; remote of an SA in may be IP_NONE: any
	uint64_t birth_epoch;  // the installation's counter when the SA was keyed; 0: slot's now
	uint64_t sequence;     // out: last number that may have been sent; the next is one more
	uint64_t sequence_end; // out: last number granted; 0: no reservation
	uint64_t replay_top;   // in: highest number that may have been accepted
	struct api_sa_limit time_ms, bytes, packets; // measured from the installation
};

// Grants further sequence numbers without naming the keys again. CALL and SET alike.
struct api_sa_grant {
	uint32_t conn;
	uint32_t spi;
	// end of key
	uint64_t sequence_end; // never below the present one
};

// One selector (RFC 7296 3.13.1): a range of addresses of one family, a protocol, a range of ports
// (ICMP: type << 8 | code). protocol 0: any; ports 0..65535: any.
struct api_selector {
	uint8_t protocol;
	uint8_t pad[3];
	uint16_t port_first, port_last;
	struct ip_addr first, last;
};

#define API_SELECTORS 8

// What a connection sends through one SA pair and takes from it. Without any policy a connection is
// down. Outbound, the first policy (lowest child) whose selectors match is taken; out_spi switches
// at a rekey.
struct api_sa_policy {
	uint32_t conn;
	uint32_t child;
	// end of key
	uint32_t out_spi;                  // 0: none now
	uint8_t local_count, remote_count; // 0: any address of both families
	uint16_t pad;
	struct api_selector local[API_SELECTORS];
	struct api_selector remote[API_SELECTORS];
};

// Everything but keys.
struct api_sa_stats {
	uint32_t conn;
	uint32_t spi;
	uint8_t dir;
	uint8_t active;
	uint8_t mode;
	uint8_t stopped; // enum api_sa_event_kind of the hard limit that stopped it, or 0
	// end of key
	uint32_t child;
	uint16_t slot;
	uint16_t worker; // owner
	uint32_t flags;
	uint16_t cipher, integrity;
	uint16_t key_bits;
	uint16_t inner_mtu;
	struct ip_addr local, remote;
	uint16_t local_port, remote_port;
	uint16_t replay_window;
	uint16_t pad;
	uint64_t sequence;        // out: last sent
	uint64_t sequence_end;    // out: granted, 0 none
	uint64_t replay_top;      // in
	uint64_t iv_counter;      // out, counter nonces: used in this IV epoch
	uint64_t packets, bytes;  // bytes: inner
	uint64_t age_ms, idle_ms; // idle: since the last packet; UINT64_MAX: none yet
	uint64_t replay_drops, integrity_failures, selector_mismatches, malformed, refused;
};

enum api_sa_event_kind {
	API_SA_EVENT_TIME = 1,
	API_SA_EVENT_BYTES,
	API_SA_EVENT_PACKETS,
	API_SA_EVENT_SEQUENCE,
	API_SA_EVENT_COUNTER,     // nonce counter
	API_SA_EVENT_EPOCH,       // the installation's counter has moved on too far
	API_SA_EVENT_RESERVATION, // soft: three quarters used; hard: nothing left
	API_SA_EVENT_MAPPING,     // the peer's NAT shows another address or port
};

struct api_sa_event {
	uint32_t conn;
	uint32_t spi;
	uint8_t dir;
	uint8_t kind; // enum api_sa_event_kind
	uint8_t hard; // 0: please rekey; 1: the SA has stopped
	uint8_t pad;
	// end of key
	uint32_t child;
	uint16_t remote_port; // MAPPING
	uint16_t pad2;
	struct ip_addr remote; // MAPPING
};

// The exact state of a running SA, for a planned move: asked for by CALL once the slot is inactive
// here, given to the next holder's forwarder before the slot is activated there. No keys: those
// went with the SA. Also what a warm copy is kept from.
struct api_sa_record {
	uint32_t conn;
	uint32_t spi;
	uint8_t dir;
	uint8_t pad[3];
	// end of key
	uint64_t sequence, sequence_end;
	uint64_t replay_top;
	uint64_t packets, bytes;
	uint64_t age_ms;
	uint64_t birth_epoch;
	uint8_t exact; // the window below is exact; 0: nothing at or below replay_top is accepted
	uint8_t pad2[7];
	uint64_t window[API_SA_WINDOW_MAX / 64]; // bit n of word m: replay_top - (64 m + n) seen
};
