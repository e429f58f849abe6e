// SPDX-License-Identifier: Apache-2.0
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <rte_ip.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGE_PAGE (2u << 20)

static bool header_fits(const struct replay_header *h, size_t size)
{
	return !memcmp(h->magic, REPLAY_MAGIC, sizeof(h->magic)) && h->count &&
	       h->in_stored <= REPLAY_STORED && h->out_stored <= REPLAY_STORED &&
	       h->in_stored % REPLAY_CHUNK == 0 && h->out_size >= h->out_stored &&
	       h->in_tag_at + 4 <= h->in_stored && h->out_tag_at + 4 <= h->out_stored &&
	       size >= sizeof(*h) + (size_t)h->count * (h->in_stored + h->out_stored);
}

static int read_all(int fd, uint8_t *to, size_t size)
{
	while (size) {
		ssize_t n = read(fd, to, size);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		size -= (size_t)n;
	}
	return 0;
}

static int load(struct replay *r, int fd)
{
	struct stat st;
	uint8_t *p;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((size_t)st.st_size < sizeof(struct replay_header))
		return -EINVAL;
	r->size = ((size_t)st.st_size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	p = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	(void)madvise(p, r->size, MADV_HUGEPAGE);
	r->header = (const void *)p;
	err = read_all(fd, p, (size_t)st.st_size);
	if (err == 0 && !header_fits(r->header, (size_t)st.st_size))
		err = -EINVAL;
	if (err < 0) {
		replay_unload(r);
		return err;
	}
	r->in = p + sizeof(*r->header);
	r->out = r->in + (size_t)r->header->count * r->header->in_stored;
	return 0;
}

int replay_load(struct replay *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	*r = (struct replay){0};
	if (fd < 0)
		return -errno;
	err = load(r, fd);
	close(fd);
	return err;
}

void replay_unload(struct replay *r)
{
	if (r->header)
		munmap((void *)(uintptr_t)r->header, r->size);
	*r = (struct replay){0};
}

void replay_fill_buffer(struct rte_mbuf *m)
{
	memset(m->buf_addr, REPLAY_FILL, m->buf_len);
}

void replay_write(const struct replay *r, uint32_t i, struct rte_mbuf *m)
{
	const struct replay_header *h = r->header;

	const uint8_t *from = r->in + (size_t)i * h->in_stored;
	uint8_t *to = rte_pktmbuf_mtod(m, uint8_t *);

	for (uint32_t at = 0; at < h->in_stored; at += REPLAY_CHUNK)
		memcpy(to + at, from + at, REPLAY_CHUNK);
	m->data_len = (uint16_t)h->in_size;
	m->pkt_len = h->in_size;
}

bool replay_counts(const struct replay *r, const struct rte_mbuf *m)
{
	return m->pkt_len == r->header->out_size;
}

bool replay_check(const struct replay *r, const struct rte_mbuf *m)
{
	const struct replay_header *h = r->header;
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *want;
	uint32_t i;

	if (m->pkt_len != h->out_size || m->data_len != h->out_size)
		return false;
	memcpy(&i, p + h->out_tag_at, sizeof(i));
	if (i >= h->count)
		return false;
	want = r->out + (size_t)i * h->out_stored;
	for (uint32_t b = 0; b < h->out_stored; b++) {
		if ((p[b] ^ want[b]) & h->out_mask[b])
			return false;
	}
	for (uint32_t b = h->out_stored; b < h->out_size; b++) {
		if (p[b] != REPLAY_FILL)
			return false;
	}
	for (uint32_t k = 0; k < REPLAY_IP4 && h->ip4_at[k]; k++) {
		if (rte_raw_cksum(p + h->ip4_at[k], 20) != 0xffff)
			return false;
	}
	return true;
}

bool replay_answer_arp(const struct replay *r, struct rte_mbuf *m)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), *arp = p + 12;
	uint8_t target[4];

	if (m->data_len >= 46 && arp[0] == 0x81 && arp[1] == 0)
		arp += 4;
	if (m->data_len < 42 || arp[0] != 0x08 || arp[1] != 0x06 || arp[9] != 1)
		return false;
	arp += 2; // past the EtherType
	memcpy(target, arp + 24, 4);
	memcpy(arp + 18, arp + 8, 10); // the asker's MAC and address
	memcpy(arp + 8, r->header->peer_mac, 6);
	memcpy(arp + 14, target, 4);
	arp[7] = 2;
	memcpy(p, p + 6, 6);
	memcpy(p + 6, r->header->peer_mac, 6);
	return true;
}
