// SPDX-License-Identifier: Apache-2.0
#include "open.h"

#include <errno.h>

enum { PARAMETER_CAPABILITIES = 2, PARAMETER_EXTENDED = 255 };
enum { RESTART_FLAG_RESTARTING = 0x8, RESTART_FLAG_NOTIFICATION = 0x4, FAMILY_FORWARDING = 0x80 };

static const uint16_t family_afi[BGP_FAMILIES] = {BGP_AFI_IPV4, BGP_AFI_IPV6};

// -1 for what is not spoken here.
static int family_index(uint16_t afi, uint8_t safi)
{
	if (safi != BGP_SAFI_UNICAST)
		return -1;
	return afi == BGP_AFI_IPV4 ? BGP_IPV4 : afi == BGP_AFI_IPV6 ? BGP_IPV6 : -1;
}

static void capability_head(struct buf_writer *w, enum bgp_capability code, uint8_t size)
{
	buf_put_u8(w, code);
	buf_put_u8(w, size);
}

static void write_families(struct buf_writer *w, const struct bgp_open *open)
{
	for (int f = 0; f < BGP_FAMILIES; f++) {
		if (!open->family[f])
			continue;
		capability_head(w, BGP_CAP_MULTIPROTOCOL, 4);
		buf_put_be16(w, family_afi[f]);
		buf_put_be16(w, BGP_SAFI_UNICAST);
	}
}

static void write_restart(struct buf_writer *w, const struct bgp_open *open)
{
	uint8_t flags = (open->restarting ? RESTART_FLAG_RESTARTING : 0) |
			(open->restart_notification ? RESTART_FLAG_NOTIFICATION : 0);
	uint8_t len = 0;

	for (int f = 0; f < BGP_FAMILIES; f++)
		len += open->restart[f].present;
	capability_head(w, BGP_CAP_GRACEFUL_RESTART, (uint8_t)(2 + 4 * len));
	buf_put_be16(w, (uint16_t)(flags << 12 | (open->restart_time_s & 0xfff)));
	for (int f = 0; f < BGP_FAMILIES; f++) {
		if (!open->restart[f].present)
			continue;
		buf_put_be16(w, family_afi[f]);
		buf_put_u8(w, BGP_SAFI_UNICAST);
		buf_put_u8(w, open->restart[f].forwarding ? FAMILY_FORWARDING : 0);
	}
}

static void write_add_path(struct buf_writer *w, const struct bgp_open *open)
{
	uint8_t mode[BGP_FAMILIES], len = 0;

	for (int f = 0; f < BGP_FAMILIES; f++) {
		mode[f] = (uint8_t)(open->add_path_receive[f] | open->add_path_send[f] << 1);
		len += mode[f] != 0;
	}
	if (!len)
		return;
	capability_head(w, BGP_CAP_ADD_PATH, (uint8_t)(4 * len));
	for (int f = 0; f < BGP_FAMILIES; f++) {
		if (!mode[f])
			continue;
		buf_put_be16(w, family_afi[f]);
		buf_put_u8(w, BGP_SAFI_UNICAST);
		buf_put_u8(w, mode[f]);
	}
}

static void write_capabilities(struct buf_writer *w, const struct bgp_open *open)
{
	write_families(w, open);
	if (open->route_refresh)
		capability_head(w, BGP_CAP_ROUTE_REFRESH, 0);
	if (open->ipv6_nexthop) {
		capability_head(w, BGP_CAP_EXTENDED_NEXTHOP, 6);
		buf_put_be16(w, BGP_AFI_IPV4);
		buf_put_be16(w, BGP_SAFI_UNICAST);
		buf_put_be16(w, BGP_AFI_IPV6);
	}
	if (open->extended_message)
		capability_head(w, BGP_CAP_EXTENDED_MESSAGE, 0);
	if (open->role != BGP_ROLE_NONE) {
		capability_head(w, BGP_CAP_ROLE, 1);
		buf_put_u8(w, open->role);
	}
	if (open->graceful_restart)
		write_restart(w, open);
	if (open->as4) {
		capability_head(w, BGP_CAP_AS4, 4);
		buf_put_be32(w, open->asn);
	}
	write_add_path(w, open);
	if (open->enhanced_refresh)
		capability_head(w, BGP_CAP_ENHANCED_REFRESH, 0);
}

size_t open_write(uint8_t *bytes, size_t size, const struct bgp_open *open)
{
	// All of ours together stay far below 255 bytes, so the plain form is enough to send.
	uint8_t caps[253];
	struct buf_writer w, c;
	size_t len;

	buf_writer_init(&c, caps, sizeof(caps));
	write_capabilities(&c, open);
	len = buf_written(&c);
	message_start(&w, bytes, size, BGP_OPEN);
	buf_put_u8(&w, BGP_VERSION);
	buf_put_be16(&w, open->asn > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)open->asn);
	buf_put_be16(&w, open->hold_time_s);
	buf_put_be32(&w, open->identifier);
	buf_put_u8(&w, (uint8_t)(len ? len + 2 : 0));
	if (len) {
		buf_put_u8(&w, PARAMETER_CAPABILITIES);
		buf_put_u8(&w, (uint8_t)len);
		buf_put_bytes(&w, caps, len);
	}
	return c.failed ? 0 : message_finish(&w);
}

// -- reading: one function a capability, each over exactly its value

static void read_multiprotocol(struct buf_reader *r, struct bgp_open *open)
{
	uint16_t afi = buf_get_be16(r);
	int f;

	buf_get_u8(r);
	f = family_index(afi, buf_get_u8(r));
	open->multiprotocol = true;
	if (!r->failed && f >= 0)
		open->family[f] = true;
}

static void read_route_refresh(struct buf_reader *r, struct bgp_open *open)
{
	open->route_refresh = true;
}

static void read_ipv6_nexthop(struct buf_reader *r, struct bgp_open *open)
{
	while (r->left >= 6) {
		uint16_t afi = buf_get_be16(r), safi = buf_get_be16(r), hop = buf_get_be16(r);

		if (afi == BGP_AFI_IPV4 && safi == BGP_SAFI_UNICAST && hop == BGP_AFI_IPV6)
			open->ipv6_nexthop = true;
	}
}

static void read_extended_message(struct buf_reader *r, struct bgp_open *open)
{
	open->extended_message = true;
}

static void read_role(struct buf_reader *r, struct bgp_open *open)
{
	open->role = buf_get_u8(r);
}

static void read_restart(struct buf_reader *r, struct bgp_open *open)
{
	uint16_t head = buf_get_be16(r);

	// RFC 4724 3: of several, only the last counts.
	open->graceful_restart = true;
	open->restarting = head >> 12 & RESTART_FLAG_RESTARTING;
	open->restart_notification = head >> 12 & RESTART_FLAG_NOTIFICATION;
	open->restart_time_s = head & 0xfff;
	for (int f = 0; f < BGP_FAMILIES; f++)
		open->restart[f] = (struct open_restart_family){0};
	while (r->left >= 4) {
		uint16_t afi = buf_get_be16(r);
		uint8_t safi = buf_get_u8(r), flags = buf_get_u8(r);
		int f = family_index(afi, safi);

		if (f >= 0)
			open->restart[f] = (struct open_restart_family){
				.present = true, .forwarding = flags & FAMILY_FORWARDING};
	}
}

static void read_as4(struct buf_reader *r, struct bgp_open *open)
{
	open->as4 = true;
	open->asn = buf_get_be32(r);
}

static void read_add_path(struct buf_reader *r, struct bgp_open *open)
{
	while (r->left >= 4) {
		uint16_t afi = buf_get_be16(r);
		uint8_t safi = buf_get_u8(r), mode = buf_get_u8(r);
		int f = family_index(afi, safi);

		if (f < 0 || mode < 1 || mode > 3) // RFC 7911 4: any other value is ignored
			continue;
		open->add_path_receive[f] = mode & 1;
		open->add_path_send[f] = mode & 2;
	}
}

static void read_enhanced_refresh(struct buf_reader *r, struct bgp_open *open)
{
	open->enhanced_refresh = true;
}

struct capability_rule {
	uint8_t code, least;
	bool exact; // size must be `least`
	void (*read)(struct buf_reader *r, struct bgp_open *open);
};

static const struct capability_rule rules[] = {
	{BGP_CAP_MULTIPROTOCOL, 4, true, read_multiprotocol},
	{BGP_CAP_ROUTE_REFRESH, 0, true, read_route_refresh},
	{BGP_CAP_EXTENDED_NEXTHOP, 0, false, read_ipv6_nexthop},
	{BGP_CAP_EXTENDED_MESSAGE, 0, true, read_extended_message},
	{BGP_CAP_ROLE, 1, true, read_role},
	{BGP_CAP_GRACEFUL_RESTART, 2, false, read_restart},
	{BGP_CAP_AS4, 4, true, read_as4},
	{BGP_CAP_ADD_PATH, 0, false, read_add_path},
	{BGP_CAP_ENHANCED_REFRESH, 0, true, read_enhanced_refresh},
};

// A known capability of a wrong size is ignored as if absent, an unknown one too (RFC 5492 3).
static void read_capability(struct buf_reader *r, struct bgp_open *open)
{
	uint8_t code = buf_get_u8(r);
	struct buf_reader value = buf_get_sub(r, buf_get_u8(r));

	if (value.failed)
		return;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].code == code && value.left >= rules[i].least &&
			(!rules[i].exact || value.left == rules[i].least))
			rules[i].read(&value, open);
}

static int open_error(struct bgp_error *ret_error, uint8_t subcode, const void *data, size_t size)
{
	*ret_error = bgp_error_make(BGP_ERR_OPEN, subcode, data, size);
	return -EBADMSG;
}

static int read_parameters(
	struct buf_reader *r, bool extended, struct bgp_open *open, struct bgp_error *ret_error)
{
	while (r->left) {
		uint8_t type = buf_get_u8(r);
		size_t size = extended ? buf_get_be16(r) : buf_get_u8(r);
		struct buf_reader value = buf_get_sub(r, size);

		if (r->failed)
			return open_error(ret_error, 0, NULL, 0);
		if (type != PARAMETER_CAPABILITIES)
			return open_error(ret_error, BGP_OPEN_BAD_OPTION, NULL, 0);
		while (value.left && !value.failed)
			read_capability(&value, open);
		if (value.failed)
			return open_error(ret_error, 0, NULL, 0);
	}
	return 0;
}

// RFC 9072 2: a first parameter type of 255 (and non-zero length) marks the extended form.
static int read_options(struct buf_reader *r, struct bgp_open *open, struct bgp_error *ret_error)
{
	size_t size = buf_get_u8(r);
	bool extended = size && r->left >= 3 && r->p[0] == PARAMETER_EXTENDED;
	struct buf_reader params;

	if (extended) {
		buf_get_u8(r);
		size = buf_get_be16(r);
	}
	params = buf_get_sub(r, size);
	if (r->failed || r->left)
		return open_error(ret_error, 0, NULL, 0);
	return read_parameters(&params, extended, open, ret_error);
}

int open_read(
	const uint8_t *body, size_t size, struct bgp_open *ret_open, struct bgp_error *ret_error)
{
	static const uint8_t our_version[] = {0, BGP_VERSION};
	struct bgp_open open = {.role = BGP_ROLE_NONE};
	struct buf_reader r;
	uint8_t version;
	int err;

	buf_reader_init(&r, body, size);
	version = buf_get_u8(&r);
	open.asn = buf_get_be16(&r);
	open.hold_time_s = buf_get_be16(&r);
	open.identifier = buf_get_be32(&r);
	if (!r.failed && version != BGP_VERSION)
		return open_error(ret_error, BGP_OPEN_BAD_VERSION, our_version, 2);
	err = read_options(&r, &open, ret_error);
	if (err)
		return err;
	if (open.asn == 0) // RFC 7607
		return open_error(ret_error, BGP_OPEN_BAD_PEER_AS, NULL, 0);
	if (open.identifier == 0) // RFC 6286
		return open_error(ret_error, BGP_OPEN_BAD_IDENTIFIER, NULL, 0);
	if (open.hold_time_s && open.hold_time_s < BGP_HOLD_TIME_MIN)
		return open_error(ret_error, BGP_OPEN_BAD_HOLD_TIME, NULL, 0);
	if (!open.multiprotocol)
		open.family[BGP_IPV4] = true;
	*ret_open = open;
	return 0;
}
