// SPDX-License-Identifier: GPL-3.0-or-later
#include "punt_socket.h"

#include <stddef.h>

#include <daemon.h>
#include <threading/condvar.h>
#include <threading/mutex.h>
#include <threading/thread.h>

#include "address.h"
#include "spi.h"

static struct {
	mutex_t *mutex;
	condvar_t *filled;
	linked_list_t *packets;
	uint64_t dropped;
	int (*send)(const struct api_punt *datagram, size_t size);
} queue;

void punt_socket_set_sender(int (*send)(const struct api_punt *datagram, size_t size))
{
	queue.send = send;
	queue.mutex = mutex_create(MUTEX_TYPE_DEFAULT);
	queue.filled = condvar_create(CONDVAR_TYPE_DEFAULT);
	queue.packets = linked_list_create();
}

void punt_socket_receive(const struct api_punt *datagram)
{
	packet_t *packet = packet_create_from_data(address_host(&datagram->src, datagram->src_port),
		address_host(&datagram->dst, datagram->dst_port),
		chunk_clone(chunk_create((u_char *)datagram->data, datagram->size)));

	packet->set_dscp(packet, datagram->dscp);
	queue.mutex->lock(queue.mutex);
	if (queue.packets->get_count(queue.packets) < PUNT_QUEUE) {
		queue.packets->insert_last(queue.packets, packet);
		packet = NULL;
		queue.filled->signal(queue.filled);
	} else {
		queue.dropped++;
	}
	queue.mutex->unlock(queue.mutex);
	DESTROY_IF(packet);
}

uint64_t punt_socket_dropped(void)
{
	uint64_t n;

	queue.mutex->lock(queue.mutex);
	n = queue.dropped;
	queue.mutex->unlock(queue.mutex);
	return n;
}

METHOD(socket_t, receive, status_t, socket_t *this, packet_t **packet)
{
	bool old;

	queue.mutex->lock(queue.mutex);
	thread_cleanup_push((void *)queue.mutex->unlock, queue.mutex);
	old = thread_cancelability(TRUE);
	while (queue.packets->remove_first(queue.packets, (void **)packet) != SUCCESS)
		queue.filled->wait(queue.filled, queue.mutex);
	thread_cancelability(old);
	thread_cleanup_pop(TRUE);
	return SUCCESS;
}

METHOD(socket_t, send_, status_t, socket_t *this, packet_t *packet)
{
	host_t *src = packet->get_source(packet), *dst = packet->get_destination(packet);
	chunk_t data = packet->get_data(packet);
	struct api_punt *d;
	size_t size = offsetof(struct api_punt, data) + data.len;
	int rc;

	if (data.len > API_PUNT_DATA_SIZE || src->is_anyaddr(src))
		return FAILED;
	d = calloc(1, sizeof(*d));
	d->src = address_of(src);
	d->dst = address_of(dst);
	d->src_port = src->get_port(src);
	d->dst_port = dst->get_port(dst);
	d->dscp = packet->get_dscp(packet);
	d->size = (uint16_t)data.len;
	d->slot = spi_slot_of_datagram(data, d->src_port, src, dst);
	memcpy(d->data, data.ptr, data.len);
	rc = queue.send(d, size);
	free(d);
	return rc < 0 ? FAILED : SUCCESS;
}

METHOD(socket_t, get_port, uint16_t, socket_t *this, bool nat_t)
{
	return nat_t ? IKEV2_NATT_PORT : IKEV2_UDP_PORT;
}

METHOD(socket_t, supported_families, socket_family_t, socket_t *this)
{
	return SOCKET_FAMILY_BOTH;
}

METHOD(socket_t, destroy, void, socket_t *this)
{
	free(this);
}

socket_t *punt_socket_create(void)
{
	socket_t *this;

	INIT(this, .receive = _receive, .send = _send_, .get_port = _get_port,
		.supported_families = _supported_families, .destroy = _destroy, );
	return this;
}
