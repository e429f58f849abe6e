// SPDX-License-Identifier: GPL-3.0-or-later
#include "spi.h"

#include <daemon.h>

#include "conn.h"

#define IKE_FLAG_INITIATOR 0x08 // RFC 7296 section 3.1

static __thread uint16_t thread_slot;

static struct {
	rng_t *rng;
	ike_sa_t *(*checkout_by_message)(ike_sa_manager_t *this, message_t *message);
	ike_sa_t *(*checkout_by_config)(ike_sa_manager_t *this, peer_cfg_t *peer);
	ike_sa_t *(*create_new)(ike_sa_manager_t *this, ike_version_t version, bool initiator);
	bool (*new_initiator_spi)(ike_sa_manager_t *this, ike_sa_t *ike_sa);
	ike_sa_manager_t *manager;
} original;

void spi_set_thread_slot(uint16_t slot)
{
	thread_slot = slot;
}

uint16_t spi_slot(uint64_t spi)
{
	const uint8_t *b = (const uint8_t *)&spi;

	return (uint16_t)(b[6] << 8 | b[7]);
}

CALLBACK(draw_spi, uint64_t, void *data)
{
	uint64_t spi = 0;
	uint8_t *b = (uint8_t *)&spi;

	// Zero in all of the random part would read as "no SPI": drawn again.
	do {
		if (!original.rng->get_bytes(original.rng, 6, b))
			return 0;
	} while (memeq(b, "\0\0\0\0\0\0", 6));
	b[6] = (uint8_t)(thread_slot >> 8);
	b[7] = (uint8_t)thread_slot;
	return spi;
}

static uint16_t slot_of_peer(peer_cfg_t *peer)
{
	struct api_ike_conn conn;

	return peer && conn_get(conn_of_name(peer->get_name(peer)), &conn) ? conn.slot : 0;
}

METHOD(ike_sa_manager_t, by_message, ike_sa_t *, ike_sa_manager_t *this, message_t *message)
{
	ike_sa_t *sa;

	thread_slot = conn_slot(message->get_destination(message), message->get_source(message));
	sa = original.checkout_by_message(this, message);
	thread_slot = 0;
	return sa;
}

// The connection's own IKE_SA, newest first, if it can take another child.
static ike_sa_t *checkout_known(ike_sa_manager_t *this, peer_cfg_t *peer)
{
	linked_list_t *known = conn_ike_sas(conn_of_name(peer->get_name(peer)));
	ike_sa_t *sa = NULL;
	ike_sa_id_t *id;

	while (known->remove_last(known, (void **)&id) == SUCCESS) {
		if (!sa)
			sa = this->checkout(this, id);
		if (sa && sa->get_state(sa) != IKE_CONNECTING &&
			sa->get_state(sa) != IKE_ESTABLISHED) {
			this->checkin(this, sa);
			sa = NULL;
		}
		id->destroy(id);
	}
	known->destroy(known);
	return sa;
}

// libcharon would look through every tenant's IKE_SAs and wait for each that is in use; it is told
// not to (charon.reuse_ikesa), since the connection knows its own.
METHOD(ike_sa_manager_t, by_config, ike_sa_t *, ike_sa_manager_t *this, peer_cfg_t *peer)
{
	ike_sa_t *sa = checkout_known(this, peer);

	if (sa)
		return sa;
	thread_slot = slot_of_peer(peer);
	sa = original.checkout_by_config(this, peer);
	thread_slot = 0;
	return sa;
}

// Rekeying and re-establishing: the IKE_SA this thread works for names the connection.
METHOD(ike_sa_manager_t, create_new, ike_sa_t *, ike_sa_manager_t *this, ike_version_t version,
	bool initiator)
{
	ike_sa_t *at_hand = charon->bus->get_sa(charon->bus);
	uint16_t before = thread_slot;
	ike_sa_t *sa;

	if (at_hand && at_hand->get_peer_cfg(at_hand))
		thread_slot = slot_of_peer(at_hand->get_peer_cfg(at_hand));
	sa = original.create_new(this, version, initiator);
	thread_slot = before;
	return sa;
}

METHOD(ike_sa_manager_t, new_initiator_spi, bool, ike_sa_manager_t *this, ike_sa_t *sa)
{
	uint16_t before = thread_slot;
	bool done;

	thread_slot = slot_of_peer(sa->get_peer_cfg(sa));
	done = original.new_initiator_spi(this, sa);
	thread_slot = before;
	return done;
}

void spi_init(void)
{
	ike_sa_manager_t *m = charon->ike_sa_manager;

	original.rng = lib->crypto->create_rng(lib->crypto, RNG_WEAK);
	original.checkout_by_message = m->checkout_by_message;
	original.checkout_by_config = m->checkout_by_config;
	original.create_new = m->create_new;
	original.new_initiator_spi = m->new_initiator_spi;
	m->checkout_by_message = (void *)_by_message;
	m->checkout_by_config = (void *)_by_config;
	m->create_new = (void *)_create_new;
	m->new_initiator_spi = (void *)_new_initiator_spi;
	m->set_spi_cb(m, draw_spi, NULL);
}

uint16_t spi_slot_of_datagram(chunk_t data, uint16_t src_port, host_t *local, host_t *remote)
{
	uint64_t spi = 0;

	if (src_port != IKEV2_UDP_PORT && data.len >= 4)
		data = chunk_skip(data, 4); // non-ESP marker
	if (data.len >= 28) {
		bool initiator = data.ptr[19] & IKE_FLAG_INITIATOR;

		memcpy(&spi, data.ptr + (initiator ? 0 : 8), sizeof(spi));
	}
	if (spi && spi_slot(spi))
		return spi_slot(spi);
	return conn_slot(local, remote);
}
