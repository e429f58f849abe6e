// SPDX-License-Identifier: Apache-2.0

// Workers' side of GRE keepalives: ours that came back, and theirs that want to go back.

#include "conn/conn.h"
#include "gre/keepalive_packet.h"
#include "graph.h"
#include "ip/wire.h"

static struct keepalive_config config_of(const struct conn_fwd *c)
{
	return (struct keepalive_config){.local = c->local,
		.remote = c->remote,
		.has_key = c->flags & API_CONN_F_GRE_KEY,
		.key = c->gre_key};
}

// The bytes as the header says, without the link's padding. NULL: not in one piece.
static const uint8_t *whole(const struct rte_mbuf *m, size_t *ret_size)
{
	*ret_size = rte_pktmbuf_data_len(m);
	return m->nb_segs == 1 ? rte_pktmbuf_mtod(m, const uint8_t *) : NULL;
}

void keepalive_returned(struct worker *w, struct rte_mbuf *m, const struct conn_fwd *c)
{
	struct keepalive_config config = config_of(c);
	struct keepalive_probe *probe = c->keepalive;
	struct keepalive_mark mark;
	size_t size;
	const uint8_t *bytes = whole(m, &size);

	packet_meta(m)->conn = c->conn;
	if (c->refused) {
		packet_drop(w, m, c->refused);
	} else if (!probe || !bytes ||
		   !keepalive_read_inner(&config, &c->remote, &c->local, bytes, size, &mark) ||
		   (uint16_t)(__atomic_load_n(&probe->sent, __ATOMIC_RELAXED) - mark.id) >=
			   KEEPALIVE_IDS) {
		packet_drop(w, m, DROP_KEEPALIVE_BAD);
	} else {
		__atomic_fetch_add(&probe->heard, 1, __ATOMIC_RELAXED);
		packet_drop(w, m, DROP_KEEPALIVE_DONE);
	}
}

// From the tunnel's own far end to its own near end, the wrong way round: no tenant's packet.
static bool is_ends(const struct conn_fwd *c, const uint8_t *bytes, size_t size)
{
	bool v4 = c->local.family == IP_V4;
	size_t at = v4 ? 12 : 8, len = v4 ? 4 : 16;

	return bytes && bytes[0] >> 4 == (v4 ? 4 : 6) && size >= (v4 ? IP4_SIZE : IP6_SIZE) &&
	       memcmp(bytes + at, c->local.bytes, len) == 0 &&
	       memcmp(bytes + at + len, c->remote.bytes, len) == 0;
}

bool keepalive_answered(struct worker *w, struct rte_mbuf *m, const struct conn_fwd *c)
{
	struct keepalive_config config = config_of(c);
	struct keepalive_mark mark;
	struct rte_mbuf *answer;
	size_t size;
	const uint8_t *bytes = whole(m, &size);

	if (c->refused || !is_ends(c, bytes, size))
		return false;
	packet_meta(m)->conn = c->conn;
	if (!keepalive_read_inner(&config, &c->local, &c->remote, bytes, size, &mark) ||
		mark.ttl <= 1 || c->flags & API_CONN_F_GRE_OVER_IPSEC) {
		packet_drop(w, m, DROP_KEEPALIVE_BAD);
		return true;
	}
	answer = packet_new(w);
	if (!answer) {
		packet_drop(w, m, DROP_NO_BUFFER);
		return true;
	}
	mark.ttl--;
	packet_meta(answer)->out = c->hop;
	keepalive_write_inner(&config, &c->local, &c->remote, mark,
		(uint8_t *)rte_pktmbuf_append(answer, (uint16_t)size));
	node_push(w, NODE_HOP_OUT, answer);
	packet_drop(w, m, DROP_KEEPALIVE_DONE);
	return true;
}
