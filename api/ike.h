// SPDX-License-Identifier: Apache-2.0
#pragma once

// What isthmus-ike is told, and what it reports. Algorithms are IANA "IKEv2 Parameters" numbers.

#include <stdint.h>

#include "ipaddr.h"

#define API_IKE_ID_SIZE   128
#define API_IKE_PROPOSALS 4
#define API_IKE_SELECTORS 8

enum {
	API_IKE_F_ENABLED = 1 << 0,     // off: torn down, and the peer is refused
	API_IKE_F_INITIATE = 1 << 1,    // we dial, and dial again
	API_IKE_F_TRANSPORT = 1 << 2,   // transport mode SAs (GRE over IPsec)
	API_IKE_F_FORCE_ENCAP = 1 << 3, // UDP encapsulation although no NAT is seen
	API_IKE_F_NO_MOBIKE = 1 << 4,
	API_IKE_F_NO_FRAGMENTATION = 1 << 5,
	API_IKE_F_ESN = 1 << 6, // offer extended sequence numbers first
};

enum api_ike_auth { API_IKE_AUTH_PSK = 1, API_IKE_AUTH_CERTIFICATE = 2 };

// One suite. Zero in integ: an AEAD cipher, or none wanted. Zero in dh of a child: no PFS.
struct api_ike_proposal {
	uint16_t encr;      // transform type 1
	uint16_t encr_bits; // key size; 0: the cipher has but one
	uint16_t integ;     // transform type 3
	uint16_t prf;       // transform type 2; IKE SAs only
	uint16_t dh;        // transform type 4
	uint16_t pad;
};

// An inclusive range, as in RFC 7296 section 3.13.1. Any: family set, all zero to all ones.
struct api_ike_selector {
	struct ip_addr start, end;
	uint16_t port_start, port_end;
	uint8_t protocol; // 0 any
	uint8_t pad[3];
};

struct api_ike_conn {
	uint32_t conn;
	// end of key
	uint32_t vrf;
	uint16_t slot; // SPIs of both kinds carry it
	uint8_t auth;  // enum api_ike_auth
	uint8_t proposal_count, child_proposal_count;
	uint8_t local_ts_count, remote_ts_count; // 0: any-any of both IP versions
	uint8_t pad;
	uint32_t flags;
	struct ip_addr local;            // the VIP
	struct ip_addr remote;           // IP_NONE: from anywhere, the identity decides
	char local_id[API_IKE_ID_SIZE];  // empty: the VIP
	char remote_id[API_IKE_ID_SIZE]; // empty: any identity that proves the credential, from
					 // `remote` only
	struct api_ike_proposal proposal[API_IKE_PROPOSALS];
	struct api_ike_proposal child_proposal[API_IKE_PROPOSALS];
	uint32_t ike_life_s;   // IKE SA is rekeyed before it
	uint32_t child_life_s; // hard lifetime of a child SA
	uint64_t child_life_kb;
	uint32_t idle_s; // child SA without traffic is closed; 0 never
	uint32_t dpd_s;  // 0: none
	uint32_t replay_window;
	uint32_t pad2;
	struct api_ike_selector local_ts[API_IKE_SELECTORS];
	struct api_ike_selector remote_ts[API_IKE_SELECTORS];
	char name[64];
};

enum api_ike_credential_type {
	API_IKE_CRED_PSK = 1,     // the shared secret's bytes
	API_IKE_CRED_CERTIFICATE, // ours, DER; several: the chain
	API_IKE_CRED_KEY,         // our private key, PKCS#8 DER
	API_IKE_CRED_CA,          // trusted for the peer, DER
	API_IKE_CRED_CRL,         // DER
};

#define API_IKE_SECRET_SIZE 8192

// Key material of one connection. Never dumped, never logged: a DUMP answers keys and sizes only.
struct api_ike_credential {
	uint32_t conn;
	uint16_t type;  // enum api_ike_credential_type
	uint16_t index; // of several of one type
	// end of key
	uint32_t secret_size;                // bytes used of secret
	uint8_t secret[API_IKE_SECRET_SIZE]; // only secret_size bytes are sent
};

enum api_ike_state_code {
	API_IKE_DOWN = 0,
	API_IKE_CONNECTING,
	API_IKE_UP,
	API_IKE_DISABLED,
};

struct api_ike_state {
	uint32_t conn;
	// end of key
	uint8_t state; // enum api_ike_state_code
	uint8_t initiator;
	uint8_t nat_local, nat_remote;
	uint32_t up_s;  // since the first child SA came up
	uint32_t error; // last failure: IKEv2 notify type, or 809 no answer; 0 none
	uint32_t child_count;
	uint16_t peer_port;
	uint16_t attempts; // dials since it was last up
	struct ip_addr peer;
	uint64_t spi_initiator, spi_responder;
	uint32_t rekeys_ike, rekeys_child;
	char peer_id[API_IKE_ID_SIZE];
	char ike_proposal[64], child_proposal[64]; // as negotiated
	char reason[128];                          // last failure in words
};

// One decoded message of an exchange, for the doctor; never any key or plaintext of a payload.
// A message that reached no connection (nobody has that address or identity) has conn 0.
struct api_ike_exchange {
	uint32_t conn;
	uint32_t index; // from 1, oldest first
	// end of key
	uint64_t time_ms; // since the epoch
	uint8_t inbound, request;
	uint16_t exchange; // RFC 7296 section 3.1
	uint32_t message_id;
	struct ip_addr local, remote;
	char text[400]; // payloads and what they propose
};

// CALL: what is wrong with a connection. The answer is struct api_ike_verdict, best first.
struct api_ike_diagnose {
	uint32_t conn;
	// end of key
	uint32_t pad;
};

enum api_ike_verdict_code {
	API_IKE_VERDICT_FINE = 1,      // nothing wrong here
	API_IKE_VERDICT_DISABLED,      // connectionStatus
	API_IKE_VERDICT_NO_CREDENTIAL, // no secret, certificate or key is stored
	API_IKE_VERDICT_NOBODY_BEGINS, // the peer has not come, and we do not dial
	API_IKE_VERDICT_NO_ANSWER,     // to our first message
	API_IKE_VERDICT_HALF_OPEN,     // the first exchange passes, the second does not
	API_IKE_VERDICT_IKE_PROPOSAL,  // mainMode
	API_IKE_VERDICT_ESP_PROPOSAL,  // quickMode
	API_IKE_VERDICT_PEER_IDENTITY, // who the peer says it is
	API_IKE_VERDICT_OUR_IDENTITY,  // who the peer expects us to be
	API_IKE_VERDICT_AUTH_METHOD,   // secret against certificate
	API_IKE_VERDICT_KEY,           // the shared secret
	API_IKE_VERDICT_CERTIFICATE,   // trust, validity, revocation
	API_IKE_VERDICT_SELECTORS,     // traffic selectors
	API_IKE_VERDICT_MODE,          // tunnel against transport
	API_IKE_VERDICT_FORWARDER,     // the tunnel was agreed and could not be installed
	API_IKE_VERDICT_PEER_REFUSES,  // another error that the peer names
	API_IKE_VERDICT_NO_CONFIG,     // no connection took the peer's first message
	API_IKE_VERDICT_NAT,           // a remark: there is a NAT between
	API_IKE_VERDICT_PEER_CLOSED,   // the peer took the tunnel down
	API_IKE_VERDICT_CONNECTING,    // under way, nothing against it so far
	API_IKE_VERDICT_WITHHELD,      // messages came that may be another tenant's
};

struct api_ike_verdict {
	uint32_t conn;
	uint32_t rank; // from 1
	// end of key
	uint16_t code;     // enum api_ike_verdict_code
	uint16_t exchange; // in which it shows; 0: in none
	uint8_t certain;   // 0: the likeliest of what the protocol lets one know
	uint8_t pad[3];
	uint64_t time_ms; // of the message it rests on; 0: of none
	char field[64];   // of the connection's resource: "mainMode.diffieHellmanGroup", or empty
	char text[320];   // ours against theirs, and the way out
};
