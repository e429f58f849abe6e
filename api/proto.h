// SPDX-License-Identifier: Apache-2.0
#pragma once

// The local socket protocol: how the processes of one gateway talk.
//
// Transport: UNIX stream socket, host byte order, one machine only. Every message is a header and
// `size` bytes of payload. The server (forwarder, bgp, ike) holds objects; the client states what
// it wants. SET is idempotent: it creates or replaces the object with that key, and an equal SET
// changes nothing. Objects outlive the connection that set them; a client that reconnects dumps,
// compares and sends the difference.
//
// Versions. The first message each way is HELLO. Majors must be equal. Within a major, structs only
// grow at their end, and zero in a new field means what its absence meant: a receiver reads a
// shorter object as if the rest were zero, and ignores what is longer than it knows, unless the
// sender set API_F_MUST, in which case non-zero bytes beyond what it knows are refused (-E2BIG).

#include <stdint.h>

#define API_MAJOR       1
#define API_MINOR       0
#define API_MAX_PAYLOAD (1u << 20) // bytes; a longer message closes the connection
#define API_TEXT_SIZE   128
#define API_TYPE_END    256 // types are below this

enum api_op {
	API_OP_HELLO = 1, // struct api_hello both ways, first
	API_OP_SET,       // payload: items of `type` (see struct api_item); answered once by ACK
	API_OP_DEL,       // payload: items holding at least the key fields; absent is no error
	API_OP_DUMP,      // payload: empty, or one item whose key fields filter (zero = any)
	API_OP_ITEMS,     // answer to DUMP: items; then ACK
	API_OP_ACK,       // status 0 or -errno; payload: struct api_error when negative
	API_OP_SUBSCRIBE, // payload: u32 list of types; EVENTs of these follow
	API_OP_EVENT,     // server to client, unasked: items of `type`
	API_OP_CALL,      // an action that is no object: trace, flush; items in, ITEMS + ACK out
	API_OP_WRONG,     // before the ACK of a SET or DEL with API_F_ALL: item number `done` was
		      // refused with `status`; payload: struct api_error
};

#define API_F_MUST 0x1 // see "Versions"
#define API_F_FD   0x2 // a descriptor travels with the first byte; the payload is one item
#define API_F_ALL  0x4 // SET, DEL: a refused item does not stop the others; each is told by WRONG

struct api_header {
	uint32_t size; // bytes of payload after this header
	uint16_t op;   // enum api_op
	uint16_t type; // enum api_type; 0 where the op has none
	uint32_t seq;  // chosen by the asker, echoed in every answer; 0 in events
	uint16_t flags;
	uint16_t pad;
	int32_t status; // ACK: 0 or -errno
	uint32_t
		done; // ACK of SET/DEL: items applied: before the failure, or with API_F_ALL in all
};

// Items lie back to back, each padded to 8 bytes; `size` is the object's own size without padding.
struct api_item {
	uint32_t size;
	uint32_t pad;
	uint8_t object[];
};

struct api_hello {
	uint16_t major;
	uint16_t minor;
	uint32_t pid;
	char name[32];     // "isthmus-agent", "isthmus-forwarder"
	char software[32]; // release, for people
	uint64_t instance; // random for each start of the process: tells a restart from a reconnect
};

struct api_error {
	char text[API_TEXT_SIZE]; // what is wrong and the way out, naming the field
};

// File descriptors travel by SCM_RIGHTS, one a message, marked by API_F_FD (API_TYPE_TUN).

enum api_type {
	// forwarder, wanted state
	API_TYPE_PORT = 1,      // struct api_port (dump only; ports are given at start)
	API_TYPE_UNDERLAY_ADDR, // struct api_underlay_addr
	API_TYPE_SLOT,          // struct api_slot
	API_TYPE_VRF,           // struct api_vrf
	API_TYPE_SUBNET,        // struct api_subnet
	API_TYPE_TENANT_SLOT,   // struct api_tenant_slot
	API_TYPE_LOCAL_ADDR,    // struct api_local_addr
	API_TYPE_HOST,          // struct api_host
	API_TYPE_CONN,          // struct api_conn
	API_TYPE_ROUTE,         // struct api_route
	API_TYPE_TUN,           // struct api_tun, with a descriptor
	API_TYPE_SA,            // api/sa.h
	API_TYPE_SA_POLICY,     // api/sa.h
	API_TYPE_BFD,           // api/bfd.h
	API_TYPE_SA_GRANT,      // struct api_sa_grant
	API_TYPE_FENCE,         // api/api_fence.h
	API_TYPE_VIP_SLOT,      // struct api_vip_slot
	API_TYPE_VIP_REMOTE,    // struct api_vip_remote
	// forwarder, reported state
	API_TYPE_CONN_STATS = 64, // struct api_conn_stats
	API_TYPE_COUNTER,         // struct api_counter
	API_TYPE_NEIGHBOUR,       // struct api_neighbour
	API_TYPE_NODE_STATS,      // struct api_node_stats
	API_TYPE_TRACE,           // struct api_trace (CALL)
	API_TYPE_WORKER,          // struct api_worker
	API_TYPE_CONN_EVENT,      // struct api_conn_event (EVENT)
	API_TYPE_SA_STATS,        // api/sa.h
	API_TYPE_SA_EVENT,        // api/sa.h
	API_TYPE_BFD_STATE,       // api/bfd.h
	API_TYPE_CAPTURE,         // api/capture.h (CALL)
	API_TYPE_MESSAGE_COUNT,   // struct api_message_count
	API_TYPE_PUNT,            // api/punt.h: underlay datagrams for ike
	API_TYPE_SA_RECORD,       // api/sa.h: CALL exports, SET imports
	API_TYPE_FENCE_STATE,     // api/api_fence.h
	// bgp: api/bgp.h
	API_TYPE_BGP_ROUTER = 128,
	API_TYPE_BGP_PEER,
	API_TYPE_BGP_POLICY,
	API_TYPE_BGP_NETWORK,
	API_TYPE_BGP_SOCKET, // with a descriptor
	API_TYPE_BGP_PEER_STATE,
	API_TYPE_BGP_ROUTE,
	// ike: api/ike.h
	API_TYPE_IKE_CONN = 192,
	API_TYPE_IKE_CREDENTIAL,
	API_TYPE_IKE_STATE,
	API_TYPE_IKE_EXCHANGE,
	API_TYPE_IKE_DIAGNOSE, // struct api_ike_diagnose (CALL)
	// agent: api/agent_status.h
	API_TYPE_AGENT_STATUS = 224,
};
