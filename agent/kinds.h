// SPDX-License-Identifier: Apache-2.0
#pragma once

// The southbound kinds (docs/southbound.md) and what each means for the daemons here. Translation
// is pure: a value in, local objects out.

#include "desired.h"
#include "json.h"

struct kind {
	const char *name;
	bool secret; // its value is sealed on disk
	// Adds local objects to `out`; on failure of the reader they are thrown away.
	void (*translate)(struct json_reader *r, struct contribution_list *out);
};

extern const struct kind kinds[];
extern const size_t kind_len;
const struct kind *kind_find(const char *name); // NULL: unknown here

// BGP with the provider's routers: the gateway's member "bgp", and what a slot announces there.
struct api_slot;
struct ip_addr;
void kinds_add_infrastructure(
	struct json_reader *r, const struct ip_addr own[2], struct contribution_list *out);
void kinds_add_announced(const struct api_slot *slot, struct contribution_list *out);

void kind_gateway(struct json_reader *r, struct contribution_list *out);
void kind_slot(struct json_reader *r, struct contribution_list *out);
void kind_vrf(struct json_reader *r, struct contribution_list *out);
void kind_subnet(struct json_reader *r, struct contribution_list *out);
void kind_tenant_slot(struct json_reader *r, struct contribution_list *out);
void kind_local_address(struct json_reader *r, struct contribution_list *out);
void kind_host(struct json_reader *r, struct contribution_list *out);
void kind_connection(struct json_reader *r, struct contribution_list *out);
void kind_routes(struct json_reader *r, struct contribution_list *out);
void kind_bgp_router(struct json_reader *r, struct contribution_list *out);
void kind_bgp_peer(struct json_reader *r, struct contribution_list *out);
void kind_policy_map(struct json_reader *r, struct contribution_list *out);
void kind_credential(struct json_reader *r, struct contribution_list *out);
void kind_watch(struct json_reader *r, struct contribution_list *out);
void kind_vip_slot(struct json_reader *r, struct contribution_list *out);
void kind_vip_remote(struct json_reader *r, struct contribution_list *out);
