// SPDX-License-Identifier: Apache-2.0
#include "kinds.h"

#include <string.h>

const struct kind kinds[] = {
	{"gateway", false, kind_gateway},
	{"slot", false, kind_slot},
	{"vrf", false, kind_vrf},
	{"subnet", false, kind_subnet},
	{"tenantSlot", false, kind_tenant_slot},
	{"localAddress", false, kind_local_address},
	{"host", false, kind_host},
	{"connection", true, kind_connection},
	{"routes", false, kind_routes},
	{"bgpRouter", false, kind_bgp_router},
	{"bgpPeer", true, kind_bgp_peer},
	{"policyMap", false, kind_policy_map},
	{"credential", true, kind_credential},
	{"watch", false, kind_watch},
	{"vipSlot", false, kind_vip_slot},
	{"vipRemote", false, kind_vip_remote},
};
const size_t kind_len = sizeof(kinds) / sizeof(*kinds);

const struct kind *kind_find(const char *name)
{
	for (size_t i = 0; i < kind_len; i++) {
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	}
	return NULL;
}
