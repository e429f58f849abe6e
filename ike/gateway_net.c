// SPDX-License-Identifier: GPL-3.0-or-later
// The network as libcharon sees it: every address it asks for as a source is ours, since sources
// are only ever public addresses of connections. Nothing of the host's own network is looked at or
// changed, so that the daemon needs no privilege.
#include "gateway_net.h"

#include <daemon.h>
#include <kernel/kernel_net.h>

METHOD(kernel_net_t, get_features, kernel_feature_t, kernel_net_t *this)
{
	return 0;
}

METHOD(kernel_net_t, get_source_addr, host_t *, kernel_net_t *this, host_t *dest, host_t *src)
{
	return src && !src->is_anyaddr(src) ? src->clone(src) : NULL;
}

METHOD(kernel_net_t, get_nexthop, host_t *, kernel_net_t *this, host_t *dest, int prefix,
	host_t *src, char **iface)
{
	if (iface)
		*iface = NULL;
	return dest->clone(dest);
}

METHOD(kernel_net_t, get_interface, bool, kernel_net_t *this, host_t *host, char **name)
{
	if (host->is_anyaddr(host))
		return FALSE;
	if (name)
		*name = strdup("gateway");
	return TRUE;
}

METHOD(kernel_net_t, create_address_enumerator, enumerator_t *, kernel_net_t *this,
	kernel_address_type_t which)
{
	return enumerator_create_empty(); // MOBIKE announces no further addresses of ours
}

METHOD(kernel_net_t, create_local_subnet_enumerator, enumerator_t *, kernel_net_t *this)
{
	return enumerator_create_empty();
}

METHOD(kernel_net_t, change_ip, status_t, kernel_net_t *this, host_t *ip, int prefix, char *iface)
{
	return NOT_SUPPORTED;
}

METHOD(kernel_net_t, del_ip, status_t, kernel_net_t *this, host_t *ip, int prefix, bool wait)
{
	return NOT_SUPPORTED;
}

METHOD(kernel_net_t, change_route, status_t, kernel_net_t *this, chunk_t dst, uint8_t len,
	host_t *gateway, host_t *src, char *iface, bool pass)
{
	return SUCCESS; // routes are the forwarder's
}

METHOD(kernel_net_t, destroy, void, kernel_net_t *this)
{
	free(this);
}

kernel_net_t *gateway_net_create(void)
{
	kernel_net_t *this;

	INIT(this, .get_features = _get_features, .get_source_addr = _get_source_addr,
		.get_nexthop = _get_nexthop, .get_interface = _get_interface,
		.create_address_enumerator = _create_address_enumerator,
		.create_local_subnet_enumerator = _create_local_subnet_enumerator,
		.add_ip = _change_ip, .del_ip = _del_ip, .add_route = _change_route,
		.del_route = _change_route, .destroy = _destroy, );
	return this;
}
