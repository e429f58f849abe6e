// SPDX-License-Identifier: Apache-2.0

// Outbound ESP. Packets come with meta.out naming an adjacency of an IPsec connection, or of a GRE
// connection that IPsec protects (then with their outer header on). The connection's policies
// choose the SA, whose owner worker seals. A packet without an SA ends here; there is no other way
// out.

#include "conn/conn.h"
#include "graph.h"
#include "ip/fragment.h"
#include "ip/encap.h"
#include "esp_stage.h"
#include "ipsec.h"
#include "offload.h"
#include "rcu.h"

struct out_vector {
	struct rte_mbuf *pkts[NODE_VECTOR];
	struct esp_sa *sas[NODE_VECTOR];
	uint16_t len;
};

static void flush(struct worker *w, struct out_vector *v)
{
	struct esp_ctx *ctx = &ipsec_ctx[w->index];
	uint8_t verdicts[NODE_VECTOR];

	ctx->now_ns = worker_now(w);
	esp_encap(ctx, v->pkts, v->sas, verdicts, v->len);
	for (uint16_t i = 0; i < v->len; i++) {
		struct rte_mbuf *m = v->pkts[i];

		if (likely(verdicts[i] == DROP_NONE)) {
			hop_send(w, m, v->sas[i]->hop);
			continue;
		}
		packet_meta(m)->conn = v->sas[i]->conn_index;
		packet_drop(w, m, verdicts[i]);
	}
	v->len = 0;
}

static void add(struct worker *w, struct out_vector *v, struct rte_mbuf *m, struct esp_sa *sa)
{
	if (unlikely(v->len == NODE_VECTOR))
		flush(w, v);
	v->pkts[v->len] = m;
	v->sas[v->len++] = sa;
}

static enum drop_reason choose(
	const struct rte_mbuf *m, const struct adj *adj, struct esp_sa **ret_sa)
{
	const struct conn_fwd *c = rcu_load(&conn_fwd_table[adj->conn]);
	struct esp_sa *sole = esp_lookup_sole(ipsec_lookup, adj->conn);
	const struct esp_policy_set *set;
	const struct esp_policy *policy;

	if (likely(c != NULL && sole != NULL && sole->conn == c->id)) {
		*ret_sa = sole;
		return DROP_NONE;
	}
	set = esp_lookup_out(ipsec_lookup, adj->conn);
	if (unlikely(c == NULL || set == NULL || set->list[0]->conn != c->id))
		return DROP_CONN_DOWN;
	policy = esp_policy_choose(set, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	if (unlikely(policy == NULL))
		return DROP_ESP_SELECTOR;
	*ret_sa = rcu_load(&policy->out);
	return likely(*ret_sa != NULL) ? DROP_NONE : DROP_ESP_NO_SA;
}

// The kernel's large packet: sealed is only what the peer can receive.
static void add_segments(
	struct worker *w, struct out_vector *v, struct rte_mbuf *m, struct esp_sa *sa, uint16_t mtu)
{
	struct packet_segments s;

	if (packet_segments_init(&s, m, PACKET_FIRST_IP) < 0) {
		packet_drop(w, m, DROP_FRAGMENT_FAILED);
		return;
	}
	while (packet_segments_left(&s)) {
		struct rte_mbuf *part = packet_segments_next(&s, w->pool);

		if (part == NULL) {
			packet_drop(w, m, DROP_NO_BUFFER);
			return;
		}
		*packet_meta(part) = *packet_meta(m);
		packet_meta(part)->flags &= (uint8_t)~PACKET_F_GSO;
		packet_meta(part)->csum_start = 0;
		if (unlikely(part->pkt_len > mtu))
			ip_too_big(w, part, mtu, NODE_ESP_OUT);
		else
			add(w, v, part, sa);
	}
	rte_pktmbuf_free(m);
}

static void take(struct worker *w, struct out_vector *v, struct rte_mbuf *m)
{
	struct packet_meta *meta = packet_meta(m);
	const struct adj *adj = rcu_load(&adj_table[meta->out]);
	struct esp_sa *sa = NULL;
	enum drop_reason reason = choose(m, adj, &sa);

	if (unlikely(reason != DROP_NONE)) {
		meta->conn = adj->conn;
		packet_drop(w, m, reason);
		return;
	}
	if (unlikely(sa->owner != w->index)) {
		worker_handoff(w, sa->owner, NODE_ESP_OUT, m);
		return;
	}
	// A protected GRE packet was counted before it got its header.
	if (adj->type == ADJ_ESP && !conn_out(w, m, adj))
		return;
	if (unlikely(meta->flags & PACKET_F_GSO)) {
		add_segments(w, v, m, sa, adj->mtu);
		return;
	}
	if (meta->csum_start)
		packet_csum_complete(m);
	meta->csum_start = 0;
	add(w, v, m, sa);
}

// Adjacency, then connection, then SA: each tells where the next one is, so a vector goes through
// them in step.
static void fetch(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t conns[NODE_VECTOR];

	for (uint16_t i = 0; i < n; i++)
		__builtin_prefetch(rcu_load(&adj_table[packet_meta(pkts[i])->out]));
	for (uint16_t i = 0; i < n; i++) {
		const struct adj *adj = rcu_load(&adj_table[packet_meta(pkts[i])->out]);

		conns[i] = adj->conn;
		__builtin_prefetch(&conn_fwd_table[adj->conn]);
		__builtin_prefetch(&ipsec_lookup->soles[adj->conn]);
		__builtin_prefetch(&w->conns[adj->conn], 1);
		if (adj->meter != NULL)
			__builtin_prefetch(adj->meter, 1);
	}
	for (uint16_t i = 0; i < n; i++) {
		const struct esp_sa *sa = esp_lookup_sole(ipsec_lookup, conns[i]);

		__builtin_prefetch(rcu_load(&conn_fwd_table[conns[i]]));
		if (sa != NULL)
			esp_sa_prefetch(sa);
	}
}

static void esp_out_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct out_vector v;

	v.len = 0;
	fetch(w, pkts, n);
	for (uint16_t i = 0; i < n; i++)
		take(w, &v, pkts[i]);
	flush(w, &v);
}

const struct node node_esp_out = {.name = "esp_out", .run = esp_out_run};
