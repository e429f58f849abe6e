// SPDX-License-Identifier: Apache-2.0
#pragma once

// isthmus-bgp: the speaker with sockets and a clock. One thread, one libevent loop.
//
//   io.c       TCP connections and listening sockets, given by the agent
//   fib.c      routes to the forwarder, a client of its local socket
//   control.c  the local socket the agent talks to
//   sandbox.c  privileges and system calls given up after the start

#include "speaker.h"

struct event;
struct event_base;
struct api_server;
struct fib;
struct io;

struct daemon {
	struct event_base *base;
	struct speaker *speaker;
	struct api_server *server;
	struct io *io;
	struct fib *fib; // NULL: no forwarder
};

// daemon.c: every callback from the loop starts and ends with these. They keep the speaker's clock,
// write what it wants to send, and see to its timers and work.
void daemon_enter(struct daemon *d);
void daemon_leave(struct daemon *d);
int daemon_run(const char *socket_path, const char *forwarder_path, const char *user);

// io.c
struct io *io_new(struct daemon *d);
void io_free(struct io *io);
void io_flush(struct io *io);
// Takes the descriptor. 0 or -errno.
int io_take_socket(struct io *io, const struct api_bgp_socket *socket, int fd);
// A listening socket is no longer wanted.
int io_drop_listener(struct io *io, const struct api_bgp_socket *socket);
void io_peer_changed(struct io *io, struct peer *p); // keys of listening sockets
void io_peer_gone(struct io *io, struct peer *p);
void io_dial(struct io *io, struct peer *p);
void io_dial_cancel(struct io *io, struct peer *p);
void io_send(struct io *io, struct conn *c, const uint8_t *bytes, size_t size);
void io_close(struct io *io, struct conn *c);
bool io_receive(struct io *io, struct peer *p); // a slice; true: there is more
bool io_unread(struct conn *c);
bool io_full(struct conn *c);

// fib.c. ready is called once: when what the forwarder holds from before is known, or it does not
// answer in time.
struct fib *fib_new(struct daemon *d, const char *path, void (*ready)(struct daemon *d));
void fib_free(struct fib *f);
void fib_route(struct fib *f, const struct api_route *route, bool present);
bool fib_is_full(const struct fib *f);
void fib_ask_bfd(struct fib *f); // the state of all BFD sessions
void fib_settled(struct fib *f, uint32_t vrf);

// control.c
int control_init(struct daemon *d);
void control_peer_event(struct daemon *d, struct peer *p);
void control_route_event(struct daemon *d, const struct api_bgp_route *route);
void control_want_socket(struct daemon *d, struct peer *p);

// sandbox.c
int sandbox_drop_privileges(const char *user);
int sandbox_enter(void);
