// SPDX-License-Identifier: Apache-2.0
#include "esp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "esp_stage.h"

int esp_ctx_init(struct esp_ctx *ctx, const struct esp_crypto *crypto)
{
	memset(ctx, 0, sizeof(*ctx));
	ctx->crypto = crypto;
	ctx->thread = crypto->thread_new();
	ctx->bounce = malloc(ESP_BOUNCE_SIZE);
	if (ctx->thread != NULL && ctx->bounce != NULL)
		return 0;
	esp_ctx_fini(ctx);
	return -ENOMEM;
}

void esp_ctx_fini(struct esp_ctx *ctx)
{
	if (ctx->thread != NULL)
		ctx->crypto->thread_free(ctx->thread);
	free(ctx->bounce);
	ctx->thread = NULL;
	ctx->bounce = NULL;
}

uint8_t *esp_bounce_in(struct esp_ctx *ctx, const struct rte_mbuf *m, uint32_t offset)
{
	uint32_t size = rte_pktmbuf_pkt_len(m) - offset;
	const void *p;

	if (size > ESP_BOUNCE_SIZE - ESP_BOUNCE_SPARE)
		return NULL;
	p = rte_pktmbuf_read(m, offset, size, ctx->bounce);
	if (p == NULL)
		return NULL;
	if (p != ctx->bounce) // it lay in one segment after all
		memcpy(ctx->bounce, p, size);
	return ctx->bounce;
}

void esp_bounce_out(struct esp_ctx *ctx, struct rte_mbuf *m, uint32_t offset)
{
	const uint8_t *from = ctx->bounce;

	for (; m != NULL; m = m->next) {
		uint32_t size = m->data_len;

		if (offset >= size) {
			offset -= size;
			continue;
		}
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, offset), from, size - offset);
		from += size - offset;
		offset = 0;
	}
}

void esp_cut(struct rte_mbuf *m, uint32_t size)
{
	struct rte_mbuf *head = m;
	uint32_t left = size;

	if (size >= head->pkt_len)
		return;
	head->pkt_len = size;
	while (left > m->data_len) {
		left -= m->data_len;
		m = m->next;
	}
	m->data_len = (uint16_t)left;
	while (m->next != NULL) {
		struct rte_mbuf *gone = m->next;

		m->next = gone->next;
		gone->next = NULL;
		gone->nb_segs = 1;
		rte_pktmbuf_free_seg(gone);
		head->nb_segs--;
	}
}
