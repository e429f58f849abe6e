// SPDX-License-Identifier: Apache-2.0

// Outbound ESP: RFC 4303 3.3, tunnel headers by RFC 4301 5.1.2 and RFC 6040 4.1, UDP by RFC 3948.

#include <endian.h>
#include <string.h>

#include "esp_stage.h"
#include "tos.h"

// What of the packet as it came shapes the outer header.
struct inner {
	uint32_t size; // bytes that are encrypted, before padding
	uint16_t skip; // transport: bytes of the packet's own IP header, replaced
	uint8_t tos, next;
	bool df;
};

static bool inner_read(const struct esp_sa *sa, const struct rte_mbuf *m, struct inner *in)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v4 = ip[0] >> 4 == 4;

	if (m->data_len < (v4 ? 20 : 40) || (!v4 && ip[0] >> 4 != 6))
		return false;
	in->size = m->pkt_len;
	in->skip = 0;
	in->tos = v4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
	in->df = !v4 || (ip[6] & 0x40);
	in->next = v4 ? ESP_NEXT_IPV4 : ESP_NEXT_IPV6;
	if (sa->mode == API_SA_TUNNEL)
		return true;
	in->next = v4 ? ip[9] : ip[6];
	in->skip = v4 ? (uint16_t)((ip[0] & 15) * 4) : 40;
	if (in->next != ESP_NEXT_GRE || in->skip < 20 || in->skip > m->data_len)
		return false;
	in->size -= in->skip;
	return true;
}

static enum drop_reason admit(struct esp_ctx *ctx, struct esp_sa *sa)
{
	uint32_t raised = sa->raised;
	enum drop_reason reason = DROP_NONE;

	if (unlikely(!__atomic_load_n(&sa->active, __ATOMIC_ACQUIRE)))
		reason = DROP_SLOT_INACTIVE;
	else if (unlikely(sa->stopped))
		reason = sa->stopped;
	else if (unlikely(sa->packets >= sa->check_packets || sa->bytes >= sa->check_bytes))
		reason = esp_sa_admit(sa);
	if (unlikely(sa->raised != raised))
		ctx->events++;
	if (unlikely(reason != DROP_NONE))
		sa->faults.refused++;
	return reason;
}

// The identification is the sequence number's low half: the SA's own counter, on a line at hand.
static void outer_v4(struct esp_sa *sa, const struct esp_outer *o, uint8_t *h, uint32_t size,
	uint8_t tos, bool df)
{
	uint16_t id = (uint16_t)(sa->sequence + 1);
	uint32_t sum = o->sum + size + tos;
	uint16_t flags = df ? 0x4000 : 0;

	h[1] = tos;
	esp_put_be16(h + 2, size);
	sum += id;
	esp_put_be16(h + 4, id);
	esp_put_be16(h + 6, flags);
	sum += flags;
	esp_put_be16(h + 10, esp_sum_done(sum));
}

static void outer_write(struct esp_sa *sa, const struct esp_outer *o, uint8_t *h, uint32_t size,
	const struct inner *in)
{
	uint8_t tos = in->tos;
	bool df = sa->df == API_SA_DF_SET || (sa->df == API_SA_DF_COPY && in->df);

	if (sa->flags & API_SA_F_FIXED_DSCP)
		tos = (uint8_t)(sa->dscp << 2 | (tos & 3));
	if (sa->flags & API_SA_F_NO_ECN)
		tos &= 0xfc;
	memcpy(h, o->header, o->size);
	if (o->v4) {
		outer_v4(sa, o, h, size, tos, df);
	} else {
		h[0] = (uint8_t)(0x60 | tos >> 4);
		h[1] = (uint8_t)(tos << 4);
		esp_put_be16(h + 4, size - 40);
	}
	if (sa->flags & API_SA_F_UDP) // RFC 3948 2.1: no checksum; IPv6's is put in at the end
		esp_put_be16(h + (o->v4 ? 24 : 44), size - (o->v4 ? 20 : 40));
}

static void iv_write(struct esp_ctx *ctx, struct esp_sa *sa, uint8_t *iv)
{
	uint8_t random[16];
	uint64_t nonce;

	if (likely(esp_suite_counter_nonce(sa->key.suite))) {
		nonce = htobe64(__atomic_load_n(&sa->iv_base, __ATOMIC_RELAXED) | ++sa->counter);
		memcpy(iv, &nonce, sizeof(nonce));
		return;
	}
	sa->counter++;
	ctx->crypto->random_iv(ctx->thread, random);
	memcpy(iv, random, sa->iv_size);
}

static void trailer_write(uint8_t *p, unsigned pad, uint8_t next)
{
	for (unsigned i = 0; i < pad; i++)
		p[i] = (uint8_t)(i + 1);
	p[pad] = (uint8_t)pad;
	p[pad + 1] = next;
}

// Room for headers and trailer, or nothing is changed.
static bool make_room(struct rte_mbuf *m, uint32_t front, uint16_t skip, uint32_t back)
{
	if (unlikely(rte_pktmbuf_headroom(m) + skip < front ||
		     rte_pktmbuf_tailroom(rte_pktmbuf_lastseg(m)) < back))
		return false;
	if (skip != 0)
		rte_pktmbuf_adj(m, skip);
	rte_pktmbuf_prepend(m, (uint16_t)front);
	rte_pktmbuf_append(m, (uint16_t)back);
	return true;
}

static enum drop_reason prepare(
	struct esp_ctx *ctx, struct rte_mbuf *m, struct esp_sa *sa, uint16_t i)
{
	const struct esp_outer *outer = esp_sa_outer(sa);
	uint32_t front = (uint32_t)outer->size + ESP_HEADER_SIZE + sa->iv_size, pad, back;
	struct rte_mbuf *last = rte_pktmbuf_lastseg(m);
	enum drop_reason reason;
	struct inner in;
	uint8_t *p;

	if (unlikely(!inner_read(sa, m, &in)))
		return DROP_ESP_MALFORMED;
	reason = admit(ctx, sa);
	if (unlikely(reason != DROP_NONE))
		return reason;
	pad = (0u - in.size - ESP_TRAILER_SIZE) & (sa->align - 1u);
	back = pad + ESP_TRAILER_SIZE + sa->icv_size;
	if (unlikely(front + in.size + back > UINT16_MAX || !make_room(m, front, in.skip, back)))
		return DROP_NO_BUFFER;
	trailer_write(
		rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len - back), pad, in.next);
	p = rte_pktmbuf_mtod(m, uint8_t *);
	outer_write(sa, outer, p, m->pkt_len, &in);
	p += outer->size;
	sa->sequence++;
	sa->packets++;
	sa->bytes += in.size;
	sa->last_ns = ctx->now_ns;
	esp_put_be32(p, sa->spi);
	esp_put_be32(p + 4, (uint32_t)sa->sequence);
	iv_write(ctx, sa, p + ESP_HEADER_SIZE);
	ctx->seq[i] = sa->sequence;
	ctx->offset[i] = outer->size;
	return DROP_NONE;
}

void esp_encap_prepare(struct esp_ctx *ctx, struct rte_mbuf **pkts, struct esp_sa **sas,
	uint8_t *ret_verdicts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		esp_sa_prefetch(sas[i]);
	for (uint16_t i = 0; i < n; i++)
		ret_verdicts[i] = (uint8_t)prepare(ctx, pkts[i], sas[i], i);
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

static enum drop_reason seal_chain(
	struct esp_ctx *ctx, struct rte_mbuf *m, const struct esp_sa *sa, uint16_t i)
{
	uint32_t outer = ctx->offset[i], size = m->pkt_len - outer;
	uint8_t *esp = esp_bounce_in(ctx, m, outer);
	struct esp_op op;

	if (esp == NULL)
		return DROP_NO_BUFFER;
	op_fill(&op, sa, esp, size, ctx->seq[i]);
	ctx->crypto->seal(ctx->thread, &op, 1);
	esp_bounce_out(ctx, m, outer);
	return op.ok ? DROP_NONE : DROP_ESP_INTEGRITY;
}

// UDP over IPv6 needs a checksum (RFC 8200 8.1); one of zero may mean "none" to nobody.
static void udp6_checksum(struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t size = m->pkt_len - 40, sum = ESP_PROTOCOL_UDP + size, odd = 0;
	const struct rte_mbuf *s = m;
	uint16_t done;

	for (unsigned i = 8; i < 40; i += 2)
		sum += esp_be16(ip + i);
	for (uint32_t skip = 40; s != NULL; s = s->next, skip = 0) {
		const uint8_t *p = rte_pktmbuf_mtod(s, const uint8_t *);

		for (uint32_t i = skip; i < s->data_len; i++, odd ^= 1)
			sum += odd ? p[i] : (uint32_t)p[i] << 8;
	}
	done = esp_sum_done(sum);
	esp_put_be16(ip + 46, done ? done : 0xffff);
}

static bool needs_udp6_checksum(const struct esp_sa *sa, const struct rte_mbuf *m)
{
	return (sa->flags & API_SA_F_UDP) && *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 6;
}

void esp_encap_seal(struct esp_ctx *ctx, struct rte_mbuf **pkts, struct esp_sa **sas,
	uint8_t *verdicts, uint16_t n)
{
	ctx->len = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t outer = ctx->offset[i];

		if (unlikely(verdicts[i] != DROP_NONE))
			continue;
		if (unlikely(esp_chained(m))) {
			verdicts[i] = (uint8_t)seal_chain(ctx, m, sas[i], i);
			continue;
		}
		op_fill(&ctx->ops[ctx->len], sas[i], rte_pktmbuf_mtod_offset(m, uint8_t *, outer),
			m->pkt_len - outer, ctx->seq[i]);
		ctx->at[ctx->len++] = (uint8_t)i;
	}
	ctx->crypto->seal(ctx->thread, ctx->ops, ctx->len);
	for (uint16_t j = 0; j < ctx->len; j++)
		if (unlikely(!ctx->ops[j].ok))
			verdicts[ctx->at[j]] = DROP_ESP_INTEGRITY;
	for (uint16_t i = 0; i < n; i++)
		if (verdicts[i] == DROP_NONE && unlikely(needs_udp6_checksum(sas[i], pkts[i])))
			udp6_checksum(pkts[i]);
}

void esp_encap(struct esp_ctx *ctx, struct rte_mbuf **pkts, struct esp_sa **sas,
	uint8_t *ret_verdicts, uint16_t n)
{
	esp_encap_prepare(ctx, pkts, sas, ret_verdicts, n);
	esp_encap_seal(ctx, pkts, sas, ret_verdicts, n);
}
