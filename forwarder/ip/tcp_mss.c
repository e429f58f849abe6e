// SPDX-License-Identifier: Apache-2.0

#include "tcp_mss.h"

#include "conn/conn.h"

#define TCP_SIZE       20
#define OPTION_END     0
#define OPTION_NOP     1
#define OPTION_MSS     2
#define OPTION_MSS_LEN 4

static uint8_t *mss_find(uint8_t *tcp, uint16_t size)
{
	uint16_t at = TCP_SIZE;

	while (at + OPTION_MSS_LEN <= size && tcp[at] != OPTION_END) {
		if (tcp[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (tcp[at] == OPTION_MSS && tcp[at + 1] == OPTION_MSS_LEN)
			return tcp + at + 2;
		if (tcp[at + 1] < 2)
			return NULL;
		at = (uint16_t)(at + tcp[at + 1]);
	}
	return NULL;
}

static void lower(struct rte_mbuf *m, uint8_t *tcp, uint8_t *mss, uint16_t limit)
{
	uint16_t old = load16(mss), new = be16(limit);
	bool is_odd = (mss - tcp) & 1;

	memcpy(mss, &new, sizeof(new));
	// A checksum still to be completed covers the options when it is.
	if (packet_meta(m)->csum_start)
		return;
	if (is_odd) { // each byte counts in the other half of a word
		old = be16(old);
		new = be16(new);
	}
	checksum_replace(tcp + 16, old, new);
}

void tcp_mss_clamp(struct rte_mbuf *m, uint16_t mtu)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *), *tcp, *mss;
	uint16_t header = ip[0] >> 4 == 4 ? (uint16_t)((ip[0] & 0xf) * 4) : IP6_SIZE;
	uint16_t base = ip[0] >> 4 == 4 ? IP4_SIZE : IP6_SIZE, size;
	uint32_t in = packet_meta(m)->conn;

	// What comes back goes by the connection this came from.
	if (in && in < CONN_MAX && conn_mtu_table[in] && conn_mtu_table[in] < mtu)
		mtu = conn_mtu_table[in];
	tcp = ip + header;
	size = (uint16_t)((tcp[12] >> 4) * 4);
	if (size < TCP_SIZE || rte_pktmbuf_data_len(m) < header + size || mtu < base + TCP_SIZE)
		return;
	mss = mss_find(tcp, size);
	if (mss && be16(load16(mss)) > mtu - base - TCP_SIZE)
		lower(m, tcp, mss, (uint16_t)(mtu - base - TCP_SIZE));
}
