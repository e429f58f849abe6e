// SPDX-License-Identifier: Apache-2.0
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGE_PAGE (2u << 20)
#define SEQ_BITS   28
#define SEALED_MAX 10000

// The hash of GCM is linear: the ICV of sequence number n is that of 0, xor `delta`; and from n to
// n + 1 delta changes by step[trailing ones of n].
struct replay_sa {
	uint8_t delta[16];
	uint32_t seq;
	uint8_t pad[12];
	uint8_t step[SEQ_BITS][16];
} __attribute__((aligned(64)));

// Times x in GCM's field, where bit 0 is the highest of byte 0.
static void times_x(uint8_t v[16])
{
	uint8_t out = v[15] & 1;

	for (int i = 15; i > 0; i--)
		v[i] = (uint8_t)(v[i] >> 1 | v[i - 1] << 7);
	v[0] = (uint8_t)(v[0] >> 1 ^ (out ? 0xe1 : 0));
}

static void xor16(uint8_t *to, const uint8_t *from)
{
	uint64_t a[2], b[2];

	memcpy(a, to, 16);
	memcpy(b, from, 16);
	a[0] ^= b[0];
	a[1] ^= b[1];
	memcpy(to, a, 16);
}

// Bit b of the sequence number, the AAD's last 32 bits, is x^(95 - b).
static void sa_init(struct replay_sa *sa, const struct replay_power *power)
{
	uint8_t bit[16], bits[SEQ_BITS][16];

	memset(sa, 0, sizeof(*sa));
	memcpy(bit, power, sizeof(bit));
	for (int i = 0; i < 96; i++, times_x(bit))
		if (95 - i < SEQ_BITS)
			memcpy(bits[95 - i], bit, 16);
	for (int b = 0; b < SEQ_BITS; b++)
		for (int low = 0; low <= b; low++)
			xor16(sa->step[b], bits[low]);
}

static int sas_init(struct replay *r, const struct replay_power *powers)
{
	if (!r->header->sas)
		return 0;
	r->sas = aligned_alloc(64, r->header->sas * sizeof(*r->sas));
	if (!r->sas)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->header->sas; i++)
		sa_init(&r->sas[i], &powers[i]);
	return 0;
}

static uint32_t stride_of(const struct replay_header *h)
{
	return h->in_stored + (h->in_tail ? (uint32_t)sizeof(struct replay_tail) : 0);
}

static bool header_fits(const struct replay_header *h, size_t size)
{
	return !memcmp(h->magic, REPLAY_MAGIC, sizeof(h->magic)) && h->count &&
	       h->in_stored <= REPLAY_STORED && h->out_stored <= REPLAY_STORED &&
	       h->in_stored % REPLAY_CHUNK == 0 && h->out_size >= h->out_stored &&
	       h->in_tail <= REPLAY_TAIL && (!h->esp_in_at || h->in_tail >= 16) &&
	       h->esp_in_at + 16 <= h->in_stored && h->esp_out_at + 36 <= h->out_size &&
	       h->in_tag_at + 4 <= h->in_stored && h->out_tag_at + 4 <= h->out_stored &&
	       size >= sizeof(*h) + (size_t)h->sas * sizeof(struct replay_power) +
			       (size_t)h->count * (stride_of(h) + h->out_stored);
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
	p += sizeof(*r->header);
	err = sas_init(r, (const void *)p);
	r->in_stride = stride_of(r->header);
	r->in = p + r->header->sas * sizeof(struct replay_power);
	r->out = r->in + (size_t)r->header->count * r->in_stride;
	return err;
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
	free(r->sas);
	*r = (struct replay){0};
}

void replay_fill_buffer(struct rte_mbuf *m)
{
	memset(m->buf_addr, REPLAY_FILL, m->buf_len);
}

// The SA's next sequence number, and the ICV that belongs to it.
static void stamp(const struct replay *r, uint32_t number, uint8_t *frame)
{
	const struct replay_header *h = r->header;
	struct replay_sa *sa = &r->sas[number];
	uint32_t seq;

	xor16(sa->delta, sa->step[__builtin_ctz(~sa->seq)]);
	seq = rte_cpu_to_be_32(++sa->seq);
	memcpy(frame + h->esp_in_at + 4, &seq, sizeof(seq));
	xor16(frame + h->in_size - 16, sa->delta);
}

static void write_tail(const struct replay *r, const struct replay_tail *tail, uint8_t *to)
{
	const struct replay_header *h = r->header;
	uint32_t body = h->in_size - h->in_tail;

	if (body > h->in_stored) // buffers come back with what became of it
		memset(to + h->in_stored, REPLAY_FILL, body - h->in_stored);
	memcpy(to + body, tail->bytes, h->in_tail);
	if (h->esp_in_at)
		stamp(r, tail->sa, to);
}

void replay_write(const struct replay *r, uint32_t i, struct rte_mbuf *m)
{
	const struct replay_header *h = r->header;
	const uint8_t *from = r->in + (size_t)i * r->in_stride;
	uint8_t *to = rte_pktmbuf_mtod(m, uint8_t *);

	replay_copy(to, from, h->in_stored);
	if (h->in_tail)
		write_tail(r, (const void *)(from + h->in_stored), to);
	m->data_len = (uint16_t)h->in_size;
	m->pkt_len = h->in_size;
}

// Opens a frame in place, from its SPI on; false: not a peer of ours could.
static bool open_sealed(uint8_t *esp, uint32_t size)
{
	uint8_t key[36], nonce[12], aad[12] = {0};
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint32_t spi;
	int n;
	bool ok;

	memcpy(&spi, esp, sizeof(spi));
	replay_esp_key(rte_be_to_cpu_32(spi) - replay_spi_out(0), false, key);
	memcpy(nonce, key + 32, 4);
	memcpy(nonce + 4, esp + 8, 8);
	memcpy(aad, esp, 4);
	memcpy(aad + 8, esp + 4, 4);
	ok = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, esp + size - 16) &&
	     EVP_DecryptUpdate(c, NULL, &n, aad, sizeof(aad)) &&
	     EVP_DecryptUpdate(c, esp + 16, &n, esp + 16, (int)size - 32) &&
	     EVP_DecryptFinal_ex(c, esp + 16, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

// The frame as it is to be compared: opened, in `room`, if ESP came out. NULL: it cannot be opened.
static const uint8_t *comparable(const struct replay_header *h, const uint8_t *p, uint8_t *room)
{
	if (!h->esp_out_at)
		return p;
	if (h->out_size > SEALED_MAX)
		return NULL;
	memcpy(room, p, h->out_size);
	return open_sealed(room + h->esp_out_at, h->out_size - h->esp_out_at) ? room : NULL;
}

static bool equals_record(const struct replay_header *h, const uint8_t *p, const uint8_t *want)
{
	for (uint32_t b = 0; b < h->out_stored; b++)
		if ((p[b] ^ want[b]) & h->out_mask[b])
			return false;
	if (h->esp_in_at || h->esp_out_at)
		return true; // the rest is arbitrary, and its ICV was right
	for (uint32_t b = h->out_stored; b < h->out_size; b++)
		if (p[b] != REPLAY_FILL)
			return false;
	return true;
}

bool replay_check(const struct replay *r, const struct rte_mbuf *m)
{
	const struct replay_header *h = r->header;
	uint8_t room[SEALED_MAX];
	const uint8_t *p;
	uint32_t i;

	if (m->pkt_len != h->out_size || m->data_len != h->out_size)
		return false;
	p = comparable(h, rte_pktmbuf_mtod(m, const uint8_t *), room);
	if (!p)
		return false;
	memcpy(&i, p + h->out_tag_at, sizeof(i));
	if (i >= h->count || !equals_record(h, p, r->out + (size_t)i * h->out_stored))
		return false;
	for (uint32_t k = 0; k < REPLAY_IP4 && h->ip4_at[k]; k++)
		if (rte_raw_cksum(p + h->ip4_at[k], 20) != 0xffff)
			return false;
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
