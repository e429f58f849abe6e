// SPDX-License-Identifier: Apache-2.0
#pragma once

// Packet in, packet out, without ports or threads: what unit tests of nodes stand on.
//
// A test pushes frames into a node of a graph, runs it, and takes what came out: sent on a port,
// dropped with a reason, handed to the control thread, or stopped in front of a node it named.
// The environment (DPDK without hugepages or devices) is made once per process, at the first call.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"
#include "worker.h"

#define TESTBED_PORTS 4

enum testbed_end { TESTBED_TX = 1, TESTBED_DROP, TESTBED_CONTROL, TESTBED_STOP };

struct testbed_result {
	enum testbed_end end;
	uint16_t port;           // TESTBED_TX
	enum drop_reason reason; // TESTBED_DROP
	enum control_what what;  // TESTBED_CONTROL
	uint16_t node;           // TESTBED_STOP
	struct rte_mbuf *m;      // the caller's now: testbed_put()
};

struct testbed;

// Aborts when the environment cannot be made. All TESTBED_PORTS ports are up, MTU 1500, with MAC
// 02:00:00:00:00:<port>. One at a time.
struct testbed *testbed_new(const struct graph *graph);
void testbed_free(struct testbed *tb); // with all that was not taken

struct worker *testbed_worker(struct testbed *tb);
struct port *testbed_port(struct testbed *tb, uint16_t port);
void testbed_set_now(struct testbed *tb, uint64_t now_ns);
// No node does the work of several at once, from now on.
void testbed_every_node(struct testbed *tb, bool on);
// Packets for `node` end there as TESTBED_STOP.
void testbed_stop_at(struct testbed *tb, uint16_t node);

// A packet of these bytes, meta reset; up to 65 000 bytes, in one segment.
struct rte_mbuf *testbed_packet(struct testbed *tb, const void *bytes, size_t size);
// As received on `port`: meta.port set, pushed into the graph's input node.
void testbed_receive(struct testbed *tb, uint16_t port, const void *frame, size_t size);
void testbed_push(struct testbed *tb, uint16_t node, struct rte_mbuf *m);
void testbed_run(struct testbed *tb); // until nothing is pending, in the inbox neither; flushes

// Results in the order they came about. false: none is left.
bool testbed_take(struct testbed *tb, struct testbed_result *ret_result);
void testbed_put(struct testbed_result *result); // frees its packet
// The packet's bytes in one piece; valid until the next call.
const uint8_t *testbed_bytes(const struct testbed_result *result, size_t *ret_size);
size_t testbed_buffers_out(struct testbed *tb); // packet buffers not given back: 0 = no leak
