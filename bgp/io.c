// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "sockaddr.h"
#include "wire.h"
#include "xmalloc.h"

// Sockets are made by the agent in the tenants' namespaces and come as descriptors. A link is one
// TCP connection. That it can be read is only noted; it is read when it is its tenant's turn, a
// little at a time. So the events are edge-triggered: `readable` stands until there is nothing
// more.

enum {
	READ_SIZE = 16384,
	TX_HIGH = 256 * 1024, // bytes waiting from which export pauses
	ACCEPT_BURST = 16,
};

struct link {
	TAILQ_ENTRY(link) dirty_entry;
	struct io *io;
	struct peer *peer;
	struct conn *conn; // NULL while dialling
	struct event *read, *write;
	int fd;
	bool dirty, paused, readable;
	uint8_t *tx;
	size_t tx_head, tx_end, tx_cap;
};

// What hangs on a peer: a socket to dial with, and the dialling link.
struct peer_io {
	int spare_fd; // -1: none
	struct link *dialling;
	bool wanted; // a dial waits for a socket
};

struct listener {
	TAILQ_ENTRY(listener) entry;
	struct io *io;
	struct event *event;
	int fd;
	uint32_t vrf;
	struct ip_addr local;
};

TAILQ_HEAD(link_list, link);
TAILQ_HEAD(listener_list, listener);

struct io {
	struct daemon *daemon;
	struct link_list dirty;
	struct listener_list listeners;
	uint8_t buffer[READ_SIZE];
};

struct io *io_new(struct daemon *d)
{
	struct io *io = xcalloc(1, sizeof(*io));

	io->daemon = d;
	TAILQ_INIT(&io->dirty);
	TAILQ_INIT(&io->listeners);
	return io;
}

static void listener_free(struct listener *l)
{
	TAILQ_REMOVE(&l->io->listeners, l, entry);
	event_free(l->event);
	close(l->fd);
	free(l);
}

void io_free(struct io *io)
{
	if (!io)
		return;
	while (!TAILQ_EMPTY(&io->listeners))
		listener_free(TAILQ_FIRST(&io->listeners));
	free(io);
}

static struct peer_io *peer_io_get(struct peer *p)
{
	void **word = peer_io(p);
	struct peer_io *pio = *word;

	if (!pio) {
		pio = xcalloc(1, sizeof(*pio));
		pio->spare_fd = -1;
		*word = pio;
	}
	return pio;
}

// -- links

static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);

static struct link *link_new(struct io *io, struct peer *p, int fd)
{
	struct link *l = xcalloc(1, sizeof(*l));
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	l->io = io;
	l->peer = p;
	l->fd = fd;
	l->read = event_new(io->daemon->base, fd, EV_READ | EV_PERSIST | EV_ET, on_read, l);
	l->write = event_new(io->daemon->base, fd, EV_WRITE | EV_ET, on_write, l);
	return l;
}

static void link_free(struct link *l)
{
	if (l->dirty)
		TAILQ_REMOVE(&l->io->dirty, l, dirty_entry);
	event_free(l->read);
	event_free(l->write);
	close(l->fd);
	free(l->tx);
	free(l);
}

// Whether bytes moved; what is left stays. Errors show up as a read event.
static bool link_write(struct link *l)
{
	size_t before = l->tx_head;

	while (l->tx_head < l->tx_end) {
		ssize_t n = send(l->fd, l->tx + l->tx_head, l->tx_end - l->tx_head,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			break;
		l->tx_head += (size_t)n;
	}
	return l->tx_head != before;
}

static void link_flush(struct link *l)
{
	uint64_t stuck = l->conn->stuck_at_ms;
	bool moved = link_write(l);

	if (l->tx_head == l->tx_end) {
		free(l->tx);
		l->tx = NULL;
		l->tx_head = l->tx_end = l->tx_cap = 0;
		l->conn->stuck_at_ms = 0;
	} else {
		if (moved || !stuck)
			l->conn->stuck_at_ms = l->conn->fsm->env->now_ms;
		event_add(l->write, NULL);
	}
	if (!stuck != !l->conn->stuck_at_ms)
		peer_timer_changed(l->peer);
	if (l->paused && l->tx_end - l->tx_head < TX_HIGH / 2) {
		l->paused = false;
		speaker_writable(l->peer);
	}
}

void io_flush(struct io *io)
{
	struct link *l;

	while ((l = TAILQ_FIRST(&io->dirty))) {
		TAILQ_REMOVE(&io->dirty, l, dirty_entry);
		l->dirty = false;
		link_flush(l);
	}
}

void io_send(struct io *io, struct conn *c, const uint8_t *bytes, size_t size)
{
	struct link *l = c->io;

	if (l->tx_head && l->tx_end + size > l->tx_cap) {
		memmove(l->tx, l->tx + l->tx_head, l->tx_end - l->tx_head);
		l->tx_end -= l->tx_head;
		l->tx_head = 0;
	}
	l->tx = xgrow(l->tx, &l->tx_cap, l->tx_end + size, 1);
	memcpy(l->tx + l->tx_end, bytes, size);
	l->tx_end += size;
	if (!l->dirty) {
		l->dirty = true;
		TAILQ_INSERT_TAIL(&io->dirty, l, dirty_entry);
	}
}

bool io_full(struct conn *c)
{
	struct link *l = c->io;

	l->paused = l->tx_end - l->tx_head >= TX_HIGH;
	return l->paused;
}

bool io_unread(struct conn *c)
{
	const struct link *l = c->io;
	int bytes = 0;

	return ioctl(l->fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

void io_close(struct io *io, struct conn *c)
{
	struct link *l = c->io;

	link_write(l); // a NOTIFICATION, if the socket takes it
	shutdown(l->fd, SHUT_WR);
	link_free(l);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	struct daemon *d = l->io->daemon;

	daemon_enter(d);
	l->readable = true;
	speaker_readable(l->peer);
	daemon_leave(d);
}

static void receive_some(struct io *io, struct conn *c, struct link *l)
{
	ssize_t n;

	if (c->more) {
		conn_receive(c, NULL, 0);
		return;
	}
	n = recv(l->fd, io->buffer, sizeof(io->buffer), 0);
	if (n > 0)
		conn_receive(c, io->buffer, (size_t)n);
	else if (n < 0 && errno == EAGAIN)
		l->readable = false;
	else if (n == 0 || errno != EINTR)
		conn_lost(c);
}

static bool can_receive(const struct conn *c)
{
	const struct link *l = c->io;

	return c->state >= API_BGP_OPENSENT && (c->more || l->readable);
}

bool io_receive(struct io *io, struct peer *p)
{
	struct fsm *f = peer_fsm(p);

	for (int i = 0; i < 2; i++)
		if (can_receive(&f->conn[i]))
			receive_some(io, &f->conn[i], f->conn[i].io);
	return can_receive(&f->conn[0]) || can_receive(&f->conn[1]);
}

// -- dialling

static void dial_done(struct link *l)
{
	struct peer_io *pio = peer_io_get(l->peer);
	int error = 0;
	socklen_t size = sizeof(error);

	pio->dialling = NULL;
	getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		struct peer *p = l->peer;

		link_free(l);
		fsm_dial_failed(peer_fsm(p));
		return;
	}
	l->conn = &peer_fsm(l->peer)->conn[CONN_OUT];
	event_add(l->read, NULL);
	fsm_dialled(peer_fsm(l->peer), l);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	struct daemon *d = l->io->daemon;

	daemon_enter(d);
	if (l->conn)
		link_flush(l);
	else
		dial_done(l);
	daemon_leave(d);
}

// Keys and TTL as the peer's configuration says; a socket that cannot have them is not used.
static int protect(int fd, const struct api_bgp_peer *cfg)
{
	int err = cfg->md5_key[0] ? sock_set_md5(fd, &cfg->address, cfg->md5_key) : 0;

	return err ? err : sock_set_gtsm(fd, cfg->address.family, cfg->ttl_hops);
}

static int dial_with(struct io *io, struct peer *p, int fd)
{
	const struct api_bgp_peer *cfg = peer_config(p);
	struct peer_io *pio = peer_io_get(p);
	struct sockaddr_storage addr;
	socklen_t size = sockaddr_from_ip(&cfg->address, BGP_PORT, &addr);
	struct link *l = link_new(io, p, fd);
	int err = protect(fd, cfg);

	if (!err && connect(fd, (struct sockaddr *)&addr, size) && errno != EINPROGRESS)
		err = -errno;
	if (err) {
		link_free(l);
		return err;
	}
	pio->dialling = l;
	event_add(l->write, NULL);
	return 0;
}

void io_dial(struct io *io, struct peer *p)
{
	struct peer_io *pio = peer_io_get(p);
	int fd = pio->spare_fd;

	pio->spare_fd = -1;
	if (fd < 0) {
		pio->wanted = true;
		control_want_socket(io->daemon, p);
	} else if (dial_with(io, p, fd)) {
		fsm_dial_failed(peer_fsm(p));
	}
}

void io_dial_cancel(struct io *io, struct peer *p)
{
	struct peer_io *pio = peer_io_get(p);

	pio->wanted = false;
	if (pio->dialling)
		link_free(pio->dialling);
	pio->dialling = NULL;
}

static int take_dial_socket(struct io *io, const struct api_bgp_socket *socket, int fd)
{
	struct peer *p =
		speaker_get_peer(io->daemon->speaker, socket->vrf, socket->slot, &socket->peer);
	struct peer_io *pio = p ? peer_io_get(p) : NULL;

	if (!p) {
		close(fd);
		return -ENOENT;
	}
	if (!pio->wanted) {
		if (pio->spare_fd >= 0)
			close(pio->spare_fd);
		pio->spare_fd = fd;
		return 0;
	}
	pio->wanted = false;
	if (dial_with(io, p, fd))
		fsm_dial_failed(peer_fsm(p));
	return 0;
}

// -- listening

static void accept_one(struct listener *l, int fd)
{
	struct sockaddr_storage remote = {0}, local = {0};
	socklen_t remote_size = sizeof(remote), local_size = sizeof(local);
	struct ip_addr ours, theirs;
	struct link *link;
	struct peer *p;

	if (getpeername(fd, (struct sockaddr *)&remote, &remote_size) ||
		getsockname(fd, (struct sockaddr *)&local, &local_size)) {
		close(fd);
		return;
	}
	ours = sockaddr_to_ip(&local);
	theirs = sockaddr_to_ip(&remote);
	p = speaker_find_peer(l->io->daemon->speaker, l->vrf, &ours, &theirs);
	if (!p || sock_set_gtsm(fd, theirs.family, peer_config(p)->ttl_hops)) {
		close(fd);
		return;
	}
	link = link_new(l->io, p, fd);
	link->conn = &peer_fsm(p)->conn[CONN_IN];
	if (fsm_accept(peer_fsm(p), link))
		event_add(link->read, NULL);
	else
		link_free(link);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	struct daemon *d = l->io->daemon;

	daemon_enter(d);
	for (int i = 0; i < ACCEPT_BURST; i++) {
		int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (conn < 0)
			break;
		accept_one(l, conn);
	}
	daemon_leave(d);
}

static void set_key(struct listener *l, struct peer *p)
{
	const struct api_bgp_peer *cfg = peer_config(p);
	struct ip_addr local = peer_local(p);
	int err;

	if (cfg->vrf != l->vrf || cfg->address.family != l->local.family ||
		(local.family && !ip_is_zero(&l->local) && !ip_equal(&local, &l->local)))
		return;
	err = sock_set_md5(l->fd, &cfg->address, cfg->md5_key);
	if (err && cfg->md5_key[0])
		log_error("cannot set the MD5 key of peer '%s': %s", cfg->name, strerror(-err));
}

static struct listener *find_listener(struct io *io, uint32_t vrf, const struct ip_addr *local)
{
	struct listener *l;

	TAILQ_FOREACH (l, &io->listeners, entry)
		if (l->vrf == vrf && ip_equal(&l->local, local))
			return l;
	return NULL;
}

static int take_listener(struct io *io, const struct api_bgp_socket *socket, int fd)
{
	struct listener *l = find_listener(io, socket->vrf, &socket->local);
	struct peer *p;
	size_t at = 0;

	if (l)
		listener_free(l);
	l = xcalloc(1, sizeof(*l));
	l->io = io;
	l->fd = fd;
	l->vrf = socket->vrf;
	l->local = socket->local;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	l->event = event_new(io->daemon->base, fd, EV_READ | EV_PERSIST, on_accept, l);
	TAILQ_INSERT_TAIL(&io->listeners, l, entry);
	while ((p = speaker_next_peer(io->daemon->speaker, &at)))
		if (peer_config(p)->vrf == l->vrf && peer_config(p)->md5_key[0])
			set_key(l, p);
	event_add(l->event, NULL);
	return 0;
}

int io_take_socket(struct io *io, const struct api_bgp_socket *socket, int fd)
{
	if (socket->kind == API_BGP_SOCKET_LISTEN)
		return take_listener(io, socket, fd);
	if (socket->kind == API_BGP_SOCKET_CONNECT)
		return take_dial_socket(io, socket, fd);
	close(fd);
	return -EINVAL;
}

int io_drop_listener(struct io *io, const struct api_bgp_socket *socket)
{
	struct listener *l = find_listener(io, socket->vrf, &socket->local);

	if (!l)
		return 0;
	listener_free(l);
	return 1;
}

void io_peer_changed(struct io *io, struct peer *p)
{
	struct listener *l;

	TAILQ_FOREACH (l, &io->listeners, entry)
		set_key(l, p);
}

void io_peer_gone(struct io *io, struct peer *p)
{
	struct peer_io *pio = *peer_io(p);
	const struct api_bgp_peer *cfg = peer_config(p);
	struct listener *l;

	TAILQ_FOREACH (l, &io->listeners, entry)
		if (l->vrf == cfg->vrf && cfg->md5_key[0])
			sock_set_md5(l->fd, &cfg->address, "");
	if (!pio)
		return;
	if (pio->spare_fd >= 0)
		close(pio->spare_fd);
	pio->spare_fd = -1;
	free(pio);
	*peer_io(p) = NULL;
}
