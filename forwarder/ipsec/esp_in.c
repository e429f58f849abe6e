// SPDX-License-Identifier: Apache-2.0

// Inbound ESP, plain or in UDP. Packets come with their data at an outer header that is ours; each
// goes to its SA's owner worker. What comes out of a tunnel enters the connection's own VRF and no
// other; what comes out of transport mode goes on as the connection's GRE.

#include "conn/conn_in.h"
#include "graph.h"
#include "esp_stage.h"
#include "ipsec.h"
#include "rcu.h"
#include "vip/vip.h"

struct in_vector {
	struct rte_mbuf *pkts[NODE_VECTOR];
	struct esp_sa *sas[NODE_VECTOR];
	struct esp_at at[NODE_VECTOR];
	uint16_t len;
};

// Those that are ESP; where their SAs are found is on its way.
static void find(struct worker *w, struct rte_mbuf **pkts, uint16_t n, struct in_vector *v)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		enum drop_reason reason = esp_find(m, &v->at[v->len]);

		if (unlikely(reason != DROP_NONE)) {
			packet_drop(w, m, reason);
			continue;
		}
		__builtin_prefetch(esp_lookup_in_at(ipsec_lookup, v->at[v->len].spi));
		v->pkts[v->len++] = m;
	}
}

// No SA here serves it: perhaps its slot is held elsewhere.
static void not_here(struct worker *w, struct rte_mbuf *m, uint32_t spi, enum drop_reason reason)
{
	bool is_v6 = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 6;

	if (vip_relay(is_v6, (uint16_t)API_SPI_SLOT(spi)))
		node_push(w, NODE_VIP_RELAY, m);
	else
		packet_drop(w, m, reason);
}

// Those whose SPI may be one of ours; the SAs' memory is on its way.
static void find_sas(struct worker *w, struct in_vector *v)
{
	uint16_t len = 0;

	for (uint16_t i = 0; i < v->len; i++) {
		struct esp_sa *sa = esp_lookup_in(ipsec_lookup, v->at[i].spi);

		if (unlikely(sa == NULL)) {
			not_here(w, v->pkts[i], v->at[i].spi, DROP_ESP_UNKNOWN_SPI);
			continue;
		}
		esp_sa_prefetch_in(sa);
		v->pkts[len] = v->pkts[i];
		v->at[len] = v->at[i];
		v->sas[len++] = sa;
	}
	v->len = len;
}

// Those that are this worker's.
static void keep_own(struct worker *w, struct in_vector *v)
{
	uint16_t len = 0;

	for (uint16_t i = 0; i < v->len; i++) {
		struct esp_sa *sa = v->sas[i];

		if (unlikely(sa->spi != v->at[i].spi)) {
			not_here(w, v->pkts[i], v->at[i].spi, DROP_ESP_UNKNOWN_SPI);
			continue;
		}
		if (unlikely(sa->owner != w->index)) {
			worker_handoff(w, sa->owner, NODE_ESP_IN, v->pkts[i]);
			continue;
		}
		v->pkts[len] = v->pkts[i];
		v->sas[len] = sa;
		v->at[len++] = v->at[i];
	}
	v->len = len;
}

// For deliver(): the connections of what is about to be opened.
static void fetch_conns(struct worker *w, const struct in_vector *v)
{
	for (uint16_t i = 0; i < v->len; i++) {
		__builtin_prefetch(rcu_load(&conn_fwd_table[v->sas[i]->conn_index]));
		__builtin_prefetch(&w->conns[v->sas[i]->conn_index], 1);
	}
}

static void deliver(struct worker *w, struct rte_mbuf *m, const struct esp_sa *sa)
{
	const struct conn_fwd *c = rcu_load(&conn_fwd_table[sa->conn_index]);
	struct packet_meta *meta = packet_meta(m);

	meta->csum_start = 0; // what was owed was the outer header's
	if (unlikely(c == NULL || c->id != sa->conn)) {
		packet_drop(w, m, DROP_CONN_DOWN);
		return;
	}
	if (likely(sa->mode == API_SA_TUNNEL)) {
		if (likely(conn_admit(w, m, c)))
			node_push(w, NODE_PLAIN_SITE, m);
		return;
	}
	meta->conn = c->conn;
	m->l3_len = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4
			    ? (*rte_pktmbuf_mtod(m, const uint8_t *) & 15u) * 4
			    : 40;
	node_push(w, NODE_GRE_IN, m);
}

static void esp_in_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct esp_ctx *ctx = &ipsec_ctx[w->index];
	uint8_t verdicts[NODE_VECTOR];
	struct in_vector v;

	v.len = 0;
	find(w, pkts, n, &v);
	find_sas(w, &v);
	keep_own(w, &v);
	ctx->now_ns = worker_now(w);
	fetch_conns(w, &v);
	esp_decap(ctx, v.pkts, v.sas, v.at, verdicts, v.len);
	for (uint16_t i = 0; i < v.len; i++) {
		if (likely(verdicts[i] == DROP_NONE)) {
			deliver(w, v.pkts[i], v.sas[i]);
			continue;
		}
		if (verdicts[i] == DROP_SLOT_INACTIVE) {
			not_here(w, v.pkts[i], v.at[i].spi, DROP_SLOT_INACTIVE);
			continue;
		}
		packet_meta(v.pkts[i])->conn = v.sas[i]->conn_index;
		packet_drop(w, v.pkts[i], verdicts[i]);
	}
}

const struct node node_esp_in = {.name = "esp_in", .run = esp_in_run};
