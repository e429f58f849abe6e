// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xmalloc.h"

#define LINK_IOV      16
#define LINK_FINISH_S 5 // for the other side to take the last bytes
#define LINK_ROUNDS   8 // reads or writes in one go, so that one peer does not starve the others

// A descriptor to be sent with the byte at this position of the output stream.
struct link_fd {
	uint64_t at;
	int fd;
};

struct api_link {
	const struct api_link_ops *ops;
	void *ctx;
	int sock;
	struct event *read_event, *write_event;
	struct api_reader reader;
	struct evbuffer *out;
	uint64_t queued, written; // bytes since the start
	struct link_fd *fds;
	size_t fd_start, fd_len, fd_cap;
	bool paused, above_high, finishing, closed, freed;
	unsigned busy; // depth of calls into ops
};

static void link_on_read(evutil_socket_t sock, short what, void *arg);
static void link_on_write(evutil_socket_t sock, short what, void *arg);

struct api_link *api_link_new(
	struct event_base *base, int sock, const struct api_link_ops *ops, void *ctx)
{
	struct api_link *link = xcalloc(1, sizeof(*link));

	evutil_make_socket_nonblocking(sock);
	evutil_make_socket_closeonexec(sock);
	link->ops = ops;
	link->ctx = ctx;
	link->sock = sock;
	link->out = evbuffer_new();
	link->read_event = event_new(base, sock, EV_READ | EV_PERSIST, link_on_read, link);
	link->write_event = event_new(base, sock, EV_WRITE | EV_PERSIST, link_on_write, link);
	if (!link->out || !link->read_event || !link->write_event)
		abort();
	api_reader_init(&link->reader);
	event_add(link->read_event, NULL);
	return link;
}

static void link_destroy(struct api_link *link)
{
	event_free(link->read_event);
	event_free(link->write_event);
	close(link->sock);
	for (size_t i = link->fd_start; i < link->fd_len; i++)
		close(link->fds[i].fd);
	free(link->fds);
	evbuffer_free(link->out);
	api_reader_fini(&link->reader);
	free(link);
}

void api_link_free(struct api_link *link)
{
	if (!link)
		return;
	link->closed = true;
	link->freed = true;
	if (!link->busy)
		link_destroy(link);
}

// False when the owner freed the link meanwhile: touch it no more.
static bool link_leave(struct api_link *link)
{
	if (--link->busy || !link->freed)
		return !link->freed;
	link_destroy(link);
	return false;
}

static void link_close(struct api_link *link, int error)
{
	if (link->closed)
		return;
	link->closed = true;
	event_del(link->read_event);
	event_del(link->write_event);
	link->ops->closed(link->ctx, error);
}

void api_link_send(
	struct api_link *link, struct api_header *header, const void *payload, size_t size, int fd)
{
	if (link->closed || link->finishing) {
		if (fd >= 0)
			close(fd);
		return;
	}
	header->size = (uint32_t)size;
	if (fd >= 0) {
		header->flags |= API_F_FD;
		link->fds = xgrow(link->fds, &link->fd_cap, link->fd_len + 1, sizeof(*link->fds));
		link->fds[link->fd_len++] = (struct link_fd){.at = link->queued, .fd = fd};
	}
	evbuffer_add(link->out, header, sizeof(*header));
	if (size)
		evbuffer_add(link->out, payload, size);
	link->queued += sizeof(*header) + size;
	if (evbuffer_get_length(link->out) >= API_LINK_HIGH)
		link->above_high = true;
	event_add(link->write_event, NULL);
}

size_t api_link_pending(const struct api_link *link)
{
	return evbuffer_get_length(link->out);
}

void api_link_pause(struct api_link *link, bool paused)
{
	if (link->paused == paused || link->closed)
		return;
	link->paused = paused;
	if (paused) {
		event_del(link->read_event);
	} else {
		event_add(link->read_event, NULL);
		event_active(link->read_event, EV_TIMEOUT, 0); // what has been read already
	}
}

void api_link_finish(struct api_link *link)
{
	link->finishing = true;
	event_del(link->read_event);
	event_add(link->write_event, &(struct timeval){.tv_sec = LINK_FINISH_S});
}

// -- reading

static int link_deliver(struct api_link *link)
{
	struct api_message m;
	int ret;

	while (!link->paused && !link->finishing && !link->closed) {
		ret = api_reader_next(&link->reader, &m);
		if (ret <= 0)
			return ret;
		ret = link->ops->message(link->ctx, &m);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int link_take_fds(struct api_link *link, struct msghdr *msg)
{
	int ret = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t len;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		len = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < len; i++) {
			int fd, err;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			err = api_reader_add_fd(&link->reader, fd);
			if (err < 0)
				ret = err;
		}
	}
	return ret;
}

// 1: read something; 0: nothing there; negative errno; -ENOTCONN: the other side hung up.
static int link_receive(struct api_link *link)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	size_t size;
	uint8_t *space = api_reader_space(&link->reader, &size);
	struct iovec iov = {.iov_base = space, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(link->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int ret;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -ENOTCONN;
	ret = link_take_fds(link, &msg);
	if (ret < 0)
		return ret;
	api_reader_added(&link->reader, (size_t)n);
	return 1;
}

static void link_on_read(evutil_socket_t sock, short what, void *arg)
{
	struct api_link *link = arg;
	int ret = 0;

	link->busy++;
	for (int i = 0; i < LINK_ROUNDS && ret >= 0; i++) {
		ret = link_deliver(link);
		if (ret < 0 || link->paused || link->finishing || link->closed)
			break;
		ret = link_receive(link);
		if (!ret)
			break;
		if (ret > 0)
			ret = link_deliver(link);
	}
	if (ret < 0)
		link_close(link, ret == -ENOTCONN ? 0 : ret);
	link_leave(link);
}

// -- writing

static ssize_t link_write_some(struct api_link *link)
{
	struct evbuffer_iovec vec[LINK_IOV];
	struct iovec iov[LINK_IOV];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_iov = iov};
	size_t limit = 1u << 20, len = 0, fd_next = link->fd_start;
	ssize_t n;
	int vec_len;

	if (fd_next < link->fd_len && link->fds[fd_next].at == link->written) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.align), &link->fds[fd_next].fd, sizeof(int));
		fd_next++;
	}
	// Never past the next descriptor: it must go with its own message's first byte.
	if (fd_next < link->fd_len && link->fds[fd_next].at - link->written < limit)
		limit = link->fds[fd_next].at - link->written;
	vec_len = evbuffer_peek(link->out, (ev_ssize_t)limit, NULL, vec, LINK_IOV);
	for (int i = 0; i < vec_len && i < LINK_IOV && limit; i++) {
		size_t size = vec[i].iov_len < limit ? vec[i].iov_len : limit;

		iov[len++] = (struct iovec){.iov_base = vec[i].iov_base, .iov_len = size};
		limit -= size;
	}
	msg.msg_iovlen = len;
	n = sendmsg(link->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	evbuffer_drain(link->out, (size_t)n);
	link->written += (uint64_t)n;
	if (n > 0 && msg.msg_control)
		close(link->fds[link->fd_start++].fd);
	if (link->fd_start == link->fd_len)
		link->fd_start = link->fd_len = 0;
	return n;
}

static void link_on_write(evutil_socket_t sock, short what, void *arg)
{
	struct api_link *link = arg;
	ssize_t ret = 1;

	link->busy++;
	for (int i = 0; i < LINK_ROUNDS && ret > 0 && evbuffer_get_length(link->out); i++)
		ret = link_write_some(link);
	if (!evbuffer_get_length(link->out))
		event_del(link->write_event);
	if (what & EV_TIMEOUT)
		ret = -ETIMEDOUT;
	if (ret < 0 || (link->finishing && !evbuffer_get_length(link->out))) {
		link_close(link, ret < 0 ? (int)ret : 0);
	} else if (link->above_high && evbuffer_get_length(link->out) <= API_LINK_LOW) {
		link->above_high = false;
		if (link->ops->drained)
			link->ops->drained(link->ctx);
	}
	link_leave(link);
}

int api_link_peer(const struct api_link *link, uint32_t *ret_uid, int *ret_pid)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	if (getsockopt(link->sock, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return -errno;
	*ret_uid = who.uid;
	*ret_pid = who.pid;
	return 0;
}
