// SPDX-License-Identifier: Apache-2.0
//
// Our AF_PACKET port: any Linux interface, nothing taken from the kernel, no CPU used when idle.
//
// Each queue is a socket of its own, joined by fanout on the flow hash. Received frames come
// through a TPACKET_V2 ring whose slots hold the largest GSO packet; sent ones go by sendmmsg(),
// straight to the driver. PACKET_VNET_HDR carries partial checksums and GSO both ways, so that the
// interface keeps its offloads on: what it hands up may be 64 KB long and owe a checksum.
// VLAN tags, which the kernel strips, are put back. Multi-byte fields of the virtio header are in
// host byte order here (legacy, packet(7)).
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <rte_mempool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet.h"
#include "port.h"
#include "xmalloc.h"

#define SLOT_SIZE    (17 * 4096u) // 64 KiB, its headers and the ring's own
#define BLOCK_SIZE   (1u << 20)
#define BLOCK_SLOTS  (BLOCK_SIZE / SLOT_SIZE)
#define BLOCKS       34 // 510 slots a queue
#define SLOTS        (BLOCKS * BLOCK_SLOTS)
#define SEND_BUFFER  (8 << 20) // bytes
#define TX_MAX       64        // messages in one call
#define SEGMENTS_MAX 40        // of one packet sent
#define LARGE_POOL   512

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5 // Linux 6.2; older headers do not name it
#endif

struct queue {
	int fd;
	uint8_t *ring;
	uint32_t next; // slot
	// worker: rw, ctl: ro
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped;
	uint64_t kernel_dropped; // ctl
	struct mmsghdr messages[TX_MAX];
	struct iovec iov[TX_MAX][SEGMENTS_MAX + 1];
	struct virtio_net_hdr headers[TX_MAX];
};

struct af_packet {
	char ifname[IFNAMSIZ];
	int ifindex;
	uint16_t queue_len;
	struct rte_mempool *pool, *large_pool;
	struct queue queues[];
};

// Buffers for what does not fit an ordinary one; shared by all ports, made with the first.
static struct rte_mempool *large_pool;

// -- receive

static struct tpacket2_hdr *slot_at(const struct queue *q, uint32_t i)
{
	return (struct tpacket2_hdr *)(q->ring + (size_t)(i / BLOCK_SLOTS) * BLOCK_SIZE +
				       (size_t)(i % BLOCK_SLOTS) * SLOT_SIZE);
}

static bool append_bytes(struct rte_mbuf *m, const uint8_t *bytes, uint32_t size)
{
	struct rte_mbuf *last = m;

	while (size) {
		uint32_t room = rte_pktmbuf_tailroom(last), part = size < room ? size : room;

		memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), bytes, part);
		last->data_len = (uint16_t)(last->data_len + part);
		m->pkt_len += part;
		bytes += part;
		size -= part;
		if (!size)
			break;
		last->next = rte_pktmbuf_alloc(large_pool);
		if (!last->next)
			return false;
		last = last->next;
		last->data_off = 0;
		m->nb_segs++;
	}
	return true;
}

// The tag goes back in behind the MAC addresses.
static void append_tag(struct rte_mbuf *m, const struct tpacket2_hdr *slot)
{
	bool tpid_known = slot->tp_status & TP_STATUS_VLAN_TPID_VALID;
	uint16_t tag[2] = {
		htons(tpid_known ? slot->tp_vlan_tpid : ETHERTYPE_VLAN), htons(slot->tp_vlan_tci)};

	append_bytes(m, (const uint8_t *)tag, sizeof(tag));
}

static void take_offload(struct rte_mbuf *m, const struct virtio_net_hdr *h, uint32_t shift)
{
	struct packet_meta *meta = packet_meta(m);
	uint32_t start = h->csum_start + shift;

	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && start + h->csum_offset + 2u <= m->data_len &&
		h->csum_offset < 64) {
		meta->csum_start = (uint16_t)(m->data_off + start);
		meta->csum_offset = (uint8_t)h->csum_offset;
	}
	if (h->gso_type != VIRTIO_NET_HDR_GSO_NONE && meta->csum_start && h->gso_size) {
		meta->flags |= PACKET_F_GSO;
		m->tso_segsz = h->gso_size;
	}
}

static struct rte_mbuf *slot_to_packet(
	const struct af_packet *a, const struct port *p, const struct tpacket2_hdr *slot)
{
	const uint8_t *frame = (const uint8_t *)slot + slot->tp_mac;
	uint32_t size = slot->tp_snaplen, tag = slot->tp_status & TP_STATUS_VLAN_VALID ? 4 : 0;
	bool large = size + tag > RTE_MBUF_DEFAULT_DATAROOM;
	struct virtio_net_hdr h;
	struct rte_mbuf *m;

	if (size < 2 * ETH_ALEN || size < slot->tp_len)
		return NULL; // a runt, or longer than a slot
	m = rte_pktmbuf_alloc(large ? a->large_pool : a->pool);
	if (!m)
		return NULL;
	packet_meta_reset(m);
	packet_meta(m)->port = p->index;
	append_bytes(m, frame, 2 * ETH_ALEN);
	if (tag)
		append_tag(m, slot);
	if (!append_bytes(m, frame + 2 * ETH_ALEN, size - 2 * ETH_ALEN)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(&h, frame - sizeof(h), sizeof(h));
	take_offload(m, &h, tag);
	return m;
}

static uint16_t af_packet_rx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct af_packet *a = p->priv;
	struct queue *q = &a->queues[queue];
	uint16_t got = 0;

	for (uint16_t taken = 0; taken < n; taken++) {
		struct tpacket2_hdr *slot = slot_at(q, q->next);
		struct rte_mbuf *m;

		if (!(__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		m = slot_to_packet(a, p, slot);
		if (m) {
			q->rx_bytes += m->pkt_len;
			pkts[got++] = m;
		} else {
			q->rx_dropped++;
		}
		__atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		q->next = q->next + 1 == SLOTS ? 0 : q->next + 1;
	}
	q->rx_packets += got;
	return got;
}

// -- send

static bool is_ip6(const struct rte_mbuf *m)
{
	const uint8_t *type = rte_pktmbuf_mtod_offset(m, const uint8_t *, 2 * ETH_ALEN);

	if (type[0] == (ETHERTYPE_VLAN >> 8) && type[1] == (ETHERTYPE_VLAN & 0xff))
		type += 4;
	return type[0] == (ETHERTYPE_IPV6 >> 8) && type[1] == (ETHERTYPE_IPV6 & 0xff);
}

static void give_offload(const struct rte_mbuf *m, struct virtio_net_hdr *h)
{
	const struct packet_meta *meta = packet_meta(m);
	bool udp = meta->csum_offset == offsetof(struct udphdr, check);
	const uint8_t *l4;

	*h = (struct virtio_net_hdr){0};
	if (!meta->csum_start)
		return;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = (uint16_t)(meta->csum_start - m->data_off);
	h->csum_offset = meta->csum_offset;
	if (!(meta->flags & PACKET_F_GSO))
		return;
	l4 = rte_pktmbuf_mtod_offset(m, const uint8_t *, h->csum_start);
	h->gso_size = m->tso_segsz;
	h->gso_type = udp         ? VIRTIO_NET_HDR_GSO_UDP_L4
		      : is_ip6(m) ? VIRTIO_NET_HDR_GSO_TCPV6
				  : VIRTIO_NET_HDR_GSO_TCPV4;
	h->hdr_len = (uint16_t)(h->csum_start + (udp ? sizeof(struct udphdr) : (l4[12] >> 4) * 4u));
}

// False: too many segments.
static bool message_fill(struct queue *q, unsigned i, struct rte_mbuf *m)
{
	struct iovec *iov = q->iov[i];
	size_t len = 0;

	if (m->nb_segs > SEGMENTS_MAX)
		return false;
	give_offload(m, &q->headers[i]);
	iov[len++] = (struct iovec){&q->headers[i], sizeof(q->headers[i])};
	for (; m; m = m->next)
		iov[len++] = (struct iovec){rte_pktmbuf_mtod(m, void *), m->data_len};
	q->messages[i].msg_hdr = (struct msghdr){.msg_iov = iov, .msg_iovlen = len};
	return true;
}

// Sends messages from..to; a packet that the kernel refuses is passed over and counted.
static unsigned send_messages(struct queue *q, unsigned from, unsigned to)
{
	while (from < to) {
		int r = sendmmsg(q->fd, &q->messages[from], to - from, MSG_DONTWAIT);

		if (r > 0) {
			from += (unsigned)r;
			q->tx_packets += (unsigned)r;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			break;
		} else if (errno != EINTR) {
			q->tx_dropped++;
			from++;
		}
	}
	return from;
}

static uint16_t af_packet_tx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct af_packet *a = p->priv;
	struct queue *q = &a->queues[queue];
	unsigned sent, filled = 0;

	if (n > TX_MAX)
		n = TX_MAX;
	while (filled < n && message_fill(q, filled, pkts[filled]))
		filled++;
	sent = send_messages(q, 0, filled);
	for (unsigned i = 0; i < sent; i++)
		q->tx_bytes += pkts[i]->pkt_len;
	rte_pktmbuf_free_bulk(pkts, sent);
	return (uint16_t)sent;
}

// -- open and close

static int set_option(int fd, int name, int value)
{
	return setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int make_ring(struct queue *q)
{
	struct tpacket_req req = {
		.tp_block_size = BLOCK_SIZE,
		.tp_block_nr = BLOCKS,
		.tp_frame_size = SLOT_SIZE,
		.tp_frame_nr = SLOTS,
	};
	void *ring;

	if (setsockopt(q->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0)
		return -errno;
	ring = mmap(
		NULL, (size_t)BLOCKS * BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, q->fd, 0);
	if (ring == MAP_FAILED)
		return -errno;
	q->ring = ring;
	return 0;
}

// The first queue asks for an unused group number; the others join it.
static int join_fanout(const struct af_packet *a, const struct queue *q)
{
	int group = PACKET_FANOUT_HASH << 16;
	socklen_t size = sizeof(group);

	if (a->queue_len == 1)
		return 0;
	if (q == &a->queues[0])
		group |= PACKET_FANOUT_FLAG_UNIQUEID << 16;
	else if (getsockopt(a->queues[0].fd, SOL_PACKET, PACKET_FANOUT, &group, &size) < 0)
		return -errno;
	else
		group = (group & 0xffff) | PACKET_FANOUT_HASH << 16;
	return set_option(q->fd, PACKET_FANOUT, group);
}

static int queue_open(const struct af_packet *a, struct queue *q)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = a->ifindex};
	int buffer = SEND_BUFFER, r;

	// Protocol 0 until it is bound: nothing of other interfaces comes in between.
	q->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (q->fd < 0)
		return -errno;
	r = set_option(q->fd, PACKET_VERSION, TPACKET_V2);
	if (r == 0)
		r = set_option(q->fd, PACKET_VNET_HDR, 1);
	if (r == 0)
		r = set_option(q->fd, PACKET_IGNORE_OUTGOING, 1);
	if (r == 0)
		r = set_option(q->fd, PACKET_QDISC_BYPASS, 1);
	if (r == 0)
		r = make_ring(q);
	// Without the right to go past the system's limit the limit is what we get.
	if (setsockopt(q->fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) < 0)
		(void)setsockopt(q->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (r == 0 && bind(q->fd, (struct sockaddr *)&sll, sizeof(sll)) < 0)
		r = -errno;
	return r < 0 ? r : join_fanout(a, q);
}

static void queue_close(struct queue *q)
{
	if (q->ring)
		munmap(q->ring, (size_t)BLOCKS * BLOCK_SIZE);
	if (q->fd >= 0)
		close(q->fd);
}

static void af_packet_close(struct port *p)
{
	struct af_packet *a = p->priv;

	for (uint16_t i = 0; i < a->queue_len; i++)
		queue_close(&a->queues[i]);
	free(a);
}

// Before its sockets are bound: those would carry the error that the interface is down.
static int interface_up(const struct af_packet *a)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;
	struct ifreq ifr = {0};

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, a->ifname, IFNAMSIZ);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		r = -errno;
	ifr.ifr_flags |= IFF_UP;
	if (r == 0 && ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		r = -errno;
	close(fd);
	return r;
}

static void refresh_counters(struct port *p, struct af_packet *a)
{
	p->rx_packets = p->rx_bytes = p->tx_packets = p->tx_bytes = 0;
	p->rx_dropped = p->tx_dropped = 0;
	for (uint16_t i = 0; i < a->queue_len; i++) {
		struct queue *q = &a->queues[i];
		struct tpacket_stats stats; // since the last look
		socklen_t size = sizeof(stats);

		if (getsockopt(q->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
			q->kernel_dropped += stats.tp_drops;
		p->rx_packets += q->rx_packets;
		p->rx_bytes += q->rx_bytes;
		p->rx_dropped += q->rx_dropped + q->kernel_dropped;
		p->tx_packets += q->tx_packets;
		p->tx_bytes += q->tx_bytes;
		p->tx_dropped += q->tx_dropped;
	}
}

static void af_packet_refresh(struct port *p)
{
	struct af_packet *a = p->priv;
	struct ifreq ifr = {0};
	int fd = a->queues[0].fd;

	memcpy(ifr.ifr_name, a->ifname, IFNAMSIZ);
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) == 0)
		memcpy(&p->mac, ifr.ifr_hwaddr.sa_data, sizeof(p->mac));
	if (ioctl(fd, SIOCGIFMTU, &ifr) == 0)
		p->mtu = (uint16_t)(ifr.ifr_mtu < UINT16_MAX ? ifr.ifr_mtu : UINT16_MAX);
	p->up = ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 && ifr.ifr_flags & IFF_UP;
	refresh_counters(p, a);
}

static int open_queues(struct af_packet *a)
{
	int up = interface_up(a);

	if (up < 0)
		return up;
	for (uint16_t i = 0; i < a->queue_len; i++) {
		int r = queue_open(a, &a->queues[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int af_packet_open(
	struct port *p, const char *ifname, uint16_t queues, struct rte_mempool *pool)
{
	struct af_packet *a;
	int ifindex = (int)if_nametoindex(ifname), r;

	if (!ifindex || strlen(ifname) >= IFNAMSIZ)
		return -ENODEV;
	if (!large_pool)
		large_pool = rte_pktmbuf_pool_create(
			"large", LARGE_POOL, 32, 0, UINT16_MAX, SOCKET_ID_ANY);
	if (!large_pool)
		return -ENOMEM;
	a = xcalloc(1, sizeof(*a) + queues * sizeof(a->queues[0]));
	memcpy(a->ifname, ifname, strlen(ifname));
	a->ifindex = ifindex;
	a->queue_len = queues;
	a->pool = pool;
	a->large_pool = large_pool;
	for (uint16_t i = 0; i < queues; i++)
		a->queues[i].fd = -1;
	p->priv = a;
	p->flags = PORT_F_SETS_META | PORT_F_CSUM | PORT_F_GSO;
	r = open_queues(a);
	if (r < 0) {
		af_packet_close(p);
		return r;
	}
	af_packet_refresh(p);
	return 0;
}

static int af_packet_wait_fd(struct port *p, uint16_t queue)
{
	const struct af_packet *a = p->priv;

	return a->queues[queue].fd;
}

const struct port_ops af_packet_ops = {
	.kind = "af_packet",
	.open = af_packet_open,
	.close = af_packet_close,
	.rx = af_packet_rx,
	.tx = af_packet_tx,
	.wait_fd = af_packet_wait_fd,
	.refresh = af_packet_refresh,
};
