// SPDX-License-Identifier: Apache-2.0

// Reassembly of outer packets addressed to us (RFC 791 section 3.2, RFC 8200 section 4.5). All
// fragments of a packet meet on one worker, chosen by their addresses and identification. Packets
// with overlapping fragments are dropped whole (RFC 5722); when there is no room the oldest goes.
// A complete packet goes back to underlay_ip as if it had come in one piece.
//
// Data starts at the outer IP header, which underlay_ip has checked and found to be for us.

#include "reassembly.h"

#include "graph.h"
#include "ip/flow.h"
#include "ip/wire.h"
#include "worker.h"

#define FRAGMENT6_SIZE 8
#define BUCKETS        (2 * REASSEMBLY_PACKETS)
#define PACKET_BYTES   65535

enum { ECN_SEEN_CAPABLE = 1, ECN_SEEN_CE = 2, ECN_SEEN_NOT = 4 };

struct fragment6_hdr { // RFC 8200 section 4.5
	uint8_t next_header, reserved;
	uint16_t offset; // and M
	uint32_t id;
} __attribute__((packed));

struct key {
	uint8_t src[16], dst[16];
	uint32_t id;
	uint16_t port, vlan;
	uint8_t family, protocol;
	uint16_t pad;
};

struct piece {
	struct rte_mbuf *m;
	uint16_t offset, size;
	uint16_t header; // before the payload
};

struct packet {
	struct key key;
	struct packet *next;          // of its bucket
	struct packet *newer, *older; // by age
	uint64_t deadline_ns;
	uint32_t size;  // of the payload; 0: the last fragment has not come
	uint32_t have;  // bytes of payload
	uint32_t bytes; // of buffers
	uint8_t ecn;
	uint16_t len;
	struct piece pieces[REASSEMBLY_FRAGMENTS]; // by offset
};

struct reassembly { // worker: rw
	bool ready;
	uint32_t bytes;
	struct packet *buckets[BUCKETS];
	struct packet *free, *oldest, *newest;
	struct packet packets[REASSEMBLY_PACKETS];
};

static struct reassembly all[WORKER_MAX];

struct fragment {
	struct key key;
	struct piece piece;
	bool more;
	uint8_t ecn;
};

// -- the packets that wait

static void prepare(struct reassembly *r)
{
	for (unsigned i = 0; i < REASSEMBLY_PACKETS; i++) {
		r->packets[i].next = r->free;
		r->free = &r->packets[i];
	}
	r->ready = true;
}

static uint32_t key_hash(const struct key *k)
{
	uint64_t h = load64(k->src) * 3 ^ load64(k->src + 8) * 5 ^ load64(k->dst) * 7 ^
		     load64(k->dst + 8) * 11 ^ (uint64_t)k->id << 8 ^ k->protocol;

	h *= UINT64_C(0xd6e8feb86659fd93);
	return flow_mix(h ^ h >> 29);
}

static void unlink_packet(struct reassembly *r, struct packet *p)
{
	struct packet **at = &r->buckets[key_hash(&p->key) % BUCKETS];

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	*(p->older ? &p->older->newer : &r->oldest) = p->newer;
	*(p->newer ? &p->newer->older : &r->newest) = p->older;
	r->bytes -= p->bytes;
	p->next = r->free;
	r->free = p;
}

static void discard(
	struct worker *w, struct reassembly *r, struct packet *p, enum drop_reason reason)
{
	unlink_packet(r, p);
	for (unsigned i = 0; i < p->len; i++)
		packet_drop(w, p->pieces[i].m, reason);
}

static struct packet *packet_find(struct reassembly *r, const struct key *key)
{
	struct packet *p = r->buckets[key_hash(key) % BUCKETS];

	while (p && memcmp(&p->key, key, sizeof(*key)) != 0)
		p = p->next;
	return p;
}

static struct packet *packet_make(struct worker *w, struct reassembly *r, const struct key *key)
{
	struct packet **bucket = &r->buckets[key_hash(key) % BUCKETS], *p;

	if (!r->free)
		discard(w, r, r->oldest, DROP_REASSEMBLY_FULL);
	p = r->free;
	r->free = p->next;
	p->key = *key;
	p->deadline_ns = worker_now(w) + REASSEMBLY_NS;
	p->size = p->have = p->bytes = 0;
	p->ecn = 0;
	p->len = 0;
	p->next = *bucket;
	*bucket = p;
	p->newer = NULL;
	p->older = r->newest;
	*(r->newest ? &r->newest->newer : &r->oldest) = p;
	r->newest = p;
	return p;
}

// -- one fragment

static bool parse4(struct rte_mbuf *m, struct fragment *f)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod(m, const struct ip4_hdr *);
	uint16_t fragment = be16(ip->fragment);

	memcpy(f->key.src, &ip->src, 4);
	memcpy(f->key.dst, &ip->dst, 4);
	f->key.family = 4;
	f->key.id = ip->id;
	f->key.protocol = ip->protocol;
	f->more = fragment & IP4_MF;
	f->ecn = ip->tos & 3;
	f->piece.offset = (uint16_t)((fragment & 0x1fff) * 8);
	f->piece.header = (uint16_t)((ip->version_ihl & 0xf) * 4);
	return true;
}

static bool parse6(struct rte_mbuf *m, struct fragment *f)
{
	const struct ip6_hdr *ip = rte_pktmbuf_mtod(m, const struct ip6_hdr *);
	const struct fragment6_hdr *h = (const struct fragment6_hdr *)(ip + 1);

	if (rte_pktmbuf_data_len(m) < IP6_SIZE + FRAGMENT6_SIZE)
		return false;
	memcpy(f->key.src, ip->src, 16);
	memcpy(f->key.dst, ip->dst, 16);
	f->key.family = 6;
	f->key.id = h->id;
	f->key.protocol = h->next_header;
	f->more = be16(h->offset) & 1;
	f->ecn = be32(ip->version_class_flow) >> 20 & 3;
	f->piece.offset = be16(h->offset) & 0xfff8;
	f->piece.header = IP6_SIZE + FRAGMENT6_SIZE;
	return true;
}

static bool parse(struct rte_mbuf *m, struct fragment *f)
{
	const struct packet_meta *meta = packet_meta(m);
	bool is_ip4 = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4;
	uint32_t size;

	memset(f, 0, sizeof(*f));
	f->piece.m = m;
	f->key.port = meta->port;
	f->key.vlan = meta->vlan;
	if (is_ip4 ? !parse4(m, f) : !parse6(m, f))
		return false;
	size = rte_pktmbuf_pkt_len(m) - f->piece.header;
	f->piece.size = (uint16_t)size;
	return size && (!f->more || size % 8 == 0) &&
	       f->piece.header + f->piece.offset + size <= PACKET_BYTES;
}

// Its place among the others; false: it overlaps one, or does not fit the packet's end.
static bool place(struct packet *p, const struct fragment *f)
{
	const struct piece *new = &f->piece;
	uint32_t end = (uint32_t) new->offset + new->size;
	unsigned at = p->len;

	if (p->size && (end > p->size || (!f->more && end != p->size)))
		return false;
	while (at > 0 && p->pieces[at - 1].offset >= new->offset)
		at--;
	if (at < p->len && (end > p->pieces[at].offset || !f->more))
		return false;
	if (at > 0 && p->pieces[at - 1].offset + p->pieces[at - 1].size > new->offset)
		return false;
	memmove(&p->pieces[at + 1], &p->pieces[at], (p->len - at) * sizeof(*new));
	p->pieces[at] = *new;
	p->len++;
	return true;
}

static bool is_duplicate(const struct packet *p, const struct piece *piece)
{
	for (unsigned i = 0; i < p->len; i++)
		if (p->pieces[i].offset == piece->offset && p->pieces[i].size == piece->size)
			return true;
	return false;
}

// -- the whole

static void append(struct rte_mbuf *head, const struct piece *piece)
{
	struct rte_mbuf *m = piece->m;
	uint16_t size = piece->size;

	rte_pktmbuf_adj(m, piece->header);
	if (head->nb_segs == 1 && m->nb_segs == 1 && rte_pktmbuf_tailroom(head) >= size) {
		memcpy(rte_pktmbuf_append(head, size), rte_pktmbuf_mtod(m, const void *), size);
		rte_pktmbuf_free(m);
	} else {
		rte_pktmbuf_chain(head, m); // at most REASSEMBLY_FRAGMENTS of few segments each
	}
}

static void finish4(struct rte_mbuf *m, bool is_ce)
{
	struct ip4_hdr *ip = rte_pktmbuf_mtod(m, struct ip4_hdr *);

	ip->size = be16((uint16_t)rte_pktmbuf_pkt_len(m));
	ip->fragment = 0;
	ip->tos |= is_ce ? 3 : 0;
	ip->checksum = 0;
	ip->checksum = (uint16_t)~sum_bytes(ip, (size_t)(ip->version_ihl & 0xf) * 4, 0);
}

// The fragment header goes; what stands before it moves up, the link's header with it.
static void finish6(struct rte_mbuf *m, bool is_ce)
{
	struct ip6_hdr *ip = rte_pktmbuf_mtod(m, struct ip6_hdr *);
	uint8_t next = ((const struct fragment6_hdr *)(ip + 1))->next_header;
	uint8_t *from = (uint8_t *)ip - m->l2_len;

	memmove(from + FRAGMENT6_SIZE, from, m->l2_len + IP6_SIZE);
	ip = (struct ip6_hdr *)rte_pktmbuf_adj(m, FRAGMENT6_SIZE);
	ip->next_header = next;
	ip->payload_size = be16((uint16_t)(rte_pktmbuf_pkt_len(m) - IP6_SIZE));
	ip->version_class_flow |= is_ce ? be32(3u << 20) : 0;
}

// RFC 3168 section 5.3: congestion met by a part is met by the whole.
static void finish(struct worker *w, struct reassembly *r, struct packet *p)
{
	struct rte_mbuf *m = p->pieces[0].m;
	bool is_ce = p->ecn & ECN_SEEN_CE;

	if (is_ce && (p->ecn & ECN_SEEN_NOT)) {
		discard(w, r, p, DROP_ECN_INVALID);
		return;
	}
	unlink_packet(r, p);
	for (unsigned i = 1; i < p->len; i++)
		append(m, &p->pieces[i]);
	packet_meta(m)->csum_start = 0;
	if (*rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4)
		finish4(m, is_ce);
	else
		finish6(m, is_ce);
	node_push(w, NODE_UNDERLAY_IP, m);
}

static void take(struct worker *w, struct reassembly *r, const struct fragment *f)
{
	struct packet *p = packet_find(r, &f->key);
	uint32_t bytes = f->piece.m->nb_segs * (uint32_t)f->piece.m->buf_len;

	while (r->oldest && (r->bytes + bytes > REASSEMBLY_BYTES)) {
		if (r->oldest == p)
			p = NULL;
		discard(w, r, r->oldest, DROP_REASSEMBLY_FULL);
	}
	if (!p)
		p = packet_make(w, r, &f->key);
	if (is_duplicate(p, &f->piece)) {
		packet_drop(w, f->piece.m, DROP_REASSEMBLY_BAD);
		return;
	}
	if (p->len == REASSEMBLY_FRAGMENTS || !place(p, f)) {
		discard(w, r, p, DROP_REASSEMBLY_BAD);
		packet_drop(w, f->piece.m, DROP_REASSEMBLY_BAD);
		return;
	}
	p->bytes += bytes;
	r->bytes += bytes;
	p->have += f->piece.size;
	p->ecn |= f->ecn == 0 ? ECN_SEEN_NOT : f->ecn == 3 ? ECN_SEEN_CE : ECN_SEEN_CAPABLE;
	if (!f->more)
		p->size = (uint32_t)f->piece.offset + f->piece.size;
	w->drops[DROP_REASSEMBLY_WAIT]++;
	if (p->size && p->have == p->size)
		finish(w, r, p);
}

static void reassembly_run(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct reassembly *r = &all[w->index];

	if (!r->ready)
		prepare(r);
	while (r->oldest && r->oldest->deadline_ns <= worker_now(w))
		discard(w, r, r->oldest, DROP_UNDERLAY_FRAGMENT);
	for (uint16_t i = 0; i < n; i++) {
		struct fragment f;
		uint16_t owner;

		if (!parse(pkts[i], &f)) {
			packet_drop(w, pkts[i], DROP_REASSEMBLY_BAD);
			continue;
		}
		owner = (uint16_t)(key_hash(&f.key) >> 16) % worker_count;
		if (owner == w->index)
			take(w, r, &f);
		else
			worker_handoff(w, owner, NODE_REASSEMBLY, pkts[i]);
	}
}

const struct node node_reassembly = {.name = "reassembly", .run = reassembly_run};

void reassembly_fini(void)
{
	for (unsigned i = 0; i < WORKER_MAX; i++) {
		struct reassembly *r = &all[i];

		while (r->oldest) {
			struct packet *p = r->oldest;

			unlink_packet(r, p);
			for (unsigned j = 0; j < p->len; j++)
				rte_pktmbuf_free(p->pieces[j].m);
		}
	}
}
