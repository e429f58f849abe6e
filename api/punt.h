// SPDX-License-Identifier: Apache-2.0
#pragma once

// Underlay datagrams that are not the forwarder's: IKE. They come as EVENTs to the subscriber of
// API_TYPE_PUNT and leave by CALL of the same type (answered by ACK only). On port 4500 the non-ESP
// marker (RFC 3948 section 2.2) is part of the data in both directions.

#include <stdint.h>

#include "ipaddr.h"

#define API_PUNT_DATA_SIZE 9216 // a jumbo frame's worth; fragments are reassembled before

struct api_punt {
	struct ip_addr src, dst;
	uint16_t src_port, dst_port;
	uint16_t slot; // inbound: whose address it came to; outbound: the same
	uint16_t size; // bytes of data
	uint8_t dscp;
	uint8_t pad[7];
	uint8_t data[API_PUNT_DATA_SIZE]; // only size bytes are sent
};
