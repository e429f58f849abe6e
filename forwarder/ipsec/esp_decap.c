// SPDX-License-Identifier: Apache-2.0

// Inbound ESP: RFC 4303 3.4. The outer header is believed only as far as it helps to find the SA;
// everything else is checked after the ICV.

#include <string.h>

#include "esp_stage.h"
#include "tos.h"

// -- finding ESP

static enum drop_reason find_after(struct rte_mbuf *m, unsigned offset, struct esp_at *ret_at)
{
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, offset);

	if (ret_at->udp) {
		unsigned size = m->pkt_len - offset;

		if (m->data_len < offset + 8u || esp_be16(p + 4) < 8 || esp_be16(p + 4) > size)
			return DROP_UDP_BAD;
		esp_cut(m, offset + esp_be16(p + 4));
		if (esp_be16(p + 4) == 9 && p[8] == 0xff)
			return DROP_ESP_KEEPALIVE; // RFC 3948 2.3
		offset += 8;
	}
	if (m->data_len < offset + ESP_HEADER_SIZE + ESP_IV_MAX)
		return DROP_ESP_SHORT;
	ret_at->offset = (uint16_t)offset;
	ret_at->spi = esp_be32(rte_pktmbuf_mtod_offset(m, const uint8_t *, offset));
	return DROP_NONE;
}

static enum drop_reason by_protocol(
	struct rte_mbuf *m, unsigned protocol, unsigned offset, struct esp_at *ret_at)
{
	if (protocol != ESP_PROTOCOL && protocol != ESP_PROTOCOL_UDP)
		return DROP_UNDERLAY_PROTOCOL;
	ret_at->udp = protocol == ESP_PROTOCOL_UDP;
	return find_after(m, offset, ret_at);
}

enum drop_reason esp_find(struct rte_mbuf *m, struct esp_at *ret_at)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned size, header;

	if (m->data_len < 20)
		return DROP_ESP_SHORT;
	if (ip[0] >> 4 == 4) {
		header = (ip[0] & 15u) * 4;
		size = esp_be16(ip + 2);
		if (header < 20 || size < header || size > m->pkt_len || header > m->data_len)
			return DROP_IP4_SHORT;
		esp_cut(m, size);
		return by_protocol(m, ip[9], header, ret_at);
	}
	if (ip[0] >> 4 != 6 || m->data_len < 40)
		return DROP_IP6_SHORT;
	size = 40u + esp_be16(ip + 4);
	if (size > m->pkt_len)
		return DROP_IP6_SHORT;
	esp_cut(m, size);
	return by_protocol(m, ip[6], 40, ret_at);
}

// -- before the ICV

static bool addresses_match(const struct esp_sa *sa, const uint8_t *ip, const struct esp_at *at)
{
	const struct esp_outer *o = esp_sa_outer(sa);
	unsigned size = o->v4 ? 4 : 16, from = o->v4 ? 12 : 8;

	if (o->v4 != (ip[0] >> 4 == 4) || at->udp != !!(sa->flags & API_SA_F_UDP))
		return false;
	if (memcmp(ip + from + size, o->header + from, size) != 0)
		return false; // sent to another address than our end's
	// A NAT may move the peer; the ICV tells whether it is it.
	return at->udp || o->any_remote || memcmp(ip + from, o->header + from + size, size) == 0;
}

static enum drop_reason admit(struct esp_ctx *ctx, struct rte_mbuf *m, struct esp_sa *sa,
	const struct esp_at *at, uint64_t *ret_seq)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t fixed = (uint32_t)at->offset + ESP_HEADER_SIZE + sa->iv_size + sa->icv_size;
	uint32_t raised = sa->raised;

	if (unlikely(!__atomic_load_n(&sa->active, __ATOMIC_ACQUIRE)))
		return DROP_SLOT_INACTIVE;
	if (unlikely(!addresses_match(sa, ip, at)))
		return DROP_ESP_WRONG_ADDRESS;
	if (unlikely(m->pkt_len < fixed + sa->align || (m->pkt_len - fixed) % sa->align != 0))
		return DROP_ESP_SHORT;
	*ret_seq = esp_replay_infer(&sa->replay, esp_be32(ip + at->offset + 4));
	if (unlikely(!esp_replay_check(&sa->replay, *ret_seq))) {
		sa->faults.replay++;
		return DROP_ESP_REPLAY;
	}
	if (unlikely(sa->stopped)) {
		sa->faults.refused++;
		return sa->stopped;
	}
	if (unlikely(sa->packets >= sa->check_packets || sa->bytes >= sa->check_bytes)) {
		enum drop_reason reason = esp_sa_admit(sa);

		ctx->events += sa->raised != raised;
		sa->faults.refused += reason != DROP_NONE;
		return reason;
	}
	return DROP_NONE;
}

// -- after it

// Payload of an opened packet, contiguous wherever it lies.
struct payload {
	const uint8_t *p;
	uint32_t size; // without trailer
	uint8_t next;
};

static enum drop_reason trailer_read(const uint8_t *p, uint32_t size, struct payload *ret)
{
	unsigned pad = p[size - 2];

	if (pad + ESP_TRAILER_SIZE > size)
		return DROP_ESP_MALFORMED;
	ret->p = p;
	ret->next = p[size - 1];
	ret->size = size - ESP_TRAILER_SIZE - pad;
	if (ret->next == ESP_NEXT_NONE)
		return DROP_ESP_DUMMY; // its content means nothing
	for (unsigned i = 0; i < pad; i++)
		if (p[ret->size + i] != i + 1)
			return DROP_ESP_MALFORMED;
	return DROP_NONE;
}

// The inner packet's own length; what follows it is TFC padding (RFC 4303 2.7). 0: malformed.
static uint32_t inner_size(const struct payload *in)
{
	uint32_t size;

	if (in->next == ESP_NEXT_IPV4) {
		if (in->size < 20 || in->p[0] >> 4 != 4 || (in->p[0] & 15) < 5)
			return 0;
		size = esp_be16(in->p + 2);
		return size < (in->p[0] & 15u) * 4 || size > in->size ? 0 : size;
	}
	if (in->next != ESP_NEXT_IPV6 || in->size < 40 || in->p[0] >> 4 != 6)
		return 0;
	size = 40u + esp_be16(in->p + 4);
	return size > in->size ? 0 : size;
}

static enum drop_reason selectors_check(const struct esp_sa *sa, const struct payload *in)
{
	const struct esp_policy *policy = __atomic_load_n(&sa->policy, __ATOMIC_ACQUIRE);
	struct esp_flow flow;

	if (likely(policy == &esp_policy_open))
		return DROP_NONE;
	if (unlikely(policy == NULL))
		return DROP_ESP_SELECTOR;
	if (esp_policy_any(policy))
		return DROP_NONE;
	if (!esp_flow_read(in->p, in->size, &flow) || !esp_policy_in(policy, &flow))
		return DROP_ESP_SELECTOR;
	return DROP_NONE;
}

static unsigned outer_tos(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

static enum drop_reason ecn_apply(uint8_t *ip, unsigned outer)
{
	bool v4 = ip[0] >> 4 == 4;
	uint8_t inner = v4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
	unsigned tos = tos_decap(inner, (uint8_t)outer);

	if (likely(tos == inner))
		return DROP_NONE;
	if (tos == TOS_INVALID)
		return DROP_ECN_INVALID;
	if (v4)
		esp_ip4_set16(ip, 0, (uint16_t)(ip[0] << 8 | tos));
	else
		ip[1] = (uint8_t)((ip[1] & 0x0f) | (tos & 0x0f) << 4);
	return DROP_NONE;
}

static enum drop_reason tunnel_finish(
	struct rte_mbuf *m, struct esp_sa *sa, uint32_t front, struct payload *in)
{
	unsigned outer = outer_tos(rte_pktmbuf_mtod(m, const uint8_t *));
	enum drop_reason reason;

	in->size = inner_size(in);
	if (unlikely(in->size == 0))
		return DROP_ESP_MALFORMED;
	reason = selectors_check(sa, in);
	if (unlikely(reason != DROP_NONE))
		return reason;
	esp_cut(m, front + in->size);
	if (unlikely(rte_pktmbuf_adj(m, (uint16_t)front) == NULL ||
		     m->data_len < (in->next == ESP_NEXT_IPV4 ? 20 : 40)))
		return DROP_ESP_MALFORMED; // a chain cut in its headers
	return ecn_apply(rte_pktmbuf_mtod(m, uint8_t *), outer);
}

// Transport mode: the outer header becomes the packet's own again, in front of the payload.
static enum drop_reason transport_finish(
	struct rte_mbuf *m, struct esp_sa *sa, uint32_t front, const struct payload *in)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	bool v4 = ip[0] >> 4 == 4;
	uint32_t header = v4 ? (ip[0] & 15u) * 4 : 40;

	if (in->next != ESP_NEXT_GRE || __atomic_load_n(&sa->policy, __ATOMIC_ACQUIRE) == NULL)
		return DROP_ESP_SELECTOR;
	esp_cut(m, front + in->size);
	memmove(ip + front - header, ip, header);
	if (rte_pktmbuf_adj(m, (uint16_t)(front - header)) == NULL)
		return DROP_ESP_MALFORMED;
	ip = rte_pktmbuf_mtod(m, uint8_t *);
	if (v4) {
		esp_ip4_set16(ip, 8, (uint16_t)(ip[8] << 8 | in->next));
		esp_ip4_set16(ip, 2, (uint16_t)m->pkt_len);
	} else {
		ip[6] = in->next;
		esp_put_be16(ip + 4, m->pkt_len - 40);
	}
	return DROP_NONE;
}

// The packet is genuine: where it came from is where the peer is now.
static void learn_mapping(
	struct esp_ctx *ctx, struct esp_sa *sa, const uint8_t *ip, const struct esp_at *at)
{
	const struct esp_outer *o = esp_sa_outer(sa);
	unsigned size = o->v4 ? 4 : 16, from = o->v4 ? 12 : 8;
	struct ip_addr addr = ip_from_bytes(o->v4 ? IP_V4 : IP_V6, ip + from);
	uint16_t port = esp_be16(ip + at->offset - 8);

	if (port == o->remote_port && memcmp(addr.bytes, o->header + from + size, size) == 0)
		return;
	if (port == sa->seen_port && ip_equal(&addr, &sa->seen_remote))
		return;
	sa->seen_remote = addr;
	sa->seen_port = port;
	__atomic_fetch_or(&sa->events, 1u << API_SA_EVENT_MAPPING, __ATOMIC_RELEASE);
	ctx->events++;
}

static enum drop_reason finish(struct esp_ctx *ctx, struct rte_mbuf *m, struct esp_sa *sa,
	const struct esp_at *at, uint64_t seq, const struct esp_op *op)
{
	uint32_t front = (uint32_t)at->offset + ESP_HEADER_SIZE + sa->iv_size;
	enum drop_reason reason;
	struct payload in;

	if (unlikely(!op->ok)) {
		sa->faults.integrity++;
		return DROP_ESP_INTEGRITY;
	}
	if (unlikely(!esp_replay_accept(&sa->replay, seq))) {
		sa->faults.replay++;
		return DROP_ESP_REPLAY;
	}
	sa->packets++;
	sa->last_ns = ctx->now_ns;
	if (at->udp && seq == sa->replay.top)
		learn_mapping(ctx, sa, rte_pktmbuf_mtod(m, const uint8_t *), at);
	reason = trailer_read(op->esp + ESP_HEADER_SIZE + sa->iv_size, op->size, &in);
	if (likely(reason == DROP_NONE))
		reason = sa->mode == API_SA_TUNNEL ? tunnel_finish(m, sa, front, &in)
						   : transport_finish(m, sa, front, &in);
	if (likely(reason == DROP_NONE)) {
		sa->bytes += in.size;
		return DROP_NONE;
	}
	sa->faults.selector += reason == DROP_ESP_SELECTOR;
	sa->faults.malformed += reason == DROP_ESP_MALFORMED;
	return reason;
}

static void op_fill(
	struct esp_op *op, const struct esp_sa *sa, uint8_t *esp, uint32_t size, uint64_t seq)
{
	*op = (struct esp_op){
		.key = &sa->key,
		.esp = esp,
		.size = size - ESP_HEADER_SIZE - sa->iv_size - sa->icv_size,
		.seq_hi = (uint32_t)(seq >> 32),
	};
}

static enum drop_reason decap_chain(struct esp_ctx *ctx, struct rte_mbuf *m, struct esp_sa *sa,
	const struct esp_at *at, uint64_t seq)
{
	uint8_t *esp = esp_bounce_in(ctx, m, at->offset);
	struct esp_op op;

	if (esp == NULL)
		return DROP_NO_BUFFER;
	op_fill(&op, sa, esp, m->pkt_len - at->offset, seq);
	ctx->crypto->open(ctx->thread, &op, 1);
	if (op.ok)
		esp_bounce_out(ctx, m, at->offset);
	return finish(ctx, m, sa, at, seq, &op);
}

// Where the packet's bit of the replay window is.
static void replay_prefetch(
	const struct esp_sa *sa, const struct rte_mbuf *m, const struct esp_at *at)
{
	uint32_t seq =
		esp_be32(rte_pktmbuf_mtod_offset(m, const uint8_t *, (uint32_t)at->offset + 4));

	__builtin_prefetch(&sa->ring[seq / 64 & sa->replay.mask]);
}

void esp_decap(struct esp_ctx *ctx, struct rte_mbuf **pkts, struct esp_sa **sas,
	const struct esp_at *at, uint8_t *ret_verdicts, uint16_t n)
{
	ctx->len = 0;
	for (uint16_t i = 0; i < n; i++)
		esp_sa_prefetch_in(sas[i]);
	for (uint16_t i = 0; i < n; i++)
		replay_prefetch(sas[i], pkts[i], &at[i]);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		ret_verdicts[i] = (uint8_t)admit(ctx, m, sas[i], &at[i], &ctx->seq[i]);
		if (unlikely(ret_verdicts[i] != DROP_NONE || esp_chained(m)))
			continue;
		op_fill(&ctx->ops[ctx->len], sas[i],
			rte_pktmbuf_mtod_offset(m, uint8_t *, at[i].offset),
			m->pkt_len - at[i].offset, ctx->seq[i]);
		ctx->at[ctx->len++] = (uint8_t)i;
	}
	ctx->crypto->open(ctx->thread, ctx->ops, ctx->len);
	for (uint16_t i = 0, j = 0; i < n; i++) {
		if (j < ctx->len && ctx->at[j] == i)
			ret_verdicts[i] = (uint8_t)finish(
				ctx, pkts[i], sas[i], &at[i], ctx->seq[i], &ctx->ops[j++]);
		else if (ret_verdicts[i] == DROP_NONE)
			ret_verdicts[i] =
				(uint8_t)decap_chain(ctx, pkts[i], sas[i], &at[i], ctx->seq[i]);
	}
}
